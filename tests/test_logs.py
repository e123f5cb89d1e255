"""Logs: one line an event, no secret in it."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from chatbot.logs import Outage, configure_logs, get_logger, redact

CANARY = "canary-3f9c2b7d51"


@pytest.fixture(autouse=True)
def _as_before():
    """Logging is one for the process."""
    yield
    structlog.contextvars.clear_contextvars()
    configure_logs("WARNING", "console")


def lines(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


SECRETS = [
    "password",
    "password2",
    "current_password",
    "passwd",
    "mail_password",
    "access_token",
    "refresh_token",
    "token",
    "secret_key",
    "JWT_SECRET_KEY",
    "Authorization",
    "openai_api_key",
    "apikey",
    "Cookie",
    "database_url",
    "redis_url",
]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("key", SECRETS)
def test_values_under_secret_names_are_struck_out(capsys, log_format, key):
    """P1: at the top and inside."""
    configure_logs("INFO", log_format)
    get_logger("x").info(
        "event", **{key: CANARY}, inner={key: CANARY, "list": [{key: CANARY}], "pair": ({key: CANARY},)}
    )
    (line,) = lines(capsys)
    assert CANARY not in line
    assert "[redacted]" in line


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"bearer {CANARY}",
        f"GET /verify/?token={CANARY} HTTP/1.1",
        f"postgresql://bot:{CANARY}@db.example.com/chat",
        f"redis://:{CANARY}@host:6379/0",
        f"a key cb_{CANARY}_0123456789 of ours",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.c2lnbmF0dXJl",
    ],
)
def test_secrets_inside_texts_are_struck_out(capsys, text):
    """P1: of our own events, of the libraries', and of exceptions."""
    configure_logs("INFO", "json")
    get_logger("x").info("event", detail=text)
    logging.getLogger("somebody.else").warning("failed: %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        get_logger("x").exception("broke")
    told = lines(capsys)
    assert len(told) == 3
    assert CANARY not in "".join(told)


def test_what_is_no_secret_is_kept():
    """P1"""
    event = {"event": "login", "user_id": "1", "count": 3, "url": "https://example.com/a:b@c", "passages": 5}
    assert redact(None, "info", dict(event)) == event


HOSTILE = ["a\r\nINFO forged", "a\n\n", "\x1b[31mred", "a\u2028b\u2029c", "a\x85b", "a\x0bb\x0cc", "\x07", "a\u202eb"]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_from_outside_never_begins_a_line(capsys, log_format, text):
    """P2: in a value, in the event and inside lists."""
    configure_logs("INFO", log_format)
    get_logger("x").info("event " + text, user_agent=text, names=[text])
    logging.getLogger("y").warning("said %s", text)
    raw = capsys.readouterr().err
    assert len(raw.splitlines()) == 2
    assert "\x1b" not in raw
    assert raw.isprintable() or (set(raw) - {"\n"} and all(c.isprintable() for c in raw if c != "\n"))


def test_json_lines_are_json_with_level_logger_and_time(capsys):
    configure_logs("INFO", "json")
    get_logger("room").warning("event", n=1)
    event = json.loads(lines(capsys)[0])
    assert (event["event"], event["level"], event["logger"], event["n"]) == ("event", "warning", "room", 1)
    assert event["timestamp"].endswith("Z")


def test_a_traceback_in_json_is_one_line(capsys):
    """P2"""
    configure_logs("INFO", "json")
    try:
        raise ValueError("a\nb")
    except ValueError:
        get_logger("x").exception("broke")
    (line,) = lines(capsys)
    assert "ValueError" in json.loads(line)["exception"]


def test_a_traceback_on_a_terminal_is_set_in_and_carries_no_escapes(capsys):
    """P2: no line of it looks like an event."""
    configure_logs("INFO", "console")
    try:
        raise ValueError("a\n2026-01-01T00:00:00Z [info] forged \x1b[31m")
    except ValueError:
        get_logger("x").exception("broke")
    first, *rest = lines(capsys)
    assert "broke" in first
    assert rest
    assert all(line.startswith("    ") or not line for line in rest)
    assert "\x1b" not in "".join(rest)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_request_id_is_in_every_line(capsys, log_format):
    """P14"""
    configure_logs("INFO", log_format)
    structlog.contextvars.bind_contextvars(request_id="the-request")
    get_logger("x").info("ours")
    logging.getLogger("y").warning("theirs")
    assert [line.count("the-request") for line in lines(capsys)] == [1, 1]


def test_the_level_is_kept_and_chatty_libraries_are_quiet(capsys):
    configure_logs("WARNING", "console")
    get_logger("x").info("too quiet")
    configure_logs("DEBUG", "console")
    logging.getLogger("httpx").info("GET https://example.com")
    assert lines(capsys) == []


def test_outage_with_many_failures_is_logged_once_and_once_when_over(capsys):
    configure_logs("INFO", "console")
    outage = Outage(get_logger("x"), "thing_unavailable", "thing_available")
    outage.over()
    for error in (OSError("a"), OSError("b"), ValueError("c"), OSError("d")):
        outage.failed(error)
    outage.over()
    outage.over()
    outage.failed(OSError("again"))
    told = [" ".join(line.split()[3:4]) for line in lines(capsys)]
    assert told == ["thing_unavailable", "thing_unavailable", "thing_available", "thing_unavailable"]


@pytest.mark.parametrize(("level", "told"), [("INFO", 1), ("DEBUG", 3), ("ERROR", 1)])
def test_lines_of_celery_about_each_task_are_told_with_debug_only(capsys, level, told):
    configure_logs(level, "json")
    logging.getLogger("celery.worker.strategy").info("Task received")
    logging.getLogger("kombu.connection").debug("connected")
    logging.getLogger("celery.app.trace").error("Task raised")
    assert len(lines(capsys)) == told
