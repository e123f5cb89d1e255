"""Nothing that a deleted account has written is left: in no row of any table, in no file, and in no cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, select, text

from chatbot.auth import accounts
from chatbot.chat.conversations import titles
from chatbot.chat.models import Message, MessageTrace
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.extensions import db
from chatbot.knowledge.models import Document, EvaluationCase
from chatbot.mail import service as mail
from chatbot.mail.models import Mail
from chatbot.mail.tasks import forget_old_mails
from chatbot.web.idempotency.model import IdempotencyKey
from tests.auth.test_deletion import delete as delete_account
from tests.chat.asking import ask, events_of, open_stream, stored, with_model
from tests.conftest import HOURS, PASSWORD, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

NAME = "zuleika-quux"
MODEL = "gpt-3.5-turbo"
NOT_FROM_DOCUMENTS = "This does not come from the documents: "
# A word for each thing that somebody can write.
WORDS = {
    name: f"zq{number}{name}"
    for number, name in enumerate(
        (
            "first",
            "last",
            "own",
            "group",
            "second",
            "comment",
            "title",
            "key",
            "once",
            "agent",
            "request",
            "visitor",
            "visiting",
            "search",
            "device",
        ),
        10,
    )
}
GROUP = f"When does the {WORDS['group']} shop open on Saturdays?"


class Client:
    """Calls as somebody, with headers that they choose."""

    def __init__(self, app: Flask, headers: dict[str, str], **more: str) -> None:
        self.app = app
        self.headers = headers | {"User-Agent": WORDS["agent"], "X-Request-ID": WORDS["request"]} | more

    def __call__(self, method: str, path: str, json: Any = None, **more: str) -> Any:
        answer = self.app.test_client().open(
            f"/api/{path}",
            method=method,
            json=json,
            headers=self.headers | {k.replace("_", "-"): v for k, v in more.items()},
        )
        assert answer.status_code < 300, answer.json
        return answer.json if answer.data else None


def joined(app: Flask, owner: Person, name: str = NAME) -> str:
    """A conversation of somebody's in which the other takes part."""
    chat: str = ask(app, owner, "When does the shop open?").json["chat_session_id"]  # type: ignore[index]
    body = {"username": name}
    answer = app.test_client().post(f"/api/chat/sessions/{chat}/members/", json=body, headers=owner.headers)
    assert answer.status_code == 200
    return chat


def live(app: Flask, bob: Person, root: Person) -> tuple[Person, str]:
    """Somebody writes all that can be written; gives them, and bob's conversation in which they took part."""
    person = sign_up(app, NAME)
    call = Client(app, person.headers)
    call("PATCH", "users/profile/", {"first_name": WORDS["first"], "last_name": WORDS["last"]})
    mine = call("POST", "chat/send/", {"message": f"My {WORDS['own']}?"}, Idempotency_Key=WORDS["once"])
    call("PATCH", f"chat/sessions/{mine['chat_session_id']}/", {"title": WORDS["title"]})
    made = call("POST", "users/api-keys/", {"name": WORDS["key"], "scopes": ["chat", "visitors"]})
    by_key = Client(app, {"Authorization": f"Bearer {made['key']}"})
    token = by_key("POST", "users/visitor-tokens/", {"sub": WORDS["visitor"]})["access"]
    Client(app, {"Authorization": f"Bearer {token}"})("POST", "chat/send/", {"message": f"Any {WORDS['visiting']}?"})
    app.test_client().post("/api/users/password/forgot/", json={"email": person.email})

    chat = joined(app, bob)
    asked = call("POST", "chat/send/", {"message": GROUP, "chat_session_id": chat}, Idempotency_Key=WORDS["once"] + "2")
    call("POST", f"chat/messages/{asked['message']['id']}/regenerate/")
    # Bob goes on from there, and what is searched repeats the question before.
    followed = ask(app, bob, "And on Sundays?", chat_session_id=chat).json
    assert followed is not None
    assert WORDS["group"] in followed["message"]["metadata"]["question"]
    comment = {"rating": "down", "comment": WORDS["comment"]}
    call("POST", f"chat/messages/{followed['message']['id']}/feedback/", comment)
    call("POST", "chat/send/", {"message": f"The {WORDS['second']}?", "chat_session_id": chat})
    case = {"question": GROUP, "relevant": [_document(app)]}
    answer = app.test_client().post("/api/knowledge/gaps/resolve/", json=case, headers=root.headers)
    assert answer.status_code == 201
    with app.app_context(), services(app).sessions() as session:
        mailer = services(app).mailer
        for mail_id in mail.due_mails(session):
            mail.deliver(session, mail_id, mailer.builders, mailer.transport)
    return person, chat


