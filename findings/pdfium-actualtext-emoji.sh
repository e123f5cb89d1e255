#!/usr/bin/env bash
# PDFium (pypdfium2 5.15.2) takes ActualText for what a piece of text means, and drops it where the character lies above
# U+FFFF: neither the emoji comes out nor the letter that was drawn for it. A euro sign comes out.
# Who is hurt: whoever indexes PDFs of web pages and chats, where emoji and rare ideographs are drawn as pictures.
# In the product: stated as a limit in docs/adr/0022.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq pypdfium2==5.15.2 numpy==2.3.5 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the emoji is in the text"; exit 1; }
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


def meaning(character):
    code = character.encode("utf-16-be").hex().upper()
    drawn = f"/Span << /ActualText <FEFF{code}> >> BDC " + shown("X", 20, 150) + "EMC " + shown("here", 60, 150)
    return page(drawn).get_textpage().get_text_range()


seen = {name: meaning(name) for name in ("\u20ac", "\U0001f600", "\U00020bb7")}
print("expected: each character is in its text")
for character, text in seen.items():
    print(f"seen: U+{ord(character):04X} gives {text!r}")
sys.exit(0 if list(seen.values()) == ["\u20ac here", "here", "here"] else 1)
PYTHON
