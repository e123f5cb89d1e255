"""The components of a calendar and their properties, as they are written.

Nothing is validated here, so that one broken line costs neither its event nor the file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from icalendar.parser import Contentline, Contentlines, split_on_unescaped_comma, unescape_backslash
from icalendar.prop import TypesFactory

from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits

# A long line may be folded inside a character, hence it is unfolded before it is decoded.
_FOLD: Final = re.compile(rb"(?:\r\n?|\n)[ \t]")
_MAX_DEPTH: Final = 100
_NAME: Final = re.compile("[A-Za-z0-9-]+")
_KNOWN: Final = {"BEGIN", "END", *(name.upper() for name in TypesFactory.types_map)}


class Property(NamedTuple):
    value: str
    """As it is written, with its backslashes."""
    parameters: dict[str, Any]

    @property
    def text(self) -> str:
        return unescape_backslash(self.value).strip()  # type: ignore[no-any-return]

    @property
    def texts(self) -> list[str]:
        """The texts of a property whose commas separate."""
        return [text.strip() for text in split_on_unescaped_comma(self.value)]

    def parameter(self, name: str) -> str:
        """A parameter's value; an unquoted comma makes it a list."""
        value = self.parameters.get(name, "")
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass
class Component:
    name: str
    calendar: Component | None
    """The VCALENDAR that this one stands in."""
    properties: defaultdict[str, list[Property]] = field(default_factory=lambda: defaultdict(list))
    stray_lines: list[str] = field(default_factory=list)
    """Lines that are no properties, such as the rest of a description whose line ends are not escaped."""

    def texts(self, name: str) -> list[str]:
        """The values of a property that say something, each once."""
        return list(dict.fromkeys(filter(None, (found.text for found in self.properties[name]))))

    def keyword(self, name: str) -> str:
        """The value of a property whose values are words of the standard, in capitals."""
        return next(iter(self.texts(name)), "").upper()

    @property
    def method(self) -> str:
        """What the calendar that this component stands in was sent for: REQUEST, REPLY, CANCEL ..."""
        return self.calendar.keyword("METHOD") if self.calendar else ""


def components_of(data: bytes, limits: Limits) -> list[Component]:
    """All components, each with its own properties. Raises damaged if there is none, or if one never ends."""
    source = decode(data if b"\0" in data else _FOLD.sub(b"", data))
    if len(source) > limits.text_bytes:
        raise ParseError("too_complex")
    components: list[Component] = []
    inside: list[Component] = []
    lines = Contentlines.from_ical(source.replace("\r\n", "\n").replace("\r", "\n"))  # type: ignore[no-untyped-call]
    for line in filter(None, lines):
        name, found = _property(line)
        if found is None:
            if inside:
                inside[-1].stray_lines.append(str(line))
        elif name == "BEGIN":
            inside.append(_begun(found, inside))
            components.append(inside[-1])
        elif name == "END":
            _end(found, inside)
        elif inside:
            inside[-1].properties[name].append(found)
    if inside or not components:
        raise ParseError("damaged")
    return components


def _begun(found: Property, inside: list[Component]) -> Component:
    if len(inside) == _MAX_DEPTH:
        raise ParseError("too_complex")
    calendar = next((outer for outer in reversed(inside) if outer.name == "VCALENDAR"), None)
    return Component(found.text.upper(), calendar)


def _end(found: Property, inside: list[Component]) -> None:
    """End the innermost component of a name, and those in it that never end; an end of nothing is ignored."""
    name = found.text.upper()
    if any(component.name == name for component in inside):
        while inside.pop().name != name:
            pass


def _property(line: Contentline) -> tuple[str, Property | None]:
    """The name and the property of a line, which has none if it is not a property."""
    head, colon, value = line.partition(":")
    written = head.partition(";")[0].strip()
    name = written.upper()
    # Programs write names in capitals; a word before a colon that nobody knows is a text.
    is_name = written == name or name in _KNOWN or name.startswith("X-")
    if not colon or not _NAME.fullmatch(written) or not is_name:
        return name, None
    if ";" not in head:
        return name, Property(value, {})
    try:
        _, parameters, value = _with_quoted_zone(line).raw_parts()
    except ValueError:  # The parameters are broken.
        return name, Property(value, {})
    return name, Property(value, dict(parameters))


def _with_quoted_zone(line: Contentline) -> Contentline:
    """Quote a time zone whose name has a colon in brackets, such as (UTC+01:00) Berlin: Exchange does not always."""
    head, _, rest = line.partition(":")
    before, _, zone = head.partition(";TZID=(")
    more, colon, value = rest.rpartition(":")
    if not zone or ")" in zone or not colon or '"' in line:
        return line
    return Contentline(f'{before};TZID="({zone}:{more}":{value}')  # type: ignore[no-untyped-call]
