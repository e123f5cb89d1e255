#!/usr/bin/env bash
# kombu 5.7.0, filesystem transport: a folder that is gone raises FileNotFoundError, and OSError is not among the
# transport's connection errors (the Redis transport lists it). What waits for a connection error and connects again,
# as kombu's ensure() and Celery's worker do, lets it through.
# Who is hurt: who runs a small backend with the filesystem broker. A volume that is remounted or a folder that is
# moved for a moment ends the worker, where a restart of Redis would only pause it.
# In the product: chatbot/messaging/filesystem_broker.py adds OSError to `connection_errors` and makes the folder
# again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq "kombu[redis]==5.7.0" || exit 2
export TMPDIR="$folder"
mkdir "$folder/data" "$folder/control"
"$folder/venv/bin/python" - "$folder" <<'PYTHON' || { echo "CHANGED: it is a connection error now"; exit 1; }
import importlib.metadata
import sys
from pathlib import Path

from kombu import Connection

root = Path(sys.argv[1])
data, elsewhere = root / "data", root / "elsewhere"
options = {"data_folder_in": str(data), "data_folder_out": str(data), "control_folder": str(root / "control")}
print("kombu", importlib.metadata.version("kombu"))
print("expected: reading from a folder that is gone is a connection error, so that ensure() connects again")

connection = Connection("filesystem://", transport_options=options)
queue = connection.SimpleQueue("work")
queue.put("before")
print("  message:", queue.get(timeout=5).payload)
data.rename(elsewhere)  # For a moment: it would be back at the next try.

retries = []


def errback(error, _interval):
    retries.append(error)
    elsewhere.rename(data)


def read():
    return connection.default_channel.basic_get("work")


redis_lists_oserror = OSError in Connection("redis://127.0.0.1").connection_errors
print("  connection errors of filesystem://:", [e.__name__ for e in connection.connection_errors])
print("  OSError among those of redis://:", redis_lists_oserror)
try:
    connection.ensure(connection.default_channel, read, errback=errback, max_retries=3, interval_start=0.1)()
    seen = None
except OSError as error:
    seen = error
print(f"seen: {seen!r} after {len(retries)} retries")
sys.exit(0 if isinstance(seen, FileNotFoundError) and not retries and redis_lists_oserror else 1)
PYTHON
