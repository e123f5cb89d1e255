"""HTML as text with Markdown's marks for structure. Nothing is fetched and nothing is run."""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.markup.mathml import linear_mathml
from chatbot.knowledge.parsing.markup.shadow_roots import FlatTree
from chatbot.knowledge.parsing.markup.spans import shifted, struck_out
from chatbot.knowledge.parsing.markup.unread import has_text, note_unread
from chatbot.knowledge.parsing.markup.visibility import COLOURED_PAGE, inherited, is_hiding
from chatbot.knowledge.parsing.office.numbering import formatted
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import row_text
from chatbot.knowledge.parsing.warnings import note

_META: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*+=\s*+[\"']?+\s*+([\w.:-]{2,40})", re.IGNORECASE)
_XML: Final = re.compile(rb"\s*+<\?xml\b[^>]{0,200}?\bencoding\s*+=\s*+[\"']([\w.:-]{2,40})[\"']")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
# These have no end tag, or a parser closes them by itself: they do not nest however many there are.
_FLAT: Final = frozenset(
    (
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "option",
        "optgroup",
        "rt",
        "rp",
        "colgroup",
        "html",
        "head",
        "body",
    )
)
_SILENT: Final = frozenset(
    (
        "head",
        "script",
        "style",
        "noscript",
        "template",
        "iframe",
        "object",
        "embed",
        "svg",
        "canvas",
        "audio",
        "video",
        "datalist",
        "noembed",
        "noframes",
        "rt",
        "rp",
        "rtc",
        "annotation",
        "annotation-xml",
    )
)
_BLOCKS: Final = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "html",
        "legend",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "ul",
    )
)
_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_MARKED: Final = {"sup": "superscript", "sub": "subscript", "s": "", "del": "", "strike": ""}
_KINDS: Final = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_INTEGER: Final = re.compile(r"\s{0,20}([-+]?[0-9]{1,9})(?![0-9])")
_MOST_SPANNED: Final = 1000
_CELLS: Final = ("td", "th")
_BLANKS: Final = re.compile(r"[ \t\n\r\f]+")


def declared_encoding(data: bytes) -> str | None:
    """The encoding that a page says it is in: by an XML declaration at its very beginning, or a meta element."""
    declared = _XML.match(data[:400]) or _META.search(data[:4096])
    return declared[1].decode("ascii", "ignore") if declared else None


def extract(data: bytes, limits: Limits) -> Extracted:
    """The visible text; the title from <title>, else the first <h1>."""
    source = decode(data, declared_encoding(data))
    _check_depth(source, limits.html_depth)
    page = LexborHTMLParser(source)
    writer = _Writer()
    on_white = not COLOURED_PAGE.search(source)
    for node, entering in _walk(page.root, FlatTree(source), limits.html_depth, on_white):
        writer.visit(node, entering)
    return Extracted(writer.text(), _title(page) or writer.first_heading)


def _check_depth(source: str, deepest: int) -> None:
    """Refuse hopeless nesting before the parser sees it, which takes quadratic time over it."""
    depth = 0
    for closing, name in _TAG.findall(source):
        if name.lower() not in _FLAT:
            depth += -1 if closing else 1
        if depth > deepest:
            raise ParseError("too_complex")
        depth = max(depth, 0)


def _walk(root: LexborNode | None, tree: FlatTree, deepest: int, on_white: bool) -> Iterator[tuple[LexborNode, bool]]:
    """Each visible node as (node, True) and, after its children, (node, False). A loop, not a recursion."""
    open_nodes: list[LexborNode] = []
    unseen = [(False, False)]
    levels = [iter([] if root is None else [root])]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
            unseen.pop()
            if open_nodes:
                yield open_nodes.pop(), False
        elif _is_hidden(node, on_white) or (node.is_text_node and any(unseen[-1])):
            _note_left_out(node, on_white)
        else:
            yield node, True
            note_unread(node)
            open_nodes.append(node)
            unseen.append(inherited(node, *unseen[-1]))
            if len(open_nodes) > deepest:
                raise ParseError("too_complex")
            levels.append(tree.children(node))


def _is_hidden(node: LexborNode, on_white: bool) -> bool:
    if not node.is_element_node:
        return not node.is_text_node
    return node.tag in _SILENT or _is_unseen(node, on_white)


def _is_unseen(node: LexborNode, on_white: bool) -> bool:
    """Whether an element is not shown, whatever its tag is."""
    attributes = node.attributes
    style = attributes.get("style") or ""
    if (node.tag == "dialog" and "open" not in attributes) or "popover" in attributes:
        return True
    if "hidden" in attributes and (attributes["hidden"] or "").lower() != "until-found":
        return True
    return _is_second_form(node) or is_hiding(style, on_white)


