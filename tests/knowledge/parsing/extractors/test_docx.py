import io
import json
import zipfile

import pytest
from docx import Document

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.docx import extract
from chatbot.knowledge.parsing.formats import DOCX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from tests.knowledge.parsing.makers import document_xml, make_docx, rezipped, saved, word


def code_of(data: bytes, limits: Limits = DEFAULT) -> str:
    """The code, which has to be the same in this process and in the child."""
    here = json.loads(answer(data, DOCX, limits)).get("error", "no_text")
    with pytest.raises(ParseError) as caught:
        parse(data, "a.docx", limits=limits)
    assert caught.value.code == here
    return here


def outcome(data: bytes) -> str:
    """The text, or the code of the refusal."""
    try:
        return parse(data, "a.docx").text
    except ParseError as error:
        return error.code


def test_paragraphs_and_tables_come_in_document_order():
    document = Document()
    document.core_properties.title = "Travel policy"
    document.add_heading("Rates", 2)
    document.add_paragraph("Before")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["City", "Rate", "Bonn", "28"], strict=True):
        cell.text = text
    document.add_paragraph("One", style="List Bullet")
    document.add_paragraph("Two", style="List Number")
    document.add_paragraph("After")

    parsed = parse(saved(document), "a.docx")

    assert parsed.text == "## Rates\n\nBefore\n\nCity | Rate\nBonn | 28\n\n- One\n- Two\n\nAfter"
    assert parsed.title == "Travel policy"
    assert parsed.media_type.endswith("wordprocessingml.document")
    assert parsed.pages == ()


def test_without_a_title_property_a_leading_heading_is_the_title():
    document = Document()
    document.core_properties.title = ""
    document.add_heading("The handbook", 0)
    assert extract(saved(document), DEFAULT).title == "The handbook"
    assert extract(make_docx("plain"), DEFAULT).title is None


def test_a_style_based_on_a_heading_is_a_heading():
    document = Document()
    style = document.styles.add_style("House heading", 1)
    style.base_style = document.styles["Heading 3"]
    document.add_paragraph("Ours", style=style)
    assert extract(saved(document), DEFAULT).text == "### Ours"


def test_text_boxes_come_once_after_their_paragraph():
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>anchor</w:t></w:r><w:r><mc:AlternateContent>"
        f"<mc:Choice Requires='wps'>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        "</mc:AlternateContent></w:r></w:p><w:p><w:r><w:t>next</w:t></w:r></w:p>"
    )
    assert extract(word(body), DEFAULT).text == "anchor\n\nboxed\n\nnext"


def test_what_is_written_for_old_readers_is_not_read_twice():
    body = (
        "<w:p><w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:t>new</w:t></mc:Choice>"
        "<mc:Fallback><w:t>old</w:t></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert extract(word(body), DEFAULT).text == "new"


def test_content_controls_and_insertions_count_and_deletions_do_not():
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        "<w:r><w:tab/><w:t>tab</w:t><w:br/><w:t>line</w:t><w:noBreakHyphen/><w:instrText>PAGE</w:instrText></w:r>"
        "<!-- remark --></w:p>"
    )
    assert extract(word(body), DEFAULT).text == "control\n\nnew\ttab\nline-"


def test_hidden_text_is_left_out():
    """J6"""

    def run(mark: str) -> str:
        return f"<w:r><w:rPr>{mark}</w:rPr><w:t>{mark and 'x'}y</w:t></w:r>"

    body = "".join(map(run, ["", "<w:vanish/>", "<w:vanish w:val='1'/>", "<w:vanish w:val='0'/>", "<w:b/>"]))
    assert extract(word(f"<w:p>{body}</w:p>"), DEFAULT).text == "yxyxy"


def test_white_text_on_white_is_left_out_and_on_a_colour_is_read():
    """J6"""
    white = "<w:color w:val='ffffff'/>"

    def run(marks: str, word: str) -> str:
        return f"<w:r><w:rPr>{marks}</w:rPr><w:t>{word}</w:t></w:r>"

    shaded = f"<w:p><w:pPr><w:shd w:fill='000000'/></w:pPr>{run(white, ' shaded')}</w:p>"
    cell = f"<w:tbl><w:tr><w:tc><w:p>{run(white, 'cell')}</w:p></w:tc></w:tr></w:tbl>"
    seen = run(white + "<w:highlight w:val='black'/>", " marked") + run("<w:color w:val='000000'/>", " black")
    body = f"<w:p>{run('', 'seen')}{run(white, ' secret')}{seen}</w:p>{shaded}{cell}"

    assert extract(word(body), DEFAULT).text == "seen marked black\n\nshaded\n\ncell"


