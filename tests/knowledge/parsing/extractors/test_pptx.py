import io
import json

import pytest
from pptx import Presentation
from pptx.util import Inches

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.pptx import extract
from chatbot.knowledge.parsing.formats import PPTX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
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
    assert extract(make_pptx(), DEFAULT) == ("", None, ())


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

    monkeypatch.setattr("chatbot.knowledge.parsing.extractors.pptx._text", exhausted)
    assert json.loads(answer(make_pptx("A"), PPTX, DEFAULT)) == {"error": "too_complex"}