def _note_left_out(node: LexborNode, on_white: bool) -> None:
    """Notes a node that is not walked, if it shows anything or hides a text."""
    if node.tag in _SILENT:
        if not _is_unseen(node, on_white):
            note_unread(node)
    elif node.is_text_node or (node.is_element_node and not _is_second_form(node)):
        note("hidden_left_out", int(has_text(node)))


def _is_second_form(node: LexborNode) -> bool:
    """Whether this is a formula once more: KaTeX draws what stands in front as MathML, MathJax the other way round."""
    classes = (node.attributes.get("class") or "").split()
    return "katex-html" in classes or "MJX_Assistive_MathML" in classes or node.tag == "mjx-assistive-mml"


def _title(page: LexborHTMLParser) -> str | None:
    node = page.css_first("head > title")
    return sensible_title(node.text()) if node else None


class _Numbers:
    """Counts the items of an ordered list as a browser does."""

    def __init__(self, node: LexborNode) -> None:
        self._kind = _KINDS.get(node.attributes.get("type") or "1", "decimal")
        self._step = -1 if "reversed" in node.attributes else 1
        items = sum(child.tag == "li" for child in node.iter()) if self._step < 0 else 1
        start = _whole_number(node.attributes.get("start"))
        self._next = items if start is None else start

    def next(self, node: LexborNode) -> str:
        """The mark of the next item."""
        value = _whole_number(node.attributes.get("value"))
        number = self._next if value is None else value
        self._next = number + self._step
        return f"{formatted(number, self._kind)}. "


def _whole_number(value: str | None) -> int | None:
    found = _INTEGER.match(value or "")
    return int(found[1]) if found else None


