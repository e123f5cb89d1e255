"""The zip package of an OpenDocument file."""

import io
import posixpath
import zipfile
from typing import Final

from chatbot.knowledge.parsing.clean import sensible_title
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.markup.xml import parsed_xml
from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.office.zipcheck import check_zip
from chatbot.knowledge.parsing.opendocument.names import OFFICE

_TITLE: Final = ".//{http://purl.org/dc/elements/1.1/}title"
# The whole package once more, encrypted, as LibreOffice writes it since 24.8.
_ENCRYPTED_PACKAGE: Final = "encrypted-package"


class Package:
    """The parts of a package. Raises ParseError: too_complex, unsupported or encrypted."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        check_zip(data, limits)
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._names = frozenset(self._zip.namelist())
        manifest = self.part("META-INF/manifest.xml")
        encrypted = manifest is not None and manifest.find(".//{*}encryption-data") is not None
        if encrypted or _ENCRYPTED_PACKAGE in self._names:
            raise ParseError("encrypted")

    def part(self, name: str) -> Element | None:
        """The root of a part, None where there is no such part."""
        name = posixpath.normpath(name)
        return parsed_xml(self._zip.read(name)) if name in self._names else None

    def content(self) -> Element:
        """The root of content.xml. Raises ParseError: damaged."""
        root = self.part("content.xml")
        if root is None:
            raise ParseError("damaged")
        return root

    def title(self) -> str | None:
        """The title among the properties of the document, if it is one."""
        meta = self.part("meta.xml")
        return None if meta is None else sensible_title(meta.findtext(_TITLE))


def body_of(root: Element, kind: str) -> Element:
    """The element of a kind ("text", "spreadsheet", "presentation") in the body. Raises ParseError: damaged."""
    body = root.find(f"{OFFICE}body/{OFFICE}{kind}")
    if body is None:
        raise ParseError("damaged")
    return body
