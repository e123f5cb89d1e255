#!/usr/bin/env bash
# markdownify 1.2.3 and html2text 2025.4.15: after a cell with rowspan the next row has one cell fewer, and all its
# values move one column to the left, below the heading of another. The row stays a valid row of a Markdown table.
# Who is hurt: users who ask for a value of a table: the notice period of the United States is told as their region.
# In the product: chatbot/knowledge/parsing/extractors/markup/html.py gives the value to each of the rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq markdownify==1.2.3 html2text==2025.4.15 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the columns are kept"; exit 1; }
import importlib.metadata
import sys

import html2text
import markdownify

for name in ("markdownify", "html2text"):
    print(name, importlib.metadata.version(name))
TABLE = (
    "<table><tr><th>Plan</th><th>Region</th><th>Notice</th></tr>"
    "<tr><td rowspan='2'>Basic</td><td>EU</td><td>30 days</td></tr>"
    "<tr><td>US</td><td>60 days</td></tr></table>"
)
print("expected: in the last row US is below Region, and 60 days below Notice")
rows = {}
for name, text in (("markdownify", markdownify.markdownify(TABLE)), ("html2text", html2text.html2text(TABLE))):
    lines = [line.strip() for line in text.splitlines() if "|" in line]
    print(f"seen: {name}:", *lines, sep="\n    ")
    rows[name] = [cell.strip() for cell in lines[-1].strip("|").split("|")]
sys.exit(0 if all(row == ["US", "60 days"] for row in rows.values()) else 1)
PYTHON
