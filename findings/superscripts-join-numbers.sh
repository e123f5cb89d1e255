#!/usr/bin/env bash
# pypdf 7.1.0, pdfminer.six 20260107, python-docx 1.2.0, docx2txt 0.9 and html2text 2025.4.15: a raised figure is read
# as the next digit of the number before it. "30" with the mark of footnote 1 is "301", ten to the sixth is "106". All
# three formats say that the figure is raised; the text has neither a space nor a sign for it.
# Who is hurt: users of a chatbot over contracts, price lists and papers: it answers "301 days", with a true citation.
# In the product: chatbot/knowledge/parsing/markup/spans.py writes "30^1 days" for Word and HTML; PDFs join them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq reportlab==5.1.0 pypdf==7.1.0 pdfminer.six==20260107 python-docx==1.2.0 \
  docx2txt==0.9 html2text==2025.4.15 || exit 2
"$folder/venv/bin/python" - "$folder" <<'PYTHON' || { echo "CHANGED: raised figures stand apart"; exit 1; }
import importlib.metadata
import sys
from pathlib import Path

import docx
import docx2txt
import html2text
import pypdf
from pdfminer.high_level import extract_text
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

for name in ("reportlab", "pypdf", "pdfminer.six", "python-docx", "docx2txt", "html2text"):
    print(name, importlib.metadata.version(name))
pdf, word = (str(Path(sys.argv[1]) / name) for name in ("terms.pdf", "terms.docx"))
PARTS = "A refund is possible within 30", "1", " days. A file holds up to 10", "6", " rows."
markup = "{}<super>{}</super>{}<super>{}</super>{}".format(*PARTS)

SimpleDocTemplate(pdf).build([Paragraph(markup, getSampleStyleSheet()["Normal"])])
document = docx.Document()
paragraph = document.add_paragraph()
for part in PARTS:
    paragraph.add_run(part).font.superscript = part.isdigit()
document.save(word)

print("expected: 30 and 1, 10 and 6 can be told apart, as in:", markup)
seen = {
    "pypdf": pypdf.PdfReader(pdf).pages[0].extract_text(),
    "pdfminer.six": extract_text(pdf),
    "python-docx": docx.Document(word).paragraphs[0].text,
    "docx2txt": docx2txt.process(word),
    "html2text": html2text.html2text(f"<p>{markup.replace('super>', 'sup>')}</p>"),
}
for name, read in seen.items():
    print(f"seen: {name}:", read.strip())
sys.exit(0 if all("within 301 days" in read and "up to 106 rows" in read for read in seen.values()) else 1)
PYTHON
