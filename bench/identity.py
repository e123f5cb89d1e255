"""What an attack on the front door costs everybody else: fifty logins at once, and two hundred refreshes at once.

    python -m bench.identity

A real gunicorn with the default settings, on SQLite, passwords with all their rounds. Health is asked every 20 ms, as a
host would, and timed from when it was due, so that a question that had to wait counts those behind it as well.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask

from bench.temp_app import PASSWORD, gunicorn, quantiles, temp_app
from chatbot.auth.credentials import jwts, passwords
from chatbot.auth.models import TokenFamily, User
from chatbot.current import services
from chatbot.db import begin_write, new_id, utcnow

LOGINS, FAMILIES, EVERY, IDLE_SECONDS = 50, 200, 0.02, 5.0


def fill(app: Flask) -> list[str]:
    """Puts in as many accounts as there are families, each with a session; gives their refresh tokens."""
    settings = services(app).settings
    stored = passwords.hash_password(PASSWORD, settings.password_iterations)
    now, issued = utcnow(), []
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        for n in range(FAMILIES):
            user = User(
                id=new_id(), username=f"user{n}", username_key=f"user{n}", email=address(n), password_hash=stored
            )
            expires_at = now + timedelta(days=7)
            family = TokenFamily(id=new_id(), user_id=user.id, current_jti=new_id(), expires_at=expires_at)
            session.add(user)
            session.flush()
            session.add(family)
            issued.append(jwts.issue_refresh(user.id, family.id, family.current_jti, now, expires_at))
        session.commit()
    return issued


def address(n: int) -> str:
    """Where the n-th account gets its letters."""
    return f"user{n}@example.com"


def call(port: int, method: str, path: str, body: object = None, client: str = "192.0.2.1") -> tuple[int, Any]:
    """The status and what the answer says, over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": client}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    response = connection.getresponse()
    said = json.loads(response.read())
    connection.close()
    return response.status, said


class Health:
    """Asks for health every 20 ms until it is told to stop, and keeps the seconds each answer took."""

    def __init__(self, port: int) -> None:
        self.seconds: list[float] = []
        self._port, self._over = port, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Health:
        self._thread.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        due = time.perf_counter()
        while not self._over.is_set():
            time.sleep(max(0.0, due - time.perf_counter()))
            status, _ = call(self._port, "GET", "/healthz")
            if status != 200:
                raise RuntimeError(f"health answered {status}")
            self.seconds.append(time.perf_counter() - due)
            due += EVERY


def at_once(count: int, ask: Callable[[int], tuple[int, Any]]) -> list[tuple[float, int, Any]]:
    """So many clients that begin together: the seconds each took, its status and what it was told."""
    start, told = threading.Barrier(count), []

    def run(number: int) -> None:
        start.wait()
        begin = time.perf_counter()
        status, said = ask(number)
        told.append((time.perf_counter() - begin, status, said))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def log_in(port: int) -> Callable[[int], tuple[int, Any]]:
    """The n-th person signs in, from an address of their own."""
    return lambda n: call(
        port, "POST", "/api/users/login/", {"email": address(n), "password": PASSWORD}, f"198.51.100.{n}"
    )


def jti(answer: dict[str, str]) -> str:
    """The id of the refresh token in an answer."""
    payload = answer["refresh"].split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


def main() -> None:
    """Prints both."""
    with temp_app() as app:
        issued = fill(app)
        with gunicorn(app, TRUSTED_PROXY_HOPS="1") as port:
            with Health(port) as idle:
                time.sleep(IDLE_SECONDS)
            with Health(port) as compared:
                at_once(LOGINS, lambda n: call(port, "POST", "/api/users/login/", {"nothing": n}))
                time.sleep(IDLE_SECONDS)
            with Health(port) as pressed:
                logins = at_once(LOGINS, log_in(port))
            refreshes = at_once(
                FAMILIES, lambda n: call(port, "POST", "/api/users/token/refresh/", {"refresh": issued[n]})
            )
    _report_logins(logins)
    _report_health(idle.seconds, compared.seconds, pressed.seconds)
    _report_refreshes(refreshes)


def _report_logins(logins: list[tuple[float, int, Any]]) -> None:
    print(f"\n{LOGINS} logins at once, from as many addresses, WEB_THREADS=32")
    for status, count in sorted(Counter(status for _, status, _ in logins).items()):
        p50, p99 = quantiles([seconds for seconds, each, _ in logins if each == status])
        print(f"{count} answered {status}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def _report_health(idle: list[float], compared: list[float], pressed: list[float]) -> None:
    """The burst alone costs something, whatever is asked for: hence the comparison."""
    print(f"{'GET /healthz, every 20 ms':44}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    rows = (("idle", idle), (f"{LOGINS} requests at once that hash nothing", compared), (f"{LOGINS} logins", pressed))
    for name, seconds in rows:
        p50, p99 = quantiles(seconds)
        print(f"{f'  {name}':44}{p50:9.1f}{p99:9.1f}{max(seconds) * 1000:9.1f}")


def _report_refreshes(refreshes: list[tuple[float, int, Any]]) -> None:
    given = [jti(said) for _, status, said in refreshes if status == 200]
    p50, p99 = quantiles([seconds for seconds, _, _ in refreshes])
    print(f"\n{FAMILIES} sessions refreshed by as many clients at once")
    print(f"{len(given)} succeeded, {len(given) - len(set(given))} ids given twice, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


if __name__ == "__main__":
    main()
