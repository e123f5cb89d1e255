#!/usr/bin/env bash
# PDFium (pypdfium2 5.15.2) renders a page without the optional content that is switched off, and its text interface
# returns that content all the same, as if it were shown.
# Who is hurt: whoever indexes PDFs from CAD, maps and translated forms: drafts and other languages' layers answer.
# In the product: layers that are off are taken out of the page before PDFium reads it (docs/adr/0022).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq pypdfium2==5.15.2 numpy==2.3.5 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the text has only what is shown"; exit 1; }
import importlib.metadata
import sys

import pypdfium2

print("pypdfium2", importlib.metadata.version("pypdfium2"), "PDFium", pypdfium2.PDFIUM_INFO)


def page(content, *more, catalog="", resources=""):
    """A PDF of one page."""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents 5 0 R "
        f"/Resources << /Font << /F1 4 0 R >> {resources} >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        *more,
    ]
    file, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    return pypdfium2.PdfDocument(file + end.encode())[0]


def shown(text, x, y):
    return f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET "


layer = "/OC /L BDC " + shown("Draft: ninety", 20, 150) + "EMC "
hidden = page(
    layer + shown("Price: forty", 20, 100),
    "<< /Type /OCG /Name (Drafts) >>",
    catalog="/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
    resources="/Properties << /L 6 0 R >>",
)
dark = (hidden.render().to_numpy().min(axis=(1, 2)) < 128).nonzero()[0]
text = hidden.get_textpage().get_text_range()
print("expected: the text has one line, as the picture does")
print(f"seen: dark pixels between rows {dark.min()} and {dark.max()} of 200, text {text!r}")
# A point 50 above the bottom of the upper line is row 50 of the picture.
sys.exit(0 if dark.min() > 80 and "Draft: ninety" in text and "Price: forty" in text else 1)
PYTHON
