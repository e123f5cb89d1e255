"""Splitting a text into chunks whose offsets hold: `text[chunk.start:chunk.end]` is the chunk, always.

Markdown headings cut first, and each chunk remembers the headings above it; inside a section LangChain's recursive
splitter cuts at paragraphs, lines, sentences and words. It is run so that it loses nothing (no overlap, separators
kept, no stripping), which makes the offsets a running sum instead of a search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

from chatbot.rag.text.headings import heading_words, open_fence

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]++")
# A longer line is a text, whatever stands in front of it: a heading goes with every chunk below it.
MOST_HEADING = 500
SHORT_SECTION_TOKENS = 60
SCRAP_TOKENS = 24
# No token stands for more characters, on the average.
CHARACTERS_A_TOKEN = 16
# Pieces whose tokens were just counted.
REMEMBERED = 1000
# A section that is code from its first line on.
_CODE = re.compile(r"`{3,}(\w+)\n")
_NAMES_OF_CODE = {"javascript": "js", "typescript": "ts", "protobuf": "proto"}
_NO_CODE = frozenset(("markdown", "html", "latex", "rst"))
_SEPARATORS = ["\n\n", "\n", ". ", "! ", "? ", "。", "！", "？", "; ", ", ", "、", " ", ""]


@dataclass(frozen=True)
class Chunk:
    """A piece of a text: offsets in code points, and the headings above it, outermost first."""

    start: int
    end: int
    headings: tuple[str, ...]


@dataclass(frozen=True)
class _Section:
    start: int
    end: int
    headings: tuple[str, ...]


def split(text: str, limit: int, count_tokens: Callable[[str], int]) -> list[Chunk]:
    """Chunks of at most `limit` tokens, in order, without their outer white space; empty ones are left out."""
    # LangChain asks for the length of a piece once to see whether it fits and once more to join it with the next.
    count_tokens = lru_cache(REMEMBERED)(partial(_size, count_tokens))
    chunks: list[Chunk] = []
    for section in _joined(list(_sections(text)), text, limit, count_tokens):
        offset = section.start
        for piece in _pieces(text[section.start : section.end], limit, count_tokens):
            chunks.append(_trimmed(text, offset, offset + len(piece), section.headings))
            offset += len(piece)
        if offset != section.end:
            raise AssertionError("the splitter lost characters")
    return [chunk for chunk in chunks if chunk.end > chunk.start]


def _size(count_tokens: Callable[[str], int], text: str) -> int:
    """Its tokens; but to some embedders a word of a million letters is one that they do not know, and so is a line of
    base64."""
    return max(count_tokens(text), len(text) // CHARACTERS_A_TOKEN)


def _pieces(text: str, limit: int, count_tokens: Callable[[str], int]) -> list[str]:
    """The pieces of a section; together they are its text.

    A last scrap, a closing fence or half a line, goes with the piece before it; alone it would be found by its label
    only. The pieces are cut a little shorter to leave room for it.
    """
    if count_tokens(text) <= limit:
        return [text]
    room = SCRAP_TOKENS if limit >= 4 * SCRAP_TOKENS else 0
    code = _separators_of_code(text)
    splitter = RecursiveCharacterTextSplitter(
        separators=code or _SEPARATORS,
        is_separator_regex=bool(code),
        keep_separator="start" if code else "end",
        strip_whitespace=False,
        chunk_size=limit - room,
        chunk_overlap=0,
        length_function=lambda piece: _length(piece, count_tokens),
    )
    *pieces, before, last = ["", *splitter.split_text(text)]
    scrap = count_tokens(last) < room and count_tokens(before + last) <= limit
    return [piece for piece in ([*pieces, before + last] if scrap else [*pieces, before, last]) if piece]


def _separators_of_code(text: str) -> list[str]:
    """Where code in a known language is cut: before its classes and functions. Nothing for other texts."""
    match = _CODE.match(text)
    if not match or match[1] in _NO_CODE:
        return []
    try:
        language = Language(_NAMES_OF_CODE.get(match[1], match[1]))
        return RecursiveCharacterTextSplitter.get_separators_for_language(language)
    except ValueError:
        # It has none for this language; that of Perl has a name only.
        return []


def _length(piece: str, count_tokens: Callable[[str], int]) -> int:
    """White space has no tokens, but a piece of length 0 stays behind in the splitter and comes out twice."""
    return max(count_tokens(piece), min(1, len(piece)))


def _trimmed(text: str, start: int, end: int, headings: tuple[str, ...]) -> Chunk:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return Chunk(start + left, max(start + left, end - (len(piece) - len(piece.rstrip()))), headings)


def _sections(text: str) -> Iterator[_Section]:
    """The stretches between Markdown headings, each with the headings above it; code fences are not looked into."""
    path: list[tuple[int, str]] = []
    start = offset = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        fence, is_fence = open_fence(fence, line)
        prose = fence or is_fence or len(line) > MOST_HEADING
        match = None if prose else _HEADING.match(line)
        if match:
            if text[start:offset].strip():
                yield _Section(start, offset, tuple(title for _, title in path))
                start = offset
            level = len(match[1])
            path = [item for item in path if item[0] < level] + [(level, heading_words(line[match.end() :]))]
        offset += len(line)
    if offset > start:
        yield _Section(start, offset, tuple(title for _, title in path))


def _joined(sections: list[_Section], text: str, limit: int, count_tokens: Callable[[str], int]) -> Iterator[_Section]:
    """Joins a short section with the next where both fit into one chunk, and a bare heading in any case.

    A few words say too little to be found, and a heading alone answers nothing; but a section that can stand alone is
    found best alone.
    """
    held: _Section | None = None
    for section in sections:
        if held is not None and not _belong(held, section, text, limit, count_tokens):
            yield held
            held = None
        held = _union(held, section, text) if held else section
    if held is not None:
        yield held


def _belong(one: _Section, other: _Section, text: str, limit: int, count_tokens: Callable[[str], int]) -> bool:
    body = text[one.start : one.end]
    size = count_tokens(body)
    if _is_bare(body) and size < limit:
        return True
    return size < SHORT_SECTION_TOKENS and count_tokens(text[one.start : other.end]) <= limit


def _union(one: _Section, other: _Section, text: str) -> _Section:
    """Both as one, under the headings they share; under the second's when the first is only its heading."""
    if _is_bare(text[one.start : one.end]):
        return _Section(one.start, other.end, other.headings)
    shared = tuple(a for a, b in zip(one.headings, other.headings, strict=False) if a == b)
    return _Section(one.start, other.end, shared)


def _is_bare(text: str) -> bool:
    return all(_HEADING.match(line) for line in text.splitlines() if line.strip())
