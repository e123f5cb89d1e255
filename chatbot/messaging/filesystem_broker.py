"""A broker that needs no server: a folder with a file for each message, after kombu's filesystem transport.

kombu's own filesystem transport creates a message's file and writes it afterwards, so a worker that polls often reads
an empty file and stops for good; and it takes messages through the machine's shared temporary folder. Here a message
appears whole and is taken by one rename, so of many workers exactly one gets it. Messages carry ids only, and the rows
are the queue of record (ADR 0002): a queue may therefore be bounded, and a message that cannot be read is set aside.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import time
import uuid
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from queue import Empty
from typing import Any

import structlog
from kombu.transport import TRANSPORT_ALIASES, filesystem

from chatbot.db import utcnow
from chatbot.system.private_files import make_folder, open_private

log = structlog.get_logger(__name__)

SCHEME = "folder"
# A message with this header replaces the one of the same task that still waits.
UNIQUE = "unique"
# Messages that wait in a queue; the oldest go first. The rows that they stand for are found by the sweeps.
MAX_WAITING = 1_000
# Our own messages take about a kilobyte.
MAX_MESSAGE_BYTES = 256 << 10
MAX_DEAD, MAX_DEAD_BYTES = 100, 10 << 20
# What a killed process leaves half done in the folder is deleted after this time.
LEFTOVER_SECONDS = 3600


class BadMessage(Exception):
    """A message that no worker can read; the text is the reason in one word."""


class TolerantChannel:
    """What our channels have in common, that of Redis too. `self` is one of kombu's virtual channels."""

    def message_of(self, raw: bytes | str) -> dict[str, object]:
        """A message as kombu takes it.

        Raises:
            BadMessage: kombu, or Celery's consumer, could not build its own message from it.
        """
        if len(raw) > MAX_MESSAGE_BYTES:
            raise BadMessage("too_large")
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError):
            raise BadMessage("not_json") from None
        return self.checked(content)

    def checked(self, content: Any) -> dict[str, object]:
        """The same for a message that was JSON."""
        try:
            if content["headers"].get("compression"):
                raise BadMessage("compressed")
            message = self.Message(content, channel=self)  # type: ignore[attr-defined]
            names = (message.delivery_tag, *(message.delivery_info[key] for key in ("exchange", "routing_key")))
            if not all(isinstance(name, str) for name in names):
                raise BadMessage("not_a_message")
        except (TypeError, ValueError, LookupError, AttributeError):
            raise BadMessage("not_a_message") from None
        found: dict[str, Any] = content
        return found

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """The queues of an exchange. Ours are there even when the broker has forgotten them (emptied, or deleted)."""
        found: list[str] = super()._lookup(exchange, routing_key, default)  # type: ignore[misc]
        return found or ([routing_key] if exchange == routing_key else [])


def unique_name(message: dict[str, Any]) -> str | None:
    headers = message.get("headers") or {}
    return str(headers["task"]) if headers.get(UNIQUE) else None


_full_queues: set[str] = set()


def note_dropped(queue: str, count: int) -> None:
    """Logs that a queue is full, once until it has room again."""
    if count and queue not in _full_queues:
        log.warning("queue_full", queue=queue, waiting=MAX_WAITING, dropped=count)
    (_full_queues.add if count else _full_queues.discard)(queue)


def _is_over(message: dict[str, Any]) -> bool:
    """Whether nobody has to handle the message any more."""
    try:
        return datetime.fromisoformat(message["headers"]["expires"]) < utcnow()
    except (LookupError, TypeError, ValueError):
        return False


