"""The people of a soak: what each does, and which answers are right."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import requests
from simple_websocket import Client, ConnectionClosed

from tests.functional.house import PASSWORD, ProcessFleet

MOST_TOLD = 40
LETTER_SECONDS = 60.0
KEPT_DOCUMENTS = 30
PLACES = ("harbour", "orchard", "railway", "library", "market", "museum", "station", "theatre")


class Answers:
    """How often each call was answered how, and what was not expected."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, int, str]] = Counter()
        self.unexpected: list[str] = []
        self._lock = threading.Lock()

    def note(self, what: str, status: int, code: str, expected: bool, body: str) -> None:
        with self._lock:
            self.counts[what, status, code] += 1
            if not expected and len(self.unexpected) < MOST_TOLD:
                self.unexpected.append(f"{what}: {status} {body[:400]}")
                print(f"UNEXPECTED  {self.unexpected[-1]}", flush=True)

    def total(self) -> int:
        return self.counts.total()


class _Caller:
    """Somebody with a connection of their own."""

    def __init__(self, house: ProcessFleet, answers: Answers, number: int) -> None:
        self.house, self.answers, self.number = house, answers, number
        self.dice = random.Random(f"{random.random()} {number}")
        self.http = requests.Session()
        self.headers: dict[str, str] = {}

    def call(self, what: str, method: str, path: str, *right: int, **rest: Any) -> requests.Response | None:
        """An answer if it is as it should be; `right` are the statuses that are, any below 300 without."""
        try:
            answer = self.http.request(method, f"{self.house.url}{path}", headers=self.headers, timeout=90, **rest)
        except requests.RequestException as error:
            self.answers.note(what, 0, type(error).__name__, False, str(error))
            return None
        good = answer.status_code in right if right else answer.status_code < 300
        is_json = "json" in answer.headers.get("Content-Type", "") and not rest.get("stream")
        code = answer.json().get("code", "") if is_json and answer.status_code >= 400 else ""
        self.answers.note(what, answer.status_code, code, good, "" if rest.get("stream") else answer.text)
        return answer if good and answer.status_code < 300 else None

    def live(self, over: threading.Event) -> None:
        """Does one thing after the other until it is over."""
        while not over.is_set():
            try:
                self.dice.choice(self.deeds())()
            except Exception as error:  # One who stumbles is told of, and goes on.
                self.answers.note("(client)", 0, type(error).__name__, False, repr(error))
            over.wait(self.dice.uniform(0, 0.6))

    def deeds(self) -> list[Callable[[], None]]:
        raise NotImplementedError

    def question(self) -> str:
        place = self.dice.choice(PLACES)
        return self.dice.choice((f"When does the {place} open?", f"Who keeps the {place}?", "And on Sundays?"))


