"""LaTeX, parsed by pylatexenc and written with Markdown's marks for structure. Formulas stay as they are written.

Nothing is run and no file is read. Macros without arguments that the document defines are put in; of others that are
not known the arguments are shown.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import LatexWalker, get_default_latex_context_db
from pylatexenc.macrospec import EnvironmentSpec, MacroSpec

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.extractors.source import fenced
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.table import table_text
from chatbot.knowledge.parsing.warnings import note

_LEVELS: Final = {
    "part": 1,
    "chapter": 1,
    "section": 2,
    "subsection": 3,
    "subsubsection": 4,
    "paragraph": 5,
    "subparagraph": 6,
}
_SILENT: Final = frozenset(
    "documentclass usepackage documentstyle RequirePackage newcommand renewcommand providecommand newenvironment "
    "renewenvironment newtheorem theoremstyle DeclareMathOperator def let label input include bibliography "
    "bibliographystyle pagestyle thispagestyle setlength vspace hspace vskip hskip includegraphics graphicspath "
    "hypersetup definecolor setcounter addtocounter newcounter index centering hline cline toprule midrule bottomrule "
    "cmidrule tableofcontents listoffigures listoftables maketitle author date title phantom noindent today newpage "
    "clearpage pagebreak linebreak".split()
)
_SHOWN_LAST: Final = frozenset("multicolumn multirow textcolor colorbox parbox raisebox scalebox resizebox".split())
_CODE: Final = frozenset(("verbatim", "verbatim*", "lstlisting", "minted", "Verbatim", "alltt"))
# The arguments of environments and macros that pylatexenc does not know, or knows without their text.
_TABLES: Final = {
    "tabular": "[{",
    "array": "[{",
    "longtable": "[{",
    "supertabular": "[{",
    "tabular*": "{[{",
    "tabularx": "{[{",
    "tabulary": "{[{",
}
_MACROS: Final = {
    "href": "{{",
    "url": "{",
    "caption": "*[{",
    "multicolumn": "{{{",
    "multirow": "{[{{",
    "textcolor": "{{",
    "title": "[{",
    "cline": "{",
    "cmidrule": "{",
    "newtheorem": "*{[{[",
    "item": "[",
}
_LISTS: Final = frozenset(("itemize", "enumerate", "description"))
_OPTIONS: Final = re.compile(r"\A\s*(?:\[[^\]\n]{0,300}\])?(?:\{([\w+#-]{1,30})\})?[ \t]*\n?")
_LANGUAGE: Final = re.compile(r"language=\{?([\w+#-]{1,30})")
_SPECIALS: Final = {
    "``": "“",
    "''": "”",
    "---": "—",
    "--": "–",
    "~": " ",
    "&": "\0",
    "!`": "¡",
    "?`": "¿",
    "\n\n": "\n\n",
}
_ESCAPED: Final = frozenset("%$&#_{}")
_SPACES: Final = frozenset((",", ";", ":", "!", " ", "quad", "qquad", "thinspace", "enspace"))
# Between the cells and the rows of a table, which clean() has taken out of the source.
_CELL, _ROW = "\0", "\1"


def extract(data: bytes, limits: Limits) -> Extracted:
    """The text of the document, without its preamble; the title is that of `\\\\title`, else the first heading."""
    source = clean(decode(data))
    database = get_default_latex_context_db()
    database.add_context_category(
        "shown",
        macros=[MacroSpec(name, arguments) for name, arguments in _MACROS.items()],
        environments=[EnvironmentSpec(name, arguments) for name, arguments in _TABLES.items()],
        prepend=True,
    )
    nodes, _, _ = LatexWalker(source, latex_context=database, tolerant_parsing=True).get_latex_nodes()
    writer = _Writer(limits)
    title = writer.look(nodes)
    body = next((node.nodelist for node in nodes if _named(node, "environmentname") == "document"), nodes)
    text = "\n\n".join(filter(None, (f"# {title}" if title else "", writer.text(body), *writer.notes)))
    text = squeeze(re.sub(r"(?<![ \t])[ \t]++\n|\n[ \t]++(?=\S)", "\n", text.replace(_CELL, "&").replace(_ROW, "\n")))
    headings = (line.lstrip("# ") for line in text.split("\n") if line.startswith("#"))
    return Extracted(text, sensible_title(title or next(headings, None)))


def _named(node: Any, kind: str) -> str:
    name = getattr(node, kind, None)
    return name if isinstance(name, str) else ""


def _arguments(node: Any) -> list[Any]:
    given = getattr(node, "nodeargd", None)
    return list(given.argnlist or []) if given is not None else []


class _Writer:
    """The text of nodes, with the notes and the definitions of a document."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.notes: list[str] = []
        self.defined: dict[str, Any] = {}
        self.symbols = LatexNodes2Text(math_mode="verbatim")

    def look(self, nodes: Iterable[Any]) -> str:
        """Collects the definitions of macros without arguments, and returns the title."""
        title = ""
        for node in nodes:
            name, given = _named(node, "macroname"), _arguments(node)
            if name == "title" and given:
                title = title or " ".join(self._all(given[-1:]).split())
            elif name in ("newcommand", "renewcommand", "providecommand") and given and not any(given[2:-1]):
                defined = [_named(part, "macroname") for part in getattr(given[1], "nodelist", None) or [given[1]]]
                self.defined |= dict.fromkeys(filter(None, defined), given[-1])
            elif _named(node, "environmentname") == "document":
                title = title or self.look(node.nodelist)
        return title

    def text(self, nodes: Sequence[Any]) -> str:
        """The text of nodes that stand one behind the other."""
        return "".join(self._text(node) for node in nodes if node is not None)

    def _all(self, nodes: Sequence[Any]) -> str:
        """The text of arguments, without their brackets."""
        return self.text(
            [part for node in nodes if node is not None for part in getattr(node, "nodelist", None) or [node]]
        )

    def _text(self, node: Any) -> str:
        match type(node).__name__:
            case "LatexCharsNode":
                return str(node.chars)
            case "LatexGroupNode":
                return self.text(node.nodelist)
            case "LatexSpecialsNode":
                return _SPECIALS.get(str(node.specials_chars), str(node.specials_chars))
            case "LatexMathNode":
                return str(node.latex_verbatim())
            case "LatexMacroNode":
                # LaTeX drops blanks behind a macro's name, but not the end of a paragraph.
                return self._macro(node) + ("\n\n" if node.macro_post_space.count("\n") > 1 else "")
            case "LatexEnvironmentNode":
                return self._environment(node)
        return ""

    def _macro(self, node: Any) -> str:
        name, given = str(node.macroname), _arguments(node)
        if name in _LEVELS:
            return f"\n\n{'#' * _LEVELS[name]} {' '.join(self._all(given[-1:]).split())}\n\n"
        if name in self.defined:
            body = self.defined.pop(name)
            # What a macro is made of may not use itself.
            shown = self._all([body])
            self.defined[name] = body
            return shown
        if name in ("footnote", "footnotetext", "thanks"):
            self.notes.append("")
            number = len(self.notes)
            self.notes[number - 1] = f"[{number}] {' '.join(self._all(given[-1:]).split())}"
            return f"[{number}]"
        if name == "href" and len(given) == 2:
            target, shown = self._all(given[:1]), self._all(given[1:])
            return f"[{shown}]({target})" if target.startswith(("http://", "https://")) else shown
        if name in ("\\", "newline", "tabularnewline"):
            return _ROW
        if name == "caption":
            return f"\n\n{self._all(given[-1:]).strip()}\n\n"
        return self._simple(node, name, given)

    def _simple(self, node: Any, name: str, given: Sequence[Any]) -> str:
        if name in _SILENT:
            note("pictures_not_read", int(name == "includegraphics"))
            note("damaged_parts_not_read", int(name in ("input", "include")), name=self._all(given[-1:]))
            return ""
        if name in _SPACES:
            return " "
        if name in _ESCAPED:
            return name
        if name in _SHOWN_LAST:
            return self._all(given[-1:])
        if name in ("ref", "eqref", "pageref", "autoref", "cref", "cite", "citep", "citet", "nocite"):
            return f"[{self._all(given[-1:])}]" if name != "nocite" else ""
        if len(name) == 1 or not given:
            return str(self.symbols.nodelist_to_text([node])).strip("\n")
        return self._all(given)

    def _environment(self, node: Any) -> str:
        name = node.environmentname
        if name in _CODE:
            return self._code(node)
        if name in _LISTS:
            return f"\n\n{self._list(node.nodelist, name)}\n\n"
        if name in _TABLES:
            rows = [
                [" ".join(cell.split()) for cell in row.split(_CELL)] for row in self.text(node.nodelist).split(_ROW)
            ]
            return f"\n\n{table_text([row for row in rows if any(row)], self.limits)}\n\n"
        if name.rstrip("*") in (
            "equation",
            "align",
            "gather",
            "multline",
            "eqnarray",
            "displaymath",
            "math",
            "alignat",
            "flalign",
        ):
            return f"\n\n{node.latex_verbatim()}\n\n"
        if name == "comment":
            return ""
        return f"\n\n{self.text(node.nodelist)}\n\n"

    def _code(self, node: Any) -> str:
        source = "".join(part.latex_verbatim() for part in [*filter(None, _arguments(node)), *node.nodelist])
        options = _OPTIONS.match(source)
        begin = options.end() if options else 0
        language = _LANGUAGE.search(source, 0, begin)
        name = language[1].lower() if language else (options[1] or "" if options else "")
        return f"\n\n{fenced(source[begin:].strip(chr(10)), name)}\n\n"

    def _list(self, nodes: Sequence[Any], kind: str) -> str:
        items: list[tuple[str, list[Any]]] = []
        for node in nodes:
            if _named(node, "macroname") == "item":
                items.append((self._all(_arguments(node)).strip(), []))
            elif items:
                items[-1][1].append(node)
        lines = []
        for number, (label, inside) in enumerate(items, 1):
            text = "\n".join(line for line in self.text(inside).split("\n") if line.strip()).strip()
            mark = (
                f"{label}:"
                if label and kind == "description"
                else label or (f"{number}." if kind == "enumerate" else "-")
            )
            lines.append(f"{mark} {text}".replace("\n", "\n  "))
        return "\n".join(lines)
