import io
import json
import os

import pytest
from pypdf import PdfWriter

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.formats import PDF
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.pdf import extract
from tests.knowledge.parsing.makers import make_pdf, pdf_of_streams

KEPT = b"BT /F1 9 Tf (kept) Tj ET"


def code_of(data: bytes, limits: Limits = DEFAULT) -> str:
    """The code, which has to be the same in this process and in the child."""
    here = json.loads(answer(data, PDF, limits)).get("error", "no_text")
    with pytest.raises(ParseError) as caught:
        parse(data, "a.pdf", limits=limits)
    assert caught.value.code == here
    return here


def outcome(data: bytes) -> str:
    """The text, or the code of the refusal."""
    try:
        return parse(data, "a.pdf").text
    except ParseError as error:
        return error.code


def test_each_page_begins_where_the_offsets_say():
    words = ["The zebra report", "", "Giraffes are tall", "Lions sleep"]

    parsed = parse(make_pdf(*words, title="Animals"), "a.pdf")

    ends = (*parsed.pages[1:], len(parsed.text))
    assert [parsed.text[a:b].strip() for a, b in zip(parsed.pages, ends, strict=True)] == words
    assert (parsed.title, parsed.media_type) == ("Animals", "application/pdf")


def test_offsets_count_code_points_after_cleaning():
    parsed = extract(make_pdf("so\xadft", "Gr\xf6\xdfe"), DEFAULT)
    assert parsed.text == "soft\n\nGröße"
    assert parsed.pages == (0, 6)


def test_a_default_title_is_no_title():
    assert extract(make_pdf("x", title="Microsoft Word - x.doc"), DEFAULT).title is None
    assert extract(make_pdf("x"), DEFAULT).title is None
    assert extract(pdf_of_streams(b"BT /F1 9 Tf (x) Tj ET"), DEFAULT).title is None


def test_a_password_is_asked_for_and_the_empty_one_tried():
    assert code_of(make_pdf("secret", password="hunter2")) == "encrypted"
    assert parse(make_pdf("only copying is forbidden", password=""), "a.pdf").text == "only copying is forbidden"


def test_aes_without_the_package_for_it_counts_as_encrypted(monkeypatch):
    from pypdf import _reader
    from pypdf.errors import DependencyError

    def refuse(*args, **kwargs):
        raise DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr(_reader.PdfReader, "decrypt", refuse)
    with pytest.raises(ParseError) as caught:
        extract(make_pdf("x", password=""), DEFAULT)
    assert caught.value.code == "encrypted"


def test_a_scan_has_no_text():
    assert code_of(make_pdf("", "")) == "no_text"


def test_a_file_cut_off_is_damaged():
    assert code_of(make_pdf("x")[:120]) == "damaged"
    assert code_of(b"%PDF-1.7\n" + os.urandom(500)) == "damaged"


def test_a_page_that_cannot_be_read_does_not_cost_the_others():
    data = pdf_of_streams(b"BT /F1 9 Tf (good) Tj ET", b"<< broken", b"BT /F1 9 Tf (fine) Tj ET")
    parsed = extract(data, DEFAULT)
    assert "good" in parsed.text
    assert "fine" in parsed.text
    assert len(parsed.pages) == 3


def test_when_no_page_can_be_read_the_file_is_damaged(monkeypatch):
    from pypdf import PageObject

    monkeypatch.setattr(PageObject, "extract_text", lambda *_: 1 / 0)
    with pytest.raises(ParseError) as caught:
        extract(make_pdf("x"), DEFAULT)
    assert caught.value.code == "damaged"


def test_a_document_without_pages_has_no_text():
    out = io.BytesIO()
    PdfWriter().write(out)
    assert extract(out.getvalue(), DEFAULT) == ("", None, ())


def test_a_stream_that_inflates_to_100_megabytes_is_too_complex():
    bomb = pdf_of_streams(b"BT /F1 9 Tf (x) Tj ET " + b" " * 100_000_000, compress=True)
    assert len(bomb) < 200_000
    assert code_of(bomb) == "too_complex"


def test_too_many_pages_and_too_much_text_are_too_complex():
    assert code_of(make_pdf("a", "b", "c"), Limits(pages=2)) == "too_complex"
    assert code_of(make_pdf("abcdef", "ghijkl"), Limits(text_bytes=8)) == "too_complex"


@pytest.mark.parametrize(
    "data",
    [
        pdf_of_streams(KEPT, extra="/Outlines << /First 1 0 R /Last 1 0 R /Next 1 0 R >>"),
        pdf_of_streams(KEPT, extra="/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
        pdf_of_streams(KEPT).replace(b"/Size 6", b"/Size 999999999"),
        pdf_of_streams(KEPT + b" BI /W 9 /H 9 ID " + b"x" * 999),
    ],
    ids=["outline loop", "JavaScript", "huge size", "inline image without end"],
)  # fmt: skip
def test_known_traps_end_soon_with_text_or_a_reason(data):
    assert outcome(data) in ("kept", "damaged", "too_complex", "no_text")


def test_a_page_tree_that_contains_itself_ends():
    looped = pdf_of_streams(b"BT (x) Tj ET").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")
    assert code_of(looped) in ("damaged", "too_complex", "no_text")
