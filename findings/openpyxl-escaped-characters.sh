#!/usr/bin/env bash
# openpyxl 3.1.5 returns "_x000D_" as seven characters. OOXML writes characters that XML cannot keep as _xHHHH_; Excel
# and XlsxWriter do so with the carriage returns in a cell, and write "_x005F_" for an underscore that only looks like
# the beginning of such a group. Of all of them openpyxl decodes the underscore alone; python-calamine decodes all.
# Who is hurt: users of a search over workbooks: words are joined ("Street_x000D_2"), keywords do not match, and a
# quotation shows "_x000D_" in the middle of an address.
# In the product: chatbot/knowledge/parsing/extractors/office/xlsx.py decodes them before openpyxl reads the workbook.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq openpyxl==3.1.5 XlsxWriter==3.3.1 python-calamine==0.9.1 || exit 2
"$folder/venv/bin/python" - "$folder/book.xlsx" <<'PYTHON' || { echo "CHANGED: openpyxl decodes the escapes"; exit 1; }
import importlib.metadata
import re
import sys
import zipfile

import openpyxl
import python_calamine
import xlsxwriter

for name in ("openpyxl", "XlsxWriter", "python-calamine"):
    print(name, importlib.metadata.version(name))
path = sys.argv[1]
WRITTEN = ["5 EUR a day\r\n30 EUR a month", "1 Main Street\r2 Side Street", "code _x0041_ of the plan"]
with xlsxwriter.Workbook(path) as book:
    book.add_worksheet("Prices").write_column(0, 0, WRITTEN)

with zipfile.ZipFile(path) as package:
    print("  the file:", re.findall("<t>(.*?)</t>", package.read("xl/sharedStrings.xml").decode(), re.DOTALL))
print("expected:", WRITTEN)
calamine = [row[0] for row in python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()]
print("  python-calamine:", calamine)
seen = [row[0] for row in openpyxl.load_workbook(path, read_only=True).active.iter_rows(values_only=True)]
print("seen: openpyxl:", seen)
sys.exit(0 if calamine == WRITTEN and seen == [text.replace("\r", "_x000D_") for text in WRITTEN] else 1)
PYTHON
