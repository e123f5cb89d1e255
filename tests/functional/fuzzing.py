"""Asks an application what its own OpenAPI document allows and what it forbids, with Schemathesis, in this process.

Each operation gets its examples, its boundary values and their violations, random good and bad requests, and chains
of requests in which one answer's ids are the next one's.
"""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.transport.wsgi import WSGITransport

from chatbot.auth.models import SCOPES
from chatbot.knowledge.parsing.errors import SENTENCES
from tests.conftest import PASSWORD, sign_up

# Who gives the tokens of the roles that do not sign in.
GIVERS = {"key": "administrator", "visitor": "key"}
PHASES = ("examples", "coverage", "fuzzing", "stateful")

# Good by the document and refused all the same: rules that no schema can state, by the sentence of the refusal.
# Whatever else the document allows has to be accepted.
BEYOND_SCHEMAS = {
    "A NUL character is not allowed.",  # In any text; a pattern on each would hide what matters.
    "A lone surrogate is not a character.",
    "This is not a cursor of this list.",  # Only the server makes them.
    "Choose one of: extractive.",  # The models are the installation's own.
    "Give the collection a name.",  # It consisted of invisible characters.
    "This is not an e-mail address.",  # The grammar of addresses is no pattern.
    "Use 3 to 150 letters, digits or . _ + -",  # Letters of all scripts, after NFKC.
    "The two passwords differ.",  # One field depends on another.
    # A gap is closed with one of two fields, and a third that belongs to it.
    "Send either an answer or the relevant documents.",
    "Only an answer goes into a collection.",
    "Only relevant documents go into a set.",
    "There is no such document.",  # It depends on what is stored.
    "Give the set a name.",
    "This password is too easy to guess.",  # A list of 30,000.
    "This is in the past.",  # It depends on the day.
    "This Idempotency-Key was used for another request; take a new one.",  # It depends on what came before.
    # The grammar of URLs is no pattern, nor is where they lead.
    "This is not an address that can be read.",
    "Only addresses that begin with http:// or https:// can be fetched.",
    "The address has characters that do not belong into one.",
    "The address may not have a user name or a password in it.",
    "The address has no host name that can be looked up.",
    "The address in brackets is not an IPv6 address.",
    "The address is longer than 2000 characters.",
    "The port is not a number.",
    "Only the ports that this server is set to may be used, by default 80 and 443.",
    "Write an IPv4 address as four decimal numbers.",
    "A URL is fetched by a worker; there is nothing to preview.",
    "This host leads to an address that is not on the public internet.",
    # What an OpenAI client asks is its last message, and other rules hold for it than for the ones before.
    "The last message has to be a question of the user.",
    "Ask something.",
    "Only text can be read: a string, or parts of the type `text`.",
    "A question has at most 8000 characters and 24000 bytes.",
    *SENTENCES.values(),  # What a file is, is known when it is read.
}


@dataclass
class Report:
    """What came of a run: the answers by operation and status, and everything that was not as promised."""

    seed: int
    answers: dict[str, Counter[int]] = field(default_factory=dict)
    failures: dict[tuple[str, str, str], str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        return sum(self.answers.values(), Counter())

    @property
    def let_in(self) -> float:
        """The share of answers other than 401."""
        return 1 - self.statuses[401] / max(1, self.statuses.total())

    @property
    def checks(self) -> set[str]:
        """The names of the checks that failed."""
        return {check for check, _operation, _title in self.failures}

    def told(self) -> str:
        """The failures, each with a request that shows it."""
        return "\n\n".join(f"{' | '.join(key)}\n{text}" for key, text in self.failures.items())

    def summary(self) -> str:
        """One line of figures."""
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.statuses.total()} requests, {self.let_in:.0%} not 401, seed {self.seed}: {counts}"

    def note(self, scenario: Any) -> None:
        """Keeps one example of each kind of failure."""
        for case_id, checks in scenario.checks.items():
            for check in checks:
                if check.status is Status.FAILURE:
                    found = check.failure_info.failure
                    text = f"{found.message}\n{check.failure_info.code_sample}"
                    if case_id in scenario.interactions:
                        text += f"\n{scenario.interactions[case_id].response.content[:500]!r}"
                    self.failures.setdefault((check.name, found.operation, found.title), text)


