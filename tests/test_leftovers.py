"""A test run that is stopped or killed leaves no process and no folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.functional.house import wait_for

# It says where PostgreSQL's files are, and which process keeps them, and waits to be killed.
SLEEPER = """
import os, subprocess, time
from pathlib import Path

def test_sleeps(postgres_server, pytestconfig):
    from tests.conftest import _FOLDER
    folder = pytestconfig.stash[_FOLDER]
    postmaster = next(folder.glob("postgres-*/postmaster.pid")).read_text().split()[0]
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path("{note}.new").write_text(f"{{folder}} {{os.getpid()}} {{postmaster}} {{child.pid}}")
    Path("{note}.new").rename("{note}")
    time.sleep(600)
"""


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="what bears the mark is found in /proc")
@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGTERM, "1"), (signal.SIGKILL, "0")], ids=["term-xdist", "kill"]
)
def test_killed_run_leaves_no_process_and_no_folder(tmp_path, number, processes):
    note, module = tmp_path / "note", tmp_path / "test_sleeper.py"
    module.write_text(SLEEPER.format(note=note))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "/dev/null", "-n", processes, module]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            wait_for(lambda: note.exists() or run.poll() is not None, 300, "the test sleeps")
            assert note.exists(), run.communicate()[0]
            folder, *pids = note.read_text().split()
            assert all(alive(pid) for pid in pids)
        finally:
            run.send_signal(number)
            run.communicate(timeout=60)
    wait_for(lambda: not any(alive(pid) for pid in pids), 60, f"the processes {pids} are gone")
    wait_for(lambda: not Path(folder).exists(), 60, f"the folder {folder} is gone")
