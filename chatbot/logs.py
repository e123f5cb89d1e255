"""Structured logs: one line an event, JSON or for a terminal, with the request's or the task's id.

Everything passes through structlog, the libraries' own records too. Secrets are struck out by the names of
their keys; a text from outside can never begin a line of its own.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

SECRET_KEY = re.compile(r"pass(word|wd)?\d?$|token|secret|authorization|api_?key|cookie|database_url|redis_url", re.I)
_BEARER = re.compile(r"(?i)\b(bearer|token=)\s*[\w.~+/=-]{12,}")
# Our own API keys and JWTs, wherever they stand. A JWT may stand behind other letters; its first part is looked for
# once in each run of them.
_API_KEY = re.compile(r"\bcb_[\w-]{20,}")
_JWT = re.compile(r"(?<![\w-])((?:(?!\beyJ)[\w-])*+)eyJ[\w-]{8,}+\.[\w-]++\.[\w-]*+")
_URL_PASSWORD = re.compile(r"\b(\w++://[^\s:/@]*+):[^\s@/]++@")


def configure_logs(level: str, log_format: str) -> None:
    """Routes structlog and the standard library into one stream on stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    json_lines = log_format == "json"
    renderer: Processor = (
        structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _one_line(json_lines), renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpx2", "httpcore2", "httpcore", "openai", "urllib3", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Two lines for each task, of which there are several every ten seconds; what tasks have done, they say themselves.
    for talkative in ("celery", "kombu"):
        logging.getLogger(talkative).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Strikes out values under secret-looking keys, bearer tokens and passwords in addresses."""
    return {key: "[redacted]" if SECRET_KEY.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    if isinstance(value, str):
        value = _API_KEY.sub("[redacted]", _BEARER.sub(r"\1 [redacted]", value))
        value = _JWT.sub(r"\1[redacted]", value)
        return _URL_PASSWORD.sub(r"\1:[redacted]@", value)
    if isinstance(value, dict):
        return {k: "[redacted]" if SECRET_KEY.search(str(k)) else _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _one_line(json_lines: bool) -> Processor:
    """On a terminal a text from outside may not begin a line or carry escapes; JSON escapes them by itself."""

    def process(_logger: object, _method: str, event: EventDict) -> EventDict:
        if json_lines:
            return event
        return {k: _printable(k, v) if isinstance(v, str) else v for k, v in event.items()}

    return process


def _printable(key: str, text: str) -> str:
    """A traceback keeps its lines, set in so that none of them looks like an event."""
    if key != "exception":
        return _escaped(text)
    return "\n".join(f"    {_escaped(line)}" for line in text.split("\n"))


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


class Outage:
    """Logs once that something fails and once that it works again, however often it is tried meanwhile."""

    def __init__(self, logger: Any, failed: str, over: str) -> None:
        self._log, self._failed, self._over = logger, failed, over
        self._lock, self._said = threading.Lock(), set[str]()

    def failed(self, error: BaseException, **fields: object) -> None:
        """It failed. Each kind of error is logged once."""
        name = type(error).__name__
        with self._lock:
            is_new = name not in self._said
            self._said.add(name)
        if is_new:
            self._log.warning(self._failed, error=name, **fields)

    def over(self) -> None:
        """It works."""
        with self._lock:
            had_failed = bool(self._said)
            self._said.clear()
        if had_failed:
            self._log.info(self._over)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
