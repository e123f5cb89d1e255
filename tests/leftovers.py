"""Stops what a killed test run leaves behind: PostgreSQL, Redis and the processes of the functional tests.

Each process of the suite starts a watcher, and whatever it starts later inherits a mark in its environment. When that
process is gone, however it ended, the watcher stops every process with the mark (on Linux) and removes the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

MARK = "CHATBOT_TEST_RUN"
STOP_SECONDS = 5


def watch() -> Path:
    """Starts the watcher of this process, and returns the folder that it removes."""
    folder = tempfile.mkdtemp(prefix="chatbot-tests-")
    os.environ[MARK] = uuid.uuid4().hex
    arguments = [sys.executable, "-I", __file__, str(os.getpid()), os.environ[MARK], folder]
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    os.posix_spawn(sys.executable, arguments, os.environ, file_actions=nothing, setsid=True)
    return Path(folder)


def marked(mark: str) -> list[int]:
    """The processes with this mark, except the one that asks."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def send(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        # PostgreSQL would wait for its clients after a TERM.
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        os.kill(pid, signal.SIGINT if name == "postgres" and number == signal.SIGTERM else number)


def stop(mark: str) -> None:
    """Stops all processes with the mark, with force where asking is not enough."""
    until = time.monotonic() + STOP_SECONDS
    for pid in marked(mark):
        send(pid, signal.SIGTERM)
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        send(pid, signal.SIGKILL)


def main() -> None:
    parent, mark, folder = sys.argv[1:]
    while os.getppid() == int(parent):
        time.sleep(0.3)
    stop(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
