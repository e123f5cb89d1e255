#!/usr/bin/env bash
# SQLite's FTS5 (3.54.1 in apsw 3.54.1.0), tokenizer unicode61: vowel signs of Indic scripts and of Thai are neither
# letters nor diacritics to it but separators. Hindi words fall into single consonants: a question for "की" finds a
# text that has only "का", and "दिल" (heart) finds "दिल्ली" (Delhi).
# Who is hurt: users of a search in Hindi, Tamil or Thai. Nothing fails, the results are just of other words.
# `tokenize = "unicode61 categories 'L* N* Co M*'"` keeps the words whole.
# In the product: no FTS5; but Python's \w leaves the same signs out, and chatbot/rag/text/stemming.py splits with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq apsw==3.54.1.0 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the words are kept whole"; exit 1; }
import sys

import apsw

print("apsw", apsw.apsw_version(), "SQLite", apsw.sqlite_lib_version())
TEXT = "दिल्ली का किराया"  # The rent of Delhi.
QUESTIONS = "का", "की", "दिल"


def searched(tokenizer):
    db = apsw.Connection(":memory:")
    db.execute(f"CREATE VIRTUAL TABLE notes USING fts5(body, tokenize = \"{tokenizer}\")")
    db.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(notes, 'row')")
    db.execute("INSERT INTO notes VALUES (?)", (TEXT,))
    terms = [term for (term,) in db.execute("SELECT term FROM terms")]
    found = {q: bool(list(db.execute("SELECT 1 FROM notes WHERE notes MATCH ?", (q,)))) for q in QUESTIONS}
    print(f"  {tokenizer}: terms {terms}, found {found}")
    return terms, found


print(f"expected: three terms of {TEXT!r}; the word का is found, and neither की nor दिल")
whole = searched("unicode61 categories 'L* N* Co M*'")
print("seen with the tokenizer as it is:")
split = searched("unicode61")
print("seen: found are words that the text does not have")
right = len(whole[0]) == 3 and whole[1] == {"का": True, "की": False, "दिल": False}
sys.exit(0 if right and len(split[0]) > 3 and all(split[1].values()) else 1)
PYTHON
