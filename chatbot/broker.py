"""A broker that needs no server: a folder with a file for each message, after kombu's filesystem transport.

kombu's own one creates a message's file and writes it afterwards, so a worker that polls often reads an empty file
and stops for good; and it takes messages through the machine's shared temporary folder. Here a message appears whole
and is taken by one rename, so of many workers exactly one gets it. Messages carry ids only; see ADR 0002.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem

SCHEME = "folder"


class Channel(filesystem.Channel):
    """Puts and takes messages by renaming files."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns()}_{uuid.uuid4().hex}.{queue}.msg"
        folder = Path(self.data_folder_out)
        growing = folder / f"{name}.tmp"
        growing.write_text(json.dumps(payload), encoding="utf-8")
        growing.rename(folder / name)

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


class Transport(filesystem.Transport):
    """kombu's filesystem transport with the channel above."""

    Channel = Channel
    driver_type = driver_name = SCHEME


def register() -> None:
    """Lets `folder://` be a broker's address."""
    TRANSPORT_ALIASES[SCHEME] = "chatbot.broker:Transport"
