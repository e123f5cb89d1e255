import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.office.odt import extract
from chatbot.knowledge.parsing.formats import ODT
from chatbot.knowledge.parsing.limits import DEFAULT
from tests.knowledge.parsing.makers import member_of, rezipped
from tests.knowledge.parsing.open_document_makers import make_odt, open_document, styles_xml


def text_of(body: str, automatic: str = "", styles: str = "", **more) -> str:
    return extract(open_document("text", body, automatic=automatic, styles=styles, **more), DEFAULT).text


def style(name: str, properties: str, family: str = "text", more: str = "") -> str:
    return (
        f'<style:style style:name="{name}" style:family="{family}" {more}>'
        f"<style:text-properties {properties}/></style:style>"
    )


def span(name: str, text: str) -> str:
    return f'<text:span text:style-name="{name}">{text}</text:span>'


def p(text: str, more: str = "") -> str:
    return f"<text:p {more}>{text}</text:p>"


def item(*parts: str, more: str = "") -> str:
    return f"<text:list-item {more}>{''.join(parts)}</text:list-item>"


def listed(*items: str, more: str = 'text:style-name="L1"') -> str:
    return f"<text:list {more}>{''.join(items)}</text:list>"


def numbers(name: str = "L1", *levels: str) -> str:
    """A list style; without levels: 1. and a)."""
    usual = (
        '<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>',
        '<text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>',
    )
    return f'<text:list-style style:name="{name}">{"".join(levels or usual)}</text:list-style>'


def cell(text: str, more: str = "") -> str:
    return f"<table:table-cell {more}>{text if text.startswith('<') else p(text)}</table:table-cell>"


def table(*rows: str, columns: str = "") -> str:
    return f"<table:table>{columns}{''.join(f'<table:table-row>{row}</table:table-row>' for row in rows)}</table:table>"


def test_blocks_come_in_document_order():
    body = (
        "<text:sequence-decls><text:sequence-decl text:name='Table'/></text:sequence-decls>"
        + p("House rules", 'text:style-name="Title"')
        + '<text:h text:outline-level="2">Rates</text:h>'
        + p("Before")
        + table(cell("City") + cell("Rate"), cell("Bonn") + cell("28"))
        + listed(item(p("One")), item(p("Two")), more="")
        + p("After")
    )
    parsed = parse(open_document("text", body, title="Travel policy"), "upload")
    assert parsed.text == ("# House rules\n\n## Rates\n\nBefore\n\nCity | Rate\nBonn | 28\n\n- One\n- Two\n\nAfter")
    assert parsed.title == "Travel policy"
    assert parsed.media_type == ODT
    assert parsed.pages == ()


def test_template_is_read_like_a_document():
    assert parse(open_document("text", p("kept"), template="-template"), "a.ott").text == "kept"


def test_without_a_title_property_a_leading_heading_is_the_title():
    assert extract(open_document("text", '<text:h text:outline-level="1">The handbook</text:h>'), DEFAULT).title == (
        "The handbook"
    )
    assert extract(make_odt("plain"), DEFAULT).title is None
    assert extract(open_document("text", p("x"), title="Untitled"), DEFAULT).title is None


def test_style_based_on_the_title_is_a_title():
    own = '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>'
    assert text_of(p("Ours", 'text:style-name="P1"'), own) == "# Ours"


def test_blanks_collapse_and_those_that_are_written_stay():
    body = p("a  \n b<text:s/>c<text:tab/>d<text:s text:c='3'/>e<text:line-break/>f")
    assert text_of(body) == "a b c\td   e\nf"


def test_deleted_text_is_left_out_and_inserted_text_is_read():
    changes = (
        "<text:tracked-changes><text:changed-region text:id='c1'><text:deletion><text:p>gone</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
    )
    body = changes + p(
        "kept<text:change text:change-id='c1'/> <text:change-start text:change-id='c2'/>new<text:change-end/>"
    )
    assert text_of(body) == "kept new"


