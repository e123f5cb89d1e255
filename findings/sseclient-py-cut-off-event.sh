#!/usr/bin/env bash
# sseclient-py 1.9.0: when a stream ends in the middle of an event, the half that came is dispatched as a whole event.
# The HTML standard discards it: an event is complete with the empty line behind it.
# Who is hurt: users of a streaming chat whose server or proxy goes away: "within 30 days" is shown as "within 3", and
# no error says that more was to come. With JSON as data the client fails with a message about JSON.
# In the product: data is JSON, and an answer is complete with its `done` event only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install -qq sseclient-py==1.9.0 httpx-sse==0.4.3 httpx==0.28.1 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: the half event is left out"; exit 1; }
import importlib.metadata
import sys

import httpx
import sseclient
from httpx_sse import EventSource

for name in ("sseclient-py", "httpx-sse"):
    print(name, importlib.metadata.version(name))
STREAM = b"data: A refund is possible\n\ndata: within 30 days\n\n"
CUT = STREAM[: STREAM.index(b"0 days")]
print("expected: one event of", CUT)
response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=CUT)
other = [event.data for event in EventSource(response).iter_sse()]
print("  httpx-sse:", other)
seen = [event.data for event in sseclient.SSEClient(iter([CUT])).events()]
print("seen: sseclient-py:", seen)
sys.exit(0 if other == ["A refund is possible"] and seen == [*other, "within 3"] else 1)
PYTHON
