"""Fields of forms and notes of a page by pypdf: what was filled in, and where it is seen."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pypdf import PageObject
from pypdf.generic import ArrayObject, DictionaryObject, StreamObject, create_string_object

from chatbot.knowledge.parsing.clean import clean
from chatbot.knowledge.parsing.pdf.engine import Box, Turn
from chatbot.knowledge.parsing.pdf.layers import Layers
from chatbot.knowledge.parsing.pdf.objects import STUMBLES, dictionary, entry, value
from chatbot.knowledge.parsing.warnings import note as note_warning

_INVISIBLE: Final = 2 | 32
"""The flags Hidden and NoView of an annotation (ISO 32000-2, table 167)."""
_PASSWORD, _RADIO, _PUSH_BUTTON = 1 << 13, 1 << 15, 1 << 16
_DEEPEST: Final = 32
TICKED: Final = "☒"
EMPTY: Final = "☐"


class Field(NamedTuple):
    """What is seen in a place of a page. A note has no `name`; a box to tick stands before its words."""

    text: str
    box: Box
    name: str | None
    is_box: bool = False


def fields_of(page: PageObject, turn: Turn, layers: Layers) -> list[Field]:
    """The filled fields, boxes and notes of a page that are shown."""
    notes = value(page, "/Annots")
    if not isinstance(notes, ArrayObject):
        return []
    fields: list[Field] = []
    for note in notes:
        try:
            field = _field(note.get_object(), turn, layers)
        except STUMBLES:
            note_warning("fields_not_read")
        else:
            fields += [field] if field and field.text.strip() else []
    return fields


def _field(note: Any, turn: Turn, layers: Layers) -> Field | None:
    if _number(value(note, "/F")) & _INVISIBLE or layers.hides(entry(note, "/OC")):
        note_warning("hidden_left_out", int(value(note, "/Subtype") in ("/FreeText", "/Widget")))
        return None
    rectangle = value(note, "/Rect")
    if not isinstance(rectangle, ArrayObject) or len(rectangle) != 4:
        return None
    box = turn.box(*map(float, rectangle))
    if value(note, "/Subtype") == "/FreeText":
        return Field(_text(value(note, "/Contents")), box, None)
    if value(note, "/Subtype") != "/Widget" or box.left == box.right or box.bottom == box.top:
        return None
    name = _text(_inherited(note, "/TU")).strip() or _readable(_text(_inherited(note, "/T")))
    kind, flags = _inherited(note, "/FT"), _number(_inherited(note, "/Ff"))
    if kind == "/Sig" or (kind == "/Btn" and flags & _PUSH_BUTTON):
        # What is seen of a signature or a button is only in its picture.
        note_warning("fields_not_read", int(bool(dictionary(note, "/AP"))))
        return None
    if kind == "/Btn":
        return Field(_ticked(note), box, _name_of_box(note, name, flags), True)
    if kind == "/Tx" and not flags & _PASSWORD:
        return Field(_text(_inherited(note, "/V")), box, name)
    return Field(_chosen(note), box, name) if kind == "/Ch" else None


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _inherited(note: DictionaryObject, key: str) -> Any:
    """A value of a field: of the widget itself, or of the field that it belongs to."""
    for owner in _owners(note):
        if key in owner:
            return owner[key]
    return None


def _owners(note: DictionaryObject) -> Iterator[DictionaryObject]:
    owner: Any = note
    for _ in range(_DEEPEST):
        if not isinstance(owner, DictionaryObject):
            return
        yield owner
        owner = value(owner, "/Parent")


def _text(string: Any) -> str:
    """A string, or the text of a stream: values of many lines may be one."""
    string = string.get_object() if string is not None else ""
    if isinstance(string, StreamObject):
        string = create_string_object(string.get_data())
    if isinstance(string, bytes):
        string = string.decode("latin-1")
    return clean(string) if isinstance(string, str) else ""


def _readable(name: str) -> str:
    """`given_name[0]` as `given name`; nothing where the name is no word, as `f1_01[0]`."""
    words = name.partition("[")[0].replace("_", " ").replace(".", " ").strip()
    return words if sum(map(str.isalpha, words)) > 2 * sum(map(str.isdigit, words)) + 1 else ""


def _ticked(note: DictionaryObject) -> str:
    state = value(note, "/AS") or _inherited(note, "/V")
    return TICKED if isinstance(state, str) and state not in ("/Off", "") else EMPTY


def _name_of_box(note: DictionaryObject, name: str, flags: int) -> str:
    """The name of a box; of one of several radio buttons with what it stands for."""
    if not flags & _RADIO:
        return name
    states = [_readable(key[1:]) for key in dictionary(note, "/AP", "/N") if key != "/Off"]
    return ": ".join(filter(None, (name, *states[:1])))


def _chosen(note: DictionaryObject) -> str:
    """The texts of what is chosen in a list: it may be stored as a short code beside each text."""
    stored = _inherited(note, "/V")
    options = _inherited(note, "/Opt")
    shown: dict[str, str] = {}
    for option in options if isinstance(options, ArrayObject) else ():
        pair = option.get_object()
        if isinstance(pair, ArrayObject) and len(pair) == 2:
            shown.setdefault(_text(pair[0]), _text(pair[1]))
    chosen = list(stored) if isinstance(stored, ArrayObject) else [stored]
    return ", ".join(shown.get(text, text) for text in map(_text, chosen) if text)
