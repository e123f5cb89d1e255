#!/usr/bin/env bash
# PDFium (pypdfium2 5.15.2) ends a line before a cell that is one figure, where a table has more than one row: "Dog 7 12"
# comes out as "Dog" and "7 12", and a row with two such cells in three lines, though all stand on the same base line.
# Who is hurt: whoever reads tables of prices, scores or counts from PDFs: a figure loses its row.
# In the product: lines are put together from the places of the letters, not from PDFium's line ends (docs/adr/0022).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq pypdfium2==5.15.2 numpy==2.3.5 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: each row is a line"; exit 1; }
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


def table(*rows):
    cells = [shown(cell, 20 + 100 * at, 150 - 20 * n) for n, row in enumerate(rows) for at, cell in enumerate(row)]
    return page("".join(cells)).get_textpage().get_text_range().splitlines()


one_figure, two_figures = table(("Dog", "7", "12"), ("Cat", "8", "9")), table(("Dog", "17", "12"), ("Cat", "18", "19"))
print("expected: two lines of three cells each time")
print(f"seen: {one_figure} and {two_figures}")
sys.exit(0 if one_figure == ["Dog", "7 12", "Cat", "8", "9"] and two_figures == ["Dog 17 12", "Cat 18 19"] else 1)
PYTHON
