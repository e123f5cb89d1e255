import io
import zipfile

import pytest

from chatbot.knowledge.parsing import ParseError, parse, sniff
from chatbot.knowledge.parsing.extractors.epub import extract
from chatbot.knowledge.parsing.formats import EPUB
from chatbot.knowledge.parsing.limits import DEFAULT
from tests.knowledge.parsing.epub_makers import book, make_epub, opf, xhtml
from tests.knowledge.parsing.makers import rezipped


def text_of(*bodies: str, **more) -> str:
    """The text of a book of these chapters."""
    items = {f"c{n}": f"c{n}.xhtml" for n in range(len(bodies))}
    files = {f"c{n}.xhtml": xhtml(body, **more) for n, body in enumerate(bodies)}
    return extract(book(files, opf(items, list(items))), DEFAULT).text


def code_of(data: bytes) -> str:
    with pytest.raises(ParseError) as caught:
        parse(data, "a.epub")
    return caught.value.code


def test_chapters_come_in_the_order_of_the_spine_each_once():
    items = {"b": "text/b.xhtml", "a": "text/a%20one.xhtml", "note": "note.xhtml", "unused": "unused.xhtml"}
    files = {
        "text/a one.xhtml": xhtml("<h1>One</h1><p>first</p>"),
        "text/b.xhtml": xhtml("<h1>Two</h1><ol start='3'><li>third</li></ol>"),
        "note.xhtml": xhtml("<p>aside</p>"),
        "unused.xhtml": xhtml("<p>never</p>"),
        "toc.ncx": "<ncx><navMap><navPoint><navLabel><text>never</text></navLabel></navPoint></navMap></ncx>",
    }
    data = book(files, opf(items, ["note no", "a", "b", "a", "lost"], title="The handbook"))
    parsed = parse(data, "upload")
    assert parsed.text == "# One\n\nfirst\n\n# Two\n\n3. third\n\naside"
    assert parsed.title == "The handbook"
    assert parsed.media_type == EPUB
    assert parsed.pages == ()


def test_table_of_contents_is_read_only_where_the_spine_has_it():
    nav = xhtml('<nav epub:type="toc"><ol><li><a href="a.xhtml">One</a></li></ol></nav><nav hidden="">pages</nav>')
    files = {"nav.xhtml": nav, "a.xhtml": xhtml("<h1>One</h1>")}
    items = {"nav": "nav.xhtml", "a": "a.xhtml"}
    assert extract(book(files, opf(items, ["a"])), DEFAULT).text == "# One"
    assert extract(book(files, opf(items, ["nav", "a"])), DEFAULT).text == "1. One\n\n# One"


def test_elements_that_xml_may_leave_empty_do_not_swallow_the_chapter():
    body = '<script src="a.js"/><a id="p1"/><p>one<br/>two&#160;three&nbsp;four &amp; &lt;b&gt;</p><div/><p>end</p>'
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">'
    assert text_of(body, before=doctype) == "one\ntwo\xa0three\xa0four & <b>\n\nend"


def test_chapter_that_is_no_xml_is_read_as_far_as_a_browser_reads_it():
    assert text_of("<p>one<p>two &copy; three<script/><p>end") == "one\n\ntwo © three\n\nend"


def test_chapter_in_another_encoding_and_with_prefixes_is_read():
    latin = "<?xml version='1.0' encoding='iso-8859-1'?><h:html xmlns:h='http://www.w3.org/1999/xhtml'><h:body><h:p>Köln</h:p></h:body></h:html>"
    files = {
        "a.xhtml": latin.encode("latin-1"),
        "b.xhtml": xhtml("<p>Ulm</p>").replace("utf-8", "utf-16").encode("utf-16"),
    }
    package = opf({"a": "a.xhtml", "b": "b.xhtml"}, ["a", "b"])
    assert extract(book(files, package), DEFAULT).text == "Köln\n\nUlm"


def test_formulas_and_marks_are_written_as_on_a_web_page():
    formula = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mfrac><mn>1</mn><mn>2</mn></mfrac>'
        '<annotation encoding="application/x-tex">never</annotation></semantics></math>'
    )
    assert text_of(f"<p>{formula} of 10<sup>6</sup> <del>old</del></p>") == "1/2 of 10^6 ~~old~~"


@pytest.mark.parametrize(
    "mark",
    [
        '<a epub:type="noteref" href="#n">1</a>',
        '<a role="doc-noteref" href="#n">1</a>',
        '<sup><a epub:type="noteref" href="#n">1</a></sup>',
        '<a epub:type="noteref" href="#n"><sup>1</sup></a>',
    ],
)
def test_mark_of_a_note_stays_apart_from_the_number_before_it(mark):
    assert text_of(f"<p>within 30{mark} days</p>") == "within 30^1 days"


def test_hidden_text_is_left_out():
    """J6"""
    assert text_of('<p>seen<span style="display:none">secret</span></p><p hidden="hidden">secret</p>') == "seen"


def test_entities_that_a_file_declares_stay_inert():
    assert text_of("<p>kept&e;</p>", before='<!DOCTYPE html [<!ENTITY e "secret">]>') == "kept"


def test_fallback_is_read_where_a_file_of_the_spine_is_no_text():
    more = (
        '<item id="image" href="cover.svg" media-type="image/svg+xml" fallback="words"/>'
        '<item id="loop" href="x.pdf" media-type="application/pdf" fallback="loop"/>'
    )
    files = {"words.xhtml": xhtml("<p>words</p>"), "cover.svg": "<svg/>"}
    assert extract(book(files, opf({"words": "words.xhtml"}, ["image", "loop"], more=more)), DEFAULT).text == "words"


def encryption(uri: str, algorithm: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        f'<enc:EncryptionMethod Algorithm="{algorithm}"/><enc:CipherData><enc:CipherReference URI="{uri}"/>'
        "</enc:CipherData></enc:EncryptedData></encryption>"
    )


def test_protected_book_says_so_and_one_with_protected_fonts_is_read():
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    fonts = "http://www.idpf.org/2008/embedding"
    locked = {"META-INF/encryption.xml": encryption("OEBPS/c1.xhtml", aes).encode(), "OEBPS/c1.xhtml": b"\x01\x02"}
    assert code_of(rezipped(make_epub("x"), locked)) == "encrypted"
    for uri, algorithm in (("OEBPS/font.otf", fonts), ("OEBPS/font.otf", aes)):
        data = rezipped(make_epub("kept"), {"META-INF/encryption.xml": encryption(uri, algorithm).encode()})
        assert parse(data, "a.epub").text == "kept"


def test_book_is_known_without_its_type_but_not_with_another():
    data = make_epub("kept")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist()[1:]:
            new.writestr(name, old.read(name))
    assert sniff(out.getvalue(), "a.zip") == EPUB
    assert sniff(rezipped(data, {"mimetype": b"application/epub+zip\r\n"}), "a.txt") == EPUB
    other = book({}, "", "application/vnd.adobe.indesign-idml-package")
    assert code_of(other) == "unsupported"


def test_broken_books_are_damaged():
    assert code_of(rezipped(make_epub("x"), {"META-INF/container.xml": b"<container/>"})) == "damaged"
    assert code_of(rezipped(make_epub("x"), {"OEBPS/content.opf": b"<package"})) == "damaged"
    assert code_of(book({}, opf({"a": "a.xhtml"}, ["a"]))) == "damaged"
    assert code_of(book({}, opf({}, []))) == "no_text"


def test_path_that_leads_out_of_the_book_reads_nothing():
    assert code_of(book({}, opf({"a": "../../../../etc/passwd"}, ["a"]))) == "damaged"
