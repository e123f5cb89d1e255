#!/usr/bin/env bash
# langchain-text-splitters 1.1.3: with add_start_index=True and a length_function that does not count characters
# (tokens, or words as here), `start_index` of every second chunk that overlaps is -1. The overlap is taken from the
# position in characters, though it was given in words, so the search begins behind the chunk.
# Who is hurt: users of citations. The offset is stored as it is, and text[-1:...] is empty or the end of the
# document.
# In the product: chatbot/rag/text/splitter.py splits without overlap or stripping and sums up the lengths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq langchain-text-splitters==1.1.3 langchain-core==1.7.2 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: every start_index is right"; exit 1; }
import importlib.metadata
import sys

from langchain_text_splitters import RecursiveCharacterTextSplitter

for name in ("langchain-text-splitters", "langchain-core"):
    print(name, importlib.metadata.version(name))
text = " ".join(f"Parcels of kind {n} may be returned within {n + 9} days." for n in range(1, 41))


def starts(length):
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=length("a word " * 20), chunk_overlap=length("a word " * 5), length_function=length,
        separators=[" "], add_start_index=True,
    )
    chunks = [(c.metadata["start_index"], c.page_content) for c in splitter.create_documents([text])]
    right = sum(start >= 0 and text.startswith(content, start) for start, content in chunks)
    return right, len(chunks), [start for start, _ in chunks]


print("expected: text[start_index:] begins with each chunk")
characters = starts(len)
print("  lengths in characters: %d of %d right: %s" % characters)
words = starts(lambda part: len(part.split()))
print("seen: lengths in words: %d of %d right: %s" % words)
sys.exit(0 if characters[0] == characters[1] and words[0] < words[1] and -1 in words[2] else 1)
PYTHON
