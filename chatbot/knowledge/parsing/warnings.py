"""What was left out or could not be read of a document that is read, in codes for programs and sentences for people.

    with collected() as found:
        extracted = extract(data, limits)
    found.warnings()

An extractor calls `note` where it leaves something out. The warnings go to whoever collects them, as those of Python's
own `warnings` do, so a function deep inside a format, or one format inside another, needs no parameter for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Final

from chatbot.knowledge.parsing.clean import clean_title

SENTENCES: Final = {
    "pages_not_read": "Pages show a picture or a drawing and have no text. A scan needs text recognition (OCR) first.",
    "fonts_not_read": "Pages are mostly in fonts that do not say which characters they show. Their text is missing.",
    "characters_replaced": "Characters that could not be decoded, or whose font does not name them, became \ufffd.",
    "formulas_not_read": "Formulas have no stored value. Open and save the file in a spreadsheet program first.",
    "pictures_not_read": "Pictures were not read.",
    "objects_not_read": "Charts, diagrams, text boxes, media or embedded documents were not read.",
    "fields_not_read": "Form fields were not read.",
    "forms_and_layers_not_read": "The PDF is damaged: its form fields, notes and layers were not read.",
    "dynamic_form_not_read": "The PDF is a dynamic form (XFA), which only some readers show. It was not read.",
    "attachments_not_read": "Attached files were not read. Add them as documents of their own.",
    "footnotes_not_read": "Footnotes or endnotes were not read.",
    "readings_not_read": "The readings above or beside characters (ruby) were not read.",
    "damaged_parts_not_read": "Damaged or missing parts of the file were skipped.",
    "shortened": "Something was longer than what is read of it. The rest is missing.",
    "hidden_left_out": "Hidden or deleted parts were left out.",
    "comments_left_out": "Comments were left out.",
    "repeated_text_left_out": "Headers, footers, or other text that repeats on pages or slides was left out.",
    "errors_left_out": "Cells that show an error (such as #N/A) were left out.",
}
"""The codes: what ends in `_left_out` was left out on purpose, all others could not be read."""
MAX_PLACES: Final = 20
MAX_NAME: Final = 100
_MAX_NUMBER: Final = 2**31 - 1


@dataclass(frozen=True)
class ParseWarning:
    """One code, how often it was noted, and where: the first pages or slides, or names of sheets or attached files."""

    code: str
    count: int
    pages: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


class Collector:
    """Counts what is noted, and remembers the places."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._pages: dict[str, set[int]] = {}
        self._names: dict[str, dict[str, None]] = {}

    def note(self, code: str, count: int, page: int | None, name: str | None) -> None:
        """Take in one warning."""
        self._counts[code] = self._counts.get(code, 0) + count
        if page is not None:
            self._pages.setdefault(code, set()).add(page)
        names = self._names.setdefault(code, {})
        if name and len(names) < MAX_PLACES:
            names[clean_title(name)[:MAX_NAME]] = None

    def warnings(self) -> tuple[ParseWarning, ...]:
        """One warning a code, in the order of SENTENCES."""
        return tuple(
            ParseWarning(
                code,
                min(self._counts[code], _MAX_NUMBER),
                tuple(sorted(self._pages.get(code, ()))[:MAX_PLACES]),
                tuple(filter(None, self._names[code])),
            )
            for code in SENTENCES
            if self._counts.get(code)
        )


_COLLECTOR: ContextVar[Collector | None] = ContextVar("collector", default=None)
_PLACE: ContextVar[tuple[int | None, str | None]] = ContextVar("place", default=(None, None))


@contextmanager
def collected() -> Iterator[Collector]:
    """Collects what is noted inside."""
    collector = Collector()
    token = _COLLECTOR.set(collector)
    try:
        yield collector
    finally:
        _COLLECTOR.reset(token)


@contextmanager
def noted_at(page: int | None = None, name: str | None = None) -> Iterator[None]:
    """What is noted inside is on this page or slide (from 1), or in this sheet."""
    token = _PLACE.set((page, name))
    try:
        yield
    finally:
        _PLACE.reset(token)


def note(code: str, count: int = 1, *, page: int | None = None, name: str | None = None) -> None:
    """Tells whoever collects that something was left out or could not be read; a count of 0 tells nothing."""
    if code not in SENTENCES:
        raise KeyError(code)
    collector, place = _COLLECTOR.get(), _PLACE.get()
    if collector is not None and count:
        collector.note(code, count, place[0] if page is None else page, place[1] if name is None else name)


def as_json(warnings: Iterable[ParseWarning]) -> list[dict[str, Any]]:
    """Warnings as JSON has them; the sentences are added where they are shown."""
    return [asdict(each) | {"pages": list(each.pages), "names": list(each.names)} for each in warnings]


def from_json(warnings: Any) -> tuple[ParseWarning, ...]:
    """Warnings from a process that nobody trusts. Raises TypeError or ValueError for anything but well-formed ones."""
    if not isinstance(warnings, list) or len(warnings) > len(SENTENCES):
        raise TypeError("warnings of the wrong type")
    found = tuple(ParseWarning(w["code"], w["count"], tuple(w["pages"]), tuple(w["names"])) for w in warnings)
    if not all(map(_is_well_formed, found)):
        raise ValueError("warnings of the wrong values")
    return found


def _is_well_formed(warning: ParseWarning) -> bool:
    return (
        warning.code in SENTENCES
        and all(isinstance(number, int) and 0 < number <= _MAX_NUMBER for number in (warning.count, *warning.pages))
        and all(isinstance(name, str) and len(name) <= MAX_NAME for name in warning.names)
        and max(len(warning.pages), len(warning.names)) <= MAX_PLACES
    )


def line(warning: dict[str, Any]) -> str:
    """A stored warning as a line for a terminal: `pages_not_read: 2 (pages 3, 7): Pages show ...`."""
    places = (
        [f"{'page' if len(warning['pages']) == 1 else 'pages'} {_listed(warning['pages'])}"] if warning["pages"] else []
    )
    places += [_listed(warning["names"])] if warning["names"] else []
    where = f" ({'; '.join(places)})" if places else ""
    return f"{warning['code']}: {warning['count']}{where}: {SENTENCES.get(warning['code'], '')}"


def _listed(places: list[Any]) -> str:
    return ", ".join([*map(str, places), *(["..."] if len(places) == MAX_PLACES else [])])
