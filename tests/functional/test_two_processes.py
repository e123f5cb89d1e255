"""Two web processes on one database: what is withdrawn in one is in no search and no answer of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chatbot.knowledge.models import Document
from tests.conftest import _sql, postgres_url
from tests.functional.house import ProcessFleet, wait_for

WAYS = ("dense", "keyword", "hybrid", "answer")
COLOURS = ("amber", "silver", "crimson", "ivory", "turquoise", "golden", "purple", "grey", "orange", "olive")
THINGS = ("lantern", "anchor", "violin", "ladder", "teapot", "compass", "saddle", "umbrella")


@dataclass(frozen=True)
class Thing:
    """A document that a question finds."""

    id: str
    name: str

    @property
    def question(self) -> str:
        return f"Where is the {self.name} kept?"


@dataclass
class Pair:
    """Two houses on one database, an administrator who works in the first and somebody who asks in the second."""

    here: ProcessFleet
    there: ProcessFleet
    admin: dict[str, str]
    mary: dict[str, str]

    def documents(self, rounds: int) -> list[Thing]:
        """That many new documents, ready."""
        names = [f"{colour} {thing}" for thing in THINGS for colour in COLOURS][:rounds]
        sent = {
            name: self.here.add(self.admin, name, f"The {name} is kept in cupboard {n}.")
            for n, name in enumerate(names)
        }
        wait_for(lambda: self.waiting() == 0, 60, "every document is ready")
        return [Thing(document["id"], name) for name, document in sent.items()]

    def waiting(self) -> int:
        engine = self.here.engine()
        with Session(engine) as session:
            query = select(func.count()).where(Document.status.in_(("queued", "processing")))
            found = session.scalars(query).one()
        engine.dispose()
        return found

    def call(self, method: str, path: str, **body: Any) -> Any:
        """What the first process answers the administrator."""
        url = f"{self.here.url}/api/{path}"
        answer = requests.request(method, url, json=body or None, headers=self.admin, timeout=40)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer.json() if answer.content else None

    def change(self, method: str, thing: Thing, path: str = "", **body: Any) -> None:
        """Changes a document in the first process."""
        self.call(method, f"knowledge/documents/{thing.id}/{path}", **body)

    def seen(self, thing: Thing, way: str, person: dict[str, str] | None = None) -> set[int]:
        """The versions of a document that the second process shows somebody who asks for it."""
        person = person or self.mary
        if way == "answer":
            told = self.there.ask(person, thing.question)["message"]["metadata"]
            found = [*told["retrieved_docs"], *told["citations"]]
        else:
            asked = {"q": thing.question, "k": 50, "mode": way}
            url = f"{self.there.url}/api/knowledge/search/"
            answer = requests.get(url, params=asked, headers=person, timeout=20)
            assert answer.status_code == 200, answer.text
            found = answer.json()["items"]
        return {item["version"] for item in found if item["document_id"] == thing.id}

    def everywhere(self, thing: Thing, first: int = 0) -> dict[str, set[int]]:
        """The same for every way of asking, begun with another one each time."""
        ways = WAYS[first % len(WAYS) :] + WAYS[: first % len(WAYS)]
        return {way: self.seen(thing, way) for way in ways}


EVERYWHERE = {way: {1} for way in WAYS}
NOWHERE: dict[str, set[int]] = {way: set() for way in WAYS}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, models_path: Path) -> Iterator[Pair]:
    settings = {}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        _sql(server, "CREATE DATABASE two_processes")
        settings["DATABASE_URL"] = postgres_url(server, "two_processes")
    here = ProcessFleet(tmp_path_factory.mktemp("pair"), models_path, **settings)
    there = here.on_another_port()
    try:
        here.start("web", "worker")
        there.start("web")
        here.ready()
        there.ready()
        yield Pair(here, there, here.admin("root"), there.sign_up("mary"))
    finally:
        there.close()
        here.close()


def test_a_document_deleted_in_one_process_is_nowhere_in_the_other(pair: Pair) -> None:
    """M12: fifty times, each time with the very next request."""
    things = pair.documents(50)
    assert pair.everywhere(things[0]) == EVERYWHERE

    for n, thing in enumerate(things):
        assert pair.seen(thing, "hybrid") == {1}
        pair.change("DELETE", thing)
        assert pair.everywhere(thing, n) == NOWHERE, thing


def test_a_document_switched_off_in_one_process_is_nowhere_in_the_other(pair: Pair) -> None:
    """M12"""
    for n, thing in enumerate(pair.documents(6)):
        assert pair.seen(thing, "hybrid") == {1}
        pair.change("PATCH", thing, is_active=False)
        assert pair.everywhere(thing, n) == NOWHERE, thing
        pair.change("PATCH", thing, is_active=True)
        assert pair.everywhere(thing, n) == EVERYWHERE
        pair.change("DELETE", thing)


def test_a_document_moved_to_members_in_one_process_is_nowhere_for_others_in_the_other(pair: Pair) -> None:
    """M12"""
    pair.call("POST", "knowledge/collections/", name="staff", visibility="members")
    for n, thing in enumerate(pair.documents(6)):
        assert pair.seen(thing, "hybrid") == {1}
        pair.change("PATCH", thing, collection="staff")
        assert pair.everywhere(thing, n) == NOWHERE, thing
        assert pair.seen(thing, "hybrid", pair.admin) == {1}
        pair.change("DELETE", thing)


def test_a_collection_closed_in_one_process_is_closed_in_the_other(pair: Pair) -> None:
    """M12: and so is one that somebody may not read any more."""
    collection = pair.call("POST", "knowledge/collections/", name="club", visibility="everyone")
    path = f"knowledge/collections/{collection['id']}/"
    mary = requests.get(f"{pair.here.url}/api/users/profile/", headers=pair.mary, timeout=20).json()
    (thing,) = pair.documents(1)
    pair.change("PATCH", thing, collection="club")

    for n in range(4):
        assert pair.everywhere(thing, n) == EVERYWHERE
        pair.call("PATCH", path, visibility="members")
        assert pair.everywhere(thing, n) == NOWHERE
        pair.call("POST", f"{path}members/", username="mary")
        assert pair.everywhere(thing, n) == EVERYWHERE
        pair.call("DELETE", f"{path}members/{mary['id']}/")
        assert pair.everywhere(thing, n) == NOWHERE
        pair.call("PATCH", path, visibility="everyone")
    pair.change("DELETE", thing)


def test_a_version_replaced_in_one_process_is_nowhere_in_the_other(pair: Pair) -> None:
    """M12"""
    for n, thing in enumerate(pair.documents(6)):
        assert pair.seen(thing, "hybrid") == {1}
        pair.change("PUT", thing, "content/?wait=30", content=f"The {thing.name} is kept in the cellar, on shelf {n}.")
        assert pair.everywhere(thing, n) == {way: {2} for way in WAYS}
        pair.change("DELETE", thing)