class Person(_Caller):
    """Signs up, confirms, asks in every way there is, and leaves one day."""

    lives = 0

    def deeds(self) -> list[Callable[[], None]]:
        if not self.headers:
            return [self.arrive]
        return [
            *[self.ask] * 5,
            *[self.read_stream] * 5,
            self.cut_stream,
            self.stop_answer,
            self.talk,
            self.complete,
            self.search,
            self.search,
            self.rate,
            self.refresh,
            self.look_around,
            self.export,
            self.delete_chat,
            self.leave if self.dice.random() < 0.25 else self.log_in_again,
        ]

    def arrive(self) -> None:
        self.lives += 1
        name = f"person{self.number}x{self.lives}"
        self.email, self.chats, self.answer_id = f"{name}@example.com", [], ""
        fields = {"username": name, "email": self.email, "password": PASSWORD, "password2": PASSWORD}
        if self.call("sign up", "POST", "/api/users/signup/", 201, json=fields) is None:
            return
        token = self._token_in_letter()
        if token is None:
            self.answers.note("letter", 0, "none", False, f"no letter to {self.email} within {LETTER_SECONDS} s")
        else:
            self.call("confirm", "POST", "/api/users/verify-email/", json={"token": token})
        self.log_in()

    def _token_in_letter(self) -> str | None:
        until = time.monotonic() + LETTER_SECONDS
        while time.monotonic() < until:
            for path in (self.house.folder / "outbox").glob("*.eml"):
                text = path.read_text(encoding="utf-8")
                if f"To: {self.email}" in text and (found := re.search(r"token=([\w.~-]+)", text)):
                    path.unlink(missing_ok=True)
                    return found[1]
            time.sleep(0.5)
        return None

    def log_in(self) -> None:
        answer = self.call("log in", "POST", "/api/users/login/", json={"email": self.email, "password": PASSWORD})
        self._signed_in(answer)

    def _signed_in(self, answer: requests.Response | None) -> None:
        if answer is not None:
            self.refresh_token = answer.json()["refresh"]
            self.headers = {"Authorization": f"Bearer {answer.json()['access']}"}

    def log_in_again(self) -> None:
        if self.call("log out", "POST", "/api/users/logout/", json={"refresh": self.refresh_token}):
            self.headers = {}
            self.log_in()

    def refresh(self) -> None:
        self._signed_in(self.call("refresh", "POST", "/api/users/token/refresh/", json={"refresh": self.refresh_token}))

    def leave(self) -> None:
        if self.call("delete account", "DELETE", "/api/users/profile/", 204, json={"password": PASSWORD}) is not None:
            self.headers = {}

    def _body(self, **more: Any) -> dict[str, Any]:
        chat = self.dice.choice(self.chats) if self.chats and self.dice.random() < 0.6 else None
        return {"message": self.question()} | ({"chat_session_id": chat} if chat else {}) | more

    def _keep(self, told: dict[str, Any]) -> None:
        if told.get("chat_session_id") and told["chat_session_id"] not in self.chats:
            self.chats.append(told["chat_session_id"])

    def ask(self) -> None:
        # 409: an answer that was cut off may still be on its way out.
        answer = self.call("ask", "POST", "/api/chat/send/", 200, 409, json=self._body())
        if answer is not None:
            self._keep(answer.json())
            self.answer_id = answer.json()["message"]["id"]

    def _stream(self, what: str, **body: Any) -> requests.Response | None:
        asked = self._body(stream=True, **body)
        return self.call(what, "POST", "/api/chat/send/", 200, 409, json=asked, stream=True)

    def read_stream(self) -> None:
        answer = self._stream("stream")
        if answer is not None:
            with answer:
                text = answer.content.decode()
            if "event: done" not in text:
                self.answers.note("stream (end)", 200, "no done", False, text[-400:])

    def cut_stream(self) -> None:
        answer = self._stream("stream, cut", model="slow")
        if answer is not None:
            with answer:
                for n, _ in enumerate(answer.iter_lines()):
                    if n > self.dice.randint(3, 40):
                        break

    def stop_answer(self) -> None:
        answer = self._stream("stream, stopped", model="slow")
        if answer is None:
            return
        with answer:
            for line in answer.iter_lines(chunk_size=1):
                if line.startswith(b"data:") and b'"message_id"' in line:
                    id_ = json.loads(line[5:])["message_id"]
                    self.call("stop", "POST", f"/api/chat/messages/{id_}/stop/", 200, 202, 404)
                    break
            for _ in answer.iter_lines():
                pass

    def talk(self) -> None:
        address = self.house.url.replace("http", "ws", 1) + "/api/chat/ws/"
        access = self.headers["Authorization"].removeprefix("Bearer ")
        try:
            with closing(Client.connect(address)) as socket:
                socket.send(json.dumps({"access": access}))
                for _ in range(self.dice.randint(1, 3)):
                    socket.send(json.dumps(self._body()))
                    self._hear(socket)
        except (ConnectionClosed, OSError, TypeError) as error:
            self.answers.note("WebSocket", 0, type(error).__name__, False, repr(error))

    def _hear(self, socket: Client) -> None:
        """Reads an answer to its end; None, after a minute of silence, is no frame and raises."""
        frame: dict[str, Any] = {}
        while frame.get("event") not in ("done", "error"):
            frame = json.loads(socket.receive(timeout=60))
        code = frame["data"].get("code", "")
        self.answers.note("WebSocket", 101, code, code in ("", "reply_in_progress"), str(frame["data"]))

    def complete(self) -> None:
        streamed = self.dice.random() < 0.5
        asked = {
            "model": "gpt-3.5-turbo",
            "messages": [{"role": "user", "content": self.question()}],
            "stream": streamed,
        }
        self.call("v1", "POST", "/v1/chat/completions", json=asked)

    def search(self) -> None:
        self.call("search", "GET", "/api/knowledge/search/", params={"q": self.question()})

    def rate(self) -> None:
        if self.answer_id:
            # 404: its conversation was deleted meanwhile.
            rating = {"rating": self.dice.choice(("up", "down"))}
            self.call("rate", "POST", f"/api/chat/messages/{self.answer_id}/feedback/", 200, 404, json=rating)

    def look_around(self) -> None:
        self.call("history", "GET", "/api/chat/history/")
        self.call("sessions", "GET", "/api/users/sessions/")
        if self.chats:
            self.call("messages", "GET", f"/api/chat/sessions/{self.dice.choice(self.chats)}/messages/")

    def export(self) -> None:
        self.call("export", "GET", "/api/users/export/")

    def delete_chat(self) -> None:
        if self.chats:
            chat = self.chats.pop(self.dice.randrange(len(self.chats)))
            self.call("delete conversation", "DELETE", f"/api/chat/sessions/{chat}/")