def test_rows_with_missing_cells_and_tables_in_cells_are_read():
    def cell(inner: str) -> str:
        return f"<w:tc>{inner}</w:tc>"

    def para(text: str) -> str:
        return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"

    inner = f"<w:tbl><w:tr>{cell(para('in'))}{cell(para('ner'))}</w:tr></w:tbl>"
    row_in_control = f"<w:sdt><w:sdtContent><w:tr>{cell(para('c'))}</w:tr></w:sdtContent></w:sdt>"
    body = f"<w:tbl><w:tr>{cell(para('a'))}{cell(inner)}</w:tr><w:tr></w:tr>{row_in_control}</w:tbl>"
    assert extract(word(body), DEFAULT).text == "a | in | ner\nc"


def test_numbering_without_a_list_style_is_a_list_and_number_zero_is_not():
    def item(number: int) -> str:
        return (
            f"<w:p><w:pPr><w:numPr><w:ilvl w:val='0'/><w:numId w:val='{number}'/></w:numPr></w:pPr>"
            "<w:r><w:t>item</w:t></w:r></w:p>"
        )

    assert extract(word(item(3) + item(0)), DEFAULT).text == "- item\n\nitem"


def test_an_external_entity_stays_inert(tmp_path):
    """H4"""
    secret = tmp_path / "secret.txt"
    secret.write_text("root:x:0:0")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>'
    data = word("<w:p><w:r><w:t>safe &e;</w:t></w:r></w:p><w:p><w:r><w:t>end</w:t></w:r></w:p>", doctype)
    assert parse(data, "a.docx").text.split() == ["safe", "end"]


def test_a_billion_laughs_stay_inert():
    """H4"""
    entities = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    data = word("<w:p><w:r><w:t>safe</w:t><w:t>&l11;</w:t></w:r></w:p>", f"<!DOCTYPE x [{entities}]>")
    assert outcome(data) in ("safe", "damaged", "too_complex")


def test_an_external_template_is_not_fetched():
    """H4"""
    namespace = "http://schemas.openxmlformats.org/package/2006/relationships"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"
    target = 'Target="http://127.0.0.1:9/evil.dotm" TargetMode="External"'
    relation = f'<Relationship Id="rId1" Type="{kind}" {target}/>'
    relations = f'<Relationships xmlns="{namespace}">{relation}</Relationships>'.encode()
    data = rezipped(make_docx("kept"), {"word/_rels/document.xml.rels": relations})
    assert parse(data, "a.docx").text == "kept"


def test_bad_xml_and_a_missing_part_are_damaged_or_unsupported():
    assert code_of(rezipped(make_docx("x"), {"word/document.xml": document_xml("x")[:99]})) == "damaged"
    assert code_of(rezipped(make_docx("x"), {"_rels/.rels": b"<Relationships/>"})) in (
        "damaged",
        "unsupported",
    )


def test_a_macro_document_is_unsupported():
    with zipfile.ZipFile(io.BytesIO(make_docx("x"))) as package:
        types = package.read("[Content_Types].xml")
    macro = types.replace(
        b"vnd.openxmlformats-officedocument.wordprocessingml.document.main",
        b"vnd.ms-word.document.macroEnabled.main",
    )
    assert macro != types
    assert code_of(rezipped(make_docx("x"), {"[Content_Types].xml": macro})) == "unsupported"


def test_an_empty_document_has_no_text():
    """H8"""
    assert code_of(make_docx("", " ")) == "no_text"


def test_a_member_that_grows_a_thousandfold_is_too_complex():
    """H3"""
    bomb = rezipped(make_docx("x"), {"word/document.xml": b"A" * 5_000_000})
    assert len(bomb) < 100_000
    assert code_of(bomb) == "too_complex"


def test_many_members_and_large_totals_are_too_complex():
    """H3"""
    crowded = rezipped(make_docx("x"), {f"word/media/{n}": b"" for n in range(1001)})
    assert code_of(crowded) == "too_complex"
    assert code_of(make_docx("x"), Limits(zip_bytes=1000)) == "too_complex"


def test_a_member_larger_than_its_declared_size_is_too_complex():
    """H3"""
    body = document_xml("<w:p/>" * 5000)
    honest = rezipped(make_docx("x"), {"word/document.xml": body})
    lying = honest.replace(len(body).to_bytes(4, "little"), (300).to_bytes(4, "little"))
    assert lying != honest
    assert code_of(lying) == "too_complex"


def test_other_compression_is_unsupported_and_an_encrypted_member_encrypted():
    assert code_of(rezipped(make_docx("x"), {}, zipfile.ZIP_LZMA)) == "unsupported"
    data = bytearray(make_docx("x"))
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    assert code_of(bytes(data)) == "encrypted"


def test_stored_members_are_read():
    assert parse(rezipped(make_docx("stored"), {}, zipfile.ZIP_STORED), "a.docx").text == "stored"


def test_a_zip_inside_a_document_is_never_opened():
    """H3"""
    nested = rezipped(make_docx("outer"), {"word/embeddings/inner.zip": make_docx("inner")})
    assert parse(nested, "a.docx").text == "outer"
