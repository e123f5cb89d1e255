"""reStructuredText, parsed by docutils and written with Markdown's marks for structure.

No file is read and nothing raw is kept. Directives and roles that docutils does not know, as Sphinx's, keep their text.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en
from docutils.utils import unescape

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.markup.spans import Span, written
from chatbot.knowledge.parsing.office.numbering import formatted
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import table_text
from chatbot.knowledge.parsing.warnings import note

_DIRECTIVE: Final = re.compile(
    r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]{1,80}\|[ \t]+)?([\w:+.-]{1,80})::(?:[ \t]|$)", re.MULTILINE
)
_ROLE: Final = re.compile(r":([a-zA-Z][\w:+.-]{0,80}):`|`:([a-zA-Z][\w:+.-]{0,80}):")
# What a role shows of `text <target>`, `~package.name` and `!name`.
_TARGET: Final = re.compile(r"(?s)(.*\S)\s*<[^<>]*>\Z")
# These list other pages, or make text of code or of files that are not here.
_OF_OTHERS: Final = frozenset(("toctree", "include", "literalinclude", "raw", "index", "contents", "meta", "highlight"))
_FILES: Final = frozenset(("include", "literalinclude", "raw"))
_CODE: Final = frozenset(("code", "code-block", "sourcecode", "prompt", "testcode", "doctest", "ipython", "console"))
_VERSIONS: Final = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_KINDS: Final = {
    "loweralpha": "lowerLetter",
    "upperalpha": "upperLetter",
    "lowerroman": "lowerRoman",
    "upperroman": "upperRoman",
}
_SETTINGS: Final = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "_disable_config": True,
    "doctitle_xform": False,
    "docinfo_xform": False,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "input_encoding": "unicode",
    "line_length_limit": 1_000_000,
}


class _AnyOptions(dict[str, Callable[[str], str]]):
    """Takes every option of a directive as it is written."""

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> Callable[[str | None], str]:
        return lambda value: value or ""


class _Unknown(Directive):
    """A directive of another program: its arguments and its content are shown."""

    optional_arguments = 100
    final_argument_whitespace = True
    has_content = True
    option_spec = _AnyOptions()

    def run(self) -> list[nodes.Node]:
        """The nodes that stand for it."""
        name = self.name.rpartition(":")[2]
        if name in _OF_OTHERS or name.startswith("auto"):
            is_missing = name in _FILES or name.startswith("auto")
            note("damaged_parts_not_read", int(is_missing), name=" ".join(self.arguments))
            return []
        if name in _CODE:
            return [nodes.literal_block("", "\n".join(self.content), classes=["code", *self.arguments[:1]])]
        found: list[nodes.Node] = []
        if self.arguments:
            shown = " ".join(" ".join(self.arguments).split())
            if name in _VERSIONS:
                version, _, change = shown.partition(" ")
                shown = f"{_VERSIONS[name]} {version}{':' if change else ''} {change}"
            inline, messages = self.state.inline_text(shown, self.lineno)
            found = [nodes.paragraph(shown, "", *inline), *messages]
        inside = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, inside)
        return [*found, *inside.children]


def extract(data: bytes, limits: Limits) -> Extracted:  # noqa: ARG001  every format has this signature
    """What a reader of the page sees; the title is its first heading."""
    source = clean(decode(data))
    _register(source)
    tree = publish_doctree(source, settings_overrides=_SETTINGS)
    title = next((node.astext() for node in tree.findall(nodes.title)), "")
    return Extracted(squeeze("\n\n".join(_blocks(tree, 0))), sensible_title(title))


def _register(source: str) -> None:
    """Tells docutils of the names in a text that it does not know. It keeps them, so this is for a child process."""
    known = en.directives.keys() - _OF_OTHERS - _CODE
    for name in {match[1].lower() for match in _DIRECTIVE.finditer(source)} - known:
        directives.register_directive(name, _Unknown)
    for name in {(match[1] or match[2]).lower() for match in _ROLE.finditer(source)} - en.roles.keys():
        roles.register_local_role(name, _unknown_role)


def _unknown_role(
    _role: str, rawtext: str, text: str, _line: int, _inliner: object, **_options: object
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A role of another program: what it shows of its text."""
    shown = unescape(text)
    named = _TARGET.fullmatch(shown)
    shown = named[1] if named else shown.removeprefix("!")
    if shown.startswith("~"):
        shown = shown.rpartition(".")[2]
    return [nodes.inline(rawtext, shown)], []


def _blocks(parent: nodes.Element, level: int) -> Iterator[str]:
    """What stands in a node, block by block; `level` is that of the headings below it."""
    for node in parent.children:
        yield from _block(node, level)