class _Table:
    """The cells that reach into the rows below them, by the columns in which they stand."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, str]] = {}

    def from_above(self, at: int) -> list[str]:
        """The values of the cells from above that stand at this place of a row."""
        out: list[str] = []
        while (found := self._open.get(at)) is not None:
            left, text = found
            if left > 1:
                self._open[at] = left - 1, text
            else:
                del self._open[at]
            out.append(text)
            at += 1
        return out

    def span(self, node: LexborNode, at: int, text: str) -> list[str]:
        """Note how far a cell reaches; returns the empty places of its further columns."""
        columns = min(_whole_number(node.attributes.get("colspan")) or 1, _MOST_SPANNED)
        rows = min(_whole_number(node.attributes.get("rowspan")) or 1, _MOST_SPANNED)
        for column in range(columns if rows > 1 else 0):
            self._open[at + column] = rows - 1, "" if column else text
        return [""] * (columns - 1)


class _Writer:
    """Collects blocks of text while the tree is walked.

    Rows of tables within tables (layouts made of tables) are written when the inner one begins, so that the
    order of the page is kept.
    """

    def __init__(self) -> None:
        self.first_heading: str | None = None
        self._blocks: list[tuple[str, str]] = []
        self._inline: list[str] = []
        self._rows: list[list[str]] = []
        self._tables: list[_Table] = []
        self._numbers: list[_Numbers | None] = []
        self._marked: list[tuple[str, int]] = []
        self._mark = ""
        self._pre = 0

    def visit(self, node: LexborNode, entering: bool) -> None:
        """Take in one step of the walk."""
        tag = node.tag or ""
        if node.is_text_node:
            self._add_text(node.text_content or "", entering)
        elif tag == "br":
            self._inline.append("\n" if entering else "")
        elif tag in _MARKED:
            self._visit_inline(tag, entering)
        elif tag == "math":
            self._visit_math(node, entering)
        elif tag == "pre":
            self._visit_pre(entering)
        elif tag in _HEADINGS or tag == "li":
            self._visit_marked(node, tag, entering)
        elif tag == "tr" or tag in _CELLS:
            self._visit_table_part(node, tag, entering)
        elif tag in _BLOCKS:
            self._end_paragraph()
            self._visit_container(node, tag, entering)

    def text(self) -> str:
        """All blocks; list items and table rows stand on consecutive lines, the rest apart."""
        self._end_block("text")
        parts: list[str] = []
        before = ""
        for kind, block in self._blocks:
            together = kind == before and kind != "text"
            parts += ("\n" if together else "\n\n", block)
            before = kind
        return squeeze(clean("".join(parts)))

    def _add_text(self, text: str, entering: bool) -> None:
        if entering:
            self._inline.append(text if self._pre else _BLANKS.sub(" ", text))

    def _visit_pre(self, entering: bool) -> None:
        if entering:
            self._end_row()
            self._pre += 1
            return
        self._pre -= 1
        code = "".join(self._inline).strip("\n")
        self._inline.clear()
        if code.strip():
            fence = "````" if "```" in code else "```"
            self._blocks.append(("text", f"{fence}\n{code}\n{fence}"))

    def _visit_container(self, node: LexborNode, tag: str, entering: bool) -> None:
        """Lists and tables remember what they have counted until they end."""
        if tag in ("ol", "ul", "menu"):
            if entering:
                self._numbers.append(_Numbers(node) if tag == "ol" else None)
            elif self._numbers:
                self._numbers.pop()
        elif tag == "table":
            if entering:
                self._tables.append(_Table())
            elif self._tables:
                self._tables.pop()

    def _visit_inline(self, tag: str, entering: bool) -> None:
        """Raised, lowered and struck-out text: when it ends, it is written with its marks."""
        if entering:
            self._marked.append((tag, len(self._inline)))
            return
        opened, at = self._marked.pop() if self._marked else (tag, len(self._inline))
        if self._pre or at > len(self._inline):
            return  # A block inside it has been written already.
        text = "".join(self._inline[at:])
        before = next((piece[-1] for piece in reversed(self._inline[:at]) if piece), "")
        shift = _MARKED[opened]
        self._inline[at:] = [shifted(text, shift, before) if shift else struck_out(text)]

    def _visit_math(self, node: LexborNode, entering: bool) -> None:
        """A formula as linear text; its parts were walked already and are replaced."""
        if entering:
            self._marked.append(("math", len(self._inline)))
            return
        _, at = self._marked.pop() if self._marked else ("math", len(self._inline))
        if at <= len(self._inline):
            self._inline[at:] = [" ".join(linear_mathml(node).split())]

    def _visit_marked(self, node: LexborNode, tag: str, entering: bool) -> None:
        """A heading or a list item: what stands before it ends, and its own text gets a mark."""
        if entering:
            self._end_row()
            numbers = self._numbers[-1] if self._numbers and tag == "li" else None
            self._mark = _HEADINGS.get(tag) or (numbers.next(node) if numbers else "- ")
            return
        heading = self._end_block("text" if tag in _HEADINGS else "item")
        if tag == "h1" and not self.first_heading:
            self.first_heading = sensible_title(heading)

    def _visit_table_part(self, node: LexborNode, tag: str, entering: bool) -> None:
        table = self._tables[-1] if self._tables else None
        if tag in _CELLS:
            if entering and self._rows and table:
                self._rows[-1] += table.from_above(len(self._rows[-1]))
            text = self._end_cell() if not entering or "".join(self._inline).strip() else ""
            if not entering and self._rows and table:
                self._rows[-1] += table.span(node, len(self._rows[-1]) - 1, text)
            return
        if self._rows and table and not entering:
            self._rows[-1] += table.from_above(len(self._rows[-1]))
        self._end_row()
        if entering:
            self._rows.append([])
        elif self._rows:
            self._rows.pop()

    def _end_cell(self) -> str:
        text = self._take().replace("\n", " ") if self._rows else ""
        if self._rows:
            self._rows[-1].append(text)
        return text

    def _end_row(self) -> None:
        """Write what the innermost row holds so far; outside a table, what the paragraph holds."""
        if not self._rows:
            self._end_block("item" if self._is_item() else "text")
            return
        if "".join(self._inline).strip():
            self._end_cell()
        row = row_text(self._rows[-1])
        self._rows[-1].clear()
        if row:
            self._blocks.append(("row", row))

    def _end_paragraph(self) -> None:
        if self._rows:
            self._inline.append(" ")
        elif not self._is_item() or "".join(self._inline).strip():
            # A paragraph inside a list item must not use up the item's mark before its text has come.
            self._end_block("item" if self._is_item() else "text")

    def _is_item(self) -> bool:
        return bool(self._mark) and not self._mark.startswith("#")

    def _end_block(self, kind: str) -> str:
        text = self._take()
        mark, self._mark = self._mark, ""
        if mark.startswith("#"):
            text = text.replace("\n", " ")
        if text:
            self._blocks.append((kind, mark + text))
        return text

    def _take(self) -> str:
        """The inline text so far, each line without blanks around it."""
        for at, (tag, since) in enumerate(self._marked):
            if _MARKED.get(tag) == "":  # What is struck out goes on in the next block.
                self._inline[since:] = [struck_out("".join(self._inline[since:]))]
                self._marked[at] = tag, 0
        lines = "".join(self._inline).split("\n")
        self._inline.clear()
        return "\n".join(" ".join(_BLANKS.split(line.strip(" \t\r\f"))) for line in lines).strip()
