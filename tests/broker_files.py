"""What waits in the broker's folder."""

from __future__ import annotations

from pathlib import Path


def messages(instance: Path) -> list[Path]:
    """The messages that no worker has taken; the broker makes its folder with the first."""
    return sorted((instance / "broker" / "messages").glob("*.msg"))
