import io
import os
import zlib

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf._codecs._codecs import LzwCodec

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.pdf import extract, unbroken
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from tests.knowledge.parsing.makers import composite_font, make_pdf, pdf_of_objects, pdf_of_streams, stream

KEPT = b"BT /F1 9 Tf (kept) Tj ET"


def code_of(data: bytes, limits: Limits = DEFAULT) -> str:
    """The code of the refusal. Only the child has the limits that a hostile file runs into."""
    with pytest.raises(ParseError) as caught:
        parse(data, "a.pdf", limits=limits)
    return caught.value.code


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
    font = composite_font(6, "so\u200bft")
    words = b"BT /F2 12 Tf 72 700 Td <00010002000300040005> Tj ET"
    parsed = extract(pdf_of_objects(stream(words), *font, fonts="/F2 6 0 R", pages=2), DEFAULT)
    assert parsed.text == "soft\n\nsoft"
    assert parsed.pages == (0, 6)


def test_a_default_title_is_no_title():
    assert extract(make_pdf("x", title="Microsoft Word - x.doc"), DEFAULT).title is None
    assert extract(make_pdf("x"), DEFAULT).title is None
    assert extract(pdf_of_streams(b"BT /F1 9 Tf (x) Tj ET"), DEFAULT).title is None


def test_a_password_is_asked_for_and_the_empty_one_tried():
    """H5"""
    assert code_of(make_pdf("secret", password="hunter2")) == "encrypted"
    assert parse(make_pdf("only copying is forbidden", password=""), "a.pdf").text == "only copying is forbidden"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_document_encrypted_with_the_empty_password_is_read(algorithm):
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("only printing is forbidden", title="The plan"))))
    writer.encrypt("", "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    parsed = parse(out.getvalue(), "a.pdf")
    assert (parsed.text, parsed.title) == ("only printing is forbidden", "The plan")


def test_a_scan_has_no_text():
    """H8"""
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


def test_when_no_page_can_be_read_the_file_is_damaged():
    looped = pdf_of_streams(b"BT (x) Tj ET").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")
    assert code_of(looped) == "damaged"


def test_document_without_pages_is_damaged():
    out = io.BytesIO()
    PdfWriter().write(out)
    assert code_of(out.getvalue()) == "damaged"


def test_stream_that_inflates_to_100_megabytes_of_text_is_too_complex():
    """H5"""
    bomb = pdf_of_streams(b"BT /F1 9 Tf " + b"(x) Tj 1 0 Td " * 7_000_000 + b"ET", compress=True)
    assert len(bomb) < 300_000
    assert code_of(bomb) == "too_complex"


def test_too_many_pages_and_too_much_text_are_too_complex():
    assert code_of(make_pdf("a", "b", "c"), Limits(pages=2)) == "too_complex"
    assert code_of(make_pdf("abcdef", "ghijkl"), Limits(text_bytes=8)) == "too_complex"


def huge_size() -> bytes:
    honest = pdf_of_streams(KEPT)
    assert b"/Size 6" in honest
    return honest.replace(b"/Size 6", b"/Size 999999999")


EMBEDDED = "/Names << /EmbeddedFiles << /Names [(a.txt) << /Type /Filespec /F (a.txt) /EF << /F 5 0 R >> >>] >> >>"
FORM = (
    b"<< /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >> /Length 5 >>\nstream\n/X Do\nendstream"
)


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (pdf_of_streams(KEPT, extra="/Outlines << /First 1 0 R /Last 1 0 R /Next 1 0 R >>"), "kept"),
        (pdf_of_streams(KEPT, extra="/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"), "kept"),
        (pdf_of_streams(KEPT, extra=EMBEDDED), "kept"),
        (huge_size(), "kept"),
        (pdf_of_objects(stream(KEPT)).replace(b"/Count 1 ", b"/Count 99999999 "), "kept"),
        (pdf_of_objects(stream(KEPT + b" /X Do"), FORM, resources="/XObject << /X 6 0 R >>"), "kept"),
        (pdf_of_streams(KEPT + b" BI /W 9 /H 9 ID " + b"x" * 999), "kept"),
        (pdf_of_streams(KEPT + b"[" * 100_000), "kept"),
    ],
    ids=[
        "outline loop",
        "JavaScript",
        "embedded file",
        "huge size",
        "huge count",
        "form in itself",
        "inline image without end",
        "arrays in arrays",
    ],
)
def test_known_traps_end_soon_with_text_or_a_reason(data, result):
    """H5"""
    assert outcome(data) == result


def twice_flated() -> bytes:
    return stream(zlib.compress(zlib.compress(bytes(400_000_000), 1), 9), "/Filter [/FlateDecode /FlateDecode]")


@pytest.mark.parametrize(
    "data",
    [
        pdf_of_objects(twice_flated()),
        pdf_of_objects(stream(LzwCodec().encode(b" " * 40_000_000), "/Filter /LZWDecode")),
        pdf_of_objects(stream(b"\x81 " * 1_000_000, "/Filter /RunLengthDecode")),
    ],
    ids=["Flate in Flate", "LZW", "run lengths"],
)
def test_small_file_that_unpacks_to_blanks_ends_with_a_reason(data):
    """H5"""
    assert len(data) < 3_000_000
    assert code_of(data) in ("no_text", "too_complex")


def test_stream_that_a_page_repeats_20_000_times_is_too_complex():
    """H5"""
    assert code_of(pdf_of_objects(stream(KEPT * 1000), contents="[" + "5 0 R " * 20_000 + "]")) == "too_complex"


def test_character_map_of_four_billion_signs_ends():
    """H5"""
    signs = b"1 begincodespacerange <00000000> <FFFFFFFF> endcodespacerange "
    signs += b"1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange endcmap"
    assert len(outcome(pdf_of_objects(stream(KEPT), stream(signs), font="/ToUnicode 6 0 R"))) < 12


def test_a_hundred_thousand_pages_are_too_complex():
    """H5"""
    assert code_of(pdf_of_objects(stream(KEPT), pages=100_000)) == "too_complex"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("the infor-\nmation desk", "the information desk"),
        ("a state-of-the-\nart printer", "a state-of-the-art printer"),
        ("per E-\nMail an", "per E-Mail an"),
        ("Vor-\nund Nachmittag", "Vor- und Nachmittag"),
        ("Neben\u00ad\nkosten", "Nebenkosten"),
        ("pages 3-\n4 and\n- a point", "pages 3-\n4 and\n- a point"),
        ("re-elected -\nagain", "re-elected -\nagain"),
    ],
)
def test_words_divided_at_line_ends_are_joined(lines, text):
    assert unbroken(lines) == text


def test_divided_word_of_a_page_is_one():
    stream = b"BT /F1 12 Tf 72 720 Td (the infor-) Tj 0 -14 Td (mation desk) Tj ET"
    assert parse(pdf_of_streams(stream), "a.pdf").text == "the information desk"