def test_comments_are_left_out():
    assert text_of(p("seen<office:annotation><text:p>who?</text:p></office:annotation><office:annotation-end/>")) == (
        "seen"
    )


def test_hidden_text_is_left_out_wherever_it_is_hidden():
    """J6"""
    hidden = 'text:display="none"'
    automatic = (
        style("T1", hidden)
        + style("T2", "", more='style:parent-style-name="Secret"')
        + style("T3", 'text:display="true"', more='style:parent-style-name="Secret"')
        + style("P1", hidden, "paragraph")
    )
    body = (
        p(f"seen{span('T1', 'secret')}{span('T2', 'secret')}{span('T3', ' shown')}")
        + p("secret", 'text:style-name="P1"')
        + f"<text:section {hidden}>{p('secret')}</text:section>"
        + f'<text:section text:display="condition" text:is-hidden="true">{p("secret")}</text:section>'
        + f'<text:section text:display="condition" text:condition="ooow:x==1">{p("on now")}</text:section>'
        + p('secret<text:hidden-paragraph text:is-hidden="true"/>')
        + p('a<text:hidden-text text:is-hidden="true">secret</text:hidden-text>b')
        + p('x<text:variable-set text:display="none">7</text:variable-set>y')
        + table(cell("row"), cell("hidden")).replace(
            "<table:table-row><table:table-cell ><text:p >hidden",
            '<table:table-row table:visibility="collapse"><table:table-cell ><text:p >secret',
        )
    )
    text = text_of(body, automatic, style("Secret", hidden))
    assert text == "seen shown\n\non now\n\nab\n\nxy\n\nrow"


def test_white_text_on_white_is_left_out_and_on_a_colour_is_read():
    """J6"""
    automatic = (
        style("T1", 'fo:color="#ffffff"')
        + style("T2", 'fo:color="#ffffff" fo:background-color="#000000"')
        + '<style:style style:name="P1" style:family="paragraph">'
        '<style:paragraph-properties fo:background-color="#000000"/></style:style>'
    )
    body = (
        p(f"seen{span('T1', ' secret')}{span('T2', ' marked')}")
        + p(span("T1", "shaded"), 'text:style-name="P1"')
        + table(cell(p(span("T1", "cell"))))
    )
    assert text_of(body, automatic) == "seen marked\n\nshaded\n\ncell"
    page = (
        '<style:page-layout style:name="M1"><style:page-layout-properties fo:background-color="#102030"/>'
        "</style:page-layout>"
    )
    dark = rezipped(open_document("text", body, automatic=automatic), {"styles.xml": styles_xml("", page).encode()})
    assert "secret" in extract(dark, DEFAULT).text


def test_raised_lowered_and_struck_out_text_is_marked():
    automatic = (
        style("Up", 'style:text-position="super 58%"')
        + style("High", 'style:text-position="33% 58%"')
        + style("Low", 'style:text-position="sub 58%"')
        + style("Base", 'style:text-position="0% 100%"')
        + style("Gone", 'style:text-line-through-style="solid"')
        + style("Back", 'style:text-line-through-style="none" style:text-line-through-type="none"')
    )
    body = p(
        f"10{span('Up', '6')} m{span('High', '2')} H{span('Low', '2')}O 5{span('Base', '7')} "
        f"{span('Gone', 'old')} {span('Back', 'new')}"
    )
    assert text_of(body, automatic) == "10^6 m^2 H2O 57 ~~old~~ new"


def test_ruby_keeps_the_word_whole_and_leaves_the_reading_out():
    ruby = "<text:ruby><text:ruby-base>{}</text:ruby-base><text:ruby-text>{}</text:ruby-text></text:ruby>"
    assert text_of(p(ruby.format("図", "と") + ruby.format("書", "しょ") + "です")) == "図書です"