def _document(app: Flask) -> str:
    with services(app).sessions() as session:
        return session.scalars(select(Document.id)).one()


def rows_with(app: Flask, words: list[str]) -> list[tuple[str, str]]:
    """(table, word) for each table of the database, whether or not a model knows it, in which a word stands."""
    found = []
    with app.app_context(), db.engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            everything = repr(connection.execute(text(f'SELECT * FROM "{table}"')).all())
            found += [(table, word) for word in words if word in everything]
    return sorted(found)


def files_with(app: Flask, words: list[str]) -> list[tuple[str, str]]:
    """The same for the files of the instance folder; the database's own were read as rows."""
    folder: Path = services(app).settings.instance_path
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("chatbot.db")]
    return sorted(
        (str(path.relative_to(folder).parts[0]), word)
        for path in files
        for word in words
        if word.encode() in path.read_bytes() or word in str(path)
    )


@pytest.fixture
def app(make_app: MakeApp, database_url: str | None) -> Flask:
    app = make_app(database_url=database_url, answer_cache_seconds=600)
    add_and_ingest(app, HOURS)
    return app


@pytest.mark.parametrize("how", ["http", "cli"])
def test_deleted_account_leaves_none_of_its_words(app: Flask, bob: Person, root: Person, how: str) -> None:
    person, _ = live(app, bob, root)
    words = [NAME, person.email, person.id, person.id.replace("-", ""), *WORDS.values()]
    before = {word for _, word in rows_with(app, words)}
    # Of what a client calls itself only our own words are kept; and two are not used here.
    unused = {WORDS["agent"], WORDS["search"], WORDS["device"]}
    assert set(words) - unused - {person.id if person.id not in before else person.id.replace("-", "")} <= before
    assert ("outbox", NAME) in files_with(app, words)
    kept = services(app).answer_cache._cache._store._kept
    assert any(word.encode() in value for _, value in kept.values() for word in words)
    bobs = {message.content for message in stored(app) if message.author == "bob"}

    if how == "http":
        Client(app, person.headers)("DELETE", "users/profile/", {"password": PASSWORD})
    else:
        delete_account(app, person, "cli")

    assert rows_with(app, words) == []
    # A message in the broker names the request that asked for it until a worker takes it.
    assert files_with(app, [word for word in words if word != WORDS["request"]]) == []
    assert [word for _, value in kept.values() for word in words if word.encode() in value] == []
    assert {message.content for message in stored(app) if message.author == "bob"} == bobs


def test_conversation_of_others_keeps_its_structure(app: Flask, bob: Person, root: Person) -> None:
    person, chat = live(app, bob, root)
    url = f"/api/chat/sessions/{chat}/messages/"
    before = app.test_client().get(url, headers=bob.headers).json["items"]  # type: ignore[index]
    assert [m["author"] for m in before if m["is_user"]] == ["bob", NAME, "bob", NAME]

    delete_account(app, person, "http")
    # Somebody else takes the name, which is free at once.
    sign_up(app, NAME)

    after = app.test_client().get(url, headers=bob.headers).json["items"]  # type: ignore[index]
    for name in ("id", "parent_id", "is_user", "status", "created_at"):
        assert [m[name] for m in after] == [m[name] for m in before]
    assert [m["author"] for m in after if m["is_user"]] == ["bob", None, "bob", None]
    gone = [m["metadata"].get("deleted", False) for m in after]
    assert gone == [False, False, True, True, True, False, False, True, True]
    assert {m["content"] for m, is_gone in zip(after, gone, strict=True) if is_gone} == {""}
    assert all(
        m["metadata"]["retrieved_docs"] == [] for m, g in zip(after, gone, strict=True) if g and not m["is_user"]
    )
    # Bob's own answers stay; what was searched for those after the deleted question does not.
    assert [m["content"] for m, g in zip(after, gone, strict=True) if not g] == [
        m["content"] for m, g in zip(before, gone, strict=True) if not g
    ]
    assert after[1]["metadata"] == before[1]["metadata"]
    assert after[6]["metadata"] == before[6]["metadata"] | {"question": None}
    assert after[6]["feedback"] is None
    with services(app).sessions() as session:
        assert set(session.scalars(select(MessageTrace.message_id))) == {after[1]["id"]}


