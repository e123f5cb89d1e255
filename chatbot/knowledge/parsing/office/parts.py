"""The parts of Word and PowerPoint packages and the relationships between them."""

import io
import posixpath
import zipfile
from typing import Any

from docx.opc.oxml import serialize_part_xml
from docx.oxml.parser import parse_xml

from chatbot.knowledge.parsing.office.ooxml import Element, attribute
from chatbot.knowledge.parsing.warnings import note


def without_lost_parts(package: io.BytesIO) -> io.BytesIO:
    """The package without relationships to parts that are not in it, which stop python-docx and python-pptx.

    Add-ins, converters and deleted pictures leave them behind; Word and PowerPoint open such a file in silence.
    """
    with zipfile.ZipFile(package) as old:
        names = set(old.namelist())
        mended = {name: body for name in names if name.endswith(".rels") and (body := _mended(old, name, names))}
        if mended:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as new:
                for name in dict.fromkeys(old.namelist()):
                    new.writestr(name, mended.get(name) or old.read(name))
            package = out
    package.seek(0)
    return package


def _mended(package: zipfile.ZipFile, name: str, names: set[str]) -> bytes | None:
    try:
        root = parse_xml(package.read(name))
    except SyntaxError:
        return None
    base = "/" + posixpath.dirname(posixpath.dirname(name))
    lost = [
        relation
        for relation in root
        if attribute(relation, "Target")
        and attribute(relation, "TargetMode") != "External"
        and posixpath.normpath(posixpath.join(base, attribute(relation, "Target"))).lstrip("/") not in names
    ]
    for relation in lost:
        if not attribute(relation, "Type").endswith("/slide"):  # A slide is noted in its place.
            note("damaged_parts_not_read", name=posixpath.basename(attribute(relation, "Target")))
        root.remove(relation)
    return bytes(serialize_part_xml(root)) if lost else None


def related_root(part: Any, relation: str) -> Element | None:
    """The root of the XML part that `part` refers to, None where there is none. Entities stay inert."""
    try:
        return parse_xml(part.rels[relation].target_part.blob)
    except (KeyError, AttributeError, ValueError, SyntaxError):
        return None
