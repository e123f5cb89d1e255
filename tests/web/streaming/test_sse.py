"""Server-sent events: framing, pings, and clients that leave."""

from __future__ import annotations

import json
import threading

import pytest

from chatbot.errors import Unauthorized
from chatbot.web.streaming.sse import frame, stream

WAIT = 5


def test_an_event_has_a_name_an_id_and_one_line_of_data():
    raw = frame(3, "token", {"text": "a\nb\r\nevent: forged\u2028é"}).decode()
    name, number, data, *rest = raw.split("\n")
    assert (name, number, rest) == ("event: token", "id: 3", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {"text": "a\nb\r\nevent: forged\u2028é"}


def test_an_event_never_contains_nan():
    """G4"""
    with pytest.raises(ValueError, match="not JSON compliant"):
        frame(1, "done", {"score": float("nan")})


def test_a_stream_numbers_its_events_and_ends():
    """K3"""

    def frames():
        yield "start", {"n": 1}
        yield "done", {"n": 2}

    told = b"".join(stream(frames()).response)
    assert told == b': hello\n\nevent: start\nid: 1\ndata: {"n": 1}\n\nevent: done\nid: 2\ndata: {"n": 2}\n\n'


def test_events_that_are_there_already_are_one_write_and_a_later_one_is_another():
    """Q4"""
    go = threading.Event()

    def frames():
        yield from (("token", {"n": n}) for n in range(50))
        go.wait(WAIT)
        yield "done", {}

    parts = iter(stream(frames()).response)
    heard = next(parts)
    writes = 0
    while heard.count(b"event: token") < 50:
        heard += next(parts)
        writes += 1
    go.set()

    assert b"".join(parts) == b"event: done\nid: 51\ndata: {}\n\n"
    assert writes < 50


def test_a_stream_may_not_be_kept_or_gathered_on_its_way():
    """K16"""
    response = stream(iter_of())
    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in response.headers


def iter_of(*items):
    yield from items


def test_a_silent_stream_is_kept_alive_with_pings():
    """K9"""
    go = threading.Event()

    def frames():
        go.wait(WAIT)
        yield "done", {}

    parts = iter(stream(frames(), ping_seconds=0.01).response)
    assert [next(parts) for _ in range(3)] == [b": hello\n\n", b": ping\n\n", b": ping\n\n"]
    go.set()
    assert [part for part in parts if part != b": ping\n\n"] == [b"event: done\nid: 1\ndata: {}\n\n"]


def test_the_work_is_closed_when_the_client_leaves():
    """K4"""
    closed, go = threading.Event(), threading.Event()
    made = []

    def frames():
        try:
            for number in range(1000):
                made.append(number)
                yield "token", {"n": number}
                go.wait(WAIT)
        finally:
            closed.set()

    response = stream(frames())
    parts = iter(response.response)
    assert [next(parts)[:8] for _ in range(2)] == [b": hello\n", b"event: t"]
    response.close()
    go.set()
    assert closed.wait(WAIT)
    assert len(made) == 2


def endless(go, closed=None):
    """Frames that come one by one, each after `go` was set for it; all but the first."""
    try:
        for number in range(1000):
            yield "token", {"n": number}
            go.wait(WAIT)
    finally:
        if closed:
            closed.set()


def test_a_reader_who_may_not_go_on_is_told_and_the_work_is_stopped():
    """F8, K14"""
    closed, ended, go = threading.Event(), threading.Event(), threading.Event()
    answers = [None, None, Unauthorized(code="session_ended")]
    response = stream(
        endless(go, closed),
        on_end=ended.set,
        still_allowed=lambda: answers.pop(0),
        check_seconds=0.01,
        as_problem=lambda error: {"code": error.code},
    )

    parts = list(response.response)

    # Nothing came but the first token: a silent stream is asked for as well.
    assert parts == [
        b": hello\n\n",
        b'event: token\nid: 1\ndata: {"n": 0}\n\n',
        b'event: error\nid: 2\ndata: {"code": "session_ended"}\n\n',
    ]
    assert answers == []
    go.set()
    assert closed.wait(WAIT)
    assert ended.wait(WAIT)


def test_a_stream_that_is_never_silent_asks_as_well():
    """F8"""
    go = threading.Event()
    go.set()
    response = stream(endless(go), still_allowed=Unauthorized, check_seconds=0)

    hello, told = list(response.response)
    problem = json.loads(told.partition(b"data: ")[2])
    assert (hello, problem["status"], problem["code"]) == (b": hello\n\n", 401, "not_authenticated")


def test_a_stream_asks_no_more_often_than_it_should():
    """F8"""
    asked = []

    def frames():
        for number in range(200):
            yield "token", {"n": number}

    def allowed():
        asked.append(1)

    told = b"".join(stream(frames(), still_allowed=allowed, check_seconds=60).response)
    assert told.count(b"event: token") == 200
    assert asked == []


def test_pings_are_as_rare_as_they_should_be_however_often_a_stream_asks():
    """K9"""
    go, asked = threading.Event(), []

    def allowed():
        asked.append(1)
        if len(asked) == 20:
            go.set()

    def frames():
        go.wait(WAIT)
        yield "done", {}

    parts = list(stream(frames(), ping_seconds=60, still_allowed=allowed, check_seconds=0.005).response)

    assert parts == [b": hello\n\n", b"event: done\nid: 1\ndata: {}\n\n"]
    assert len(asked) >= 20


def test_a_stream_ends_even_when_its_end_goes_wrong():
    def broken():
        raise RuntimeError("at the end")

    caught = []
    hook, threading.excepthook = threading.excepthook, lambda args: caught.append(args.exc_value)
    try:
        parts = list(stream(iter_of(("done", {})), on_end=broken).response)
    finally:
        threading.excepthook = hook

    assert parts[-1] == b"event: done\nid: 1\ndata: {}\n\n"
    assert [str(error) for error in caught] == ["at the end"]


def test_the_work_sees_the_context_of_the_request(make_app, capsys):
    """P14: lines of the log that a stream writes carry the id of its request."""
    import structlog

    app = make_app(log_format="json")

    def view():
        def frames():
            structlog.get_logger("x").warning("inside")
            yield "done", {}

        return stream(frames())

    view.guard = "public"
    app.add_url_rule("/stream/", "stream", view)
    app.test_client().get("/stream/", headers={"X-Request-ID": "stream-id-1"}).get_data()
    assert '"request_id": "stream-id-1"' in capsys.readouterr().err
