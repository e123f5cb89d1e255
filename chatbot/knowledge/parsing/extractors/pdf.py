"""PDF by pypdf, page by page."""

import contextlib
import io
import re
from typing import Final

from pypdf import Configuration, PdfReader, apply_configuration
from pypdf.errors import DependencyError, LimitReachedError

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted, of_pages

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
    """The text of all pages; the title from the document's information dictionary if it is one."""
    try:
        with apply_configuration(_CONFIGURATION):
            return _extracted(_open(data), limits)
    except LimitReachedError:
        raise ParseError("too_complex") from None
    except DependencyError:
        # pypdf needs the package cryptography for AES; without it such a document stays closed.
        raise ParseError("encrypted") from None


def _extracted(reader: PdfReader, limits: Limits) -> Extracted:
    if len(reader.pages) > limits.pages:
        raise ParseError("too_complex")
    return of_pages(_texts(reader, limits), _title(reader))


def _open(data: bytes) -> PdfReader:
    reader = PdfReader(io.BytesIO(data))
    # Many files only forbid copying or printing: those open with the empty password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise ParseError("encrypted")
    return reader


def _texts(reader: PdfReader, limits: Limits) -> list[str]:
    """One text a page. A page that cannot be read is empty; if that leaves nothing, the file is damaged."""
    texts: list[str] = []
    failed = False
    size = 0
    for number in range(len(reader.pages)):
        text = _page_text(reader, number)
        failed = failed or text is None
        texts.append(text or "")
        size += len(texts[-1])
        if size > limits.text_bytes:
            raise ParseError("too_complex")
    if failed and not any(texts):
        raise ParseError("damaged")
    return texts


def _page_text(reader: PdfReader, number: int) -> str | None:
    try:
        return squeeze(clean(unbroken(reader.pages[number].extract_text())))
    except (LimitReachedError, DependencyError, MemoryError, RecursionError):
        raise
    except Exception:  # pypdf raises whatever a broken font or stream leads to; the other pages still count.
        return None


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


def _title(reader: PdfReader) -> str | None:
    with contextlib.suppress(Exception):  # The title is a courtesy: a broken one costs nothing.
        return sensible_title(reader.metadata.title if reader.metadata else None)
    return None
