"""PowerPoint presentations: python-pptx opens the package, the slides are walked here. A slide is a page."""

from collections.abc import Iterator
from typing import Any, Final

from pptx import Presentation

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.office.equations import linear
from chatbot.knowledge.parsing.office.graphics import graphic_text
from chatbot.knowledge.parsing.office.ooxml import Element, child, local_name, open_package
from chatbot.knowledge.parsing.office.parts import without_lost_parts
from chatbot.knowledge.parsing.office.unread import has_text, note_unread, related_roots
from chatbot.knowledge.parsing.result import Extracted, of_pages
from chatbot.knowledge.parsing.table import row_text
from chatbot.knowledge.parsing.warnings import note, noted_at

# python-pptx has no types.
Slide = Any

_TITLES: Final = ("title", "ctrTitle")
_TRUE: Final = ("1", "true")
_ON_EVERY_SLIDE: Final = ("dt", "ftr", "hdr", "sldNum")
_FOOTERS: Final = ("dt", "ftr", "hdr")
_WITHOUT_TEXT: Final = frozenset(("pPr", "rPr", "endParaRPr", "Fallback"))


def extract(data: bytes, limits: Limits) -> Extracted:
    """One page a slide: its title as a heading, its texts and tables, its notes."""
    presentation = _open(data, limits)
    pages = _pages(presentation, limits)
    return of_pages(pages, sensible_title(presentation.core_properties.title) or _first_heading(pages))


def _open(data: bytes, limits: Limits) -> Any:
    package = open_package(data, limits)
    try:
        return Presentation(without_lost_parts(package))
    except (KeyError, ValueError):
        # A show or a template is whole, but python-pptx does not know it.
        raise ParseError("unsupported") from None


def _pages(presentation: Any, limits: Limits) -> list[str]:
    """One text a slide. A broken slide is empty; if that leaves nothing, the file is damaged."""
    # Not presentation.slides, which is lost as a whole when one slide is missing.
    ids = presentation.element.findall("{*}sldIdLst/{*}sldId")
    if len(ids) > limits.pages:
        raise ParseError("too_complex")
    pages: list[str] = []
    failed = False
    size = 0
    for number, entry in enumerate(ids, 1):
        with noted_at(page=number):
            page = _page(_slide(presentation.part, entry))
        failed = failed or page is None
        pages.append(page or "")  # One that is hidden has a number of its own all the same.
        size += len(pages[-1])
        # The same slide may be listed again and again.
        if size > limits.text_bytes:
            raise ParseError("too_complex")
    if failed and not any(pages):
        raise ParseError("damaged")
    return pages


def _slide(part: Any, entry: Element) -> Slide | None:
    """The slide of an entry of the list of slides, None where there is none."""
    try:
        return part.related_part(entry.rId).slide
    except (MemoryError, RecursionError):
        raise
    except Exception:  # Missing parts and parts of another kind show in a dozen types of error.
        return None


def _page(slide: Slide | None) -> str | None:
    """The text of a slide, None when it cannot be read; the other slides still count."""
    try:
        return _seen(slide)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # As above.
        note("damaged_parts_not_read")
        return None


def _seen(slide: Slide | None) -> str:
    if slide is None:
        raise ParseError("damaged")
    if slide.element.get("show") in ("0", "false"):
        note("hidden_left_out")
        return ""
    _note_left_out(slide)
    return squeeze(clean(_text(slide)))


def _note_left_out(slide: Slide) -> None:
    note_unread(slide.element)
    for root in related_roots(slide.part, "comments"):
        note("comments_left_out", sum(local_name(each) == "cm" for each in root))
    try:
        note("repeated_text_left_out", int(_has_repeated_text(slide)))
    except (MemoryError, RecursionError):
        raise
    except Exception:  # As above: its layout is broken.
        note("damaged_parts_not_read")


def _has_repeated_text(slide: Slide) -> bool:
    """Whether a slide shows text of its layout or master, or has a date or a footer."""
    layout = slide.slide_layout
    shown = [layout.element, layout.slide_master.element]
    if layout.element.get("showMasterSp") in ("0", "false"):
        shown = shown[:1]
    if slide.element.get("showMasterSp") in ("0", "false"):
        shown = []
    repeated = any(not _is_placeholder(shape) and has_text(shape) for root in shown for shape in _shapes(root))
    return repeated or any(_placeholder(shape) in _FOOTERS and has_text(shape) for shape in _shapes(slide.element))


