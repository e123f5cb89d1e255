"""Asking over HTTP, and reading a stream, for the tests of this package."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from chatbot.auth.credentials import jwts, keys
from chatbot.chat.models import Message
from chatbot.current import services
from chatbot.extensions import db
from tests.conftest import MakeApp, Person
from tests.openai_server import OpenAIServer

KEY = "sk-test-canary-0123456789abcdef"
QUESTION = "When does the shop open on Saturdays?"

Event = tuple[str, dict[str, Any]]


def with_model(make_app: MakeApp, server: OpenAIServer, **settings: Any) -> Flask:
    """An application whose answers come from the scripted server, and whose embedder is the local one."""
    defaults = {"embedding_model": "all-MiniLM-L6-v2", "model_read_seconds": 1}
    return make_app(openai_api_key=KEY, openai_base_url=server.base_url, **(defaults | settings))


def visitor(app: Flask, owner: Person, name: str, lifetime: timedelta = timedelta(minutes=5), **limits: Any) -> Person:
    """A visitor of a person's product; `limits` are collections and daily_tokens."""
    with app.app_context(), services(app).sessions() as session:
        key, _ = keys.create_key(session, owner.id, "Shop", [keys.VISITORS], None)
        token = jwts.sign_visitor(owner.id, key.id, name, lifetime, **limits)
    return Person(owner.id, "", token, "")


def ask(app: Flask, person: Person, message: str = QUESTION, *, key: str | None = None, **body: Any) -> TestResponse:
    """POST send/, read as a whole; `key` is its Idempotency-Key."""
    headers = person.headers | ({"Idempotency-Key": key} if key is not None else {})
    return app.test_client().post("/api/chat/send/", json={"message": message, **body}, headers=headers)


def stream(app: Flask, person: Person, message: str = QUESTION, **body: Any) -> list[Event]:
    """The events of a streamed answer, to their end."""
    response = ask(app, person, message, stream=True, **body)
    assert response.status_code == 200, response.json
    return list(events_of(response.response))


def open_stream(
    app: Flask, person: Person, message: str = QUESTION, *, key: str | None = None, **body: Any
) -> TestResponse:
    """A streamed answer of which nothing has been read; close the response to leave."""
    client = app.test_client()
    fields = {"message": message, "stream": True, **body}
    headers = person.headers | ({"Idempotency-Key": key} if key is not None else {})
    return client.post("/api/chat/send/", json=fields, headers=headers, buffered=False)


def events_of(chunks: Iterable[bytes | str]) -> Iterator[Event]:
    """The events in the bytes of a stream; comments are left out."""
    held = ""
    for chunk in chunks:
        held += chunk.decode() if isinstance(chunk, bytes) else chunk
        while "\n\n" in held:
            frame, held = held.split("\n\n", 1)
            fields = dict(line.split(": ", 1) for line in frame.split("\n") if not line.startswith(":"))
            if fields:
                yield fields["event"], json.loads(fields["data"])


def text_of(events: Iterable[Event]) -> str:
    """The answer that a stream's tokens make."""
    return "".join(payload["text"] for name, payload in events if name == "token")


def stored(app: Flask) -> list[Message]:
    """Every message there is, in the order of the places."""
    with app.app_context(), services(app).sessions() as session:
        return list(session.scalars(select(Message).order_by(Message.created_at, Message.position)))


def connections_in_use(app: Flask) -> int:
    """How many database connections are out of the pool."""
    with app.app_context():
        return int(db.engine.pool.checkedout())  # type: ignore[attr-defined]


def run_concurrently(count: int, call: Callable[[int], Any]) -> list[Any]:
    """What each of so many threads got that began together; the call gets its number."""
    start, given = threading.Barrier(count), []

    def run(number: int) -> None:
        start.wait()
        given.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given
