"""What a soak measures: memory, files, threads and connections of each process, files on the disk, and the queues."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import requests

from tests.functional.house import ProcessFleet

EVERY = 15.0
WARM_UP = 0.25
# More than that between the beginning and the end of what is compared is told as growth.
TOLERATED = {"PSS MiB": 10.0, "files": 8.0, "threads": 4.0, "connections": 8.0}
MIB = 1 << 20
_LAGS = ("chatbot_ingest_queue_lag_seconds", "chatbot_mail_queue_lag_seconds", "chatbot_streams")


@dataclass
class Sample:
    """Everything at one moment: measures of each process by its name, and of the house."""

    at: float
    processes: dict[str, dict[str, float]] = field(default_factory=dict)
    house: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        memory = " ".join(f"{name} {found['PSS MiB']:.0f}" for name, found in self.processes.items())
        rest = " ".join(f"{name} {value:.1f}" for name, value in self.house.items())
        return f"PSS {memory} MiB; {rest}"

    def idle(self) -> bool:
        return self.house["documents waiting"] == 0 and self.house["chatbot_streams"] == 0


def taken(house: ProcessFleet, at: float, token: str) -> Sample:
    """A sample of now."""
    sample = Sample(at)
    names: Counter[str] = Counter()
    established = _established()
    for pid in sorted(house.pids()):
        with contextlib.suppress(OSError):
            name = _name(pid)
            if name is not None:
                names[name] += 1
                sample.processes[f"{name} {names[name]}"] = _measures(pid, established)
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    for name, ending in (("database MiB", "chatbot.db"), ("WAL MiB", "chatbot.db-wal")):
        sample.house[name] = sum(_size(path) for path in files if path.name == ending) / MIB
    sample.house["folder MiB"] = sum(_size(path) for path in files if path.suffix != ".log") / MIB
    sample.house["folder files"] = len(files)
    sample.house |= _queues(house, token)
    return sample


def _name(pid: int) -> str | None:
    """What a process is; None for the short-lived ones that read documents."""
    command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    for word, name in (("gunicorn", "web"), (" worker ", "worker"), (" beat ", "beat")):
        if word in command:
            return name
    return None


def _measures(pid: int, established: frozenset[str]) -> dict[str, float]:
    folder = Path(f"/proc/{pid}")
    rollup = (folder / "smaps_rollup").read_text(encoding="ascii")
    kilobytes = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
    links = []
    for link in (folder / "fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(link.readlink()))
    sockets = {link[8:-1] for link in links if link.startswith("socket:[")}
    return {
        "PSS MiB": int(kilobytes["Pss"]) / 1024,
        "RSS MiB": int(kilobytes["Rss"]) / 1024,
        "files": len(links),
        "threads": len(list((folder / "task").iterdir())),
        "connections": len(sockets & established),
    }


def _established() -> frozenset[str]:
    """The inodes of TCP connections that are open on both sides."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return frozenset(fields[9] for fields in map(str.split, lines) if fields[3] == "01")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _queues(house: ProcessFleet, token: str) -> dict[str, float]:
    answer = requests.get(f"{house.url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    found = {name: float(lines.get(name, 0)) for name in _LAGS}
    waiting = (f'chatbot_documents{{status="{status}"}}' for status in ("queued", "processing"))
    return found | {"documents waiting": sum(float(lines.get(name, 0)) for name in waiting)}


def compared(samples: Sequence[Sample]) -> list[str]:
    """A line for each measure: how it was after the warm-up, at the end and at rest, and what that means."""
    *busy, rest = samples
    warm = busy[int(len(busy) * WARM_UP) :]
    lines = [f"{'measure':34}{'warm':>10}{'late':>10}{'at rest':>10}{'an hour':>10}   verdict"]
    for name in rest.processes:
        for measure in rest.processes[name]:
            series = [(s.at, s.processes[name][measure]) for s in warm if name in s.processes]
            lines.append(_line(f"{name}: {measure}", series, rest.processes[name][measure], TOLERATED.get(measure)))
    for measure in rest.house:
        lines.append(_line(measure, [(s.at, s.house[measure]) for s in warm], rest.house[measure], None))
    return lines


def _line(name: str, series: Sequence[tuple[float, float]], rest: float, tolerated: float | None) -> str:
    third = max(1, len(series) // 3)
    early, late = (median(value for _, value in part) for part in (series[:third], series[-third:]))
    times, values = np.array(series).T
    slope = float(np.polyfit(times, values, 1)[0]) * 3600 if len(series) > 2 else 0.0
    verdict = "" if tolerated is None else "level" if late - early <= tolerated else "GROWS"
    return f"{name:34}{early:10.1f}{late:10.1f}{rest:10.1f}{slope:+10.1f}   {verdict}"


def table(counts: Counter[tuple[str, int, str]]) -> str:
    """How often each call was answered how."""
    lines = [f"{'call':24}{'status':>8}  {'code':28}{'times':>8}"]
    lines += [f"{what:24}{status:8}  {code:28}{count:8}" for (what, status, code), count in sorted(counts.items())]
    return "\n".join(lines)
