"""Collections over HTTP: what administrators do with them, and who sees which."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, select, update

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents import collections, service
from chatbot.knowledge.models import Collection, Document
from chatbot.web.idempotency.model import IdempotencyKey
from tests.auth.world import dump
from tests.conftest import HOURS, RETURNS, add_and_ingest, sign_up
from tests.knowledge.conftest import add
from tests.knowledge.test_routes import NOBODY, get, pointers

COLLECTIONS = "/api/knowledge/collections/"
KEYS = {"id", "name", "visibility", "document_count", "created_at"}


def make(client, person, name="handbooks", key=None, **fields):
    headers = person.headers | ({"Idempotency-Key": key} if key else {})
    return client.post(COLLECTIONS, json={"name": name, **fields}, headers=headers)


def change(client, person, id_, **fields):
    return client.patch(f"{COLLECTIONS}{id_}/", json=fields, headers=person.headers)


def remove(client, person, id_):
    return client.delete(f"{COLLECTIONS}{id_}/", headers=person.headers)


def join(client, person, id_, username):
    return client.post(f"{COLLECTIONS}{id_}/members/", json={"username": username}, headers=person.headers)


def leave(client, person, id_, user_id):
    return client.delete(f"{COLLECTIONS}{id_}/members/{user_id}/", headers=person.headers)


def names(client, person, **query):
    """Those beside `default`, which is always there."""
    there = [item["name"] for item in get(client, person, "collections/", **query).json["items"]]
    return [name for name in there if name != "default"]


def refused(answer) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


# Making and changing


def test_a_collection_is_made_listed_read_changed_and_deleted(client, root):
    made = make(client, root, "Board", visibility="members")
    assert (made.status_code, set(made.json)) == (201, KEYS)
    assert (made.json["name"], made.json["visibility"], made.json["document_count"]) == ("Board", "members", 0)
    id_ = made.json["id"]
    assert get(client, root, f"collections/{id_}/").json == made.json
    assert get(client, root, "collections/").json["items"][0] == made.json
    changed = change(client, root, id_, name="The  board ", visibility="everyone")
    assert changed.json == made.json | {"name": "The board", "visibility": "everyone"}
    assert change(client, root, id_).json == changed.json
    receipt = remove(client, root, id_)
    assert (receipt.status_code, receipt.json) == (200, {"id": id_, "name": "The board", "members": 0})
    assert refused(get(client, root, f"collections/{id_}/")) == (404, "collection_not_found")
    assert names(client, root) == []


def test_a_collection_is_for_everyone_unless_told(client, root):
    assert make(client, root).json["visibility"] == "everyone"


def test_a_name_is_there_once(client, root):
    make(client, root, "one name")
    other = make(client, root, "other").json["id"]
    assert refused(make(client, root, " one \t name")) == (409, "collection_exists")
    assert refused(change(client, root, other, name="one name")) == (409, "collection_exists")
    assert sorted(names(client, root)) == ["one name", "other"]


def test_one_of_many_who_take_a_name_at_once_gets_it(app, root):
    answers, start = [], threading.Barrier(6)

    def run():
        start.wait()
        answers.append(make(app.test_client(), root, "wanted").status_code)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " \t"}, "/name"),
        ({"name": "\u200b\u202e"}, "/name"),
        ({}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": 5}, "/name"),
        ({"name": "a", "visibility": "nobody"}, "/visibility"),
        ({"name": "a", "visibility": None}, "/visibility"),
        ({"name": "a", "id": NOBODY}, "/id"),
    ],
    ids=["empty", "blank", "invisible", "none", "long", "number", "visibility", "null", "unknown"],
)
def test_a_bad_field_is_pointed_at(client, root, body, pointer):
    """G9"""
    assert pointers(client.post(COLLECTIONS, json=body, headers=root.headers)) == [pointer]


def test_a_name_may_have_a_hundred_characters_of_any_script(client, root):
    """G9"""
    for name in ("x" * 100, "規" * 100, "👋 '; DROP TABLE collections; --"):
        assert make(client, root, name).json["name"] == name


@pytest.mark.parametrize("path", [NOBODY, "x", f"{NOBODY}/members"])
def test_what_is_not_there_is_404(client, root, path):
    """A7"""
    assert get(client, root, f"collections/{path}/").status_code == 404


def test_nothing_can_be_done_with_a_collection_that_is_not_there(client, root, ada):
    calls = [
        change(client, root, NOBODY, name="a"),
        remove(client, root, NOBODY),
        join(client, root, NOBODY, "ada"),
        leave(client, root, NOBODY, ada.id),
    ]
    assert [refused(answer) for answer in calls] == [(404, "collection_not_found")] * 4


# Deleting


def test_a_collection_with_a_document_is_not_deleted(app, client, root):
    document = add_and_ingest(app, HOURS, collection="full")
    id_ = document.collection_id
    assert get(client, root, f"collections/{id_}/").json["document_count"] == 1
    assert refused(remove(client, root, id_)) == (409, "collection_not_empty")
    waits = add(app, RETURNS, collection="waits")
    (queued,) = [c["id"] for c in get(client, root, "collections/").json["items"] if c["name"] == "waits"]
    assert refused(remove(client, root, queued)) == (409, "collection_not_empty")
    assert get(client, root, f"documents/{waits}/").status_code == 200


def test_a_deleted_document_does_not_hold_its_collection(app, client, root):
    """And its empty row is cleaned up that night all the same."""
    document = add_and_ingest(app, HOURS, collection="full")
    client.delete(f"/api/knowledge/documents/{document.id}/", headers=root.headers)
    assert remove(client, root, document.collection_id).status_code == 200
    assert get(client, root, "search/", q="When is the shop open?").json["items"] == []
    with services(app).sessions() as session:
        assert service.purge(session) == 1
        assert session.scalars(select(Document.id)).all() == []
        session.rollback()


def test_the_default_collection_stays_and_keeps_its_name(app, client, root):
    id_ = add_and_ingest(app, HOURS).collection_id
    assert refused(change(client, root, id_, name="mine")) == (409, "collection_is_default")
    assert change(client, root, id_, name=" default ", visibility="members").json["visibility"] == "members"
    assert refused(remove(client, root, id_)) == (409, "collection_is_default")


def test_a_document_that_comes_while_its_collection_goes_is_not_lost(app, root):
    """M9: whichever is first, the document ends in a collection of that name."""
    for turn in range(4):
        with services(app).sessions() as session:
            id_ = collections.create_collection(session, f"moving {turn}", "everyone").id
        start, seen = threading.Barrier(2), []

        def go(start=start, id_=id_, seen=seen):
            start.wait()
            seen.append(remove(app.test_client(), root, id_).status_code)

        thread = threading.Thread(target=go)
        thread.start()
        start.wait()
        document = add(app, f"{HOURS} {turn}", collection=f"moving {turn}")
        thread.join()
        with services(app).sessions() as session:
            name = session.scalar(select(Collection.name).join(Document).where(Document.id == document))
        assert (name, seen[0] in (200, 409)) == (f"moving {turn}", True)


# Members


def test_members_come_and_go(client, root, ada, bob):
    id_ = make(client, root, visibility="members").json["id"]
    first = join(client, root, id_, "ada")
    assert (first.status_code, set(first.json)) == (201, {"user_id", "username", "created_at"})
    assert (first.json["user_id"], first.json["username"]) == (ada.id, "ada")
    again = join(client, root, id_, "ADA")
    assert (again.status_code, again.json) == (200, first.json)
    join(client, root, id_, "bob")
    listed = get(client, root, f"collections/{id_}/members/").json
    assert [m["username"] for m in listed["items"]] == ["bob", "ada"]
    gone = leave(client, root, id_, ada.id)
    assert (gone.status_code, gone.data) == (204, b"")
    assert refused(leave(client, root, id_, ada.id)) == (404, "member_not_found")
    assert remove(client, root, id_).json["members"] == 1


@pytest.mark.parametrize("username", ["nobody", "ada@example.com", "%", "' OR 1=1 --", "a\u0308" * 70])
def test_an_unknown_account_becomes_no_member(client, root, ada, username):
    id_ = make(client, root).json["id"]
    assert refused(join(client, root, id_, username)) == (404, "account_not_found")
    assert get(client, root, f"collections/{id_}/members/").json["items"] == []


def test_members_come_in_pages(app, client, root):
    id_ = make(client, root).json["id"]
    for n in range(5):
        sign_up(app, f"person{n}")
        join(client, root, id_, f"person{n}")
    seen, cursor = [], None
    while cursor is not None or not seen:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = get(client, root, f"collections/{id_}/members/", **query).json
        seen += [m["username"] for m in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"person{n}" for n in (4, 3, 2, 1, 0)]


def test_an_account_that_is_deleted_is_no_member_any_more(client, root, ada):
    id_ = make(client, root).json["id"]
    join(client, root, id_, "ada")
    client.delete("/api/users/profile/", json={"password": "correct horse battery 9"}, headers=ada.headers)
    assert get(client, root, f"collections/{id_}/members/").json["items"] == []


def test_the_same_member_added_by_many_at_once_is_one(app, root, ada):
    id_ = make(app.test_client(), root).json["id"]
    start, seen = threading.Barrier(5), []

    def run():
        start.wait()
        seen.append(join(app.test_client(), root, id_, "ada").status_code)

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200, 200, 200, 200, 201]


# Who sees which


def test_people_see_what_they_may_read_and_nothing_else(client, root, ada, bob):
    """A7: a closed collection and a missing one cannot be told apart."""
    make(client, root, "open")
    closed = make(client, root, "closed", visibility="members").json["id"]
    join(client, root, closed, "ada")
    assert (names(client, root), names(client, ada), names(client, bob)) == (["closed", "open"],) * 2 + (["open"],)
    assert get(client, ada, f"collections/{closed}/").json["name"] == "closed"
    hidden, missing = (get(client, bob, f"collections/{id_}/").json for id_ in (closed, NOBODY))
    assert {k: v for k, v in hidden.items() if k not in ("instance", "request_id")} == {
        k: v for k, v in missing.items() if k not in ("instance", "request_id")
    }
    assert hidden["code"] == "collection_not_found"


def test_the_list_comes_in_pages(client, root, ada):
    for n in range(5):
        make(client, root, f"c{n}", visibility="members" if n == 2 else "everyone")
    first = get(client, ada, "collections/", limit=3).json
    rest = get(client, ada, "collections/", limit=3, cursor=first["next_cursor"]).json
    assert [c["name"] for c in first["items"] + rest["items"]] == ["c4", "c3", "c1", "c0", "default"]
    assert rest["next_cursor"] is None


def test_only_administrators_change_anything(app, client, root, ada):
    """F1: a member is no administrator."""
    id_ = make(client, root, visibility="members").json["id"]
    join(client, root, id_, "ada")
    before = dump(app)
    calls = [
        make(client, ada, "mine"),
        change(client, ada, id_, visibility="everyone"),
        remove(client, ada, id_),
        join(client, ada, id_, "ada"),
        leave(client, ada, id_, ada.id),
        get(client, ada, f"collections/{id_}/members/"),
    ]
    assert [refused(answer) for answer in calls] == [(403, "admin_required")] * 6
    assert dump(app) == before


# Sending it again


def test_a_key_makes_one_collection(client, root):
    """M16"""
    first = make(client, root, "once", key="the-key")
    again = make(client, root, "once", key="the-key")
    assert (again.status_code, again.json) == (201, first.json)
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert refused(make(client, root, "twice", key="the-key")) == (422, "idempotency_key_reused")
    assert names(client, root) == ["once"]


def test_a_repetition_shows_the_collection_as_it_is_now(client, root):
    id_ = make(client, root, "once", key="the-key").json["id"]
    change(client, root, id_, name="renamed")
    assert make(client, root, "once", key="the-key").json["name"] == "renamed"
    remove(client, root, id_)
    assert refused(make(client, root, "once", key="the-key")) == (404, "collection_not_found")


def test_the_key_is_answered_in_the_transaction_that_makes_the_collection(app, client, root, monkeypatch):
    """M16: a process that dies right after it leaves no key that says nothing."""
    make(client, root, "once", key="the-key")
    with services(app).sessions() as session:
        assert session.scalars(select(IdempotencyKey.status)).one() == 201
        session.rollback()
        begin_write(session)
        session.execute(update(IdempotencyKey).values(status=None, lease_until=None))
        session.execute(delete(Collection))
        session.commit()

    def fail(*args):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(collections.idempotency, "finish", fail)
    assert make(client, root, "once", key="the-key").status_code == 500
    monkeypatch.undo()
    assert names(client, root) == []
    assert make(client, root, "once", key="the-key").status_code == 201


def test_a_name_that_is_taken_gives_the_key_back(client, root):
    make(client, root, "taken")
    assert make(client, root, "taken", key="the-key").status_code == 409
    assert make(client, root, "free", key="the-key").status_code == 201


# The command line


def test_the_command_line_lists_and_makes_them(sqlite_app):
    run = sqlite_app.test_cli_runner().invoke
    add_and_ingest(sqlite_app, HOURS)
    made = run(args=["knowledge", "collections", "--create", "[/bold]  board", "--members-only"])
    assert (made.exit_code, made.output) == (0, "[/bold] board is there, for members.\n")
    listed = run(args=["knowledge", "collections"]).output
    assert "[/bold] board" in listed
    assert "default" in listed
    again = run(args=["knowledge", "collections", "--create", "[/bold] board"])
    assert (again.exit_code, again.output) == (1, "Error: There is a collection with this name.\n")
    blank = run(args=["knowledge", "collections", "--create", " "])
    assert (blank.exit_code, blank.output) == (1, "Error: name: Give the collection a name.\n")
    assert run(args=["knowledge", "collections", "--members-only"]).exit_code == 2
