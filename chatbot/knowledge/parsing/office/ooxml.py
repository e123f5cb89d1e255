"""What Word, PowerPoint and Excel files have in common: a zip package of XML parts."""

import io
import re
import zipfile
from typing import Any, Final

from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.office.zipcheck import check_zip

# lxml has no types. Its parser allows 256 levels of elements, so recursions over them are bounded.
Element = Any

_STRICT: Final = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL: Final = rb"http://schemas.openxmlformats.org/\1/2006/"


def open_package(data: bytes, limits: Limits) -> io.BytesIO:
    """The package for a library to open, once it is known to be no bomb. Raises ParseError.

    "Strict Open XML" differs in its namespaces only, but the libraries know just the transitional ones.
    """
    check_zip(data, limits)
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        strict = _STRICT.search(package.read("_rels/.rels"))
        return _transitional(package) if strict else io.BytesIO(data)


def _transitional(package: zipfile.ZipFile) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in dict.fromkeys(package.namelist()):
            body = package.read(name)
            new.writestr(name, _STRICT.sub(_TRANSITIONAL, body) if name.endswith((".xml", ".rels")) else body)
    out.seek(0)
    return out


def local_name(element: Element) -> str:
    """The name without its namespace; comments, entities and instructions have none and stay inert."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def child(element: Element, path: str) -> Element | None:
    """The first element at a path of local names below `element` (`rPr/vanish`)."""
    return element.find("/".join("{*}" + name for name in path.split("/")))


def children(element: Element | None, name: str) -> list[Element]:
    """The children with this local name."""
    return [] if element is None else element.findall("{*}" + name)


def attribute(element: Element, name: str) -> str:
    """An attribute, in a namespace or in none."""
    return next((str(v) for k, v in element.attrib.items() if k.rpartition("}")[2] == name), "")


def property_of(element: Element, path: str) -> str | None:
    """The `val` of the element at `path`; "" where it has none, None where it is not there."""
    found = child(element, path)
    return None if found is None else attribute(found, "val")


def is_on(element: Element | None, path: str) -> bool | None:
    """Whether a property is switched on (`<w:vanish/>`), None where nothing is said."""
    value = None if element is None else property_of(element, path)
    return None if value is None else value not in ("0", "false", "off")
