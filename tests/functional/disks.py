"""A small disk that really fills up, in whichever way this machine allows.

As root a file system in memory is mounted; without, the same in a mount namespace of our own, which the house's
processes enter; where neither is allowed they may not write into any file from one moment on, and then may again.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.functional.house import ROOT, ProcessFleet

MEGABYTES = 64
_MOUNT = ("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs")


class SmallDisk:
    """A mounted file system. `folder` is where the test finds it, and `inside` where the processes do."""

    # Whether the file system itself says that it is full.
    tells = True

    def __init__(self, folder: Path, inside: Path | None = None, entering: tuple[str, ...] = ()) -> None:
        self.folder, self.inside, self.entering = folder, inside or folder, entering

    def fill(self, house: ProcessFleet) -> None:
        ballast = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 20, 4096, 1):
                self._write_until_full(ballast, bytes(size))
        finally:
            os.close(ballast)

    @staticmethod
    def _write_until_full(file: int, piece: bytes) -> None:
        try:
            while os.write(file, piece) == len(piece):
                pass
        except OSError:
            return

    def free(self, house: ProcessFleet) -> None:
        (self.folder / "ballast").unlink()


class NoMoreWriting(SmallDisk):
    """An ordinary folder, and processes that may not write into files."""

    tells = False

    def fill(self, house: ProcessFleet) -> None:
        self._limit(house, 0)
        self.entering = house.entering = ("prlimit", "--fsize=0:")

    def free(self, house: ProcessFleet) -> None:
        self._limit(house, resource.RLIM_INFINITY)
        self.entering = house.entering = ()

    @staticmethod
    def _limit(house: ProcessFleet, size: int) -> None:
        for pid in house.pids():
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """The first of the three ways that works here."""
    folder.mkdir()
    if subprocess.run([*_MOUNT, folder], capture_output=True, check=False).returncode == 0:
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
        return
    with _namespace(folder) as pid:
        if pid is None:
            yield NoMoreWriting(folder)
        else:
            enter = ("nsenter", f"--target={pid}", "--user", "--mount", "--preserve-credentials")
            yield SmallDisk(Path(f"/proc/{pid}/root{folder}"), folder, (*enter, "env", f"--chdir={ROOT}"))


@contextmanager
def _namespace(folder: Path) -> Iterator[int | None]:
    """A process in namespaces of its own, with the file system mounted, until its input ends; None if there is none."""
    script = f'{" ".join(_MOUNT)} "$0" && echo mounted && exec cat'
    try:
        holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        yield None
        return
    assert holder.stdin
    assert holder.stdout
    try:
        yield holder.pid if holder.stdout.readline() else None
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(10)
