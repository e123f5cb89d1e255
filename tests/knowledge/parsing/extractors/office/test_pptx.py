import io
import json

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.util import Inches

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.office.pptx import extract
from chatbot.knowledge.parsing.formats import PPTX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.office.graphics import diagram_text
from tests.knowledge.parsing.makers import changed, make_pptx, rezipped, saved

SLIDE = "ppt/slides/slide1.xml"
BOX = Inches(1), Inches(1), Inches(2), Inches(1)


def code_of(data: bytes, limits: Limits = DEFAULT) -> str:
    """The code, which has to be the same in this process and in the child."""
    here = json.loads(answer(data, PPTX, limits)).get("error", "no_text")
    with pytest.raises(ParseError) as caught:
        parse(data, "a.pptx", limits=limits)
    assert caught.value.code == here
    return here


def shape(text: str, hidden: str = "", kind: str = "") -> bytes:
    placeholder = f"<p:ph type='{kind}'/>" if kind else ""
    return (
        f"<p:sp><p:nvSpPr><p:cNvPr id='9' name='x' {hidden}/><p:cNvSpPr/><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr>"
        f"<p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    ).encode()


def with_shapes(*shapes: bytes) -> bytes:
    return changed(make_pptx("Title"), SLIDE, b"</p:spTree>", b"".join(shapes) + b"</p:spTree>")


def test_a_slide_is_a_page_with_its_title_texts_tables_groups_and_notes():
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    group = slide.shapes.add_group_shape()
    group.shapes.add_group_shape().shapes.add_textbox(*BOX).text_frame.text = "grouped"
    cells = slide.shapes.add_table(2, 2, *BOX).table.iter_cells()
    for cell, text in zip(cells, ["City", "Rate", "Bonn", "28"], strict=True):
        cell.text = text
    slide.shapes.title.text = "Travel\vpolicy"
    slide.placeholders[1].text = "First point\nSecond point"
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    presentation.slides.add_slide(presentation.slide_layouts[6])
    presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "End"
    presentation.core_properties.title = ""

    parsed = parse(saved(presentation), "a.pptx")

    first = (
        "## Travel policy\n\nFirst point\nSecond point\n\ngrouped\n\nCity | Rate\nBonn | 28\n\nNotes: Say it slowly."
    )
    assert parsed.text == f"{first}\n\n\n\n## End"
    assert parsed.pages == (0, len(first) + 2, len(first) + 4)
    assert parsed.title == "Travel policy"
    assert parsed.media_type == PPTX


def test_the_title_property_is_the_title_unless_it_is_the_default():
    assert extract(make_pptx("A", title="Kick-off"), DEFAULT).title == "Kick-off"
    assert extract(make_pptx("A", title="PowerPoint Presentation"), DEFAULT).title == "A"
    assert extract(make_pptx(), DEFAULT) == ("", None, (), ())


def test_what_stands_on_every_slide_and_what_is_hidden_is_left_out():
    """J6"""
    footer, number = shape("Confidential", kind="ftr"), shape("7", kind="sldNum")
    data = with_shapes(footer, number, shape("unseen", "hidden='1'"), shape("seen", "hidden='0'"))
    assert extract(data, DEFAULT).text == "## Title\n\nseen"


def test_what_is_written_for_old_readers_is_not_read_twice():
    names = b"<mc:AlternateContent xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006'>"
    choice = b"<mc:Choice Requires='p14'>" + shape("new") + b"</mc:Choice>"
    fallback = b"<mc:Fallback>" + shape("old") + b"</mc:Fallback>"
    data = with_shapes(names + choice + fallback + b"</mc:AlternateContent>")
    assert extract(data, DEFAULT).text == "## Title\n\nnew"


def test_a_slide_that_is_missing_does_not_cost_the_others_and_alone_it_is_damage():
    def cut(data: bytes) -> bytes:
        return changed(data, "ppt/presentation.xml", b'<p:sldId id="256" r:id="', b'<p:sldId id="256" r:id="gone')

    parsed = extract(cut(make_pptx("A", "B")), DEFAULT)
    assert (parsed.text, parsed.pages) == ("\n\n## B", (0, 2))
    assert code_of(cut(make_pptx("A"))) == "damaged"


def test_a_show_and_a_package_without_a_presentation_are_unsupported():
    kind = b"presentationml.presentation.main"
    assert code_of(changed(make_pptx("A"), "[Content_Types].xml", kind, b"presentationml.slideshow.main")) == (
        "unsupported"
    )
    assert code_of(rezipped(make_pptx("A"), {"_rels/.rels": b"<Relationships/>"})) in ("damaged", "unsupported")


def test_too_many_slides_and_too_much_text_are_too_complex():
    """H3"""
    assert code_of(make_pptx("a", "b", "c"), Limits(pages=2)) == "too_complex"
    assert code_of(make_pptx("abcdef", "ghijkl"), Limits(text_bytes=8)) == "too_complex"


def test_slides_of_pictures_have_no_text():
    """H8"""
    presentation = Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[6])
    out = io.BytesIO()
    presentation.save(out)
    assert code_of(out.getvalue()) == "no_text"


