"""What a page shows beside its text and what is not read of it: told as warnings."""

from typing import Final

from selectolax.lexbor import LexborNode

from chatbot.knowledge.parsing.warnings import note

_OTHER_PAGES: Final = ("iframe", "frame", "object", "embed", "canvas", "audio", "video")
_UNREAD: Final = dict.fromkeys(_OTHER_PAGES, "objects_not_read") | {"rt": "readings_not_read"}
_NO_SIZE: Final = ("0", "1")


def note_unread(node: LexborNode) -> None:
    """Notes an element that shows a picture, another page, a reading, or a value of a field."""
    tag = node.tag or ""
    if tag in _UNREAD:
        note(_UNREAD[tag])
    elif tag == "svg":
        note("pictures_not_read", int(has_text(node)))
    elif tag == "img":
        note("pictures_not_read", int(_says_something(node)))
    elif tag == "input":
        note("fields_not_read", int(_has_value(node)))


def has_text(node: LexborNode) -> bool:
    """Whether there is any text in a node."""
    return bool(node.text().strip())


def _says_something(picture: LexborNode) -> bool:
    """Without words a picture is a decoration (HTML Standard, 4.8.4.4), and of one point a counter."""
    attributes = picture.attributes
    is_decoration = "alt" in attributes and not attributes["alt"]
    return not is_decoration and attributes.get("width") not in _NO_SIZE and attributes.get("height") not in _NO_SIZE


def _has_value(field: LexborNode) -> bool:
    kind = (field.attributes.get("type") or "").lower()
    return kind in ("checkbox", "radio") or (kind != "hidden" and bool(field.attributes.get("value")))
