"""Optional content (layers) by pypdf: what is switched off when a document is opened is taken out of its pages."""

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Any, Final

from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject, IndirectObject, NameObject, StreamObject

from chatbot.knowledge.parsing.pdf.objects import STUMBLES, dictionary, entry, value

log = logging.getLogger(__name__)

Operation = tuple[Any, bytes]

_DEEPEST: Final = 16
_NEXT_LINE: Final = frozenset((b"'", b'"'))
_PAINTS_TEXT: Final = frozenset((b"Tj", b"TJ", b"Do", *_NEXT_LINE))


class Layers:
    """Which groups of optional content are hidden in the default configuration (ISO 32000-2, 8.11)."""

    def __init__(self, catalogue: Any) -> None:
        properties = dictionary(catalogue, "/OCProperties")
        default = dictionary(properties, "/D")
        hidden = _listed(properties, "/OCGs") if value(default, "/BaseState") == "/OFF" else set()
        self._hidden: Final = (hidden - _listed(default, "/ON")) | _listed(default, "/OFF")

    def hides(self, group: Any, depth: int = 0) -> bool:
        """Whether a group is hidden, or what is shown by several groups; None is no group."""
        owner = group.get_object() if group is not None else None
        if value(owner, "/Type") != "/OCMD":
            return isinstance(group, IndirectObject) and group.idnum in self._hidden
        if depth:
            return False  # One that is a member of another one is not allowed.
        expression = value(owner, "/VE")
        if isinstance(expression, ArrayObject):
            return not self._shows(expression, {}, 1)
        groups = value(owner, "/OCGs")
        members = groups if isinstance(groups, ArrayObject) else [entry(owner, "/OCGs")]
        hidden = [self.hides(member, depth + 1) for member in members if member is not None]
        shown = {"/AllOn": not any(hidden), "/AnyOff": any(hidden), "/AllOff": all(hidden)}
        return bool(hidden) and not shown.get(str(value(owner, "/P")), not all(hidden))

    def _shows(self, expression: Any, known: dict[int, bool], depth: int) -> bool:
        """What an expression of visibility says, as [/And group [/Not group]]; each part of it is looked at once."""
        parts = expression.get_object()
        if not isinstance(parts, ArrayObject) or not parts or depth > _DEEPEST:
            return not self.hides(expression, depth)
        if id(parts) not in known:
            known[id(parts)] = True  # For an expression that is part of itself.
            shown = [self._shows(part, known, depth + 1) for part in parts[1:]]
            is_shown = any(shown) if parts[0] == "/Or" else all(shown)
            known[id(parts)] = not all(shown) if parts[0] == "/Not" else is_shown
        return known[id(parts)]


def _listed(owner: DictionaryObject, key: str) -> set[int]:
    """The numbers of the objects that a list refers to."""
    groups = value(owner, key)
    return {group.idnum for group in groups if isinstance(group, IndirectObject)} if isinstance(groups, list) else set()


def without_hidden(reader: PdfReader) -> bytes | None:
    """The document without what is switched off; None if nothing is."""
    if not dictionary(reader.trailer["/Root"], "/OCProperties"):
        return None
    finder = _Strip(Layers(reader.trailer["/Root"]))
    if not any(finder.page(page) for page in reader.pages):
        return None
    writer = PdfWriter(clone_from=reader)
    strip = _Strip(Layers(writer.root_object), writer)
    for page in writer.pages:
        strip.page(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


class _Strip:
    """Finds the hidden text of pages and of the forms that they are made of; with a writer, takes it out."""

    def __init__(self, layers: Layers, writer: PdfWriter | None = None) -> None:
        self._layers = layers
        self._writer = writer
        self._done: set[int] = set()

    def page(self, page: PageObject) -> bool:
        """Whether there is any on a page."""
        groups: set[str] = set()
        forms: set[str] = set()
        found = False
        with _reported():
            groups, forms, found = self._hidden_names(page, 0)
        if self._writer and (groups or forms):
            with _reported():
                contents = page.get_contents()
                if contents is not None:
                    contents.operations = _shown(contents.operations, groups, forms)
                    page.replace_contents(contents)
        return bool(groups or forms or found)

    def _hidden_names(self, owner: DictionaryObject, depth: int) -> tuple[set[str], set[str], bool]:
        """The names that hidden groups and forms have here, and whether a form that is shown has some."""
        groups = dictionary(owner, "/Resources", "/Properties")
        forms = dictionary(owner, "/Resources", "/XObject")
        hidden = {name for name in forms if self._layers.hides(entry(value(forms, name), "/OC"))}
        found = [self._form(forms, name, depth + 1) for name in forms if name not in hidden]
        return {name for name in groups if self._layers.hides(entry(groups, name))}, hidden, any(found)

    def _form(self, forms: DictionaryObject, name: str, depth: int) -> bool:
        reference, form = entry(forms, name), value(forms, name)
        if not isinstance(form, StreamObject) or value(form, "/Subtype") != "/Form" or depth > _DEEPEST:
            return False
        if not isinstance(reference, IndirectObject) or reference.idnum in self._done:
            return False
        self._done.add(reference.idnum)
        groups, hidden, found = self._hidden_names(form, depth)
        if self._writer and (groups or hidden):
            with _reported():
                contents = ContentStream(form, self._writer)
                contents.operations = _shown(contents.operations, groups, hidden)
                stripped = StreamObject()
                stripped.update({key: form.raw_get(key) for key in form if key not in ("/Filter", "/DecodeParms")})
                stripped.set_data(contents.get_data())
                self._writer._replace_object(reference, stripped)
        return bool(groups or hidden or found)


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Log what cannot be looked through. It is shown as it is: to leave it out might lose what is not hidden."""
    try:
        yield
    except STUMBLES as error:
        log.warning("Layers that are switched off are not left out of a page: %s", type(error).__name__)


def _shown(operations: list[Operation], groups: set[str], forms: set[str]) -> list[Operation]:
    """The operations without those that paint something hidden; what moves the next text stays.

    Marked content of a hidden group that no EMC ends hides only the first text object or XObject behind its beginning.
    """
    shown: list[Operation] = []
    ends = _ends_of_marked_content(operations)
    hidden_until, is_unended = 0, False
    for at, (operands, operator) in enumerate(operations):
        if operator == b"BDC" and operands[:1] == ["/OC"] and _names_one_of(groups, operands[1:]):
            hidden_until = max(hidden_until, ends.get(at, 0))
            is_unended = is_unended or at not in ends
        is_hidden = is_unended or at < hidden_until or (operator == b"Do" and _names_one_of(forms, operands))
        if operator not in _PAINTS_TEXT or not is_hidden:
            shown.append((operands, operator))
        elif operator in _NEXT_LINE:
            shown.append(([], b"T*"))
        if operator in (b"ET", b"Do"):
            is_unended = False
    return shown


def _ends_of_marked_content(operations: list[Operation]) -> dict[int, int]:
    """The place of the EMC for the place of each BDC or BMC that has one."""
    ends: dict[int, int] = {}
    begun: list[int] = []
    for at, (_, operator) in enumerate(operations):
        if operator in (b"BDC", b"BMC"):
            begun.append(at)
        elif operator == b"EMC" and begun:
            ends[begun.pop()] = at
    return ends


def _names_one_of(names: set[str], operands: Any) -> bool:
    """Whether the first operand is one of these names. It may be anything: a dictionary, an array, or missing."""
    return bool(operands) and isinstance(operands[0], NameObject) and operands[0] in names
