"""A disk that fills up below running processes, and is emptied again."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.functional.disks import SmallDisk, small_disk
from tests.functional.house import PASSWORD, ProcessFleet, wait_for
from tests.openai_server import OpenAIServer, running

HOURS = "The shop opens at nine. On Saturdays it opens at ten."
TABLES = (
    "users",
    "token_families",
    "mails",
    "chat_sessions",
    "messages",
    "documents",
    "document_versions",
    "chunks",
    "generations",
    "security_events",
    "idempotency_keys",
)
_COUNT = (
    "import json, sqlite3, sys; c = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, timeout=5); "
    "print(json.dumps({t: c.execute(f'SELECT count(*) FROM {t}').fetchone() for t in sys.argv[2:]}))"
)
QUESTION = {"message": "When does the shop open on Saturdays?"}


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("full") / "disk") as disk:
        yield disk


@pytest.fixture(scope="module")
def house(disk: SmallDisk, models_path: Path, model: OpenAIServer) -> Iterator[ProcessFleet]:
    house = ProcessFleet(
        disk.folder / "instance",
        models_path,
        disk.entering,
        WEB_CONCURRENCY=2,
        INSTANCE_PATH=disk.inside / "instance",
        TMPDIR=disk.inside / "instance",
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=model.base_url,
        EMBEDDING_MODEL="all-MiniLM-L6-v2",
        MODEL_TITLES="false",
        LOG_FORMAT="json",
        FETCH_ALLOW_HOSTS="127.0.0.1",
        FETCH_PORTS=urlsplit(model.base_url).port,
    )
    try:
        house.start("web", "worker", "beat")
        house.ready()
        yield house
    finally:
        house.close()


class People:
    """Who asks and who looks after the house, and everything they do that writes."""

    def __init__(self, house: ProcessFleet) -> None:
        self.house, self.provider = house, house.environment["OPENAI_BASE_URL"]
        self.admin, self.mary = house.admin("root"), house.sign_up("mary")
        house.letter_to("mary@example.com")
        house.add(self.admin, "Hours", HOURS, wait=20)
        self.chat = house.ask(self.mary, QUESTION["message"])["chat_session_id"]
        self.document = self._documents()[0]["id"]

    def call(self, method: str, path: str, who: dict[str, str] | None = None, **rest: Any) -> requests.Response:
        return requests.request(method, f"{self.house.url}{path}", headers=who, timeout=30, **rest)

    def _documents(self) -> list[dict[str, Any]]:
        return list(self.call("GET", "/api/knowledge/documents/", self.admin).json()["items"])

    def named(self, title: str) -> dict[str, Any]:
        return next(document for document in self._documents() if document["title"] == title)

    def writes(self) -> dict[str, requests.Response]:
        """One call of each kind that has to store something."""
        jane = {"username": "jane", "email": "jane@example.com", "password": PASSWORD, "password2": PASSWORD}
        documents, completion = "/api/knowledge/documents/", [{"role": "user", "content": "When does it open?"}]
        long = {"file": ("long.md", b"# Long\n\n" + b"It opens early. " * 60_000, "text/markdown")}
        key = self.mary | {"Idempotency-Key": "once"}
        return {
            "sign-up": self.call("POST", "/api/users/signup/", json=jane),
            "login": self.call("POST", "/api/users/login/", json={"email": "mary@example.com", "password": PASSWORD}),
            "question": self.call("POST", "/api/chat/send/", self.mary, json=QUESTION),
            "in a conversation": self.call(
                "POST", "/api/chat/send/", self.mary, json=QUESTION | {"chat_session_id": self.chat}
            ),
            "stream": self.call("POST", "/api/chat/send/", self.mary, json=QUESTION | {"stream": True}),
            "with a key": self.call("POST", "/api/chat/send/", key, json=QUESTION),
            "completion": self.call(
                "POST", "/v1/chat/completions", self.mary, json={"model": "gpt-3.5-turbo", "messages": completion}
            ),
            "text": self.call("POST", documents, self.admin, json={"title": "Short", "content": "It is red."}),
            "file": self.call("POST", documents, self.admin, files=long),
            "URL": self.call("POST", documents, self.admin, json={"url": f"{self.provider}/page"}),
            "deletion": self.call("DELETE", f"{documents}{self.document}/", self.admin),
            "letter": self.call("POST", "/api/users/password/forgot/", json={"email": "mary@example.com"}),
        }

    def reads(self) -> dict[str, requests.Response]:
        return {
            "health": self.call("GET", "/healthz"),
            "profile": self.call("GET", "/api/users/profile/", self.mary),
            "documents": self.call("GET", "/api/knowledge/documents/", self.admin),
            "search": self.call("GET", "/api/knowledge/search/", self.mary, params={"q": "Saturdays"}),
            "messages": self.call("GET", f"/api/chat/sessions/{self.chat}/messages/", self.mary),
        }

    def rows(self) -> dict[str, list[int]]:
        """How many there are in each table, as seen from outside."""
        path = self.house.environment["INSTANCE_PATH"]
        return dict(json.loads(self.house.run(sys.executable, "-c", _COUNT, f"{path}/chatbot.db", *TABLES)))


def codes(answers: dict[str, requests.Response]) -> dict[str, tuple[int, str]]:
    told = {name: answer.json() for name, answer in answers.items()}
    return {name: (answers[name].status_code, body.get("error", body)["code"]) for name, body in told.items()}


def refused(house: ProcessFleet, *command: str) -> str:
    """What a command says that does not come to its end."""
    with pytest.raises(AssertionError) as caught:
        house.run("flask", *command, ADMIN_PASSWORD=PASSWORD)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def people(house: ProcessFleet) -> People:
    return People(house)


def test_what_is_counted_has_its_room_from_the_beginning(house: ProcessFleet, people: People) -> None:
    """M8: a page of a mapped file that the disk has no room for kills who writes it."""
    people.reads()
    files = [path.stat() for path in house.folder.glob("chatbot-metrics-*/*.db")]
    assert len(files) == 6
    assert [file for file in files if file.st_blocks * 512 < file.st_size] == []


def test_a_full_disk_stops_what_writes_and_nothing_else_and_all_goes_on_by_itself(
    house: ProcessFleet, people: People, disk: SmallDisk, model: OpenAIServer
) -> None:
    """M8"""
    house.signal("worker", signal.SIGSTOP, group=True)
    house.add(people.admin, "Waiting", "\n\n".join(f"Rule {n}: sign list {n * 7}." for n in range(200)))
    asked, before, pids = len(model.requests), people.rows(), set(house.pids())
    disk.fill(house)
    house.signal("worker", signal.SIGCONT, group=True)

    told = codes(people.writes())
    assert told == dict.fromkeys(told, (503, "storage_full"))
    assert {name: answer.status_code for name, answer in people.reads().items()} == dict.fromkeys(people.reads(), 200)
    assert people.reads()["search"].json()["items"][0]["text"] == HOURS
    assert len(model.requests) == asked
    assert people.rows() == before

    if disk.tells:
        ready = people.call("GET", "/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["checks"]["disk"] == "The server's disk is full."
        told_why = lambda: people.named("Waiting")["blocked_because"] == "The server's disk is full."  # noqa: E731
        wait_for(told_why, 30, "the document says why it waits")
    assert people.named("Waiting")["status"] in ("queued", "processing")

    full = "The disk is full, and this was not done."
    assert full in refused(house, "users", "create-admin", "zed@example.com", "--username", "zed")
    assert full in refused(house, "index", "build", "--chunk-size", "64")
    archive = disk.inside / "instance" / "backup.zip"
    assert "The backup cannot be written" in refused(house, "backup", "create", str(archive))
    assert not (disk.folder / "instance" / "backup.zip").exists()
    assert people.rows() == before

    disk.free(house)
    told = {name: answer.status_code for name, answer in people.writes().items()}
    assert told == dict.fromkeys(told, 200) | {
        "sign-up": 201,
        "text": 202,
        "file": 202,
        "URL": 202,
        "letter": 202,
    }
    house.letter_to("jane@example.com", 40)
    wait_for(lambda: people.named("Waiting")["status"] == "ready", 60, "the document that waited is ready")
    wait_for(lambda: people.named("Short")["status"] == "ready", 60, "a new document is ready")
    house.run("flask", "backup", "create", str(archive))
    house.run("flask", "knowledge", "verify")
    house.run("flask", "index", "verify")
    # Nobody had to be started again.
    assert pids <= set(house.pids())


def test_a_web_server_that_is_started_on_a_full_disk_answers(
    house: ProcessFleet, people: People, disk: SmallDisk
) -> None:
    """M8: it has no room for its numbers, and each process counts for itself."""
    disk.fill(house)
    people.house = second = house.on_another_port()
    try:
        second.start("web")
        second.ready()
        disk.fill(second)
        for _ in range(6):
            assert {answer.status_code for answer in people.reads().values()} == {200}
        disk.free(second)
        assert second.ask(people.mary, QUESTION["message"])["message"]["status"] == "complete"
    finally:
        people.house = house
        second.close()
