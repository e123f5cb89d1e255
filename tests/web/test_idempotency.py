"""`Idempotency-Key`: what a key is worth, and the documents that are added with one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, Request, request
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.extensions import db
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Document
from chatbot.web.idempotency import service as idempotency
from chatbot.web.idempotency.http import fingerprint
from chatbot.web.idempotency.model import IdempotencyKey
from chatbot.web.idempotency.service import (
    Held,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    finish,
    give_back,
    note,
    take,
)
from tests.chat.asking import run_concurrently
from tests.conftest import HOURS, Person, sign_up

API = "/api/knowledge/documents/"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
JSON = {"title": "Opening hours", "content": HOURS}


class Who:
    """Somebody who has keys."""

    def __init__(self, user_id: str, visitor: str = "") -> None:
        self.user_id, self.visitor = user_id, visitor


@pytest.fixture
def who(ada: Person) -> Who:
    return Who(ada.id)


def rows(session: Session) -> list[IdempotencyKey]:
    session.rollback()
    found = list(session.scalars(select(IdempotencyKey).execution_options(populate_existing=True)))
    session.expunge_all()
    session.rollback()
    return found


def expire(session: Session) -> None:
    begin_write(session)
    session.execute(update(IdempotencyKey).values(lease_until=utcnow() - timedelta(seconds=1)))
    session.commit()


def test_a_key_is_taken_once_until_it_is_given_back(session: Session, who: Who) -> None:
    """M16"""
    key = take(session, who, KEY, "digest")
    assert (key.status, key.made) == (None, None)

    with pytest.raises(IdempotencyInProgress) as refused:
        take(session, who, KEY, "digest")
    session.rollback()
    assert refused.value.retry_after
    give_back(session, key.id)

    assert rows(session) == []
    assert take(session, who, KEY, "digest").status is None


def test_what_was_made_is_there_for_the_next(session: Session, who: Who) -> None:
    key = take(session, who, KEY, "digest")
    begin_write(session)
    note(session, key.id, {"document_id": "d"})
    finish(session, key.id, 201)
    session.commit()

    for _ in range(2):
        again = take(session, who, KEY, "digest")
        assert (again.status, again.made) == (201, {"document_id": "d"})
    give_back(session, again.id)
    assert len(rows(session)) == 1


def test_what_was_begun_is_there_for_the_next(session: Session, who: Who) -> None:
    key = take(session, who, KEY, "digest")
    begin_write(session)
    note(session, key.id, {"document_id": "d"})
    session.commit()
    give_back(session, key.id)

    again = take(session, who, KEY, "digest")

    assert (again.status, again.made) == (None, {"document_id": "d"})
    with pytest.raises(IdempotencyInProgress):
        take(session, who, KEY, "digest")


@pytest.mark.parametrize("state", ["running", "finished", "begun"])
def test_another_request_is_a_mistake_whatever_the_first_does(session: Session, who: Who, state: str) -> None:
    """M16"""
    key = take(session, who, KEY, "digest")
    if state != "running":
        begin_write(session)
        note(session, key.id, {"document_id": "d"})
        finish(session, key.id if state == "finished" else None, 201)
        session.commit()
        give_back(session, key.id)

    with pytest.raises(IdempotencyKeyReused):
        take(session, who, KEY, "another digest")


def test_a_lease_that_ran_out_passes_the_key_on_and_the_first_cannot_write_any_more(session: Session, who: Who) -> None:
    first = take(session, who, KEY, "digest")
    expire(session)
    second = take(session, who, KEY, "digest")

    begin_write(session)
    finish(session, first.id, 200)
    session.commit()
    give_back(session, first.id)
    idempotency.renew(session, first.id)

    (row,) = rows(session)
    assert (row.id, row.status) == (second.id, None)
    begin_write(session)
    with pytest.raises(IdempotencyInProgress):
        note(session, first.id, {"document_id": "d"})


def test_keys_are_apart_for_each_user_and_visitor(session: Session, who: Who, bob: Person) -> None:
    """F15"""
    others = [who, Who(bob.id), Who(who.user_id, "vera"), Who(who.user_id, "karl")]

    assert len({take(session, other, KEY, "digest").id for other in others}) == 4


def test_one_of_many_threads_gets_the_key(app: Flask, who: Who) -> None:
    """M16"""

    def one(_: int) -> bool:
        with services(app).sessions() as session:
            try:
                return take(session, who, KEY, "digest").status is None
            except IdempotencyInProgress:
                return False

    assert run_concurrently(20, one).count(True) == 1


def test_a_lease_is_renewed_for_as_long_as_the_request_works(
    app: Flask, session: Session, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "RENEW_SECONDS", 0.01)
    renewed, real = [], idempotency.renew

    def seen(*args: Any) -> None:
        real(*args)
        renewed.append(1)

    monkeypatch.setattr(idempotency, "renew", seen)
    key = take(session, who, KEY, "digest")
    expire(session)

    with Held(services(app).sessions, key):
        until = utcnow() + timedelta(seconds=10)
        while not renewed and utcnow() < until:
            pass
        (row,) = rows(session)
        assert row.lease_until is not None
        assert row.lease_until > utcnow()
    assert rows(session) == []


def test_a_database_that_is_away_costs_a_key_only_its_lease(sqlite_app: Flask) -> None:
    """M1: the request has its answer, and its end must not fail."""
    ada = sign_up(sqlite_app, "ada")
    sessions = services(sqlite_app).sessions
    with sessions() as session:
        key = take(session, Who(ada.id), KEY, "digest")

    def away(*_args: Any) -> None:
        raise OperationalError("DELETE", {}, Exception("database is locked"))

    with sqlite_app.app_context():
        engine = db.engine
    with Held(sessions, key):
        event.listen(engine, "before_cursor_execute", away)
    event.remove(engine, "before_cursor_execute", away)

    with sessions() as session:
        assert [row.lease_until is not None for row in rows(session)] == [True]


@contextmanager
def asked(app: Flask, **kwargs: Any) -> Iterator[Request]:
    """A request as a view sees it."""
    with app.test_request_context(**{"path": API, "method": "POST", **kwargs}):
        yield request
        request.environ["wsgi.input"].close()


def digest_of(app: Flask, **kwargs: Any) -> str:
    with asked(app, **kwargs) as of:
        return fingerprint(of)


def form(content: bytes = b"Hello", filename: str = "a.txt", **fields: str) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(content), filename), **fields}}


def test_the_digest_is_of_the_request_and_not_of_how_it_is_written(sqlite_app: Flask) -> None:
    def same(*requests: dict[str, Any]) -> bool:
        return len({digest_of(sqlite_app, **one) for one in requests}) == 1

    assert same({"json": {"a": 1, "b": 2}}, {"json": {"b": 2, "a": 1}}, {"json": {"a": 1, "b": 2}, "path": API[:-1]})
    # Each form has another boundary.
    assert same(form(title="T", source="s"), form(source="s", title="T"))
    large = b"x" * 2_000_000
    assert same(form(large), form(large))


def test_every_part_of_a_request_is_in_its_digest(sqlite_app: Flask) -> None:
    """M16"""
    requests = [
        {"json": {"a": 1}},
        {"json": {"a": 2}},
        {"json": {"a": "1"}},
        {"json": {"a": 1}, "path": "/api/chat/send/"},
        {"json": {"a": 1}, "method": "PUT"},
        form(),
        form(b"Hallo"),
        form(filename="b.txt"),
        form(filename="a.html"),
        form(title="T"),
        form(title="U"),
        form(source="T"),
        form(b"x" * 2_000_000),
        form(b"x" * 1_999_999 + b"y"),
    ]

    assert len({digest_of(sqlite_app, **one) for one in requests}) == len(requests)


def test_a_file_can_still_be_read_after_it_was_digested(sqlite_app: Flask) -> None:
    with asked(sqlite_app, **form(b"x" * 2_000_000)) as of:
        fingerprint(of)
        assert len(of.files["file"].read()) == 2_000_000


# Documents -----------------------------------------------------------------------------------------------------------


def add(app: Flask, person: Person, key: str | None = KEY, query: str = "", **kwargs: Any) -> TestResponse:
    headers = person.headers | ({"Idempotency-Key": key} if key else {})
    return app.test_client().post(API + query, headers=headers, **(kwargs or {"json": JSON}))


def documents(app: Flask) -> int:
    with services(app).sessions() as session:
        return session.scalar(select(func.count()).select_from(Document)) or 0


def is_replay(answer: TestResponse) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


@pytest.mark.parametrize("as_file", [False, True])
def test_a_document_sent_again_gets_the_same_answer(app: Flask, root: Person, as_file: bool) -> None:
    """M16"""
    first, second = (add(app, root, **(form(title="Greeting") if as_file else {"json": JSON})) for _ in range(2))

    assert (first.status_code, is_replay(first)) == (202, False)
    assert (second.status_code, is_replay(second)) == (202, True)
    assert second.json == first.json
    assert documents(app) == 1


def test_the_wait_is_no_part_of_the_request(app: Flask, root: Person) -> None:
    add(app, root)

    assert is_replay(add(app, root, query="?wait=10"))


def test_a_document_that_is_ready_by_now_is_told_as_it_is(app: Flask, root: Person) -> None:
    document_id = add(app, root).json["id"]  # type: ignore[index]
    with app.app_context(), services(app).sessions() as session:
        ingest.ingest(session, services(app).embedders, document_id, 60)

    again = add(app, root)

    assert (again.status_code, again.json["status"], again.json["id"]) == (202, "ready", document_id)  # type: ignore[index]


@pytest.mark.parametrize(
    "other",
    [
        {"json": JSON | {"content": "Something else."}},
        {"json": JSON | {"source": "x"}},
        None,
        {"json": JSON | {"is_active": False}},
    ],
    ids=["content", "source", "a-file", "a-flag"],
)
def test_the_same_key_for_another_document_is_a_mistake(app: Flask, root: Person, other: dict[str, Any] | None) -> None:
    """M16"""
    add(app, root)

    answer = add(app, root, **(other or form()))

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")  # type: ignore[index]
    assert documents(app) == 1


def test_large_files_are_told_apart_by_their_last_byte(app: Flask, root: Person) -> None:
    """M16"""
    large = b"All work and no play. " * 50_000

    def sent(last: bytes) -> TestResponse:
        # As bytes: the test client would leave the temporary file of a large form open.
        file = FileStorage(io.BytesIO(large + last), "a.txt", content_type="text/plain")
        boundary, body = encode_multipart({"file": file})
        return add(app, root, data=body, content_type=f"multipart/form-data; boundary={boundary}")

    answers = [sent(last) for last in (b"A", b"A", b"B")]

    assert [answer.status_code for answer in answers] == [202, 202, 422]
    assert [is_replay(answer) for answer in answers] == [False, True, False]


def test_the_same_key_in_another_room_is_a_mistake(app: Flask, root: Person) -> None:
    add(app, root)
    headers = root.headers | {"Idempotency-Key": KEY}

    answer = app.test_client().post("/api/chat/send/", json={"message": "Hi"}, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")  # type: ignore[index]


def test_a_refused_document_frees_the_key(app: Flask, root: Person) -> None:
    refused = [add(app, root, **wrong) for wrong in (form(b"  "), {"json": JSON | {"content": " "}}, {"json": {}})]
    assert [answer.status_code for answer in refused] == [422] * 3

    assert add(app, root).status_code == 202
    assert is_replay(add(app, root))


def test_a_deleted_document_is_not_told_again(app: Flask, root: Person) -> None:
    """F2"""
    document_id = add(app, root).json["id"]  # type: ignore[index]
    app.test_client().delete(f"{API}{document_id}/", headers=root.headers)

    answer = add(app, root)

    assert (answer.status_code, answer.json["code"]) == (404, "document_not_found")  # type: ignore[index]


def test_two_administrators_may_choose_the_same_key(app: Flask, root: Person) -> None:
    """F15"""
    add(app, root)

    answer = add(app, sign_up(app, "other", admin=True), json={"title": "Mine", "content": "Something else."})

    assert (answer.status_code, is_replay(answer)) == (202, False)


def test_who_may_not_add_documents_takes_no_key(app: Flask, ada: Person, session: Session) -> None:
    """F7"""
    assert add(app, ada).status_code == 403
    assert rows(session) == []


def test_of_many_at_once_one_adds_the_document(app: Flask, root: Person) -> None:
    """M16"""
    answers = run_concurrently(10, lambda _: add(app, root))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert [answer.status_code == 202 and not is_replay(answer) for answer in answers].count(True) == 1
    assert documents(app) == 1
    assert is_replay(add(app, root))
