import pickle

import pytest

from chatbot.knowledge.parsing import ParseError, sniff
from chatbot.knowledge.parsing.errors import SENTENCES
from chatbot.knowledge.parsing.formats import ODT
from tests.knowledge.parsing.makers import make_docx, make_pdf, make_pptx, make_xlsx, rezipped
from tests.knowledge.parsing.msg_makers import compound_file
from tests.knowledge.parsing.open_document_makers import make_odt, open_document

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PDF = "application/pdf"
PAGE = b"<!DOCTYPE html>\n<html><p>hi</p></html>"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain"),
        ("a.LOG", "text/plain"),
        ("README", "text/plain"),
        (".hidden", "text/plain"),
        ("", "text/plain"),
        ("a.md", "text/markdown"),
        ("a.tar.Markdown", "text/markdown"),
        ("C:\\dir.pdf\\a.htm", "text/html"),
        ("日本語.html", "text/html"),
        ("a.csv", "text/csv"),
        ("a.TSV", "text/tab-separated-values"),
        ("a.json", "application/json"),
        ("a.ndjson", "application/jsonl"),
        ("a.eml", "message/rfc822"),
    ],
)
def test_text_is_named_by_its_extension(name, kind):
    assert sniff(b"Some words.", name) == kind


def test_a_name_without_extension_leaves_it_to_the_claimed_type():
    assert sniff(b"# Hi", "notes", "text/markdown; charset=utf-8") == "text/markdown"
    assert sniff(b"# Hi", "notes", "image/png") == "text/plain"
    assert sniff(b"# Hi", "notes.txt", "text/markdown") == "text/plain"


@pytest.mark.parametrize("name", ["a.pdf", "a.txt", "a.md", "a.docx", "a.csv", "a.json", "a.eml", "a.xlsx", ""])
def test_content_wins_over_the_name(name):
    """H2"""
    assert sniff(make_pdf("x"), name) == PDF
    assert sniff(make_docx("x"), name) == DOCX
    assert sniff(make_pptx("x"), name).endswith("presentationml.presentation")
    assert sniff(make_xlsx(s=[["x"]]), name).endswith("spreadsheetml.sheet")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_a_web_page_called_text_is_a_web_page(encoding):
    """H2"""
    assert sniff(PAGE.decode().encode(encoding), "a.txt") == "text/html"
    assert sniff(b"\n<?xml version='1.0'?><!-- x --><html>", "a.md") == "text/html"


def test_markdown_that_begins_with_a_tag_stays_markdown():
    assert sniff(b"<h1 align=center>Logo</h1>\n# Hi", "README.md") == "text/markdown"


def test_a_text_about_pdf_is_text_and_junk_before_a_pdf_is_forgiven():
    assert sniff(b"A file begins with\n%PDF-1.7\nalways.", "a.txt") == "text/plain"
    assert sniff(b"HTTP/1.1 200 OK\n\n" + make_pdf("x"), "a.pdf") == PDF
    assert sniff(b"HTTP/1.1 200 OK\n\n" + make_pdf("x") + b"\xff\x00", "a.txt") == PDF
    assert sniff(b"Not UTF-8 \xff\n%PDF-1.7", "a.txt") == PDF


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.pptx", "a.xlsx"])
@pytest.mark.parametrize("data", [PAGE, b"Only text."])
def test_text_called_pdf_or_an_office_file_is_damaged(name, data):
    """H2"""
    with pytest.raises(ParseError) as caught:
        sniff(data, name)
    assert caught.value.code == "damaged"


PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)
EXE = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff" + bytes(60)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (PNG, "a.png"),
        (PNG, "a.txt"),
        (EXE, "a.exe"),
        (EXE, "a.pdf"),
        (EXE, "a.txt"),
        (b"\x7fELF\1", "a.md"),
        (EXE, "a.csv"),
        (PNG, "a.json"),
        (EXE, "a.eml"),
        (PNG, "a.xlsx"),
        (EXE, "a.pptx"),
        (b"<svg/>", "a.svg"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "a.doc"),
        (b"words", "a.unknown"),
        (b"PK\x03\x04 cut off", "a.docx"),
        (b"PK\x05\x06" + bytes(18), "a.docx"),
        (b"\1\2\3\4\5\6", "a.txt"),
    ],
)
def test_everything_else_is_unsupported(data, name):
    """H2"""
    with pytest.raises(ParseError) as caught:
        sniff(data, name)
    assert caught.value.code == "unsupported"


def test_a_zip_that_is_no_office_file_is_unsupported_whatever_its_name():
    other = rezipped(make_docx("x"), {}).replace(b"word/", b"wurd/")
    with pytest.raises(ParseError) as caught:
        sniff(other, "a.md")
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize(
    "package", [make_docx("y"), make_pptx("y"), make_xlsx(s=[["y"]])], ids=["docx", "pptx", "xlsx"]
)
def test_a_pdf_that_is_a_zip_too_is_refused(package):
    """H2"""
    with pytest.raises(ParseError) as caught:
        sniff(make_pdf("x") + package, "a.pdf")
    assert caught.value.code == "unsupported"


def test_an_office_file_with_a_password_says_so():
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(ParseError) as caught:
        sniff(ole, "a.docx")
    assert caught.value.code == "encrypted"


@pytest.mark.parametrize("stream", ["WordDocument", "Workbook", "PowerPoint Document"])
def test_old_office_file_is_unsupported_and_the_sentence_says_what_to_do(stream):
    with pytest.raises(ParseError) as caught:
        sniff(compound_file({stream: b"x" * 5000}), "a.doc")
    assert caught.value.code == "unsupported"
    assert "Save an old Word, PowerPoint or Excel file (.doc, .ppt, .xls) as .docx" in str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "a.docx", "a.zip", ""])
def test_package_is_known_by_its_own_type_however_it_is_packed(name):
    text = make_odt("x")
    assert sniff(text, name) == ODT
    last = rezipped(text, {"mimetype": b"application/vnd.oasis.opendocument.text\n"})
    assert b"opendocument.text\n" not in last
    assert sniff(last, name) == ODT
    assert sniff(open_document("text", "", template="-template"), name) == ODT


@pytest.mark.parametrize("own", [b"application/vnd.oasis.opendocument.graphics", b"text/plain", b"", b"x" * 9999])
def test_package_of_another_type_is_unsupported(own):
    with pytest.raises(ParseError) as caught:
        sniff(rezipped(make_odt("x"), {"mimetype": own}), "a.odt")
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("code", SENTENCES)
def test_each_code_has_a_sentence_and_survives_pickling(code):
    error = pickle.loads(pickle.dumps(ParseError(code)))
    assert error.code == code
    assert str(error).endswith(".")
    assert "/" not in str(error)
