#!/usr/bin/env bash
# pypdf 7.1.0, extract_text(extraction_mode="layout"): a line with a raised figure falls apart, and its rest comes
# before its beginning: "1 days of the delivery." stands above "A refund is possible within 30". The plain mode keeps
# the order.
# Who is hurt: who takes the layout mode to keep the columns of tables. Sentences are cut and turned round, their
# halves get into different chunks, and no quotation of them can be found.
# In the product: chatbot/knowledge/parsing/extractors/pdf.py uses the plain mode.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq reportlab==5.1.0 pypdf==7.1.0 || exit 2
"$folder/venv/bin/python" - "$folder/terms.pdf" <<'PYTHON' || { echo "CHANGED: the order is kept"; exit 1; }
import importlib.metadata
import sys

import pypdf
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

for name in ("reportlab", "pypdf"):
    print(name, importlib.metadata.version(name))
path = sys.argv[1]
style = getSampleStyleSheet()["Normal"]
SimpleDocTemplate(path).build([
    Paragraph("A refund is possible within 30<super>1</super> days of the delivery.", style),
    Paragraph("Returns are free.", style),
])
page = pypdf.PdfReader(path).pages[0]
print("expected: 'A refund' before 'days of the delivery', in both modes")
orders = {}
for mode in ("plain", "layout"):
    text = page.extract_text(extraction_mode=mode)
    orders[mode] = text.index("A refund") < text.index("days of the delivery")
    print(f"seen: {mode}:", [line.strip() for line in text.splitlines() if line.strip()])
sys.exit(0 if orders == {"plain": True, "layout": False} else 1)
PYTHON