class Channel(TolerantChannel, filesystem.Channel):
    """Puts and takes messages by renaming files."""

    def _put(self, queue: str, payload: dict[str, object], **kwargs: object) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        make_folder(folder)
        unique = unique_name(payload)
        # A unique message sorts before the others, of which there may be many.
        name = f"0_{unique}" if unique else f"{time.time_ns()}_{uuid.uuid4().hex}"
        _write(folder / f"{uuid.uuid4().hex}.tmp", folder / f"{name}.{queue}.msg", payload)
        self._tidy(folder, queue)

    def _tidy(self, folder: Path, queue: str) -> None:
        """Bounds the queue, and deletes what killed processes left half done."""
        names = sorted(_names(folder))
        waiting = [name for name in names if name.endswith(f".{queue}.msg") and not name.startswith("0_")]
        oldest = waiting[: max(0, len(waiting) - MAX_WAITING)]
        for name in oldest:
            with suppress(OSError):
                (folder / name).unlink()
        note_dropped(queue, len(oldest))
        before = time.time() - LEFTOVER_SECONDS
        for name in names:
            if name.endswith((".tmp", ".taken")):
                with suppress(OSError):
                    if (folder / name).lstat().st_mtime < before:
                        (folder / name).unlink()

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, object]:
        folder = Path(self.data_folder_in)
        for name in sorted(_names(folder, f".{queue}.msg")):
            taken = folder / f"{name.removesuffix('.msg')}.taken"
            try:
                (folder / name).rename(taken)
                message = self.message_of(_content(taken))
                taken.unlink()
            except FileNotFoundError:
                continue  # Another worker was first.
            except BadMessage as error:
                self.dead.move(taken, queue, str(error))
                continue
            if not _is_over(message):
                return message
        raise Empty()

    def set_aside(self, raw: bytes, queue: str, reason: str) -> None:
        """Keeps a message that was read and cannot be handled."""
        taken = Path(self.data_folder_in) / f"{uuid.uuid4().hex}.{queue}.taken"
        with suppress(OSError):
            taken.write_bytes(raw[:MAX_MESSAGE_BYTES])
        self.dead.move(taken, queue, reason)

    @property
    def dead(self) -> _DeadFolder:
        return _DeadFolder(Path(self.data_folder_in).parent / "dead")

    def _size(self, queue: str) -> int:
        return len(_names(Path(self.data_folder_in), f".{queue}.msg"))

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
        make_folder(file.parent)
        with open_private(file.with_suffix(".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = _bindings(file)
            if wanted not in known:
                _write(file.with_suffix(f".{uuid.uuid4().hex}.tmp"), file, [wanted, *known])


def _names(folder: Path, suffix: str = "") -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name.endswith(suffix)]
    except FileNotFoundError:
        return []


def _content(path: Path) -> bytes:
    """A message's bytes, or a few more than a message may have.

    Raises:
        FileNotFoundError: there is none any more.
        BadMessage: it is no file (a pipe would be waited for), or may not be read.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BadMessage("not_a_file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_MESSAGE_BYTES + 1)
    except PermissionError:
        raise BadMessage("unreadable") from None


class _DeadFolder:
    """Where messages lie that nobody can handle, until newer ones need their room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def move(self, path: Path, queue: str, reason: str) -> None:
        kept = self._folder / f"{time.time_ns()}.{queue}.{reason}"
        size = None
        with suppress(OSError):
            size = path.lstat().st_size
        try:
            make_folder(self._folder)
            path.rename(kept)
        except OSError:
            _delete(path)
        log.error("message_dead_lettered", queue=queue, reason=reason, size=size, kept=kept.name)
        self._bound()

    def _bound(self) -> None:
        """Deletes the oldest, beyond so many and so many bytes."""
        total = 0
        for count, name in enumerate(sorted(_names(self._folder), reverse=True), 1):
            with suppress(OSError):
                total += (self._folder / name).lstat().st_size
            if count > MAX_DEAD or total > MAX_DEAD_BYTES:
                _delete(self._folder / name)


def _delete(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _bindings(file: Path) -> list[filesystem.exchange_queue_t]:
    """The queues that are noted in a file; none in one that is not there or damaged."""
    try:
        return [filesystem.exchange_queue_t(*row) for row in json.loads(file.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def _write(growing: Path, path: Path, content: object) -> None:
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
    # A folder that cannot be read or written is a broker that is unavailable.
    connection_errors: Any = (*filesystem.Transport.connection_errors, OSError)

    def establish_connection(self) -> object:
        """Makes the folders when they are gone.

        Raises:
            OSError: they cannot be made or written. Said here, it is said once and tried again with pauses.
        """
        options: dict[str, str] = self.client.transport_options  # type: ignore[union-attr]
        for folder in {options[key] for key in ("data_folder_in", "data_folder_out", "control_folder")}:
            make_folder(Path(folder))
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(f"the broker's folder {Path(folder).name} cannot be written")
        return super().establish_connection()  # type: ignore[no-untyped-call]


def register() -> None:
    """Lets `folder://` be a broker's address, and takes our channel for Redis."""
    TRANSPORT_ALIASES[SCHEME] = "chatbot.messaging.filesystem_broker:Transport"
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "chatbot.messaging.redis_broker:Transport"
