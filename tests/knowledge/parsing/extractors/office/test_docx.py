import io
import json
import zipfile

import pytest
from docx import Document

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.office.docx import extract
from chatbot.knowledge.parsing.formats import DOCX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.office.numbering import formatted
from chatbot.knowledge.parsing.office.symbols import symbol, translated
from tests.knowledge.parsing.makers import document_xml, make_docx, member_of, rezipped, saved, word


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

    assert parsed.text == "## Rates\n\nBefore\n\nCity | Rate\nBonn | 28\n\n- One\n1. Two\n\nAfter"
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


MATH = "xmlns:m='http://schemas.openxmlformats.org/officeDocument/2006/math'"


def run(text: str, marks: str = "") -> str:
    return f"<w:r><w:rPr>{marks}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


def paragraph(inner: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{inner}</w:p>"


def text_of(body: str) -> str:
    return extract(word(body), DEFAULT).text


def m(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


@pytest.mark.parametrize(
    ("equation", "linear"),
    [
        (f"<m:f><m:num>{m('a')}{m('+b')}</m:num><m:den>{m('2')}</m:den></m:f>", "(a+b)/2"),
        (f"<m:sSup><m:e>{m('c')}</m:e><m:sup>{m('2')}</m:sup></m:sSup>", "c^2"),
        (f"<m:sSub><m:e>{m('x')}</m:e><m:sub>{m('i+1')}</m:sub></m:sSub>", "x_(i+1)"),
        (f"<m:rad><m:radPr><m:degHide m:val='1'/></m:radPr><m:deg/><m:e>{m('y')}</m:e></m:rad>", "√y"),
        (f"<m:rad><m:deg>{m('3')}</m:deg><m:e>{m('y')}</m:e></m:rad>", "3√y"),
        (
            f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub>{m('i=1')}</m:sub><m:sup>{m('n')}</m:sup>"
            f"<m:e>{m('k')}</m:e></m:nary>",
            "∑_(i=1)^n k",
        ),
        (f"<m:d><m:e>{m('a')}</m:e><m:e>{m('b')}</m:e></m:d>", "(a|b)"),
        (
            f"<m:m><m:mr><m:e>{m('1')}</m:e><m:e>{m('0')}</m:e></m:mr><m:mr><m:e>{m('0')}</m:e></m:mr></m:m>",
            "[1, 0; 0]",
        ),
        (f"<m:func><m:fName>{m('sin')}</m:fName><m:e>{m('x')}</m:e></m:func>", "sin x"),
    ],
)
def test_equation_is_written_once_on_its_line(equation, linear):
    body = f"<w:p {MATH}>{run('It is ')}<m:oMath>{equation}</m:oMath>{run(' here.')}</w:p>"
    assert text_of(body) == f"It is {linear} here."


def test_displayed_equations_stand_on_lines_of_their_own():
    body = f"<w:p {MATH}>{run('So:')}<m:oMathPara><m:oMath>{m('a=b')}</m:oMath></m:oMathPara>{run('as said.')}</w:p>"
    assert text_of(body) == "So:\na=b\nas said."


def test_symbols_are_the_characters_that_are_seen():
    signs = [("Symbol", "F0B0"), ("Symbol", "F0A3"), ("Symbol", "F0B1"), ("Wingdings", "F0FC"), ("Wingdings", "F0FE")]
    body = "".join(f"<w:r><w:sym w:font='{font}' w:char='{code}'/></w:r>" for font, code in signs)
    typed = run("\uf0ae", "<w:rFonts w:ascii='Symbol' w:hAnsi='Symbol'/>")
    assert text_of(f"<w:p>{body}{typed}</w:p>") == "°≤±✔☑→"
    assert symbol("Wingdings", 0xF0A8) == symbol("Wingdings", 0xA8) == "□"
    assert symbol("Wingdings 2", 0xF052) == "☑"
    assert symbol("Arial", 0x2192) == "→"
    assert translated("plain", "Symbol") == "plain"


def test_symbol_that_is_not_known_is_told():
    assert (
        text_of("<w:p><w:r><w:t>a</w:t><w:sym w:font='House' w:char='F041'/><w:sym w:char='?'/></w:r></w:p>") == "a��"
    )


@pytest.mark.parametrize(
    ("before", "raised", "after", "seen"),
    [
        ("10", "6", " units", "10^6 units"),
        ("25", "1", " crowns", "25^1 crowns"),
        ("10", "-3", " m", "10^-3 m"),
        ("word", "2", ".", "word^2."),
        ("25", "1,2", " crowns", "25^(1,2) crowns"),
        ("1", "st", " floor", "1st floor"),
        ("2", "n", " bits", "2^n bits"),
        ("Brand", "TM", "", "BrandTM"),
    ],
)
def test_raised_number_does_not_join_the_one_before_it(before, raised, after, seen):
    body = run(before) + run(raised, "<w:vertAlign w:val='superscript'/>") + run(after)
    assert text_of(f"<w:p>{body}</w:p>") == seen


def test_lowered_digit_joins_a_letter_but_no_digit():
    low = "<w:vertAlign w:val='subscript'/>"
    assert text_of(f"<w:p>{run('H')}{run('2', low)}{run('O, 10')}{run('2', low)}</w:p>") == "H2O, 10_2"


def test_raised_number_in_pieces_is_one():
    assert written([Span("10"), Span("1", "superscript"), Span("2", "superscript"), Span(" m")]) == "10^12 m"


def test_mark_of_a_note_that_a_style_raises_stays_apart():
    document = Document()
    document.styles.add_style("Mark", 2).font.superscript = True
    line = document.add_paragraph("within 30")
    line.add_run("1", style="Mark")
    line.add_run(" days")
    assert extract(saved(document), DEFAULT).text == "within 30^1 days"


def test_reference_to_a_footnote_leaves_the_number_before_it_alone():
    assert text_of(f"<w:p>{run('30')}<w:r><w:footnoteReference w:id='2'/></w:r>{run(' days')}</w:p>") == "30 days"


def test_struck_out_text_is_marked_also_where_a_style_strikes():
    document = Document()
    document.styles.add_style("Gone", 2).font.strike = True
    line = document.add_paragraph("It costs ")
    line.add_run("ninety ").font.double_strike = True
    line.add_run("or eighty", style="Gone")
    line.add_run(" forty.")
    assert extract(saved(document), DEFAULT).text == "It costs ~~ninety or eighty~~ forty."


def test_text_that_a_style_hides_is_left_out_unless_the_run_shows_it():
    document = Document()
    document.styles.add_style("Secret", 2).font.hidden = True
    document.styles.add_style("Deeper", 2).base_style = document.styles["Secret"]
    line = document.add_paragraph("seen")
    line.add_run(" four crowns", style="Deeper")
    line.add_run(" shown", style="Deeper").font.hidden = False
    assert extract(saved(document), DEFAULT).text == "seen shown"


def fld(kind: str, inner: str = "") -> str:
    return f"<w:r><w:fldChar w:fldCharType='{kind}'>{inner}</w:fldChar></w:r>"


def field(data: str, code: str, result: str = "") -> str:
    middle = fld("separate") + run(result) if result else ""
    return fld("begin", data and f"<w:ffData>{data}</w:ffData>") + run(code) + middle + fld("end")


def test_form_fields_keep_what_was_filled_in():
    ticked = field("<w:checkBox><w:checked/></w:checkBox>", "FORMCHECKBOX")
    usual = field("<w:checkBox><w:default w:val='1'/></w:checkBox>", "FORMCHECKBOX")
    empty = field("<w:checkBox><w:default w:val='1'/><w:checked w:val='0'/></w:checkBox>", "FORMCHECKBOX")
    entries = "<w:listEntry w:val='Red'/><w:listEntry w:val='Green'/>"
    chosen = field(f"<w:ddList><w:result w:val='1'/>{entries}</w:ddList>", "FORMDROPDOWN")
    first = field(f"<w:ddList>{entries}</w:ddList>", "FORMDROPDOWN")
    text = field("<w:textInput/>", "FORMTEXT", "Ada Byron")
    body = "".join(map(paragraph, (ticked + run(" a"), usual + run(" b"), empty + run(" c"), chosen, first, text)))
    assert text_of(body).split("\n\n") == ["☒ a", "☒ b", "☐ c", "Green", "Red", "Ada Byron"]


def test_code_of_a_field_is_left_out_with_the_fields_in_it():
    inner = field("", "MERGEFIELD x", "inner")
    outer = fld("begin") + run("IF ") + inner + fld("separate") + run("result") + fld("end")
    assert text_of(paragraph(run("a ") + outer + run(" z"))) == "a result z"


def test_ruby_keeps_the_word_whole_and_leaves_the_reading_out():
    def ruby(base: str, reading: str) -> str:
        return f"<w:r><w:ruby><w:rt>{run(reading)}</w:rt><w:rubyBase>{run(base)}</w:rubyBase></w:ruby></w:r>"

    assert text_of(f"<w:p>{ruby('図', 'と')}{ruby('書', 'しょ')}{run('です')}</w:p>") == "図書です"


def test_deleted_paragraph_mark_joins_and_deleted_rows_are_gone():
    gone = "<w:rPr><w:del w:id='1'/></w:rPr>"
    rows = "".join(
        f"<w:tr><w:trPr>{mark}</w:trPr><w:tc>{paragraph(run(text))}</w:tc></w:tr>"
        for text, mark in (("kept", ""), ("gone", "<w:del w:id='2'/>"))
    )
    body = paragraph(run("locked at nine"), gone) + paragraph(run(" and open at six")) + f"<w:tbl>{rows}</w:tbl>"
    assert text_of(body) == "locked at nine and open at six\n\nkept"


def level(at: int, kind: str, text: str, more: str = "") -> str:
    return (
        f"<w:lvl w:ilvl='{at}'><w:start w:val='1'/><w:numFmt w:val='{kind}'/>{more}<w:lvlText w:val='{text}'/></w:lvl>"
    )


def numbered(levels: str, paragraphs: list[tuple[int, str]], nums: str = "") -> str:
    """The text of paragraphs numbered by list 7 at these levels; `nums` may declare further lists."""
    names = "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'"
    lists = f"<w:abstractNum w:abstractNumId='1'>{levels}</w:abstractNum>"
    own = "<w:num w:numId='7'><w:abstractNumId w:val='1'/></w:num>"
    body = "".join(
        paragraph(run(text), f"<w:numPr><w:ilvl w:val='{at % 10}'/><w:numId w:val='{at // 10 or 7}'/></w:numPr>")
        for at, text in paragraphs
    )
    parts = {"word/numbering.xml": f"<w:numbering {names}>{lists}{own}{nums}</w:numbering>".encode()}
    return extract(rezipped(word(body), parts), DEFAULT).text


def test_clauses_have_the_numbers_that_word_shows():
    levels = level(0, "decimal", "%1.") + level(1, "decimal", "%1.%2") + level(2, "lowerLetter", "(%3)")
    found = numbered(levels, [(0, "A"), (1, "B"), (2, "C"), (2, "D"), (1, "E"), (2, "F"), (0, "G"), (1, "H")])
    assert found.split("\n") == ["1. A", "1.1 B", "(a) C", "(b) D", "1.2 E", "(a) F", "2. G", "2.1 H"]


def test_list_that_starts_anew_and_legal_numbers_count_as_in_word():
    levels = level(0, "upperRoman", "Article %1") + level(1, "decimal", "%1.%2", "<w:isLgl/>")
    anew = (
        "<w:num w:numId='8'><w:abstractNumId w:val='1'/>"
        "<w:lvlOverride w:ilvl='0'><w:startOverride w:val='5'/></w:lvlOverride></w:num>"
    )
    found = numbered(levels, [(0, "A"), (0, "B"), (1, "C"), (80, "D"), (80, "E")], anew)
    assert found.split("\n") == ["Article I A", "Article II B", "2.1 C", "Article V D", "Article VI E"]


def test_bullets_stay_bullets():
    assert numbered(level(0, "bullet", "\uf0b7"), [(0, "A"), (0, "B")]) == "- A\n- B"


def test_heading_numbered_by_its_style_stays_a_heading():
    names = "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'"
    levels = level(0, "decimal", "%1", "<w:pStyle w:val='Heading1'/>")
    levels += level(1, "decimal", "§ %1.%2", "<w:pStyle w:val='Heading2'/>")
    lists = f"<w:abstractNum w:abstractNumId='1'>{levels}</w:abstractNum>"
    numbering = f"<w:numbering {names}>{lists}<w:num w:numId='7'><w:abstractNumId w:val='1'/></w:num></w:numbering>"
    styles = member_of(make_docx("x"), "word/styles.xml")
    for key in (b"Heading1", b"Heading2"):
        head, found, tail = styles.partition(b'w:styleId="' + key + b'"')
        assert found
        styles = head + found + tail.replace(b"<w:pPr>", b'<w:pPr><w:numPr><w:numId w:val="7"/></w:numPr>', 1)
    body = paragraph(run("Rent"), "<w:pStyle w:val='Heading1'/>") + paragraph(
        run("Due"), "<w:pStyle w:val='Heading2'/>"
    )
    data = rezipped(word(body), {"word/numbering.xml": numbering.encode(), "word/styles.xml": styles})
    assert extract(data, DEFAULT).text == "# 1 Rent\n\n## § 1.1 Due"


def test_formats_of_numbers():
    kinds = ["lowerRoman", "upperLetter", "decimalZero", "ordinal", "chicago"]
    assert [formatted(28, kind) for kind in kinds] == ["xxviii", "BB", "28", "28th", "28"]
    assert [formatted(number, "ordinal") for number in (1, 2, 3, 11)] == ["1st", "2nd", "3rd", "11th"]


def test_cells_merged_over_rows_and_columns_keep_the_others_in_their_columns():
    def cell(text: str, marks: str = "") -> str:
        return f"<w:tc><w:tcPr>{marks}</w:tcPr>{paragraph(run(text))}</w:tc>"

    rows = [
        cell("Plan", "<w:gridSpan w:val='2'/>") + cell("Units"),
        cell("North", "<w:vMerge w:val='restart'/>") + cell("Box") + cell("7"),
        cell("", "<w:vMerge/>") + cell("Fuse") + cell("3"),
        cell("South") + cell("") + cell("4"),
    ]
    body = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert text_of(body).split("\n") == ["Plan | | Units", "North | Box | 7", "North | Fuse | 3", "South | | 4"]


def test_relationship_to_a_part_that_is_not_there_costs_nothing():
    data = make_docx("The key hangs in room four.")
    relations = member_of(data, "word/_rels/document.xml.rels")
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
    lost = f'<Relationship Id="rId99" Type="{kind}" Target="{{}}"/></Relationships>'
    for target in ("NULL", "media/gone.png", "../gone.xml", "/word/gone.xml"):
        body = relations.replace(b"</Relationships>", lost.format(target).encode())
        assert parse(rezipped(data, {"word/_rels/document.xml.rels": body}), "a.docx").text.startswith("The key")


def test_text_of_a_drawing_stands_behind_its_paragraph():
    a = "xmlns:a='http://schemas.openxmlformats.org/drawingml/2006/main'"
    drawing = f"<w:r><w:drawing><a:txBody {a}><a:p><a:r><a:t>Exit</a:t></a:r></a:p></a:txBody></w:drawing></w:r>"
    assert text_of(f"<w:p>{run('Before')}{drawing}</w:p>{paragraph(run('After'))}") == "Before\n\nExit\n\nAfter"
