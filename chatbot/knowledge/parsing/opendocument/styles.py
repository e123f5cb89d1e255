"""The styles of an OpenDocument file: what they say about how a text looks, and whether it is shown at all."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.names import DRAW, FORMAT, OFFICE, STYLE, TEXT

_MOST_PARENTS: Final = 20
_PERCENT: Final = re.compile(r"([-+]?\d{1,3})(?:\.\d+)?%")
_LISTS: Final = (TEXT + "list-style", TEXT + "outline-style")
_BACKGROUND: Final = FORMAT + "background-color"


class Styles:
    """The named styles of styles.xml, and the automatic ones of content.xml, each with what it inherits."""

    def __init__(self, content: Element, common: Element | None) -> None:
        self.lists: dict[str, Element] = {}
        self.outline: Element | None = None
        self.formats: dict[str, Element] = {}
        self._styles: dict[tuple[str, str], Element] = {}
        self._known: dict[tuple[str, str], dict[str, str]] = {}
        for root, kinds in ((common, ("styles",)), (content, ("styles", "automatic-styles"))):
            if root is None:
                continue
            for kind in kinds:
                for style in root.iterfind(f"{OFFICE}{kind}/*"):
                    self._add(style)
        self.on_white = not (common is not None and _has_background(common))

    def _add(self, style: Element) -> None:
        name = style.get(STYLE + "name", "")
        if style.tag in _LISTS:
            self.lists[name] = style
            if style.tag == TEXT + "outline-style":
                self.outline = style
        elif style.tag == STYLE + "style":
            self._styles[style.get(STYLE + "family", ""), name] = style
        elif name:
            self.formats[name] = style

    def chain(self, family: str, name: str) -> Iterator[Element]:
        """A style and those that it is based on."""
        for _ in range(_MOST_PARENTS):
            style = self._styles.get((family, name))
            if style is None:
                return
            yield style
            name = style.get(STYLE + "parent-style-name", "")

    def of(self, family: str, name: str) -> Mapping[str, str]:
        """The properties of a style by their qualified names."""
        known = self._known.get((family, name))
        if known is None:
            known = self._known[family, name] = {}
            for style in self.chain(family, name):
                for properties in style:
                    if isinstance(properties.tag, str) and properties.tag.endswith("-properties"):
                        for key, value in properties.attrib.items():
                            known.setdefault(key, value)
        return known

    def is_title(self, name: str) -> bool:
        """Whether a paragraph style is the built-in one of a document's title, or is based on it."""
        names = {name}  # Pandoc uses it without declaring it.
        for style in self._up(name):
            names |= {style.get(f"{STYLE}{key}", "") for key in ("name", "display-name", "parent-style-name")}
        return "Title" in names

    def list_of(self, name: str) -> str | None:
        """The list style that a paragraph style takes numbers from; "" if it wants none, None if it says nothing."""
        said = (style.get(STYLE + "list-style-name") for style in self._up(name))
        return next((each for each in said if each is not None), None)

    def _up(self, name: str) -> Iterator[Element]:
        return self.chain("paragraph", name)


def _has_background(common: Element) -> bool:
    pages = common.iterfind(f"{OFFICE}automatic-styles/{STYLE}page-layout/{STYLE}page-layout-properties")
    return any(
        page.get(_BACKGROUND, "transparent") not in ("transparent", "#ffffff")
        or page.get(DRAW + "fill", "none") not in ("none", "solid")
        for page in pages
    )


def is_hidden(look: Mapping[str, str]) -> bool:
    """Whether text with these properties is hidden."""
    return look.get(TEXT + "display") == "none"


def is_white_on_white(look: Mapping[str, str]) -> bool:
    """Whether text with these properties cannot be seen on a white page."""
    white = look.get(FORMAT + "color", "").lower() == "#ffffff"
    return white and look.get(_BACKGROUND, "transparent") == "transparent"


def is_struck(look: Mapping[str, str]) -> bool:
    """Whether text with these properties is struck out."""
    kinds = (look.get(f"{STYLE}text-line-through-{name}", "none") for name in ("style", "type"))
    return any(kind != "none" for kind in kinds)


def shift_of(look: Mapping[str, str]) -> str:
    """ "superscript", "subscript" or nothing; a position is `super 58%` or `-33% 58%`, its second number the size."""
    position = look.get(STYLE + "text-position", "").partition(" ")[0]
    if position in ("super", "sub"):
        return position + "script"
    found = _PERCENT.fullmatch(position)
    if not found or not int(found[1]):
        return ""
    return "subscript" if int(found[1]) < 0 else "superscript"
