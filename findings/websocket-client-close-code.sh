#!/usr/bin/env bash
# websocket-client 1.9.2: when the server closes with a code and a reason, recv() returns an empty string, as for an
# empty message, and the next call says "Connection to remote host was lost". recv() and the exception tell neither the
# code nor the reason, so a normal close (1000) looks the same as 1011. recv_data() returns the frame of the close.
# Who is hurt: clients of a chat over a WebSocket. They cannot tell "come back later" from "sign in again", or an
# answer that is complete from one that was cut off.
# In the product: an answer ends with a `done` or `error` message; the close codes in docs/api.md need recv_data().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq websocket-client==1.9.2 websockets==17.4 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: recv() tells the close code"; exit 1; }
import importlib.metadata
import sys
import threading
from contextlib import contextmanager

import websocket
from websockets.sync.server import serve

for name in ("websocket-client", "websockets"):
    print(name, importlib.metadata.version(name))
print("expected: the end of a normal close (1000) and of a failure (1011) can be told apart")


@contextmanager
def client_of(code, reason):
    """A client of a server that sends a message and closes."""

    def answer(connection):
        connection.send("The first half of")
        connection.close(code, reason)

    with serve(answer, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield websocket.create_connection(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/", timeout=10)
        server.shutdown()


def received(code, reason):
    """What recv() returns until it raises, and whether the client or the error holds the reason."""
    with client_of(code, reason) as client:
        seen = [client.recv(), client.recv()]
        try:
            client.recv()
        except websocket.WebSocketConnectionClosedException as error:
            seen.append(repr(error))
            kept = reason in f"{error!r} {vars(error)} {vars(client)}"
    print(f"seen: {code} {reason!r}: {seen}; reason kept: {kept}")
    return seen, kept


with client_of(1011, "the model is unavailable") as client:
    print("  recv_data():", client.recv_data(), client.recv_data())
normal = received(1000, "the answer is complete")
failure = received(1011, "the model is unavailable")
sys.exit(0 if normal == failure and failure[0][1] == "" and not failure[1] else 1)
PYTHON
