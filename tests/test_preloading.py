"""What gunicorn loads before it forks."""

from __future__ import annotations

import subprocess
import sys

from tests.test_house import ROOT

# Each child computes with what was loaded before the fork, and ends only if nothing hangs.
FORKS = """
import faulthandler, os, sys
sys.argv = ["gunicorn"]
import runpy
conf = runpy.run_path("gunicorn.conf.py")
class Server: pass
conf["on_starting"](Server())
print("prometheus_client" in sys.modules, "sqlalchemy.orm" in sys.modules)
for n in range(5):
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(60, exit=True)
        import faiss, numpy as np
        rows = np.random.default_rng(n).random((1000, 384), dtype=np.float32)
        assert (rows @ rows.T).shape == (1000, 1000)
        index = faiss.IndexFlatIP(384)
        index.add(rows)
        index.search(rows[:100], 5)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_processes_compute_with_what_was_loaded_before_they_were_forked(tmp_path) -> None:
    """OpenMP and OpenBLAS after a fork."""
    environment = {"PATH": "/usr/bin:/bin", "INSTANCE_PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stderr[-2000:]
    # The metrics' folder is known only after the fork.
    assert done.stdout.split() == ["False", "True"]