def test_fields_are_read_as_they_are_shown():
    body = p(
        "Page <text:page-number>3</text:page-number> of <text:page-count>9</text:page-count>, "
        '<text:date text:date-value="2026-03-01">1 March</text:date>, see '
        '<text:bookmark-ref text:ref-name="x">chapter 2</text:bookmark-ref>, '
        '<text:a xlink:href="https://example.org/">a link</text:a>'
    )
    assert text_of(body) == "Page 3 of 9, 1 March, see chapter 2, a link"


def test_form_fields_of_word_keep_what_was_filled_in():
    def mark(kind: str, *params: tuple[str, str]) -> str:
        inner = "".join(f'<field:param field:name="{name}" field:value="{value}"/>' for name, value in params)
        return f'<field:fieldmark field:type="vnd.oasis.opendocument.field.FORM{kind}">{inner}</field:fieldmark>'

    entries = ("Dropdown_ListEntry", "red"), ("Dropdown_ListEntry", "blue")
    body = (
        p(mark("CHECKBOX", ("Checkbox_Checked", "true")) + " a " + mark("CHECKBOX") + " b")
        + p(mark("DROPDOWN", *entries, ("Dropdown_Selected", "1")) + " " + mark("DROPDOWN", *entries))
        + p("<field:fieldmark-start/><field:fieldmark-separator/>Bonn<field:fieldmark-end/>")
        + p(f"x{mark('DROPDOWN', *entries, ('Dropdown_Selected', '9'))}")
    )
    assert text_of(body).split("\n\n") == ["☒ a ☐ b", "blue red", "Bonn", "x"]


def note(mark: str, text: str, kind: str = "footnote") -> str:
    return (
        f'<text:note text:note-class="{kind}"><text:note-citation>{mark}</text:note-citation>'
        f"<text:note-body>{p(text)}</text:note-body></text:note>"
    )


def test_footnote_stands_behind_its_block_and_an_endnote_at_the_end():
    body = p(f"within 30{note('1', 'Since May.')} days{note('i', 'See annex.', 'endnote')}") + p("Next")
    assert text_of(body) == "within 30^1 days^i\n\n1 Since May.\n\nNext\n\ni See annex."


def test_footnote_in_a_table_stands_behind_the_table():
    body = table(cell("City") + cell("Rate"), cell("Bonn") + cell(p(f"28{note('*', 'Net.')}"))) + p("Next")
    assert text_of(body) == "City | Rate\nBonn | 28^*\n\n* Net.\n\nNext"


def test_list_continues_where_it_says_so_and_starts_anew_otherwise():
    body = (
        listed(item(p("one")), item(p("two")), more='xml:id="a" text:style-name="L1"')
        + p("Between")
        + listed(item(p("three")), more='xml:id="b" text:style-name="L1" text:continue-list="a"')
        + listed(item(p("four")), more='text:style-name="L1" text:continue-numbering="true"')
        + p("Apart")
        + listed(item(p("one")), item(p("seven"), more='text:start-value="7"'), item(p("eight")))
    )
    assert text_of(body, numbers()) == (
        "1. one\n2. two\n\nBetween\n\n3. three\n4. four\n\nApart\n\n1. one\n7. seven\n8. eight"
    )


def test_list_whose_id_stands_there_twice_is_read():
    body = listed(item(p("one")), more='xml:id="a" text:style-name="L1"') * 2
    assert text_of(body + listed(item(p("x")), more='xml:id="1 9"')) == "- one\n- one\n- x"


def test_nested_items_count_within_their_item_and_further_paragraphs_have_no_number():
    inner = listed(item(p("deep")), item(p("deeper")), more="")
    header = f"<text:list-header>{p('no number')}</text:list-header>"
    body = listed(header, item(p("one"), p("more of it"), inner), item(p("two"), listed(item(p("anew")), more="")))
    assert text_of(body, numbers()) == ("no number\n\n1. one\n\nmore of it\n\na) deep\nb) deeper\n2. two\na) anew")


