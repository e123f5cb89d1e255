#!/usr/bin/env bash
# faiss-cpu 1.15.1: IndexHNSWFlat with an IDSelector returns nothing though 200 vectors are selected. The selector
# only keeps vectors out of the result, not out of the walk, and the walk ends in the neighbourhood of the question.
# IndexFlat returns ten of the same selection.
# Who is hurt: users who may read only some of the documents. Where theirs are not the nearest of all, they are told
# that there is nothing, and the more the others add, the more often.
# In the product: chatbot/rag/vector_store/ has no HNSW, and compares up to 20,000 allowed vectors one by one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq faiss-cpu==1.15.1 numpy==2.4.6 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the filtered search returns what is selected"; exit 1; }
import sys

import faiss
import numpy as np

print("faiss", faiss.__version__, "numpy", np.__version__)
random = np.random.default_rng(3)
topics = random.normal(size=(20, 32))
vectors = np.repeat(topics, 500, axis=0) + random.normal(size=(10_000, 32)) * 0.1
vectors = vectors.astype("float32")
faiss.normalize_L2(vectors)
selected = faiss.IDSelectorBatch(np.arange(9_800, 10_000))  # 200 of the last topic.
question = vectors[:1].copy()  # Of the first topic.

flat = faiss.IndexFlatIP(32)
flat.add(vectors)
hnsw = faiss.IndexHNSWFlat(32, 32, faiss.METRIC_INNER_PRODUCT)
hnsw.add(vectors)
print("expected: ten results, for 200 of 10,000 vectors are selected")
_, exact = flat.search(question, 10, params=faiss.SearchParameters(sel=selected))
print("  IndexFlatIP:", exact[0])
seen = []
for ef in (16, 64, 256):
    _, ids = hnsw.search(question, 10, params=faiss.SearchParametersHNSW(sel=selected, efSearch=ef))
    print(f"seen: IndexHNSWFlat, efSearch={ef}:", ids[0])
    seen.append(int((ids >= 0).sum()))
sys.exit(0 if (exact >= 0).all() and seen[:2] == [0, 0] else 1)
PYTHON
