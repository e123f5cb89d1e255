"""What processes have computed and what they hold, by /proc (Linux)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def below(root: int, named: str = "") -> list[int]:
    """Every process below one; with a name only those children whose command has it, and what is below them."""
    parents = {pid: int(fields[1]) for pid, fields in _stats().items()}
    found = [pid for pid, parent in parents.items() if parent == root and named in _command(pid)]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu(pids: Iterable[int]) -> float:
    """The seconds they have computed."""
    stats = _stats()
    return sum(int(tick) for pid in pids if pid in stats for tick in stats[pid][11:13]) / os.sysconf("SC_CLK_TCK")


def memory(pids: Iterable[int]) -> float:
    """MiB of the largest of them; what it shares with others counts in part (PSS)."""
    return max((_pss(pid) for pid in pids), default=0) / 1024


@contextmanager
def others(root: int) -> Iterator[Callable[[], float]]:
    """Gives what tells how many cores everything but a process and those below it has taken since the beginning."""
    begin, busy, own = time.perf_counter(), _busy(), cpu([root, *below(root)])

    def told() -> float:
        spent = _busy() - busy - (cpu([root, *below(root)]) - own)
        return max(0.0, spent / (time.perf_counter() - begin))

    yield told


def _busy() -> float:
    """The seconds that all cores together have computed: everything but idling and waiting for disks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    with suppress(OSError), Path(f"/proc/{pid}/smaps_rollup").open() as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0


def _stats() -> dict[int, list[str]]:
    """The fields of each process's status from its state on."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    return found


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""