def test_numbers_below_bullets_start_anew_with_each_bullet():
    style = numbers(
        "L1",
        '<text:list-level-style-bullet text:level="1" text:bullet-char="•"/>',
        '<text:list-level-style-number text:level="2" style:num-format="1" style:num-suffix="."/>',
    )
    inner = listed(item(p("x")), item(p("y")), more="")
    assert text_of(listed(item(p("a"), inner), item(p("b"), inner)), style) == "- a\n1. x\n2. y\n- b\n1. x\n2. y"


def test_levels_that_show_their_parents_and_other_kinds_of_numbers():
    clause = numbers(
        "L1",
        '<text:list-level-style-number text:level="1" style:num-format="I" style:num-prefix="§ " '
        'text:start-value="4"/>',
        '<text:list-level-style-number text:level="2" style:num-format="1" text:display-levels="2"/>',
        '<text:list-level-style-number text:level="3" style:num-format="1" loext:num-list-format="%2%-%3%:"/>',
    )
    deep = listed(item(p("c")), more="")
    body = listed(item(p("a"), listed(item(p("b"), deep), more="")))
    assert text_of(body, clause) == "§ IV a\nIV.1 b\n1-1: c"
    letters = numbers("L1", '<text:list-level-style-number text:level="1" style:num-format="A"/>')
    assert text_of(listed(*(item(p("x"), more=f'text:start-value="{n}"') for n in (1, 26, 27, 53))), letters) == (
        "A x\nZ x\nAA x\nBA x"
    )
    synced = letters.replace("/>", ' style:num-letter-sync="true"/>')
    assert text_of(listed(item(p("x"), more='text:start-value="28"')), synced) == "BB x"


def test_headings_have_the_numbers_of_their_outline():
    outline = (
        '<text:outline-style style:name="Outline">'
        '<text:outline-level-style text:level="1" style:num-format="1" style:num-suffix="."/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/></text:outline-style>'
    )
    headings = [(1, "A", ""), (2, "B", ""), (2, "C", ""), (1, "D", ""), (1, "Foreword", 'text:is-list-header="true"')]
    body = "".join(f'<text:h text:outline-level="{level}" {more}>{text}</text:h>' for level, text, more in headings)
    body += listed(item('<text:h text:outline-level="1">E</text:h>'))
    assert text_of(body, numbers(), outline) == "# 1. A\n\n## 1.1 B\n\n## 1.2 C\n\n# 2. D\n\n# Foreword\n\n# 1. E"


def test_merged_and_repeated_cells_keep_the_others_in_their_columns():
    body = table(
        cell("north", 'table:number-rows-spanned="2"')
        + cell("wide", 'table:number-columns-spanned="2"')
        + "<table:covered-table-cell/>"
        + cell("end"),
        "<table:covered-table-cell/>" + cell("x", 'table:number-columns-repeated="2"') + cell("y"),
        cell("", 'table:number-columns-repeated="3"')
        + cell("last")
        + cell("", 'table:number-columns-repeated="99999"'),
    )
    assert text_of(body) == "north | wide | | end\nnorth | x | x | y\nlast"


def test_table_in_a_cell_and_rows_of_a_heading_are_read():
    inner = table(cell("a") + cell("b"))
    body = (
        f"<table:table><table:table-header-rows><table:table-row>{cell('H')}{cell('I')}</table:table-row>"
        f"</table:table-header-rows><table:table-row>{cell(inner)}{cell('c')}</table:table-row></table:table>"
    )
    assert text_of(body) == "H | I\na | b | c"


def test_boxes_and_shapes_come_once_after_their_paragraph():
    box = f"<draw:frame><draw:text-box>{p('boxed')}</draw:text-box><draw:image/></draw:frame>"
    shape = f"<draw:g><draw:custom-shape>{p('on it')}<draw:enhanced-geometry/></draw:custom-shape></draw:g>"
    hidden = f'<draw:frame loext:display="none"><draw:text-box>{p("secret")}</draw:text-box></draw:frame>'
    described = "<draw:frame><draw:image/><svg:title>a title</svg:title><svg:desc>a photo</svg:desc></draw:frame>"
    assert text_of(p(f"anchor{box}{shape}{hidden}{described}") + p("next")) == "anchor\n\nboxed\n\non it\n\nnext"


