#!/usr/bin/env bash
# striprtf 0.0.35: text that an RTF file marks as hidden (\v) or deleted (\deleted) is in the text, and the text of a
# footnote is not.
# Who is hurt: users of a chatbot over contracts: it quotes a clause that was taken out, and does not know the notes.
# In the product: chatbot/knowledge/parsing/extractors/office/rtf.py reads the format by rules of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq striprtf==0.0.35 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: hidden text or notes are read otherwise"; exit 1; }
import importlib.metadata
import sys

from striprtf.striprtf import rtf_to_text

print("striprtf", importlib.metadata.version("striprtf"))
SOURCE = (
    r"{\rtf1\ansi The rent is {\deleted 800}900 euros{\v  (ask for less)}"
    r"{\footnote Heating is not included.}, to be paid monthly.\par}"
)
print("expected: The rent is 900 euros, to be paid monthly; and the note somewhere")
seen = rtf_to_text(SOURCE).strip()
print("seen:", seen)
sys.exit(0 if "800900" in seen and "ask for less" in seen and "Heating" not in seen else 1)
PYTHON
