#!/usr/bin/env bash
# python-docx 1.2.0: `Paragraph.text` leaves out characters that Word's "Insert > Symbol" writes as w:sym, without a
# trace: "90°" is "90" and "x ≤ 5" is "x  5". mammoth 1.13.0 maps the Symbol font's codes to the characters.
# Who is hurt: users who ask about limits, tolerances and doses: the number is quoted, and what it is compared by is
# gone.
# In the product: chatbot/knowledge/parsing/extractors/office/docx.py walks the runs itself, and symbols.py has the characters.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq python-docx==1.2.0 mammoth==1.13.0 || exit 2
"$folder/venv/bin/python" - "$folder/limits.docx" <<'PYTHON' || { echo "CHANGED: symbols are read"; exit 1; }
import importlib.metadata
import sys

import mammoth
from docx import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

for name in ("python-docx", "mammoth"):
    print(name, importlib.metadata.version(name))
path = sys.argv[1]


def add_symbol(paragraph, code):
    """As Word does for a character of the font Symbol."""
    symbol = OxmlElement("w:sym")
    symbol.set(qn("w:font"), "Symbol")
    symbol.set(qn("w:char"), code)
    paragraph.add_run()._r.append(symbol)


document = Document()
paragraph = document.add_paragraph("Store below 25")
add_symbol(paragraph, "F0B0")
paragraph.add_run("C. The dose is ")
add_symbol(paragraph, "F0A3")
paragraph.add_run(" 5 mg, with a tolerance of ")
add_symbol(paragraph, "F0B1")
paragraph.add_run("2 mg.")
document.save(path)

EXPECTED = "Store below 25°C. The dose is ≤ 5 mg, with a tolerance of ±2 mg."
print("expected:", EXPECTED)
with open(path, "rb") as file:
    other = mammoth.extract_raw_text(file).value.strip()
print("  mammoth:", other)
seen = Document(path).paragraphs[0].text
print("seen: python-docx:", seen)
sys.exit(0 if other == EXPECTED and seen == "Store below 25C. The dose is  5 mg, with a tolerance of 2 mg." else 1)
PYTHON
