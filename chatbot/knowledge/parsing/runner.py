"""The parent's side of the child process: start it, bound it, believe nothing but a well-formed answer."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from chatbot.knowledge.parsing.child import MAX_LOG_LINE, MAX_LOGGED
from chatbot.knowledge.parsing.errors import SENTENCES, ParseError
from chatbot.knowledge.parsing.limits import MIB, Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.knowledge.parsing.warnings import from_json

log = logging.getLogger(__name__)

ROOT: Final = Path(__file__).resolve().parents[3]
# Isolated mode ignores PYTHON* variables, the user's site-packages and the current folder, so the child is
# told where the package lies. stdout is UTF-8 whatever the locale.
BOOT: Final = (
    "import sys, json; sys.path.insert(0, sys.argv[1]);"
    "from chatbot.knowledge.parsing.child import main;"
    "from chatbot.knowledge.parsing.limits import Limits;"
    "main(sys.argv[2], Limits(**json.loads(sys.argv[3])))"
)
# Seconds between two calls of `while_waiting`.
PAUSE: Final = 5.0
# No secret reaches the child. These say where shared libraries lie: some Pythons cannot start without.
_INHERITED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# A library in C that is refused memory ends its process by SIGABRT; CPU time beyond the limit, by SIGXCPU.
_LIMIT_REACHED: Final = frozenset((-signal.SIGABRT, -getattr(signal, "SIGXCPU", signal.SIGABRT)))


def command(media_type: str, limits: Limits) -> list[str]:
    """What starts the child."""
    return [sys.executable, "-I", "-X", "utf8", "-c", BOOT, str(ROOT), media_type, json.dumps(asdict(limits))]


def extract_in_child(
    data: bytes, media_type: str, limits: Limits, while_waiting: Callable[[], None] | None = None
) -> Extracted:
    """The text of `data`, read in a process of its own. Raises ParseError, and what `while_waiting` raises."""
    # The answer goes into a file, whose size the kernel bounds; a pipe would let the child fill our memory.
    with tempfile.TemporaryFile() as out:
        status = _run(command(media_type, limits), data, out.fileno(), limits, while_waiting)
        size = out.seek(0, os.SEEK_END)
        out.seek(0)
        raw = out.read() if size <= 2 * limits.text_bytes + MIB else b""
    return _understood(raw, status)


def _run(arguments: list[str], data: bytes, out: int, limits: Limits, while_waiting: Callable[[], None] | None) -> int:
    """Feeds the child and waits for its end. Returns its status."""
    deadline = time.monotonic() + limits.wall_seconds
    # A file, for communicate() forgets what it has not sent yet when it is called again after its timeout.
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.seek(0)
        with subprocess.Popen(  # noqa: S603  our own interpreter with our own code; the document is on stdin
            arguments, stdin=source, stdout=out, stderr=subprocess.DEVNULL, env=_environment()
        ) as child:
            try:
                while True:
                    try:
                        return child.wait(max(0.0, min(PAUSE, deadline - time.monotonic())))
                    except subprocess.TimeoutExpired:
                        if time.monotonic() >= deadline:
                            raise ParseError("too_complex") from None
                        if while_waiting is not None:
                            while_waiting()
            except BaseException:
                child.kill()
                raise


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _understood(raw: bytes, status: int) -> Extracted:
    if status in _LIMIT_REACHED:
        raise ParseError("too_complex")
    try:
        reply: dict[str, Any] = json.loads(raw)
        _repeat(reply.get("log", []))
        if "error" in reply:
            raise ParseError(reply["error"] if reply["error"] in SENTENCES else "parser_crashed")
        warnings = from_json(reply["warnings"])
        return _checked(Extracted(reply["text"], reply["title"], tuple(reply["pages"]), warnings))
    except (ValueError, KeyError, TypeError, AttributeError):
        error = ParseError("parser_crashed")
        error.add_note(f"The child ended with status {status}.")  # for the log; str(error) does not show it
        raise error from None


def _repeat(lines: list[str]) -> None:
    """Log what the child has logged, as much of it as an honest one says."""
    for line in lines[:MAX_LOGGED]:
        log.warning("document_partly_read: %s", line[:MAX_LOG_LINE])


def _checked(reply: Extracted) -> Extracted:
    """A document that took over its parser may answer anything; what follows relies on these types."""
    right = isinstance(reply.text, str) and isinstance(reply.title, str | None)
    if not right or not all(isinstance(page, int) for page in reply.pages):
        raise TypeError("an answer of the wrong types")
    return reply