def _is_placeholder(shape: Element) -> bool:
    return shape.find("*/{*}nvPr/{*}ph") is not None


def _text(slide: Slide) -> str:
    titles: list[str] = []
    blocks: list[str] = []
    note("hidden_left_out", sum(_is_hidden(shape) for shape in slide.element.iterfind("{*}cSld/{*}spTree//*")))
    for shape in _shapes(slide.element):
        kind = _placeholder(shape)
        if kind in _TITLES:
            titles.append(" ".join(_block(shape).split()))
        elif kind not in _ON_EVERY_SLIDE:
            blocks += [_block(shape), graphic_text(shape, slide.part)]
    heading = [f"## {' '.join(titles)}"] if any(titles) else []
    return "\n\n".join([*heading, *filter(None, blocks), *_notes(slide)])


def _shapes(element: Element) -> Iterator[Element]:
    """Shapes and frames in their order, those of groups among them, hidden ones and those for old readers not."""
    for part in element:
        name = local_name(part)
        if name and name != "Fallback" and not _is_hidden(part):
            yield from [part] if name in ("sp", "graphicFrame") else _shapes(part)


def _is_hidden(shape: Element) -> bool:
    found = shape.find("*/{*}cNvPr")
    return found is not None and found.get("hidden") in ("1", "true")


def _placeholder(shape: Element) -> str:
    """What a shape is on its layout: "title", "body", "sldNum" ...; an empty string for the rest."""
    found = shape.find("*/{*}nvPr/{*}ph")
    return "" if found is None else str(found.get("type", ""))


def _block(shape: Element) -> str:
    if local_name(shape) == "graphicFrame":
        above: dict[int, str] = {}
        return "\n".join(filter(None, (_row(row, above) for row in shape.iterfind(".//{*}tr"))))
    return "\n".join(filter(None, map(_paragraph, shape.iterfind(".//{*}p"))))


def _row(row: Element, above: dict[int, str]) -> str:
    """The cells of a row, each in its column; a cell that is merged with the one above has its value."""
    cells = []
    for at, cell in enumerate(row.iterfind("{*}tc")):
        text = " ".join(" ".join(map(_paragraph, cell.iterfind(".//{*}p"))).split())
        if cell.get("vMerge") in _TRUE:
            text = above.get(at, "")
        elif cell.get("hMerge") in _TRUE:
            text = ""
        above[at] = text
        cells.append(text)
    return row_text(cells)


def _paragraph(paragraph: Element) -> str:
    return written(_spans(paragraph, Span(""))).strip()


def _spans(element: Element, style: Span) -> Iterator[Span]:
    for part in element:
        name = local_name(part)
        if name == "t":
            yield style._replace(text=part.text or "")
        elif name == "br":
            yield Span("\n")
        elif name == "oMath":
            yield Span(" ".join(linear(part).split()))
        elif name == "r":
            yield from _spans(part, _style(part))
        elif name and name not in _WITHOUT_TEXT:
            yield from _spans(part, style)


def _style(run: Element) -> Span:
    """How the text of a run is written: `baseline` is how far it is raised, in thousandths of a per cent."""
    properties = child(run, "rPr")
    if properties is None:
        return Span("")
    baseline = properties.get("baseline", "0").rstrip("%")
    shift = "" if baseline in ("", "0") else "subscript" if baseline.startswith("-") else "superscript"
    return Span("", shift, properties.get("strike", "noStrike") != "noStrike")


def _notes(slide: Slide) -> list[str]:
    if not slide.has_notes_slide:
        return []
    shapes = _shapes(slide.notes_slide.element)
    text = "\n".join(_block(shape) for shape in shapes if _placeholder(shape) == "body")
    return [f"Notes: {text}"] if text.strip() else []


def _first_heading(pages: list[str]) -> str | None:
    first = pages[0] if pages else ""
    return sensible_title(first.partition("\n")[0][3:]) if first.startswith("## ") else None
