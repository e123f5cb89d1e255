"""What gunicorn's configuration does with the files in which processes count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.test_house import ROOT

# Three processes that come and go: one has counted, one never has, and one was killed while its files were made.
COMINGS_AND_GOINGS = """
import os, runpy, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
conf = runpy.run_path("gunicorn.conf.py")
server = SimpleNamespace(metrics_folder=Path(sys.argv[1]))

def worker(pid):
    found = SimpleNamespace(pid=pid, cfg=SimpleNamespace(raw_env=[]))
    found.cfg.set = lambda name, value: setattr(found.cfg, name, value)
    return found

counts = "import os; from prometheus_client import Counter; Counter('seen', 'x').inc(); print(os.getpid())"
environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": sys.argv[1]}
pid = int(subprocess.run([sys.executable, "-c", counts], env=environment, capture_output=True, check=True).stdout)
conf["post_fork"](server, worker(-7))
(server.metrics_folder / "histogram_-8.new").write_bytes(b"ab")
print(sorted(path.name for path in server.metrics_folder.glob("*_-7.*")))
for gone in (pid, -7, -8):
    conf["child_exit"](server, worker(gone))
print(sorted(path.name.replace(str(pid), "N") for path in server.metrics_folder.iterdir()))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from chatbot.metrics import registry
from prometheus_client import generate_latest
print("seen_total 1.0" in generate_latest(registry()).decode())
"""


def test_processes_that_end_leave_nothing_that_cannot_be_added_up(tmp_path: Path) -> None:
    """One that had not counted yet, when all were loaded anew, made /metrics an error for good."""
    environment = {"PATH": "/usr/bin:/bin", "INSTANCE_PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    folder = tmp_path / "metrics"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", COMINGS_AND_GOINGS, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "['counter_-7.db', 'gauge_livesum_-7.db', 'histogram_-7.db']",
        "['counter_N.db']",
        "True",
    ]
