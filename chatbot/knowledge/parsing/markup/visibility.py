"""What the inline styles of a page hide from whoever looks at it."""

import re
from typing import Final

from selectolax.lexbor import LexborNode

_HIDING: Final = re.compile(r"display\s*:\s*none|opacity\s*:\s*0(\.0+)?(?![.\d])", re.I)
# These hide the text of an element, and of those inside it until one says otherwise, as newsletters do.
_VISIBILITY: Final = re.compile(r"(?:^|;)\s*visibility\s*:\s*(?:(hidden|collapse)|visible)", re.I)
_FONT_SIZE: Final = re.compile(r"(?:^|;)\s*font-size\s*:\s*(?:(0(?:\.0+)?(?![.\d]))|[\w.])", re.I)
# Text in the colour of what is behind it: of its own background, or of a page that has no colours but its text's.
_COLOUR: Final = re.compile(r"(?:^|;)\s*(background(?:-color)?|color)\s*:\s*([^;]+)", re.I)
COLOURED_PAGE: Final = re.compile(r"<style|<link[^<>]+stylesheet|background|bgcolor", re.I)
_WHITE: Final = frozenset(("white", "#fff", "#ffffff", "#fffffe", "#fefefe", "rgb(255,255,255)"))


def is_hiding(style: str, on_white: bool) -> bool:
    """Whether a style hides its element with everything in it; `on_white`: the page has no colours of its own."""
    return bool(_HIDING.search(style)) or _cannot_be_seen(style, on_white)


def inherited(node: LexborNode, invisible: bool, without_size: bool) -> tuple[bool, bool]:
    """Whether the text of an element is invisible, and of no size, as it is for what is around it."""
    style = (node.attributes.get("style") or "") if node.is_element_node else ""
    if visibility := _VISIBILITY.search(style):
        invisible = bool(visibility[1])
    if size := _FONT_SIZE.search(style):
        without_size = bool(size[1])
    return invisible, without_size


def _cannot_be_seen(style: str, on_white: bool) -> bool:
    colours = {name.lower()[:10]: "".join(value.lower().split()) for name, value in _COLOUR.findall(style)}
    text, behind = colours.get("color", ""), colours.get("background")
    return text == "transparent" or (text == behind if behind else on_white and text in _WHITE)
