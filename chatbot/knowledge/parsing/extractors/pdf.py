"""PDF: the text by PDFium, page by page; forms, notes, layers and the XMP title by pypdf."""

import contextlib
import io
import logging
import re
from typing import Final

from pypdf import Configuration, PdfReader, apply_configuration
from pypdf.errors import FileNotDecryptedError, LimitReachedError
from pypdfium2 import PdfiumError

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.pdf.engine import (
    UNKNOWN,
    Document,
    Page,
    Word,
    has_notes,
    open_document,
    repaired,
    shown_box,
    turn_of,
    words_of,
)
from chatbot.knowledge.parsing.pdf.fields import Field, fields_of
from chatbot.knowledge.parsing.pdf.layers import Layers, without_hidden
from chatbot.knowledge.parsing.pdf.lines import lines_of
from chatbot.knowledge.parsing.pdf.objects import STUMBLES
from chatbot.knowledge.parsing.pdf.placing import with_fields
from chatbot.knowledge.parsing.pdf.tables import page_text
from chatbot.knowledge.parsing.pdf.unread import note_unread, note_unread_pictures
from chatbot.knowledge.parsing.result import Extracted, of_pages
from chatbot.knowledge.parsing.warnings import note, noted_at

log = logging.getLogger(__name__)

_LARGEST_STREAM: Final = 32 * 1024 * 1024
# pypdf allows 75 MB a stream; a page's text is kilobytes. jbig2dec is a program, and none is to be started.
_CONFIGURATION: Final = Configuration(
    maximum_declared_stream_length=_LARGEST_STREAM,
    array_based_stream_maximum_output_length=_LARGEST_STREAM,
    zlib_maximum_output_length=_LARGEST_STREAM,
    lzw_maximum_output_length=_LARGEST_STREAM,
    run_length_maximum_output_length=_LARGEST_STREAM,
    jbig2_maximum_output_length=_LARGEST_STREAM,
    brotli_maximum_output_length=_LARGEST_STREAM,
    image_maximum_buffer_size=_LARGEST_STREAM,
    jbig2dec_binary=None,
)

# A word that goes on in the next line, and its parts on both sides of the hyphen.
_BROKEN: Final = re.compile(r"(?<!\S)([^\s\d]*[^\W\d_])([-\u00ad\u2010])[ \t]*+\n[ \t]*+([^\W\d_]\w*)")
# "Vor- und Nachmittag": the hyphen stands for a word that is left out.
_CONJUNCTIONS: Final = frozenset("und oder bzw sowie and or et ou y o e en of och og eller".split())


def extract(data: bytes, limits: Limits) -> Extracted:
    """The text of all pages; the title from the document's information dictionary or its XMP, if it is one."""
    try:
        with apply_configuration(_CONFIGURATION):
            return _extracted(data, limits)
    except LimitReachedError:
        raise ParseError("too_complex") from None


def _extracted(data: bytes, limits: Limits) -> Extracted:
    document = open_document(data)
    if len(document) > limits.pages:
        raise ParseError("too_complex")
    reader = _reader(data, document)
    note_unread(document)
    texts = _texts(_shown(document, reader), reader, limits)
    title = sensible_title(document.get_metadata_value("Title"))
    return of_pages(texts, title or sensible_title(_xmp_title(reader)))


def _reader(data: bytes, document: Document) -> PdfReader | None:
    """pypdf's view of the document. PDFium repairs more of them, and writes anew what pypdf cannot open."""
    with contextlib.suppress(*STUMBLES, LimitReachedError):  # A damaged number of objects is beyond a limit too.
        return _opened(data, document)
    try:
        return _opened(repaired(document), document)
    except (*STUMBLES, LimitReachedError, ParseError) as error:
        log.warning("Form fields, notes and layers are not read: %s", type(error).__name__)
        note("forms_and_layers_not_read")
    return None


