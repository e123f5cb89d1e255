"""E-books (EPUB 2 and 3): the XHTML files of the package in the order of its spine, each read as a web page is."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from html.entities import html5
from typing import Final
from urllib.parse import unquote, urlsplit

from lxml import etree

from chatbot.knowledge.parsing.clean import joined, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.markup import html
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.markup.xml import parsed_xml
from chatbot.knowledge.parsing.office.ooxml import Element, attribute, local_name
from chatbot.knowledge.parsing.office.zipcheck import check_zip
from chatbot.knowledge.parsing.result import Extracted

_READ: Final = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")
# Fonts are made unreadable by these for anyone who takes them out of the book; they are no protection of the text.
_FONT_ALGORITHMS: Final = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_MOST_FALLBACKS: Final = 5
_ENTITY: Final = re.compile(rb"&([A-Za-z][A-Za-z0-9]*;)")
_EMPTY: Final = re.compile(rb"<(title|script|style|iframe|textarea|noscript)\b([^<>]*)/>")


def extract(data: bytes, limits: Limits) -> Extracted:
    """The chapters in the order of reading; what stands outside that order (linear="no") at the end."""
    check_zip(data, limits)
    book = _Book(data)
    text = joined((f"{chapter}\n" for chapter in book.chapters(limits)), limits)
    return Extracted(squeeze(text), book.title())


class _Book:
    """A package and its table of contents (the OPF file)."""

    def __init__(self, data: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._names = frozenset(self._zip.namelist())
        container = parsed_xml(self._zip.read("META-INF/container.xml"))
        # A book may have several renditions of the same text; the first one is the usual one.
        root = next(iter(container.iterfind(".//{*}rootfile")), None)
        if root is None:
            raise ParseError("damaged")
        self._path = posixpath.normpath(root.get("full-path", ""))
        self._package = parsed_xml(self._zip.read(self._path))
        self._items = {item.get("id", ""): item for item in self._package.iterfind("{*}manifest/{*}item")}

    def title(self) -> str | None:
        """The title among the book's metadata, if it is one."""
        return sensible_title(self._package.findtext(".//{http://purl.org/dc/elements/1.1/}title"))

    def chapters(self, limits: Limits) -> Iterator[str]:
        """The text of each file of the spine, once. Raises ParseError: encrypted or damaged."""
        encrypted = self._encrypted()
        paths = list(dict.fromkeys(filter(None, map(self._path_of, self._spine()))))
        present = [path for path in paths if path in self._names]
        if paths and not present:
            raise ParseError("damaged")
        for path in present:
            if path in encrypted:
                raise ParseError("encrypted")
            yield html.extract(_as_html(self._zip.read(path)), limits).text

    def _spine(self) -> list[Element]:
        entries = self._package.findall("{*}spine/{*}itemref")
        return sorted(entries, key=lambda entry: entry.get("linear") == "no")

    def _path_of(self, entry: Element) -> str:
        """Where the file of an entry stands, or another one of the same content that can be read; "" for none."""
        item = self._items.get(entry.get("idref", ""))
        for _ in range(_MOST_FALLBACKS):
            if item is None:
                break
            if item.get("media-type", "").lower() in _READ:
                return self._resolved(item.get("href", ""))
            item = self._items.get(item.get("fallback", ""))
        return ""

    def _resolved(self, href: str) -> str:
        path = unquote(urlsplit(href).path)
        return posixpath.normpath(posixpath.join(posixpath.dirname(self._path), path))

    def _encrypted(self) -> frozenset[str]:
        """The files that nobody can read without a key."""
        if "META-INF/encryption.xml" not in self._names:
            return frozenset()
        root = parsed_xml(self._zip.read("META-INF/encryption.xml"))
        return frozenset(
            posixpath.normpath(unquote(reference.get("URI", "")))
            for each in root.iterfind(".//{*}EncryptedData")
            if not any(m.get("Algorithm") in _FONT_ALGORITHMS for m in each.iterfind("{*}EncryptionMethod"))
            for reference in each.iterfind(".//{*}CipherReference")
        )


def _as_html(data: bytes) -> bytes:
    """XHTML as HTML: to a reader of HTML, `<title/>` and `<script/>` would have no end."""
    try:
        root = parsed_xml(data)
    except etree.XMLSyntaxError:
        if b"<!ENTITY" in data:  # What it declares would be read as text.
            raise ParseError("damaged") from None
        return _EMPTY.sub(rb"<\1\2></\1>", data)  # Reading systems show such a file as far as they understand it.
    for element in root.iter(etree.Element):
        element.tag = local_name(element)
    for element in [each for each in root.iter("a") if _is_bare_mark(each)]:
        element.tag = "sup"
    etree.cleanup_namespaces(root)
    page = bytes(etree.tostring(root, method="html", encoding="utf-8"))
    # What a file declares by itself stays inert.
    return _UTF8_MARK + _ENTITY.sub(lambda found: found[0] if found[1].decode() in html5 else b"", page)


def _is_bare_mark(link: Element) -> bool:
    """Whether a link is the mark of a note that only a style sheet raises: it must not join the number before it."""
    is_mark = "noteref" in attribute(link, "type").split() or link.get("role") == "doc-noteref"
    around = any(each.tag == "sup" for each in link.iterancestors())
    return is_mark and not around and link.find(".//sup") is None
