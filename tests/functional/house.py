"""The whole house as a host runs it: the Procfile's own lines, each a process of its own."""

from __future__ import annotations

import contextlib
import copy
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, create_engine

from tests import leftovers

ROOT = Path(__file__).resolve().parents[2]
SECRET = "f00d-" + "q7w8e9" * 8
PASSWORD = "correct horse battery 9"


def procfile() -> dict[str, str]:
    """The Procfile's commands by name."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines if line.strip())}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The condition's first true value.

    Raises:
        AssertionError: there was none in time.
    """
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class ProcessFleet:
    """Some of the Procfile's processes on one instance folder. `close` leaves nothing running.

    `entering` is a command that starts the commands after it, somewhere else perhaps.
    """

    def __init__(self, folder: Path, models: Path, entering: tuple[str, ...] = (), **settings: Any) -> None:
        self.folder, self.entering = folder, entering
        self.port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", leftovers.MARK) if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        values = {
            "INSTANCE_PATH": folder,
            "MODELS_PATH": models,
            "SECRET_KEY": SECRET,
            "BIND_HOST": "127.0.0.1",
            "PORT": self.port,
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "SWEEP_SECONDS": 1,
            "INGEST_LEASE_SECONDS": 5,
            "RATELIMIT_ENABLED": "false",
            "PASSWORD_ITERATIONS": 1000,
            "WEB_THREADS": 8,
            "PYTHONUNBUFFERED": 1,
            "TMPDIR": folder,
        }
        self.environment = kept | {"PATH": path} | {k: str(v) for k, v in (values | settings).items()}
        folder.mkdir(parents=True, exist_ok=True)
        self.run(*shlex.split(procfile()["release"]))

    def on_another_port(self) -> ProcessFleet:
        """A house on the same folder with processes of its own, none of them started."""
        twin = copy.copy(self)
        twin.port, twin._processes = free_port(), {}
        twin.environment = self.environment | {"PORT": str(twin.port)}
        return twin

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        """Starts processes of the Procfile, each in a group of its own, its output in a file."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                command = [*self.entering, *shlex.split(procfile()[name])]
                self._processes[name] = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def signal(self, name: str, number: int, *, group: bool = False) -> subprocess.Popen[bytes]:
        """Sends a signal to a process, or to its whole group."""
        process = self._processes[name]
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        return process

    def kill(self, name: str) -> None:
        """What a power cut does to a process and its children."""
        self.signal(name, signal.SIGKILL, group=True).wait(10)
        del self._processes[name]

    def running(self, name: str) -> bool:
        """Whether a process that was started has not ended by itself."""
        return name in self._processes and self._processes[name].poll() is None

    def pids(self) -> list[int]:
        """Every process of the house, children too (Linux)."""
        groups = {process.pid for process in self._processes.values()}
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[2]) in groups:
                    found.append(int(path.parent.name))
        return found

    def ready(self) -> None:
        """Waits until the web process says that it is ready."""
        wait_for(self._answers, 40, f"the web process is ready\n{self.log('web')[-2000:]}")

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def run(self, *command: str, seconds: float = 60, **environment: str) -> str:
        """Runs a command to its end, and gives what it printed."""
        done = subprocess.run(
            [*self.entering, *command],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Reads the SQLite database from outside."""
        connection = sqlite3.connect(f"file:{self.folder / 'chatbot.db'}?mode=ro", uri=True, timeout=5)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def engine(self) -> Engine:
        """The database from outside, of either kind; whoever asks for it disposes of it."""
        url = self.environment.get("DATABASE_URL", f"sqlite:///{self.folder / 'chatbot.db'}")
        return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def close(self) -> None:
        for name in list(self._processes):
            if self._processes[name].poll() is None:
                self.kill(name)

    # What people do.

    def sign_up(self, name: str) -> dict[str, str]:
        """A new account, signed in: the headers of its requests."""
        fields = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "password2": PASSWORD}
        assert requests.post(f"{self.url}/api/users/signup/", json=fields, timeout=20).status_code == 201
        return self.log_in(name)

    def log_in(self, name: str) -> dict[str, str]:
        fields = {"email": f"{name}@example.com", "password": PASSWORD}
        answer = requests.post(f"{self.url}/api/users/login/", json=fields, timeout=20)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access']}"}

    def admin(self, name: str) -> dict[str, str]:
        """An administrator, made with the command, signed in."""
        command = ("flask", "users", "create-admin", f"{name}@example.com", "--username", name)
        assert "is an administrator now" in self.run(*command, ADMIN_PASSWORD=PASSWORD)
        return self.log_in(name)

    def letter_to(self, email: str, seconds: float = 10) -> str:
        """The text of the e-mail that arrives in the outbox."""

        def found() -> str | None:
            for path in (self.folder / "outbox").glob("*.eml"):
                text = path.read_text(encoding="utf-8")
                if f"To: {email}" in text:
                    return text
            return None

        return str(wait_for(found, seconds, f"a letter to {email}"))

    def add(self, admin: dict[str, str], title: str, content: str, wait: float = 0) -> dict[str, Any]:
        body = {"title": title, "content": content}
        url = f"{self.url}/api/knowledge/documents/"
        answer = requests.post(url, params={"wait": wait}, json=body, headers=admin, timeout=40)
        assert answer.status_code in (201, 202), answer.text
        return dict(answer.json())

    def ask(self, person: dict[str, str], message: str, **body: Any) -> dict[str, Any]:
        url = f"{self.url}/api/chat/send/"
        answer = requests.post(url, json={"message": message, **body}, headers=person, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
