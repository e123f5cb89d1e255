"""OpenDocument presentations (.odp). A slide is a page."""

from collections.abc import Iterator
from typing import Final

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.names import DRAW, OFFICE, PRESENTATION
from chatbot.knowledge.parsing.opendocument.package import Package, body_of
from chatbot.knowledge.parsing.opendocument.styles import Styles
from chatbot.knowledge.parsing.opendocument.text import Block, TextReader, joined_blocks
from chatbot.knowledge.parsing.opendocument.unread import note_left_out
from chatbot.knowledge.parsing.result import Extracted, of_pages
from chatbot.knowledge.parsing.warnings import note

_CLASS: Final = PRESENTATION + "class"
_ON_EVERY_SLIDE: Final = ("date-time", "footer", "header", "page-number", "page", "handout")
_UNSEEN_LAYER: Final = ("none", "printer")


def extract(data: bytes, limits: Limits) -> Extracted:
    """One page a slide: its title as a heading, its texts and tables, its notes."""
    package = Package(data, limits)
    content, common = package.content(), package.part("styles.xml")
    styles = Styles(content, common)
    body = body_of(content, "presentation")
    note_left_out(body)
    slides = body.findall(DRAW + "page")
    if len(slides) > limits.pages:
        raise ParseError("too_complex")
    reader = _Slides(TextReader(package, styles, on_white=False), styles, _unseen_layers(common))
    pages = [squeeze(clean(reader.text(slide))) for slide in slides]
    return of_pages(pages, package.title() or _first_heading(pages))


def _unseen_layers(common: Element | None) -> frozenset[str]:
    layers = () if common is None else common.iterfind(f"{OFFICE}master-styles/{DRAW}layer-set/{DRAW}layer")
    return frozenset(each.get(DRAW + "name", "") for each in layers if each.get(DRAW + "display") in _UNSEEN_LAYER)


class _Slides:
    def __init__(self, reader: TextReader, styles: Styles, unseen: frozenset[str]) -> None:
        self._reader = reader
        self._styles = styles
        self._unseen = unseen

    def text(self, slide: Element) -> str:
        """The text of a slide, "" for a hidden one, which has a number of its own all the same."""
        look = self._styles.of("drawing-page", slide.get(DRAW + "style-name", ""))
        if look.get(PRESENTATION + "visibility") == "hidden":
            note("hidden_left_out", name=slide.get(DRAW + "name"))
            return ""
        titles: list[str] = []
        blocks: list[Block] = []
        for shape in slide:
            if shape.tag == PRESENTATION + "notes":
                blocks += self._notes(shape)
            elif self._is_seen(shape):
                found = list(self._reader.blocks([shape]))
                if shape.get(_CLASS) == "title":
                    titles += [text for _, text in found if text]
                else:
                    blocks.append(("text", joined_blocks(found)))
        heading = " ".join(" ".join(titles).split())
        return joined_blocks([("text", heading and f"## {heading}"), *blocks])

    def _is_seen(self, shape: Element) -> bool:
        on_every_slide = shape.get(_CLASS) in _ON_EVERY_SLIDE
        waits_for_text = shape.get(PRESENTATION + "placeholder") == "true"
        return not (on_every_slide or waits_for_text or shape.get(DRAW + "layer") in self._unseen)

    def _notes(self, notes: Element) -> Iterator[Block]:
        shapes = [shape for shape in notes if shape.get(_CLASS) == "notes" and self._is_seen(shape)]
        text = "\n".join(text for _, text in self._reader.blocks(shapes) if text)
        yield "text", text and f"Notes: {text}"


def _first_heading(pages: list[str]) -> str | None:
    first = pages[0] if pages else ""
    return sensible_title(first.partition("\n")[0][3:]) if first.startswith("## ") else None
