"""A broker that needs no server: a folder with a file for each message, after kombu's filesystem transport.

kombu's own one creates a message's file and writes it afterwards, so a worker that polls often reads an empty file
and stops for good; and it takes messages through the machine's shared temporary folder. Here a message appears whole
and is taken by one rename, so of many workers exactly one gets it. Messages carry ids only; see ADR 0002.
"""

from __future__ import annotations

import fcntl
import json
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem

from chatbot.private_files import open_private

SCHEME = "folder"


class Channel(filesystem.Channel):
    """Puts and takes messages by renaming files."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns()}_{uuid.uuid4().hex}.{queue}.msg"
        folder = Path(self.data_folder_out)
        growing = folder / f"{name}.tmp"
        _write(growing, folder / name, payload)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for path in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            taken = path.with_suffix(".taken")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # Another worker was first.
            payload: dict[str, Any] = json.loads(taken.read_text(encoding="utf-8"))
            taken.unlink()
            return payload
        raise Empty()

    def _file(self, exchange: str) -> Path:
        found: Path = self._exchange_file(exchange)  # type: ignore[no-untyped-call]
        return found

    def get_table(self, exchange: str) -> list[filesystem.exchange_queue_t]:
        return _bindings(self._file(exchange))

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None) -> None:
        """Notes a queue, for good: a file that was cut off by a full disk would keep every worker from starting."""
        file = self._file(exchange)
        wanted = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        if wanted in _bindings(file):
            return
        with open_private(file.with_suffix(".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = _bindings(file)
            if wanted not in known:
                _write(file.with_suffix(f".{uuid.uuid4().hex}.tmp"), file, [wanted, *known])


def _bindings(file: Path) -> list[filesystem.exchange_queue_t]:
    """The queues that are noted in a file; none in one that is not there or damaged."""
    try:
        return [filesystem.exchange_queue_t(*row) for row in json.loads(file.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def _write(growing: Path, path: Path, content: Any) -> None:
    """Writes a file that is there as a whole or not at all."""
    try:
        with open_private(growing, "w") as file:
            json.dump(content, file)
        growing.rename(path)
    except OSError:
        growing.unlink(missing_ok=True)
        raise


class Transport(filesystem.Transport):
    """kombu's filesystem transport with the channel above."""

    Channel = Channel
    driver_type = driver_name = SCHEME


def register() -> None:
    """Lets `folder://` be a broker's address."""
    TRANSPORT_ALIASES[SCHEME] = "chatbot.broker:Transport"
