"""The process that reads one document and ends. It is fed on stdin and answers with JSON on stdout.

The answer is {"text", "title", "pages", "warnings"} or {"error": code}, with "log" if something was logged: the parent
repeats it, as nobody reads stderr of this process. No other word leaves it.
"""

import json
import logging
import sys
from typing import Any, Final

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.formats import Extractor, extractor
from chatbot.knowledge.parsing.limits import Limits, confine
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import as_json, collected

MAX_LOGGED: Final = 20
MAX_LOG_LINE: Final = 200


class _Log(logging.Handler):
    """Collects what the extractors warn about, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one record."""
        line = record.getMessage()[:MAX_LOG_LINE]
        if len(self.lines) < MAX_LOGGED and line not in self.lines:
            self.lines.append(line)


def main(media_type: str, limits: Limits) -> None:
    """Read the document on stdin as `media_type` and write the answer."""
    confine(limits)
    data = sys.stdin.buffer.read()
    sys.stdin.close()
    # A library that prints would break the answer, so it prints where nobody listens.
    out, sys.stdout = sys.stdout, sys.stderr
    out.write(answer(data, media_type, limits))
    out.flush()


def answer(data: bytes, media_type: str, limits: Limits) -> str:
    """The JSON document for `data`, whatever happens while it is read."""
    # Outside the try: a library that is not installed is our fault and must not be called damage.
    extract = extractor(media_type)
    logged = _Log()
    logger = logging.getLogger(__package__)
    logger.addHandler(logged)
    try:
        reply = _reply(extract, data, limits)
    finally:
        logger.removeHandler(logged)
    return json.dumps(reply | ({"log": logged.lines} if logged.lines else {}), ensure_ascii=False)


def _reply(extract: Extractor, data: bytes, limits: Limits) -> dict[str, Any]:
    try:
        extracted = extract_with_warnings(extract, data, limits)
        return extracted._asdict() | {"warnings": as_json(extracted.warnings)}
    except ParseError as error:
        code = error.code
    except (MemoryError, RecursionError):
        code = "too_complex"
    except Exception:  # Libraries stumble over damaged documents with a hundred types of error.
        code = "damaged"
    return {"error": code}


def extract_with_warnings(extract: Extractor, data: bytes, limits: Limits) -> Extracted:
    """What an extractor reads, with what it has left out. Raises whatever the extractor does."""
    with collected() as found:
        extracted = extract(data, limits)
    check_size(extracted, limits)
    return extracted._replace(warnings=found.warnings())


def check_size(extracted: Extracted, limits: Limits) -> None:
    """Raise too_complex when there is more text than anyone wants to index."""
    if len(extracted.text) > limits.text_bytes or len(extracted.text.encode()) > limits.text_bytes:
        raise ParseError("too_complex")
