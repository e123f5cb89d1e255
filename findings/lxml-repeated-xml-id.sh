#!/usr/bin/env bash
# lxml 6.1.3: a document in which one xml:id stands twice is not parsed, although that is a matter of validity and no
# DTD or schema is asked for; expat and `collect_ids=False` read it. Word processors copy ids with their paragraphs.
# Who is hurt: users who add an OpenDocument text or a DocBook file that every other program opens.
# In the product: chatbot/knowledge/parsing parses XML without collecting ids.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq lxml==6.1.3 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the document is parsed"; exit 1; }
import importlib.metadata
import sys
import xml.etree.ElementTree

from lxml import etree

print("lxml", importlib.metadata.version("lxml"))
SOURCE = '<text><p xml:id="a1">Open daily.</p><p xml:id="a1">Closed on Mondays.</p></text>'
print("expected: two paragraphs of", SOURCE)
print("seen: expat:", len(xml.etree.ElementTree.fromstring(SOURCE)))
print("seen: lxml, collect_ids=False:", len(etree.fromstring(SOURCE, etree.XMLParser(collect_ids=False))))
try:
    seen = str(len(etree.fromstring(SOURCE)))
except etree.XMLSyntaxError as error:
    seen = f"XMLSyntaxError: {error}"
print("seen: lxml:", seen)
sys.exit(0 if seen.startswith("XMLSyntaxError") else 1)
PYTHON
