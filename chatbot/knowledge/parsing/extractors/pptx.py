"""PowerPoint presentations: python-pptx opens the package, the slides are walked here. A slide is a page."""

from collections.abc import Iterator
from typing import Any, Final

from pptx import Presentation

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.ooxml import Element, local_name, open_package
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted, of_pages

# python-pptx has no types.
Slide = Any

_TITLES: Final = ("title", "ctrTitle")
_ON_EVERY_SLIDE: Final = ("dt", "ftr", "hdr", "sldNum")
_WITHOUT_TEXT: Final = frozenset(("pPr", "rPr", "endParaRPr", "Fallback"))


def extract(data: bytes, limits: Limits) -> Extracted:
    """One page a slide: its title as a heading, its texts and tables, its notes."""
    presentation = _open(data, limits)
    pages = _pages(presentation, limits)
    return of_pages(pages, sensible_title(presentation.core_properties.title) or _first_heading(pages))


def _open(data: bytes, limits: Limits) -> Any:
    package = open_package(data, limits)
    try:
        return Presentation(package)
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
    for entry in ids:
        page = _page(presentation.part, entry)
        failed = failed or page is None
        pages.append(page or "")
        size += len(pages[-1])
        # The same slide may be listed again and again.
        if size > limits.text_bytes:
            raise ParseError("too_complex")
    if failed and not any(pages):
        raise ParseError("damaged")
    return pages


def _page(part: Any, entry: Element) -> str | None:
    """The text of a slide, None when it cannot be read; the other slides still count."""
    try:
        return squeeze(clean(_text(part.related_part(entry.rId).slide)))
    except (MemoryError, RecursionError):
        raise
    except Exception:  # Missing parts and parts of another kind show in a dozen types of error.
        return None


def _text(slide: Slide) -> str:
    titles: list[str] = []
    blocks: list[str] = []
    for shape in _shapes(slide.element):
        kind = _placeholder(shape)
        if kind in _TITLES:
            titles.append(" ".join(_block(shape).split()))
        elif kind not in _ON_EVERY_SLIDE:
            blocks.append(_block(shape))
    heading = [f"## {' '.join(titles)}"] if any(titles) else []
    return "\n\n".join([*heading, *filter(None, blocks), *_notes(slide)])


def _shapes(element: Element) -> Iterator[Element]:
    """Shapes and frames in their order, those of groups among them, hidden ones and those for old readers not."""
    for child in element:
        name = local_name(child)
        if name and name != "Fallback" and not _is_hidden(child):
            yield from [child] if name in ("sp", "graphicFrame") else _shapes(child)


def _is_hidden(shape: Element) -> bool:
    found = shape.find("*/{*}cNvPr")
    return found is not None and found.get("hidden") in ("1", "true")


def _placeholder(shape: Element) -> str:
    """What a shape is on its layout: "title", "body", "sldNum" ...; an empty string for the rest."""
    found = shape.find("*/{*}nvPr/{*}ph")
    return "" if found is None else str(found.get("type", ""))


def _block(shape: Element) -> str:
    if local_name(shape) == "graphicFrame":
        return "\n".join(filter(None, map(_row, shape.iterfind(".//{*}tr"))))
    return "\n".join(filter(None, map(_paragraph, shape.iterfind(".//{*}p"))))


def _row(row: Element) -> str:
    cells = [" ".join(" ".join(map(_paragraph, cell.iterfind(".//{*}p"))).split()) for cell in row.iterfind("{*}tc")]
    return " | ".join(cells) if any(cells) else ""


def _paragraph(paragraph: Element) -> str:
    return "".join(_pieces(paragraph)).strip()


def _pieces(element: Element) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name == "br":
            yield "\n"
        elif name and name not in _WITHOUT_TEXT:
            yield from _pieces(child)


def _notes(slide: Slide) -> list[str]:
    if not slide.has_notes_slide:
        return []
    shapes = _shapes(slide.notes_slide.element)
    text = "\n".join(_block(shape) for shape in shapes if _placeholder(shape) == "body")
    return [f"Notes: {text}"] if text.strip() else []


def _first_heading(pages: list[str]) -> str | None:
    first = pages[0] if pages else ""
    return sensible_title(first.partition("\n")[0][3:]) if first.startswith("## ") else None