def test_conversation_goes_on_around_what_is_gone(app: Flask, bob: Person, root: Person) -> None:
    person, chat = live(app, bob, root)
    delete_account(app, person, "http")
    client = app.test_client()
    items = client.get(f"/api/chat/sessions/{chat}/messages/", headers=bob.headers).json["items"]  # type: ignore[index]
    empty = [item["id"] for item in items if item["metadata"].get("deleted")]

    for id_ in empty:
        again = client.post(f"/api/chat/messages/{id_}/regenerate/", headers=bob.headers)
        assert (again.status_code, again.json["code"]) == (404, "message_not_found")  # type: ignore[index]
    assert ask(app, bob, "When does it open on Saturdays?", chat_session_id=chat).status_code == 200
    below = ask(app, bob, "And on Mondays?", chat_session_id=chat, parent_id=empty[1])
    assert below.status_code == 200
    export = client.get(f"/api/chat/sessions/{chat}/export/?format=markdown", headers=bob.headers)
    assert export.text.count(", deleted") == len(empty)
    gaps = client.get("/api/knowledge/gaps/?status=all", headers=root.headers)
    assert gaps.status_code == 200
    assert [gap for gap in gaps.json["items"] if "" in gap["questions"]] == []  # type: ignore[index]


def test_case_that_others_have_asked_too_stays(app: Flask, bob: Person, root: Person) -> None:
    person, _ = live(app, bob, root)
    ask(app, bob, GROUP)

    delete_account(app, person, "http")

    with services(app).sessions() as session:
        assert session.scalars(select(EvaluationCase.question)).all() == [GROUP]


def test_words_of_former_members_go_as_well(app: Flask, bob: Person) -> None:
    person = sign_up(app, NAME)
    chat = joined(app, bob)
    assert ask(app, person, GROUP, chat_session_id=chat).status_code == 200
    client = app.test_client()
    client.delete(f"/api/chat/sessions/{chat}/members/?username={NAME}", headers=bob.headers)
    # They were called something else then.
    client.patch("/api/users/profile/", json={"username": "somebody"}, headers=person.headers)

    with app.app_context(), services(app).sessions() as session:
        accounts.delete_user(session, "somebody")

    assert rows_with(app, [NAME, WORDS["group"]]) == []


def test_upgrade_finds_the_authors_and_keeps_every_row(app: Flask, bob: Person) -> None:
    """As of a database from before messages knew their authors' accounts."""
    person = sign_up(app, NAME)
    chat = joined(app, bob)
    ask(app, person, GROUP, chat_session_id=chat)
    own = ask(app, person, "Mine?").json
    assert own is not None
    app.test_client().post(
        f"/api/chat/messages/{own['message']['id']}/feedback/", json={"rating": "up"}, headers=person.headers
    )
    before = {message.id: (message.author_id, message.rated_by, message.content) for message in stored(app)}
    traces = rows_with(app, [GROUP])
    assert ("message_traces", GROUP) in traces
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        downgrade(revision="0006")
        upgrade()

    assert {message.id: (message.author_id, message.rated_by, message.content) for message in stored(app)} == before
    assert rows_with(app, [GROUP]) == traces


def test_answer_repeating_the_question_is_emptied(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None
) -> None:
    app = with_model(make_app, openai_server, database_url=database_url)
    person, bob = sign_up(app, NAME), sign_up(app, "bob")
    openai_server.say(MODEL, f"You asked for the {WORDS['group']}.")
    chat = joined(app, bob)
    assert ask(app, person, GROUP, chat_session_id=chat).status_code == 200
    openai_server.say(MODEL, "Fine.")
    ask(app, bob, "Which river is long?", chat_session_id=chat)
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(Message.__table__.update().where(Message.position < 2).values(content="Kept."))
        session.commit()

    delete_account(app, person, "http")

    assert rows_with(app, [WORDS["group"]]) == []
    assert [m.content for m in stored(app)] == [
        "Kept.",
        "Kept.",
        "",
        "",
        "Which river is long?",
        NOT_FROM_DOCUMENTS + "Fine.",
    ]


