"""Runs the collection with newman against a fresh server: an empty database, a web process and a worker.

    python postman/run.py

newman comes from the npm registry by npx. Without Node.js this says so and ends with status 0, for the suite runs the
same requests without it (tests/test_postman.py). No setting of the environment is used.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEWMAN = ("npx", "--yes", "newman@6", "run", "collection.json", "--working-dir", ".")
sys.path[:0] = [str(ROOT / "postman")]

from flow import VARIABLES  # noqa: E402


def main() -> int:
    """The exit status of newman."""
    if shutil.which("npx") is None:
        sys.stderr.write("NOT RUN: newman needs Node.js (npx), which is not installed.\n")
        return 0
    if (ROOT / ".env").exists():
        sys.stderr.write("NOT RUN: the settings in .env may name a database that is in use; move the file away.\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # None of the developer's own settings: they may name a database that is in use.
        environment = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ} | {
            "PATH": path,
            "INSTANCE_PATH": folder,
            "BIND_HOST": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "ADMIN_PASSWORD": VARIABLES["admin_password"],
        }
        subprocess.run(["flask", "db", "upgrade"], cwd=ROOT, env=environment, check=True)
        create_admin = ["flask", "users", "create-admin", VARIABLES["admin_email"], "--username", "boss"]
        subprocess.run(create_admin, cwd=ROOT, env=environment, check=True)
        lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text(encoding="utf-8").splitlines())
        web = [*shlex.split(lines["web"]), "--bind", f"127.0.0.1:{port}"]
        with running(web, environment), running(shlex.split(lines["worker"]), environment):
            wait_for(port)
            command = [*NEWMAN, "--env-var", f"baseUrl=http://127.0.0.1:{port}"]
            return subprocess.run(command, cwd=ROOT / "postman", check=False).returncode


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A process that is stopped in the end."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def wait_for(port: int) -> None:
    """Waits until the server listens, at most two minutes."""
    until = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


if __name__ == "__main__":
    raise SystemExit(main())
