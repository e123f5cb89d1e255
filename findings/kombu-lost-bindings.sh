#!/usr/bin/env bash
# kombu 5.7.0, filesystem transport: when the control folder has lost the bindings, a message is published without an
# error and stored nowhere. Neither `declare=[queue]` nor `mandatory=True` nor a new connection helps, since the
# process remembers which queues it has bound. Only another process binds the queue again.
# Who is hurt: who trusts that a task that was sent will run. After the broker's data was emptied, running web processes
# go on sending uploads and e-mails into nothing until they are restarted.
# In the product: rows in SQL are the queue and messages only wake workers (docs/adr/0002); a sweep finds what waits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq kombu==5.7.0 || exit 2
mkdir "$folder/data" "$folder/control"
cat > "$folder/publish.py" <<'PYTHON'
import sys
from pathlib import Path

from kombu import Connection, Exchange, Queue

root = Path(sys.argv[1])
data, control = root / "data", root / "control"
options = {"data_folder_in": str(data), "data_folder_out": str(data), "control_folder": str(control)}
queue = Queue("work", Exchange("work"), routing_key="work")


def publish():
    """How many messages are stored by one publish() over a connection of its own."""
    before = len(list(data.iterdir()))
    producer = Connection("filesystem://", transport_options=options).Producer()
    producer.publish({}, exchange="work", routing_key="work", declare=[queue], mandatory=True, retry=True)
    return len(list(data.iterdir())) - before


stored = [publish()]
if sys.argv[2] == "lose":
    for file in control.iterdir():
        file.unlink()
    stored += [publish() for _ in range(3)]
print(*stored)
PYTHON
"$folder/venv/bin/python" -c 'import kombu; print("kombu", kombu.__version__)'
echo "expected: each publish() stores a message, or raises"
seen=$("$folder/venv/bin/python" "$folder/publish.py" "$folder" lose || echo an error)
echo "seen: messages stored before the bindings were lost, and three times after, none of which raised: $seen"
fresh=$("$folder/venv/bin/python" "$folder/publish.py" "$folder" keep || echo an error)
echo "  messages stored by another process: $fresh"
[ "$seen, $fresh" = "1 0 0 0, 1" ] || { echo "CHANGED: no message is lost, or it is told"; exit 1; }
