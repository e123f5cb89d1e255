"""What is embedded in an OpenDocument file as a document of its own: formulas, charts and small sheets."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from chatbot.knowledge.parsing.markup.mathml import linear_mathml
from chatbot.knowledge.parsing.office.ooxml import Element, local_name
from chatbot.knowledge.parsing.opendocument.cells import table_rows
from chatbot.knowledge.parsing.opendocument.names import CHART, DRAW, OFFICE, TABLE, TEXT, XLINK
from chatbot.knowledge.parsing.opendocument.package import Package
from chatbot.knowledge.parsing.table import row_text

_MOST_COLUMNS: Final = 1000


class Embedded(NamedTuple):
    """The text of an object; a formula stands in its line, everything else is a block."""

    text: str
    is_formula: bool = False


def embedded(package: Package, element: Element) -> Embedded:
    """What an object (draw:object) shows; nothing where the package does not have it, or nobody can read it."""
    root = next((part for part in element if local_name(part) in ("math", "document")), None)
    if root is None:
        try:
            root = package.part(element.get(XLINK + "href", "") + "/content.xml")
        except etree.XMLSyntaxError:
            return Embedded("")
    if root is None:
        return Embedded("")
    if local_name(root) == "math":
        return Embedded(formula(root), is_formula=True)
    chart = root.find(f".//{CHART}chart")
    return Embedded(_chart(chart) if chart is not None else "\n".join(_sheets(root)))


def formula(root: Element) -> str:
    """MathML on one line."""
    for element in root.iter(etree.Element):
        element.tag = local_name(element)
    etree.cleanup_namespaces(root)
    markup = etree.tostring(root, encoding="unicode", with_tail=False)
    node = LexborHTMLParser(markup).css_first("math")
    return "" if node is None else " ".join(linear_mathml(node).split())


def _sheets(root: Element) -> Iterator[str]:
    for table in root.iterfind(f"{OFFICE}body/{OFFICE}spreadsheet/{TABLE}table"):
        yield from filter(None, map(row_text, table_rows(table, _cell_text, _MOST_COLUMNS)))


def _chart(chart: Element) -> str:
    """A chart's title, and each value with its category and series, as those of Word are written."""
    titles = [_plain(title) for title in chart.iter(CHART + "title")]
    table = chart.find(TABLE + "table")
    rows = [] if table is None else list(table_rows(table, _cell_text, _MOST_COLUMNS))
    series = [_series(rows, at) for at in range(1, max(map(len, rows), default=0))]
    return "\n".join(filter(None, [*dict.fromkeys(titles), *series]))


def _series(rows: list[list[str]], at: int) -> str:
    name = rows[0][at] if at < len(rows[0]) else ""
    pairs = [f"{row[0]}: {row[at]}" if row[0] else row[at] for row in rows[1:] if at < len(row) and row[at]]
    if not pairs:
        return name
    return f"{name} – {'; '.join(pairs)}" if name else "; ".join(pairs)


def _cell_text(cell: Element) -> str:
    return " ".join(_plain(paragraph) for paragraph in cell.iterfind(TEXT + "p"))


def _plain(element: Element) -> str:
    return " ".join("".join(element.itertext(etree.Element)).split())


def frame_object(frame: Element) -> Element | None:
    """The object in a frame; the picture of it beside it is for those who cannot read it."""
    return frame.find(DRAW + "object")