@pytest.mark.parametrize("trouble", [MemoryError, RecursionError])
def test_exhaustion_is_not_taken_for_a_broken_slide(monkeypatch, trouble):
    def exhausted(slide):
        raise trouble

    monkeypatch.setattr("chatbot.knowledge.parsing.extractors.office.pptx._text", exhausted)
    assert json.loads(answer(make_pptx("A"), PPTX, DEFAULT)) == {"error": "too_complex"}


def on_a_slide(fill) -> bytes:
    """A presentation of one slide without placeholders, filled by a function."""
    presentation = Presentation()
    fill(presentation.slides.add_slide(presentation.slide_layouts[6]).shapes)
    return saved(presentation)


def test_chart_tells_its_title_and_each_value_with_its_category():
    def fill(shapes) -> None:
        data = CategoryChartData()
        data.categories = ["North", "South"]
        data.add_series("Revenue 2025", (12.5, None))
        data.add_series("Revenue 2026", (14, 31))
        frame = shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 99, 99, data)
        frame.chart.has_title = True
        frame.chart.chart_title.text_frame.text = "By region"

    text = parse(on_a_slide(fill), "a.pptx").text
    assert text == "By region\nRevenue 2025 – North: 12.5\nRevenue 2026 – North: 14; South: 31"


def test_diagram_is_a_list_in_the_order_of_its_links():
    points = "".join(
        f"<dgm:pt modelId='{key}' type='{kind}'><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>"
        for key, kind, text in [
            (1, "doc", ""),
            (2, "node", "Second"),
            (3, "node", "First"),
            (4, "node", "Below"),
            (5, "pres", "drawn"),
        ]
    )
    links = "".join(
        f"<dgm:cxn srcId='{at}' destId='{to}' srcOrd='{order}'/>"
        for at, to, order in [(1, 2, 1), (1, 3, 0), (3, 4, 0), (4, 3, 0)]
    )
    names = (
        "xmlns:dgm='http://schemas.openxmlformats.org/drawingml/2006/diagram' "
        "xmlns:a='http://schemas.openxmlformats.org/drawingml/2006/main'"
    )
    model = f"<m {names}><dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst></m>"
    assert diagram_text(parse_xml(model)) == "- First\n  - Below\n- Second"


def test_hidden_slide_is_left_out_and_keeps_its_number():
    """J6"""
    presentation = Presentation()
    for text in ("First", "Margin", "Last"):
        presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = text
    presentation.slides[1].element.set("show", "0")
    parsed = parse(saved(presentation), "a.pptx")
    assert "Margin" not in parsed.text
    assert len(parsed.pages) == 3
    assert parsed.text[parsed.pages[2] :] == "## Last"


def test_merged_cells_keep_the_others_in_their_columns():
    def fill(shapes) -> None:
        table = shapes.add_table(3, 3, 0, 0, 99, 99).table
        for row, texts in enumerate((("Region", "Article", "Units"), ("North", "Box", "7"), ("", "Fuse", "3"))):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text
        table.cell(1, 0).merge(table.cell(2, 0))

    assert parse(on_a_slide(fill), "a.pptx").text == "Region | Article | Units\nNorth | Box | 7\nNorth | Fuse | 3"


def test_raised_and_struck_out_runs_are_marked():
    def fill(shapes) -> None:
        line = shapes.add_textbox(0, 0, 99, 99).text_frame.paragraphs[0]
        for text, name, value in (("25", "", ""), ("1", "baseline", "30000"), (" old", "strike", "sngStrike")):
            run = line.add_run()
            run.text = text
            if name:
                run._r.get_or_add_rPr().set(name, value)

    assert parse(on_a_slide(fill), "a.pptx").text == "25^1 ~~old~~"


@pytest.mark.parametrize(
    "title",
    ["PowerPoint-Präsentation", "Presentación de PowerPoint", "Présentation PowerPoint", "Apresentação do PowerPoint"],
)
def test_title_that_the_program_put_in_is_none(title):
    assert parse(make_pptx("House rules", title=title), "a.pptx").title == "House rules"