FORMULA = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi>'
    '</mrow><mn>2</mn></mfrac></mrow><annotation encoding="StarMath 5.0">{a+b} over 2</annotation></semantics></math>'
)


def framed(name: str) -> str:
    return f'<draw:frame><draw:object xlink:href="./{name}"/><draw:image xlink:href="./Pictures/{name}"/></draw:frame>'


def test_formula_is_written_in_its_line():
    assert text_of(p(f"half {framed('Object 1')}."), more={"Object 1/content.xml": FORMULA}) == "half (a+b)/2."
    prefixed = FORMULA.replace("<", "<m:").replace("<m:/", "</m:").replace("xmlns=", "xmlns:m=")
    assert text_of(p(framed("Formula-0/")), more={"Formula-0/content.xml": prefixed}) == "(a+b)/2"


def test_chart_is_written_with_its_title_and_values():
    rows = "".join(
        f"<table:table-row>{cell(a)}{cell(b)}</table:table-row>" for a, b in (("", "Sales"), ("N", "1.5"), ("S", "2"))
    )
    chart = open_document(
        "chart",
        f"<chart:chart><chart:title>{p('By region')}</chart:title><chart:plot-area/>"
        f"<table:table><table:table-rows>{rows}</table:table-rows></table:table></chart:chart>",
    )
    more = {"Object 1/content.xml": member_of(chart, "content.xml")}
    assert text_of(p(f"See{framed('Object 1')}"), more=more) == "See\n\nBy region\nSales – N: 1.5; S: 2"


@pytest.mark.parametrize("href", ["./Object 9", "../../etc/passwd", "http://127.0.0.1:1/x", ""])
def test_object_that_is_not_there_costs_only_itself(href):
    assert text_of(p(f'kept<draw:frame><draw:object xlink:href="{href}"/></draw:frame>')) == "kept"


def test_table_of_contents_is_read_as_it_stands():
    body = (
        "<text:table-of-content><text:table-of-content-source><text:index-title-template>Template"
        "</text:index-title-template></text:table-of-content-source><text:index-body><text:index-title>"
        f"{p('Contents')}</text:index-title>{p('Rates<text:tab/>1')}</text:index-body></text:table-of-content>"
    )
    assert text_of(body) == "Contents\n\nRates\t1"


def test_numbered_paragraph_counts_in_its_list():
    body = "".join(
        f'<text:numbered-paragraph text:list-id="n" text:style-name="L1" text:level="1">{p(word)}'
        "</text:numbered-paragraph>"
        for word in ("one", "two")
    )
    assert text_of(body, numbers()) == "1. one\n2. two"


def test_document_with_a_password_says_so():
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
        'manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry></manifest:manifest>'
    )
    for more in ({"META-INF/manifest.xml": manifest, "content.xml": b"\x01\x02"}, {"encrypted-package": b"\x01"}):
        with pytest.raises(ParseError) as caught:
            parse(open_document("text", p("x"), more=more), "a.odt")
        assert caught.value.code == "encrypted"


@pytest.mark.parametrize("body", [b"<office:document-content", b"<a/>", b""])
def test_broken_content_is_damaged(body):
    with pytest.raises(ParseError) as caught:
        parse(rezipped(make_odt("x"), {"content.xml": body}), "a.odt")
    assert caught.value.code == "damaged"


@pytest.mark.parametrize(("many", "outcome"), [(60, "- x"), (110, "- x"), (240, "damaged"), (1000, "damaged")])
def test_deep_nesting_is_read_or_refused_with_a_code(many, outcome):
    body = "<text:list><text:list-item>" * many + p("x") + "</text:list-item></text:list>" * many
    try:
        found = parse(open_document("text", body), "a.odt").text
    except ParseError as error:
        found = error.code
    assert found == outcome
