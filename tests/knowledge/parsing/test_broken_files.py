"""Files that were damaged on their way: bytes changed, an end cut off, members of a package exchanged."""

import io
import json
import random
import zipfile

import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.errors import SENTENCES
from chatbot.knowledge.parsing.formats import EPUB, MSG, ODP, ODS, ODT
from chatbot.knowledge.parsing.limits import DEFAULT
from tests.knowledge.parsing.epub_makers import make_epub
from tests.knowledge.parsing.msg_makers import make_msg
from tests.knowledge.parsing.open_document_makers import make_odp, make_ods, make_odt

WHOLE = {
    ODT: make_odt("kept", "<text:span>more</text:span><text:s text:c='3'/>"),
    ODS: make_ods(s=[["a", "b"], ["1", "2"]], t=[["kept"]]),
    ODP: make_odp("kept", "more"),
    EPUB: make_epub("kept", "more"),
    MSG: make_msg("kept"),
}
# A damaged file may still be a whole one, of no text: nothing else is allowed, and never a crash.
ALLOWED = {"damaged", "unsupported", "too_complex", "encrypted", "no_text", "read"}


def flipped(data: bytes, source: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(source.choice((1, 3, 30))):
        out[source.randrange(len(out))] = source.randrange(256)
    return bytes(out)


def cut(data: bytes, source: random.Random) -> bytes:
    return data[: source.randrange(1, len(data))]


def exchanged(data: bytes, source: random.Random) -> bytes:
    """A package whose members have one another's content, itself in order; of other files, halves exchanged."""
    if not data.startswith(b"PK"):
        middle = len(data) // 2 // 512 * 512
        return data[:8] + data[middle:] + data[8:middle]
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        bodies = [old.read(name) for name in names]
        at = source.randrange(1, len(names))
        source.shuffle(bodies[at:])
        for name, body in zip(names, bodies[:1] + bodies[1:][at:] + bodies[1:][:at], strict=True):
            new.writestr(name, body if source.random() < 0.5 else flipped(body or b"x", source))
    return out.getvalue()


def damaged_files(media_type: str, many: int, seed: int = 7) -> list[bytes]:
    source = random.Random(f"{media_type}{seed}")
    return [source.choice((flipped, cut, exchanged))(WHOLE[media_type], source) for _ in range(many)]


@pytest.mark.parametrize("media_type", WHOLE)
def test_damaged_file_is_read_or_refused_with_a_code(media_type):
    """H14"""
    outcomes = set()
    for data in damaged_files(media_type, 20):
        outcome = json.loads(answer(data, media_type, DEFAULT)).get("error", "read")
        assert outcome in SENTENCES or outcome == "read"
        outcomes.add(outcome)
    assert "damaged" in outcomes
    assert outcomes <= ALLOWED


@pytest.mark.parametrize("media_type", WHOLE)
def test_damaged_file_does_not_crash_its_process(media_type):
    """H14"""
    for data in damaged_files(media_type, 3, seed=1):
        try:
            outcome = "read" if parse(data, "upload").text else ""
        except ParseError as error:
            outcome = error.code
        assert outcome in ALLOWED