def _opened(data: bytes, document: Document) -> PdfReader:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise FileNotDecryptedError
    pages, expected = len(reader.pages), len(document)
    if pages != expected:
        log.warning("Form fields, notes and layers are read of %d of %d pages", pages, expected)
        note("forms_and_layers_not_read")
    return reader


def _shown(document: Document, reader: PdfReader | None) -> Document:
    """The document without what is switched off, as far as that can be taken out."""
    try:
        shown = without_hidden(reader) if reader else None
        without = open_document(shown) if shown else document
    except (*STUMBLES, ParseError) as error:
        log.warning("Layers that are switched off are not left out: %s", type(error).__name__)
        note("forms_and_layers_not_read")
        return document
    if len(without) != len(document):
        log.warning("Layers that are switched off are not left out: %d of %d pages", len(without), len(document))
        note("forms_and_layers_not_read")
        return document
    note("hidden_left_out", int(without is not document))
    return without


def _texts(document: Document, reader: PdfReader | None, limits: Limits) -> list[str]:
    """One text a page. A page that cannot be read is empty; if that leaves nothing, the file is damaged."""
    texts: list[str] = []
    failed = False
    size = 0
    for number in range(len(document)):
        with noted_at(page=number + 1):
            try:
                page = document[number]
            except PdfiumError:
                note("damaged_parts_not_read")
                failed = True
                texts.append("")
                continue
            texts.append(_page_text(page, number, reader, limits))
            page.close()
        size += len(texts[-1])
        if size > limits.text_bytes:
            raise ParseError("too_complex")
    if failed and not any(texts):
        raise ParseError("damaged")
    return texts


def _page_text(page: Page, number: int, reader: PdfReader | None, limits: Limits) -> str:
    words = words_of(page, limits.text_bytes)
    is_unknown = _is_unknown(words)
    lines = lines_of([] if is_unknown else words)
    if reader and has_notes(page):
        lines = with_fields(lines, _fields(page, number, reader))
    text = squeeze(clean(unbroken(page_text(lines))))
    note_unread_pictures(page, has_text=bool(text) or is_unknown)
    return text


def _fields(page: Page, number: int, reader: PdfReader) -> list[Field]:
    """The fields and notes that are within what is shown of a page."""
    shown = shown_box(page)
    try:
        fields = fields_of(reader.pages[number], turn_of(page), Layers(reader.trailer["/Root"]))
    except STUMBLES as error:
        log.warning("Form fields and notes of page %d are not read: %s", number + 1, type(error).__name__)
        note("fields_not_read")
        return []
    return [field for field in fields if not field.box.is_beside(shown)]


def _is_unknown(words: list[Word]) -> bool:
    """Whether most of a page is in fonts that do not say which characters their glyphs are; notes the unknown."""
    seen = "".join(word.text for word in words if not word.is_blank)
    unknown = seen.count(UNKNOWN)
    if 2 * unknown > len(seen):
        note("fonts_not_read")
        return True
    note("characters_replaced", unknown)
    return False


def unbroken(text: str) -> str:
    """`text` with the words joined that were divided at the ends of lines."""
    return _BROKEN.sub(_whole, text)


def _whole(found: re.Match[str]) -> str:
    begin, hyphen, end = found.groups()
    if hyphen == "\u00ad":
        return begin + end
    if end.lower() in _CONJUNCTIONS:
        return f"{begin}{hyphen} {end}"
    # Before a capital, or in a word that has another one, the hyphen is the word's own.
    own = not end[0].islower() or "-" in begin
    return f"{begin}{hyphen if own else ''}{end}"


def _xmp_title(reader: PdfReader | None) -> str | None:
    with contextlib.suppress(*STUMBLES):  # The title is a courtesy: a broken one costs nothing.
        titles = reader.xmp_metadata.dc_title if reader and reader.xmp_metadata else None
        return (titles.get("x-default") or next(iter(titles.values()), None)) if titles else None
    return None
