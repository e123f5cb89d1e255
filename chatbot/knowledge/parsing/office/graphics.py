"""Charts and SmartArt of Word and PowerPoint: what they show stands in parts of their own."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from chatbot.knowledge.parsing.office.ooxml import Element, attribute, child, children, local_name
from chatbot.knowledge.parsing.office.parts import related_root
from chatbot.knowledge.parsing.warnings import note

_MOST_POINTS: Final = 10_000


def graphic_text(frame: Element, part: Any) -> str:
    """The text of the charts and diagrams that an element of `part` refers to; those that cannot be read are noted."""
    texts = []
    for element in frame.iter():
        name = local_name(element)
        if name == "relIds":
            texts.append(_read(part, attribute(element, "dm"), diagram_text))
        elif name == "chart" and attribute(element, "id"):
            texts.append(_read(part, attribute(element, "id"), chart_text))
    return "\n\n".join(filter(None, texts))


def _read(part: Any, relation: str, reader: Callable[[Element], str]) -> str:
    root = related_root(part, relation)
    text = "" if root is None else reader(root)
    if not text or root is None or not _has_values(root):
        note("objects_not_read")
    return text


def _has_values(root: Element) -> bool:
    """Whether all that is shown is read; the newer charts (chartex: waterfall, funnel) keep their values elsewhere."""
    return "chartex" not in root.tag and root.find(".//{*}pt") is not None


def diagram_text(root: Element) -> str:
    """The texts of a SmartArt as a list, in the order in which it shows them."""
    points = {attribute(point, "modelId"): point for point in children(child(root, "ptLst"), "pt")}
    below: dict[str, list[tuple[int, str]]] = {}
    for link in children(child(root, "cxnLst"), "cxn"):
        if attribute(link, "type") in ("", "parOf"):
            order = attribute(link, "srcOrd")
            place = int(order) if order.isdecimal() and len(order) < 10 else 0
            below.setdefault(attribute(link, "srcId"), []).append((place, attribute(link, "destId")))
    tops = [key for key, point in points.items() if attribute(point, "type") == "doc"]
    return "\n".join(_outline(tops, points, below))


def _outline(tops: list[str], points: dict[str, Element], below: dict[str, list[tuple[int, str]]]) -> Iterator[str]:
    waiting = [(key, 0) for key in reversed(tops)]
    seen: set[str] = set()
    while waiting:
        key, depth = waiting.pop()
        if key in seen or key not in points:
            continue
        seen.add(key)
        text = _texts(child(points[key], "t"))
        if text:
            yield "  " * min(max(depth - 1, 0), 6) + "- " + text
        waiting += [(to, depth + 1) for _, to in sorted(below.get(key, ()), reverse=True)]


def _texts(element: Element | None) -> str:
    if element is None:
        return ""
    paragraphs = ("".join(t.text or "" for t in p.iterfind(".//{*}t")) for p in element.iterfind(".//{*}p"))
    return " ".join(" ".join(paragraphs).split())


def chart_text(root: Element) -> str:
    """A chart's title, and each value with its category and series: `North: 12.5`."""
    chart = child(root, "chart")
    if chart is None:
        return ""
    titles = [_texts(child(chart, "title"))]
    titles += [
        _texts(child(axis, "title")) for axis in chart.iterfind("{*}plotArea/*") if local_name(axis).endswith("Ax")
    ]
    series = [found for kind in chart.iterfind("{*}plotArea/*") for found in children(kind, "ser")]
    return "\n".join(filter(None, [*dict.fromkeys(titles), *map(_series, series)]))


def _series(element: Element) -> str:
    names = _points(child(element, "cat") if child(element, "cat") is not None else child(element, "xVal"))
    value = child(element, "val")
    values = _points(value if value is not None else child(element, "yVal"))
    name = " ".join(_points(child(element, "tx")).values()) or _plain(child(element, "tx"))
    pairs = [f"{names[at]}: {shown}" if names.get(at) else shown for at, shown in values.items()]
    if not pairs:
        return name
    return f"{name} – {'; '.join(pairs)}" if name else "; ".join(pairs)


def _plain(element: Element | None) -> str:
    return "" if element is None else " ".join((v.text or "") for v in element.iterfind(".//{*}v"))


def _points(element: Element | None) -> dict[int, str]:
    """The cached points of a reference by their places; of several levels of categories, outer names first."""
    if element is None:
        return {}
    out: dict[int, str] = {}
    levels = element.findall(".//{*}lvl")
    for at, level in enumerate(reversed(levels or [element])):
        outer: str = ""
        found = _level(level)
        for place in sorted(set(out) | set(found)) if at else found:
            outer = found.get(place, outer if levels else "")
            out[place] = " ".join(filter(None, (out.get(place, ""), found.get(place, outer))))
    return out


def _level(element: Element) -> dict[int, str]:
    found: dict[int, str] = {}
    for point in element.iterfind(".//{*}pt"):
        place, value = attribute(point, "idx"), child(point, "v")
        if len(found) == _MOST_POINTS:
            note("shortened")
            break
        if place.isdecimal() and len(place) < 9 and value is not None:
            found[int(place)] = " ".join((value.text or "").split())
    return found
