"""Fields of forms and notes among the lines of their page."""

from typing import Final

from chatbot.knowledge.parsing.pdf.engine import Box, Word
from chatbot.knowledge.parsing.pdf.fields import Field
from chatbot.knowledge.parsing.pdf.lines import Line

_FAR: Final = 3.0
"""Beyond this many times the font's size, words behind a box are another's."""


def with_fields(lines: list[Line], fields: list[Field]) -> list[Line]:
    """The lines with each field behind its label, or on a line of its own with its name."""
    lines = [list(line) for line in lines]
    for field in sorted(fields, key=lambda field: (-field.box.top, field.box.left)):
        line = _line_of(field, lines) if field.name is not None else None
        if line is None:
            _put_between(field, lines)
        else:
            _put_into(line, field)
    return lines


def _line_of(field: Field, lines: list[Line]) -> Line | None:
    """The line that a field stands on, with words beside it."""
    labelled = [line for line in lines if line[0].upright and _shared(line, field.box) > 0 and _has_label(line, field)]
    return max(labelled, key=lambda line: _shared(line, field.box), default=None)


def _shared(line: Line, box: Box) -> float:
    """How much of its height a line shares with a box."""
    base, size = line[0].base, line[0].size
    return min(box.top, base + 0.8 * size) - max(box.bottom, base - 0.2 * size) - 0.3 * size


def _has_label(line: Line, field: Field) -> bool:
    seen = [word for word in line if not word.is_blank]
    if any(word.right <= field.box.left + word.size / 2 for word in seen):
        return True
    behind = [word for word in seen if word.left >= field.box.right - word.size / 2]
    return field.is_box and bool(behind) and min(word.left for word in behind) - field.box.right < _FAR * behind[0].size


def _put_into(line: Line, field: Field) -> None:
    box = field.box
    behind = (n for n, word in enumerate(line) if not word.is_blank and word.left >= box.left - word.size / 4)
    at = next(behind, len(line))
    line[at:at] = _words(field, " ".join(_parts(field)), line[0])


def _words(field: Field, text: str, like: Word) -> Line:
    """A text as one word in the place of its field, with a blank on both sides."""
    left, right = field.box.left, min(field.box.right, field.box.left + len(text) * like.size / 2)
    inner = like._replace(text=text, left=left, right=right, made_up=False)
    before, after = like._replace(text=" ", left=left, right=left), like._replace(text=" ", left=right, right=right)
    return [before, inner, after]


def _put_between(field: Field, lines: list[Line]) -> None:
    """Put a field on a line of its own, below the line that stands above it."""
    box = field.box
    above = [n for n, line in enumerate(lines) if line[0].base > box.top - line[0].size and _is_over(line, box)]
    nearest = min(above, key=lambda n: (lines[n][0].base, -n), default=-1)
    parts = _parts(field)
    if field.name and not (nearest >= 0 and _is_label_above(lines[nearest], box)):
        parts = [f"{parts[0]} {field.name}"] if field.is_box else [f"{field.name}: {parts[0]}", *parts[1:]]
    like = Word("", box.left, box.right, (box.top + box.bottom) / 2, min(12.0, box.top - box.bottom) or 1.0)
    lines[nearest + 1 : nearest + 1] = [_words(field, part, like) for part in parts]


def _parts(field: Field) -> list[str]:
    return [part.strip() for part in field.text.splitlines() if part.strip()]


def _is_over(line: Line, box: Box) -> bool:
    return min(word.left for word in line) < box.right and max(word.right for word in line) > box.left


def _is_label_above(line: Line, box: Box) -> bool:
    near = line[0].base - box.top < line[0].size
    return near and abs(min(word.left for word in line) - box.left) < 2 * line[0].size
