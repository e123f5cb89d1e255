"""Jupyter notebooks (nbformat 3 and 4): their cells in order, code as code, and what the code printed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chatbot.knowledge.parsing.clean import clean, joined, sensible_title, squeeze
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.errors import ParseError
from chatbot.knowledge.parsing.extractors.markup import html, markdown
from chatbot.knowledge.parsing.extractors.source import fenced
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import note

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def extract(data: bytes, limits: Limits) -> Extracted:
    """The cells; the title is the first heading of one, or the notebook's own."""
    notebook = json.loads(decode(data))
    cells = _cells(notebook)
    language = _language(notebook)
    text = squeeze(joined((part for cell in cells for part in _shown(cell, language, limits)), limits))
    title = (notebook.get("metadata") or {}).get("title")
    headings = (line[2:] for line in text.split("\n") if line.startswith("# "))
    return Extracted(text, sensible_title(title if isinstance(title, str) else next(headings, None)))


def _cells(notebook: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells", notebook.get("worksheets")), list):
        raise ParseError("damaged")
    if "cells" in notebook:
        return list(notebook["cells"])
    return [cell for sheet in notebook["worksheets"] for cell in sheet.get("cells", [])]


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata") or {}
    name = (metadata.get("language_info") or {}).get("name") or (metadata.get("kernelspec") or {}).get("language")
    return name if isinstance(name, str) and name.isalnum() else ""


def _shown(cell: Mapping[str, Any], language: str, limits: Limits) -> Iterator[str]:
    """A cell, each part behind an empty line. What a person folded away is not shown."""
    hidden = (cell.get("metadata") or {}).get("jupyter") or {}
    source = clean(_text(cell.get("source", cell.get("input"))))
    match cell.get("cell_type"):
        case "markdown":
            yield from ("", markdown.extract(source.encode(), limits).text)
        case "heading":
            yield from ("", f"{'#' * int(cell.get('level', 1))} {source}")
        case "raw":
            yield from ("", source)
        case "code":
            note("hidden_left_out", int(bool(hidden.get("source_hidden") or hidden.get("outputs_hidden"))))
            if source.strip() and not hidden.get("source_hidden"):
                yield from ("", fenced(source, language))
            if not hidden.get("outputs_hidden"):
                for output in cell.get("outputs") or []:
                    yield from ("", _output(output, limits))


def _output(output: Mapping[str, Any], limits: Limits) -> str:
    """What an output shows: its Markdown or its table rather than the plain text that stands for it."""
    data = output.get("data") or output
    note("pictures_not_read", int(any(str(kind).startswith("image/") for kind in data)))
    if output.get("output_type") in ("error", "pyerr"):
        return fenced(f"{output.get('ename', '')}: {output.get('evalue', '')}")
    if "text/markdown" in data:
        return clean(_text(data["text/markdown"]))
    if "text/html" in data and (shown := html.extract(_text(data["text/html"]).encode(), limits).text):
        return shown
    plain = clean(_COLOURS.sub("", _text(data.get("text/plain", output.get("text"))))).strip("\n")
    return fenced(plain) if plain.strip() else ""


def _text(lines: Any) -> str:
    """A text that nbformat writes as one string or as a list of lines."""
    return "".join(map(str, lines)) if isinstance(lines, list) else str(lines or "")
