"""The process that reads one document and ends. It is fed on stdin and answers with JSON on stdout.

The answer is {"text", "title", "pages", "warnings"} or {"error": code}. No other word leaves this process.
"""

import json
import sys

from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.formats import Extractor, extractor
from chatbot.knowledge.parsing.limits import Limits, confine
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import as_json, collected


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
    try:
        extracted = extract_with_warnings(extract, data, limits)
        reply = extracted._asdict() | {"warnings": as_json(extracted.warnings)}
        return json.dumps(reply, ensure_ascii=False)
    except ParseError as error:
        code = error.code
    except (MemoryError, RecursionError):
        code = "too_complex"
    except Exception:  # Libraries stumble over damaged documents with a hundred types of error.
        code = "damaged"
    return json.dumps({"error": code})


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
