import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.office.odp import extract
from chatbot.knowledge.parsing.formats import ODP
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from tests.knowledge.parsing.open_document_makers import NAMES, make_odp, open_document


def frame(text: str, kind: str = "", more: str = "") -> str:
    body = text if text.startswith("<") else f"<text:p>{text}</text:p>"
    presentation = f'presentation:class="{kind}"' if kind else ""
    return f"<draw:frame {presentation} {more}><draw:text-box>{body}</draw:text-box></draw:frame>"


def slide(*shapes: str, more: str = "") -> str:
    return f"<draw:page {more}>{''.join(shapes)}</draw:page>"


def notes(*shapes: str) -> str:
    return f"<presentation:notes><draw:page-thumbnail/>{''.join(shapes)}</presentation:notes>"


def pages_of(*slides: str, **more) -> list[str]:
    parsed = extract(open_document("presentation", "".join(slides), **more), DEFAULT)
    return [parsed.text[a:b].strip() for a, b in zip(parsed.pages, (*parsed.pages[1:], None), strict=True)]


def test_slides_are_pages_with_their_titles_first_and_their_notes_last():
    items = "".join(f"<text:list-item><text:p>{word}</text:p></text:list-item>" for word in ("alpha", "beta"))
    data = open_document(
        "presentation",
        slide(
            frame(f"<text:list>{items}</text:list>", "outline"),
            frame("First", "title"),
            notes(frame("Say it.", "notes"), frame("<number>".replace("<", "&lt;"), "page-number")),
        )
        + slide(frame("Second", "title"), frame("A subtitle", "subtitle")),
        title="Kick-off",
    )
    parsed = parse(data, "upload")
    first = "## First\n\n- alpha\n- beta\n\nNotes: Say it."
    assert parsed.text == f"{first}\n\n## Second\n\nA subtitle"
    assert parsed.pages == (0, len(first) + 2)
    assert parsed.title == "Kick-off"
    assert parsed.media_type == ODP
    assert extract(make_odp("The plan"), DEFAULT).title == "The plan"
    assert parse(open_document("presentation", slide(frame("x")), template="-template"), "a.otp").text == "x"


def test_hidden_slide_keeps_its_number_and_is_empty():
    """J6"""
    hidden = (
        '<style:style style:name="dp1" style:family="drawing-page">'
        '<style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    )
    slides = slide(frame("a")), slide(frame("secret"), notes(frame("secret", "notes")), more='draw:style-name="dp1"')
    assert pages_of(*slides, slide(frame("c")), automatic=hidden) == ["a", "", "c"]


def test_what_stands_on_every_slide_and_empty_placeholders_are_left_out():
    shapes = [frame("never", kind) for kind in ("date-time", "footer", "header", "page-number")]
    waiting = frame("Click to add text", "outline", 'presentation:placeholder="true"')
    assert pages_of(
        slide(*shapes, waiting, frame("kept"), notes(frame("x", "notes", 'presentation:placeholder="true"')))
    ) == ["kept"]


def test_tables_shapes_and_groups_are_read_in_their_order():
    table = (
        "<draw:frame><table:table><table:table-column/><table:table-row><table:table-cell><text:p>a</text:p>"
        "</table:table-cell><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
        '<draw:image xlink:href="Pictures/TablePreview1.svm"/></draw:frame>'
    )
    shape = "<draw:custom-shape><text:p>on it</text:p><draw:enhanced-geometry/></draw:custom-shape>"
    group = f"<draw:g><draw:rect><text:p>grouped</text:p></draw:rect>{frame('deep')}</draw:g>"
    hidden = "<draw:custom-shape loext:display='none'><text:p>secret</text:p></draw:custom-shape>"
    assert pages_of(slide(table, shape, hidden, group)) == ["a | b\n\non it\n\ngrouped\n\ndeep"]


def test_shape_on_a_hidden_layer_is_left_out():
    """J6"""
    styles = (
        f"<office:document-styles {NAMES}><office:master-styles><draw:layer-set><draw:layer draw:name='layout'/>"
        "<draw:layer draw:name='answers' draw:display='none'/></draw:layer-set></office:master-styles>"
        "</office:document-styles>"
    )
    shapes = frame("seen", more='draw:layer="layout"'), frame("secret", more='draw:layer="answers"')
    assert pages_of(slide(*shapes), more={"styles.xml": styles}) == ["seen"]


def test_more_slides_than_the_bound_are_too_complex():
    with pytest.raises(ParseError) as caught:
        parse(make_odp(*"abc"), "a.odp", limits=Limits(pages=2))
    assert caught.value.code == "too_complex"