def _block(node: nodes.Node, level: int) -> Iterator[str]:
    match node:
        case nodes.section():
            yield from _blocks(node, level + 1)
        case nodes.title() if isinstance(node.parent, nodes.section | nodes.document):
            yield f"{'#' * min(max(level, 1), 6)} {_inline(node)}"
        case nodes.bullet_list() | nodes.enumerated_list():
            yield "\n".join(_items(node))
        case nodes.definition_list() | nodes.field_list() | nodes.option_list() | nodes.docinfo():
            yield "\n".join(_pairs(node))
        case nodes.math_block():
            yield f"$$\n{node.astext()}\n$$"
        case nodes.literal_block() | nodes.doctest_block():
            yield _fenced(node)
        case nodes.table():
            yield from _table(node)
        case nodes.line_block():
            yield "\n".join(_lines(node))
        case nodes.Admonition():
            name = node.tagname if not isinstance(node, nodes.admonition) else ""
            inside = "\n\n".join(_blocks(node, level + 1))
            yield f"{name.capitalize()}: {inside}" if name else inside
        case nodes.footnote() | nodes.citation():
            label, *rest = [" ".join(child.astext().split()) for child in node.children]
            yield f"[{label}] {' '.join(rest)}"
        case nodes.image():
            note("pictures_not_read")
            yield node.get("alt", "")
        case nodes.system_message():
            # What docutils could not read stands in it as it was written.
            yield from (block.astext() for block in node.findall(nodes.literal_block))
        case nodes.comment():
            note("hidden_left_out", int(bool(node.astext().strip())))
        case nodes.Invisible() | nodes.Decorative() | nodes.raw():
            return
        case nodes.TextElement():
            yield _inline(node)
        case nodes.Element():
            yield from _blocks(node, level)


def _inline(node: nodes.Element) -> str:
    return " ".join(written(_spans(node)).split())


def _spans(node: nodes.Node, shift: str = "") -> Iterator[Span]:
    match node:
        case nodes.Text() | nodes.problematic():
            yield Span(node.astext(), shift)
        case nodes.literal() | nodes.math():
            mark = "$" if isinstance(node, nodes.math) else "`"
            yield Span(f"{mark}{node.astext()}{mark}")
        case nodes.reference() if node.get("refuri", "").startswith(("http://", "https://")) and node.astext().strip():
            shown = node.astext()
            yield Span(shown if shown == node["refuri"] else f"[{shown}]({node['refuri']})")
        case nodes.footnote_reference() | nodes.citation_reference():
            yield Span(f" [{node.astext()}]")
        case nodes.image():
            yield Span(node.get("alt", ""))
        case nodes.raw() | nodes.system_message() | nodes.substitution_reference():
            return
        case nodes.Element():
            inner = node.tagname if isinstance(node, nodes.superscript | nodes.subscript) else shift
            for child in node.children:
                yield from _spans(child, inner)


def _items(items: nodes.Element) -> Iterator[str]:
    """The items of a list with their marks, and what stands in them indented."""
    number = items.get("start", 1)
    for at, item in enumerate(items.children):
        mark = "-"
        if isinstance(items, nodes.enumerated_list):
            count = formatted(number + at, _KINDS.get(items.get("enumtype", ""), "decimal"))
            mark = f"{items.get('prefix', '')}{count}{items.get('suffix', '.')}"
        yield f"{mark} " + _indented("\n".join(_blocks(item, 6)))


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _pairs(pairs: nodes.Element) -> Iterator[str]:
    """Terms with what is said of them: `term: definition`."""
    for pair in pairs.children:
        options = [option.astext() for option in pair.findall(nodes.option)]
        names = options or [_inline(child) for child in pair.children if isinstance(child, nodes.TextElement)]
        said = [
            child
            for child in pair.children
            if isinstance(child, nodes.definition | nodes.field_body | nodes.description)
        ]
        yield f"{', '.join(names)}: " + _indented("\n".join(block for child in said for block in _blocks(child, 6)))


def _lines(block: nodes.Element) -> Iterator[str]:
    for line in block.children:
        if isinstance(line, nodes.line_block):
            yield from _lines(line)
        else:
            yield _inline(line)


def _fenced(node: nodes.Element) -> str:
    code = node.astext()
    language = next((name for name in node.get("classes", ()) if name != "code"), "")
    mark = "`" * max(3, 1 + max((len(run) for run in re.findall("`{3,}", code)), default=0))
    return f"{mark}{language}\n{code}\n{mark}"


def _table(table: nodes.Element) -> Iterator[str]:
    """Its caption, and its rows with the names of their columns, also where a cell spans several."""
    for title in table.findall(nodes.title):
        yield _inline(title)
        break
    rows = []
    below: dict[int, tuple[int, str]] = {}
    for row in table.findall(nodes.row):
        cells: list[str] = []
        for entry in row.children:
            _fill(cells, below)
            text = " ".join(" ".join(_blocks(entry, 6)).split())
            for _ in range(1 + entry.get("morecols", 0)):
                if entry.get("morerows"):
                    below[len(cells)] = (entry["morerows"], text)
                cells.append(text)
        _fill(cells, below)
        rows.append(cells)
    yield table_text(rows, DEFAULT)


def _fill(cells: list[str], below: dict[int, tuple[int, str]]) -> None:
    """Adds the cells that reach down from the rows above."""
    while len(cells) in below:
        left, text = below.pop(len(cells))
        if left > 1:
            below[len(cells)] = (left - 1, text)
        cells.append(text)
