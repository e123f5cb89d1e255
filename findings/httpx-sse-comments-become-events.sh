#!/usr/bin/env bash
# httpx-sse 0.4.3: once an event had an id, every comment (": ping", the usual heartbeat) that is followed by an empty
# line comes out as an event without data. Before the first id it does not. The HTML standard dispatches no event
# whose data is empty.
# Who is hurt: clients of a streaming chat that sends ids, to be resumed, and heartbeats, to be kept open:
# `event.json()` fails in the middle of a long answer, when nothing is wrong.
# In the product: nothing to repair, streams need both; docs/api.md says that comments are sent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq httpx-sse==0.4.3 httpx==0.28.1 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: comments are no events any more"; exit 1; }
import importlib.metadata
import sys

import httpx
from httpx_sse import EventSource

for name in ("httpx-sse", "httpx"):
    print(name, importlib.metadata.version(name))
STREAM = (
    b": ping\n\n"
    b"event: token\ndata: \"Hello\"\n\n"
    b": ping\n\n"
    b"event: token\nid: 2\ndata: \"world\"\n\n"
    b": ping\n\n"
    b": ping\n\n"
)
print("expected: two events, each with data; comments are left out")
response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=STREAM)
events = list(EventSource(response).iter_sse())
for event in events:
    print("seen:", event)
try:
    events[-1].json()
    error = None
except ValueError as raised:
    error = raised
print(f"seen: json() of the last: {error!r}")
sys.exit(0 if [e.data for e in events] == ['"Hello"', '"world"', "", ""] and error else 1)
PYTHON