@pytest.mark.parametrize("whose", ["theirs", "bob's"])
def test_answer_under_way_at_the_deletion_keeps_no_words(
    make_app: MakeApp, openai_server: OpenAIServer, database_url: str | None, whose: str
) -> None:
    app = with_model(make_app, openai_server, database_url=database_url, log_level="ERROR")
    add_and_ingest(app, HOURS)
    person, bob = sign_up(app, NAME), sign_up(app, "bob")
    chat = joined(app, bob)
    ask(app, person, GROUP, chat_session_id=chat)
    openai_server.say(MODEL, "word " * 60)
    openai_server.behave(MODEL, "slow")
    asker = person if whose == "theirs" else bob
    openai_server.say(MODEL, f"It is {WORDS['second']} or so. " * 20 if whose == "theirs" else "word " * 40)
    response = open_stream(
        app, asker, f"Is it {WORDS['own']}?" if whose == "theirs" else "And on Sundays?", chat_session_id=chat
    )
    events = events_of(response.response)
    while next(events)[0] != "token":
        pass

    delete_account(app, person, "http")
    if whose == "theirs":
        response.close()
        openai_server.wait_for(lambda: len(stored(app)) == 6)
    else:
        assert list(events)[-1][0] == "done"

    assert rows_with(app, [WORDS["group"], WORDS["own"], WORDS["second"]]) == []
    last = stored(app)[-1]
    assert (last.content == "") is (whose == "theirs")
    assert last.extra["question"] is None
    with services(app).sessions() as session:
        assert session.get(MessageTrace, last.id) is None


def test_answers_kept_in_redis_are_forgotten(
    make_app: MakeApp, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(redis_url=redis_server, answer_cache_seconds=600)
    add_and_ingest(app, HOURS)
    person, bob = sign_up(app, NAME), sign_up(app, "bob")
    chat = joined(app, bob)
    ask(app, person, f"What of {WORDS['own']}?")
    ask(app, person, GROUP, chat_session_id=chat)
    ask(app, bob, "And on Sundays?", chat_session_id=chat)
    kept = redis.Redis.from_url(redis_server)

    def told() -> set[str]:
        values = b"".join(kept.get(key) or b"" for key in kept.scan_iter("cache:*"))  # type: ignore[misc]
        return {word for word in (WORDS["own"], WORDS["group"]) if word.encode() in values}

    assert told() == {WORDS["own"], WORDS["group"]}

    delete_account(app, person, "http")

    assert told() == set()
    kept.close()


def test_outbox_forgets_what_has_no_row(sqlite_app: Flask) -> None:
    """As of an e-mail that was written while its account was deleted, or that is older than RETENTION_DAYS."""
    outbox = services(sqlite_app).settings.instance_path / "outbox"
    outbox.mkdir()
    ada = sign_up(sqlite_app, "ada")
    with sqlite_app.app_context(), services(sqlite_app).sessions() as session:
        alive = session.scalars(select(Mail.id)).one()
    dead = "3f0b6a52-1111-4222-8333-444455556666"
    names = (f"{alive}.eml", f"{dead}.eml", f".{dead}.tmp", "notes.eml", "notes.txt")
    for name in names:
        (outbox / name).write_text(ada.email)

    with sqlite_app.app_context():
        forget_old_mails.run()

    assert {path.name for path in outbox.iterdir()} == {f"{alive}.eml", "notes.eml", "notes.txt"}


def test_outbox_file_that_cannot_be_deleted_does_not_keep_the_account(
    sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = sign_up(sqlite_app, "ada")

    def refused(*_args: Any, **_how: Any) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "unlink", refused)

    delete = sqlite_app.test_client().delete("/api/users/profile/", json={"password": PASSWORD}, headers=ada.headers)

    assert delete.status_code == 204


def test_title_of_a_conversation_is_not_made_from_what_is_gone(app: Flask, bob: Person, root: Person) -> None:
    person, chat = live(app, bob, root)
    delete_account(app, person, "http")

    with app.app_context(), services(app).sessions() as session:
        titles.make_title(session, services(app).replies.models, chat)

    assert rows_with(app, list(WORDS.values())) == []


def test_key_of_another_caller_replays_a_deleted_answer_as_empty(app: Flask, bob: Person) -> None:
    """Bob has asked; the one who took part before him is gone: his own answer stays his."""
    person = sign_up(app, NAME)
    chat = joined(app, bob)
    ask(app, person, GROUP, chat_session_id=chat)
    ask(app, bob, "And on Sundays?", chat_session_id=chat, key="bobs-key")
    delete_account(app, person, "http")

    again = ask(app, bob, "And on Sundays?", chat_session_id=chat, key="bobs-key")

    assert again.headers["Idempotency-Replayed"] == "true"
    assert WORDS["group"] not in again.text
    with services(app).sessions() as session:
        assert session.scalars(select(IdempotencyKey.key)).all() == ["bobs-key"]
