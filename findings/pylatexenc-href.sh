#!/usr/bin/env bash
# pylatexenc 2.11: `latex_to_text` raises an IndexError for a document with \href, since the converter's table expects
# two arguments of it and the parser's table does not know the macro, so it reads none. \url is in both.
# Who is hurt: users who add a thesis or a paper: one link makes the whole file unreadable.
# In the product: chatbot/knowledge/parsing/extractors/markup/latex.py tells the parser of the macro and writes the text itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq pylatexenc==2.11 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the link is read"; exit 1; }
import importlib.metadata
import sys

from pylatexenc.latex2text import LatexNodes2Text

print("pylatexenc", importlib.metadata.version("pylatexenc"))
SOURCE = r"See \href{https://pool.example/}{the pool's site} for \emph{prices}."
print("expected: text for", SOURCE)
try:
    seen = LatexNodes2Text().latex_to_text(SOURCE)
except IndexError as error:
    seen = repr(error)
print("seen:", seen)
print("seen: with \\url:", LatexNodes2Text().latex_to_text(r"See \url{https://pool.example/}."))
sys.exit(0 if seen.startswith("IndexError") else 1)
PYTHON
