"""How much one document may cost, and how a parser's process is held to it."""

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds for one document; beyond any of them it is refused as too_complex."""

    memory_bytes: int = 1024 * MIB
    """Address space the child may take on top of what the bare interpreter holds."""
    cpu_seconds: int = 40
    wall_seconds: float = 600.0
    """The clock only stops a child that waits for nothing: on a busy machine 40 seconds of CPU take minutes."""
    text_bytes: int = 50_000_000
    """Extracted text, as UTF-8."""
    pages: int = 10_000
    html_depth: int = 10_000
    json_depth: int = 100
    columns: int = 16_384
    """Cells in a row of a table; a sheet of Excel has no more."""
    zip_entries: int = 1_000
    zip_bytes: int = 100_000_000
    """All members of a package together, uncompressed."""
    zip_ratio: int = 100
    """Uncompressed to compressed size of one member, looked at from `zip_ratio_from` bytes on."""
    zip_ratio_from: int = MIB
    open_files: int = 64


DEFAULT: Final = Limits()
# Where a person waits for the answer.
PREVIEW: Final = Limits(wall_seconds=45.0)


def confine(limits: Limits) -> None:
    """Hold the current process to `limits`. Windows has no `resource` module; there only the clock holds.

    The child calls this itself, before it reads a byte of the document, because `preexec_fn` is not safe
    in a parent with threads.
    """
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: _address_space() + limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_NOFILE: limits.open_files,
        # The answer is a file. JSON escapes make it larger than the text, seldom twice as large.
        resource.RLIMIT_FSIZE: 2 * limits.text_bytes + MIB,
    }
    for what, value in wanted.items():
        _lower(what, value)


def _address_space() -> int:
    """Bytes of address space this process has now; about 15 MiB for a bare interpreter on Linux."""
    with contextlib.suppress(OSError):
        import resource

        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # Elsewhere than on Linux there is no /proc; half a gigabyte covers what an interpreter maps there.
    return 512 * MIB


def _lower(what: int, value: int) -> None:
    """Set one limit, never above the hard one that the host already imposes."""
    import resource

    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    # macOS refuses RLIMIT_AS; the wall clock and the CPU limit still hold there.
    with contextlib.suppress(ValueError, OSError):
        # The soft CPU limit kills by SIGXCPU, which tells the parent why; the hard one would be SIGKILL.
        resource.setrlimit(what, (value, value + 1 if what == resource.RLIMIT_CPU else value))