class Administrator(_Caller):
    """Adds, replaces and deletes documents and collections, and looks at what is not answered."""

    def __init__(self, house: ProcessFleet, answers: Answers, number: int, headers: dict[str, str]) -> None:
        super().__init__(house, answers, number)
        self.headers, self.made = headers, 0
        self.documents: list[str] = []
        self._since = time.monotonic()

    def deeds(self) -> list[Callable[[], None]]:
        if time.monotonic() - self._since > 300:
            self._since = time.monotonic()
            self.headers = self.house.log_in("root")
        if len(self.documents) > KEPT_DOCUMENTS:
            return [self.delete]
        return [
            *[self.add_text] * 2,
            *[self.add_file] * 2,
            self.replace,
            self.replace,
            self.delete,
            self.collection,
            self.look_around,
            self.dry_run,
        ]

    def _text(self) -> str:
        self.made += 1
        place, days = self.dice.choice(PLACES), self.dice.randint(3, 40)
        lines = [
            f"On day {day} of year {self.made} the {place} opens at {day % 12 + 1} and keeper {self.number} signs list "
            f"{day * self.made}."
            for day in range(days)
        ]
        return f"# The {place}\n\n" + "\n\n".join(lines)

    def _added(self, answer: requests.Response | None) -> None:
        if answer is not None:
            self.documents.append(answer.json()["id"])

    def add_text(self) -> None:
        body = {"title": f"Text {self.number}-{self.made}", "content": self._text()}
        self._added(self.call("add text", "POST", "/api/knowledge/documents/", json=body))

    def add_file(self) -> None:
        name = f"page-{self.number}-{self.made}.md"
        files = {"file": (name, self._text().encode(), "text/markdown")}
        self._added(self.call("add file", "POST", "/api/knowledge/documents/", files=files))

    def replace(self) -> None:
        if self.documents:
            id_ = self.dice.choice(self.documents)
            self.call("replace", "PUT", f"/api/knowledge/documents/{id_}/content/", json={"content": self._text()})

    def delete(self) -> None:
        if self.documents:
            id_ = self.documents.pop(self.dice.randrange(len(self.documents)))
            self.call("delete document", "DELETE", f"/api/knowledge/documents/{id_}/")

    def collection(self) -> None:
        self.made += 1
        body = {"name": f"collection {self.number}-{self.made}", "visibility": "members"}
        answer = self.call("make collection", "POST", "/api/knowledge/collections/", json=body)
        if answer is not None:
            self.call("delete collection", "DELETE", f"/api/knowledge/collections/{answer.json()['id']}/")

    def look_around(self) -> None:
        self.call("gaps", "GET", "/api/knowledge/gaps/")
        self.call("statistics", "GET", "/api/knowledge/stats/")
        self.call("documents", "GET", "/api/knowledge/documents/")
        self.call("events", "GET", "/api/users/security-events/")

    def dry_run(self) -> None:
        body = {"title": "Perhaps", "content": self._text()}
        self.call("dry run", "POST", "/api/knowledge/documents/", params={"dry_run": "1"}, json=body)
