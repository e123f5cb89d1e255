"""The parent's side of the child process: start it, bound it, believe nothing but a well-formed answer."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
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
# No secret reaches the child. These say where shared libraries lie: some Pythons cannot start without.
_INHERITED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# A library in C that is refused memory ends its process by SIGABRT; CPU time beyond the limit, by SIGXCPU.
_LIMIT_REACHED: Final = frozenset((-signal.SIGABRT, -getattr(signal, "SIGXCPU", signal.SIGABRT)))


def command(media_type: str, limits: Limits) -> list[str]:
    """What starts the child."""
    return [sys.executable, "-I", "-X", "utf8", "-c", BOOT, str(ROOT), media_type, json.dumps(asdict(limits))]


def extract_in_child(data: bytes, media_type: str, limits: Limits) -> Extracted:
    """The text of `data`, read in a process of its own. Raises ParseError."""
    # The answer goes into a file, whose size the kernel bounds; a pipe would let the child fill our memory.
    with tempfile.TemporaryFile() as out:
        status = _run(command(media_type, limits), data, out.fileno(), limits)
        size = out.seek(0, os.SEEK_END)
        out.seek(0)
        raw = out.read() if size <= 2 * limits.text_bytes + MIB else b""
    return _understood(raw, status)


def _run(arguments: list[str], data: bytes, out: int, limits: Limits) -> int:
    try:
        return subprocess.run(  # noqa: S603  our own interpreter with our own code; the document is on stdin
            arguments,
            input=data,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            timeout=limits.wall_seconds,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:  # run() has killed it by now.
        raise ParseError("too_complex") from None


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
