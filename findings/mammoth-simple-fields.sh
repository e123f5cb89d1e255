#!/usr/bin/env bash
# mammoth 1.13.0 leaves out what a simple field (w:fldSimple) shows: document properties, merge fields, references.
# Fields in their long form (w:fldChar) are read. Only a warning tells that an element was ignored.
# Who is hurt: users whose contracts are filled by fields: the number, the date or the price is missing in the HTML,
# and the sentence around it reads on.
# In the product: chatbot/knowledge/parsing/extractors/office/docx.py walks into the field, so its text is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq python-docx==1.2.0 mammoth==1.13.0 || exit 2
"$folder/venv/bin/python" - "$folder/offer.docx" <<'PYTHON' || { echo "CHANGED: simple fields are read"; exit 1; }
import importlib.metadata
import sys

import mammoth
from docx import Document
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn

for name in ("mammoth", "python-docx"):
    print(name, importlib.metadata.version(name))
path = sys.argv[1]
FIELD = ' DOCPROPERTY "Price" '


def simple(paragraph):
    xml = f"<w:fldSimple {nsdecls('w')} w:instr='{FIELD}'><w:r><w:t>99 euros</w:t></w:r></w:fldSimple>"
    paragraph._p.append(parse_xml(xml))


def long(paragraph):
    for kind in ("begin", "instruction", "separate", "text", "end"):
        run = paragraph.add_run("99 euros" if kind == "text" else "")
        if kind == "instruction":
            run._r.append(parse_xml(f"<w:instrText {nsdecls('w')} xml:space='preserve'>{FIELD}</w:instrText>"))
        elif kind != "text":
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            run._r.append(mark)


document = Document()
for field in (long, simple):
    paragraph = document.add_paragraph("The price is ")
    field(paragraph)
    paragraph.add_run(" a year.")
document.save(path)
print("expected: The price is 99 euros a year. (twice)")
with open(path, "rb") as file:
    result = mammoth.convert_to_html(file)
print("seen:", result.value)
print("seen:", *result.messages)
expected = "<p>The price is 99 euros a year.</p><p>The price is  a year.</p>"
sys.exit(0 if result.value == expected else 1)
PYTHON