class Somebody:
    """Of a role. Who has signed out signs in again, and who has deleted the account or the key makes a new one."""

    def __init__(self, app: Flask, role: str, numbers: Iterator[int] | None = None) -> None:
        self._app, self._role = app, role
        self._client = app.test_client()
        self._numbers = numbers or itertools.count()
        self._email = self._access = ""
        self._perhaps_ended = True
        self._giver = Somebody(app, GIVERS[role], self._numbers) if role in GIVERS else None

    def access(self) -> str | None:
        """A token that works now; None for nobody."""
        if self._role != "anonymous" and self._perhaps_ended and not self._works():
            self._access = self._given(self._giver) if self._giver else self._signed_in() or self._signed_up()
        self._perhaps_ended = False
        return self._access or None

    def saw(self, method: str, path: str, status: int) -> None:
        """Looks at an answer: only what changes an account can have ended the token, and 401 may be a sign of it."""
        changes = method not in ("GET", "HEAD", "OPTIONS") and path.startswith("/api/users/") and status < 300
        self._perhaps_ended = self._perhaps_ended or changes or status == 401

    def _works(self) -> bool:
        page = "/api/chat/models/" if self._role == "visitor" else "/api/users/profile/"
        return self._client.get(page, headers={"Authorization": f"Bearer {self._access}"}).status_code == 200

    def _given(self, giver: Somebody) -> str:
        giver._perhaps_ended = True
        headers = {"Authorization": f"Bearer {giver.access()}"}
        if self._role == "visitor":
            token = self._client.post("/api/users/visitor-tokens/", json={"sub": "customer-1"}, headers=headers)
            return str(token.json["access"])
        wanted = {"name": "a key", "scopes": list(SCOPES)}
        key = self._client.post("/api/users/api-keys/", json=wanted, headers=headers)
        if key.status_code == 409:  # The account has as many as it may have.
            self._giver = Somebody(self._app, GIVERS[self._role], self._numbers)
            return self._given(self._giver)
        return str(key.json["key"])

    def _signed_in(self) -> str:
        answer = self._client.post("/api/users/login/", json={"email": self._email, "password": PASSWORD})
        return str(answer.json["access"]) if answer.status_code == 200 else ""

    def _signed_up(self) -> str:
        name = f"{self._role}{next(self._numbers)}"
        person = sign_up(self._app, name, admin=self._role == "administrator")
        self._email = person.email
        return person.access


def fuzz(
    app: Flask,
    role: str,
    examples: int,
    *,
    seed: int | None = None,
    phases: tuple[str, ...] = PHASES,
    only: list[str] | None = None,
    and_then: Callable[[], None] = lambda: None,
) -> Report:
    """Asks every operation, or only the named ones, with this many random requests beside the systematic ones.

    Without a seed the requests are the same at every run. `and_then` is called when the document has been read.
    """
    config = _configuration(role, examples, seed, phases)
    somebody, report = Somebody(app, role), Report(config.seed)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app, config=config)
    schema = schema.include(operation_id=only) if only else schema
    and_then()
    _hook(schema, somebody, report)
    with _probes_without_sockets():
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                report.note(event.recorder)
            if isinstance(event, events.NonFatalError) and event.related_to_operation:
                report.errors.append(f"{event.label}: {event.info.title}: {event.info.message}")
            if isinstance(event, events.FatalError):
                raise event.exception
    return report


def _configuration(role: str, examples: int, seed: int | None, phases: tuple[str, ...]) -> schemathesis.Config:
    generation = {
        "max-examples": examples,
        "deterministic": seed is None,
        "no-shrink": True,
        "database": "none",
        # Wrong and missing tokens are nobody's part; the others would get little else than 401 by them.
        "with-security-parameters": role == "anonymous",
    }
    which: dict[str, Any] = {name: {"enabled": name in phases} for name in PHASES}
    which["coverage"]["generate-duplicate-query-parameters"] = True
    # All checks are on by default.
    return schemathesis.Config.from_dict(
        {
            "seed": seed or 1,
            "generation": generation,
            "phases": which,
            "continue-on-failure": True,
            "warnings": False,
        }
    )


def _hook(schema: Any, somebody: Somebody, report: Report) -> None:
    @schema.auth(refresh_interval=None)
    class _Token:
        def get(self, case: Any, context: Any) -> str | None:
            return somebody.access()

        def set(self, case: Any, access: str, context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {access}"

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        """Two random passwords never agree, and no account would be made."""
        twice = isinstance(body, dict) and {"password", "password2"} <= body.keys()
        return body | {"password2": body["password"]} if twice else body

    @schema.hook
    def after_call(context: Any, case: Any, response: Any) -> None:
        report.answers.setdefault(case.operation.label, Counter())[response.status_code] += 1
        somebody.saw(case.method, case.path, response.status_code)

    @schema.hook
    def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
        return not (isinstance(failure, RejectedPositiveData) and _beyond_schemas(response))


def _beyond_schemas(refusal: Any) -> bool:
    """Whether a refusal has no other reason than rules that no schema can state."""
    if refusal.headers["content-type"] != ["application/problem+json"]:
        return any(html.escape(sentence) in refusal.text for sentence in BEYOND_SCHEMAS)
    problem = refusal.json()
    reasons = {error["detail"] for error in problem.get("errors", ())} or {problem["detail"]}
    return reasons <= BEYOND_SCHEMAS


@contextmanager
def _probes_without_sockets() -> Iterator[None]:
    """The engine hands its probes settings of sockets, and Werkzeug's client knows none (Schemathesis 4.32).

    Without this the check for ignored tokens ends in an error.
    """
    sent, of_sockets = WSGITransport.send, {"max_redirects", "verify", "cert", "proxies"}

    def send(self: WSGITransport, case: Any, **how: Any) -> Any:
        return sent(self, case, **{name: value for name, value in how.items() if name not in of_sockets})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGITransport, "send", send)
        yield


def closing(application: Any) -> Any:
    """What a server does and Werkzeug's client leaves to its caller: an answer is read to its end, and closed."""

    def closed(environ: Any, start_response: Any) -> list[bytes]:
        answer = application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()

    return closed
