"""JSON as lines that say on their own where a value stands: `opening.days[0]: Monday`."""

import json
from collections.abc import Iterator
from typing import Any

from chatbot.knowledge.parsing.clean import clean, joined, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note


def extract(data: bytes, limits: Limits) -> Extracted:
    """One line a value; the title is the document's member `title`."""
    document = load(decode(data))
    title = document.get("title") if isinstance(document, dict) else None
    return Extracted(render(document, limits), sensible_title(title) if isinstance(title, str) else None)


def load(text: str) -> Any:
    """The document with its numbers as they are written: 1.10 stays 1.10, and none is too long."""
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of members with the same name the last one counts, which is noted."""
    members = dict(pairs)
    note("damaged_parts_not_read", len(pairs) - len(members))
    return members


def render(document: Any, limits: Limits) -> str:
    """The values line by line, with a blank line before each element of a list that is not a plain value."""
    return squeeze(clean(joined(_lines(document, limits.json_depth), limits)))


def _lines(document: Any, deepest: int) -> Iterator[str]:
    """A loop with iterators, so that paths are made one by one: each may be long, and there are many."""
    levels: list[Iterator[tuple[str, Any]]] = [iter([("", document)])]
    while levels:
        path, value = next(levels[-1], (None, None))
        if path is None:
            levels.pop()
        elif isinstance(value, dict | list):
            if len(levels) > deepest:
                raise ParseError("too_complex")
            if path.endswith("]"):
                yield ""
            levels.append(_members(path, value))
        elif value is not None and value != "":
            yield f"{path}: {_shown(value)}" if path else _shown(value)


def _members(path: str, value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        return ((f"{path}[{at}]", member) for at, member in enumerate(value))
    start = f"{path}." if path else ""
    return ((start + " ".join(key.split()), member) for key, member in value.items())


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
