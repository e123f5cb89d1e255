"""Passwords: which are accepted, that they are hashed as they came, once, and never too many at a time."""

from __future__ import annotations

import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select, update

from chatbot.auth.credentials import passwords
from chatbot.auth.models import User
from chatbot.current import services
from chatbot.db import begin_write
from tests.conftest import PASSWORD, sign_up

SIGNUP, LOGIN = "/api/users/signup/", "/api/users/login/"


@pytest.fixture(autouse=True)
def _bound_again():
    """The bound is one for the process; what a test has made of it must not reach the next."""
    yield
    passwords.bound_hashing(threads=32, processes=1)


@pytest.fixture
def hashed(monkeypatch):
    """The passwords that the hasher is given, to check and to store."""
    given = []
    for name in ("check_password_hash", "generate_password_hash"):
        real = getattr(passwords, name)
        position = 1 if name == "check_password_hash" else 0

        def counted(*args, _real=real, _position=position, **kwargs):
            given.append(args[_position])
            return _real(*args, **kwargs)

        monkeypatch.setattr(passwords, name, counted)
    return given


def weak(password, *names):
    return bool(passwords.weaknesses(password, *names))


def new_account(app, password):
    body = {"username": "ada", "email": "ada@example.com", "password": password, "password2": password}
    return app.test_client().post(SIGNUP, json=body)


def log_in(app, password, email="ada@example.com"):
    return app.test_client().post(LOGIN, json={"email": email, "password": password})


def change(session, user_id, **values):
    begin_write(session)
    session.execute(update(User).where(User.id == user_id).values(values))
    session.commit()


# The rules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "eightchr",
        "  a space at both ends  ",
        "x" + "ab3" * 21,
        "y" + "qr7" * 42 + "z",
        "пароль-длинный",
        "🔑🚪🏠🌳🌊🔥🌙⭐",
        "zo\u0308e und e\u0301mile",
        "Correct Horse",
        "ada likes tea",
        "ñandú ñandú",
    ],
    ids=["8", "spaces", "64", "128", "cyrillic", "8-emoji", "not-normalised", "upper-case", "name-inside", "two-words"],
)
def test_a_password_of_8_to_128_characters_is_taken_as_it_is(sqlite_app, password):
    """B6: nothing is trimmed, cut, folded or normalised, so only the very same text opens the account."""
    assert new_account(sqlite_app, password).status_code == 201
    assert log_in(sqlite_app, password).status_code == 200
    for other in (
        password.strip(),
        password.swapcase(),
        password[:72],
        unicodedata.normalize("NFC", password),
    ):
        assert log_in(sqlite_app, other).status_code == (200 if other == password else 401)


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("short77", 422),
        ("x1" * 64 + "y", 422),
        ("x" * 500_000, 422),
        ("x" * 1_100_000, 413),
        ("NUL\0 inside", 422),
        ("\ud800 a lone surrogate", 422),
        ("", 422),
        (None, 422),
        (12345678, 422),
        (["a", "b"], 422),
    ],
    ids=["7", "129", "half-a-MB", "beyond-the-body", "NUL", "surrogate", "empty", "null", "number", "list"],
)
@pytest.mark.parametrize("call", [new_account, log_in], ids=["signup", "login"])
def test_what_cannot_be_a_password_never_reaches_the_hasher(sqlite_app, hashed, call, password, status):
    """B6"""
    if call is log_in and password == "short77":
        status = 401  # One that is too short to be chosen may still be tried.
    answer = call(sqlite_app, password)
    assert answer.status_code == status
    assert hashed == (["short77"] if status == 401 else [])


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PASSWORD",
        "ｐａｓｓｗｏｒｄ",
        "12345678",
        "iloveyou",
        "chatbot1",
        "ChatBot2026!",
        "aaaaaaaa",
        "abababab",
        "ababababa",
        "12341234",
        "abcdefgh",
        "hgfedcba",
        "qwertyui",
        "poiuytrewq",
        "asdfghjk",
        "1q2w3e4r5t",
        "１２３４５６７８",
    ],
)
def test_what_is_tried_first_is_refused(password):
    """B7"""
    assert weak(password)


@pytest.mark.parametrize(
    "password",
    [
        "lovelace",
        "Lovelace",
        "ada@example.com",
        "Lovelace1815",
        "1815lovelace!",
        "!!lovelace!!",
        "ADA@example.com99",
        "countess_7",
        "Countess_7_8",
    ],
)
def test_the_own_name_is_refused_with_digits_around_it_too(password):
    """B7"""
    assert weak(password, "lovelace", "ada@example.com", "", "countess_7")


@pytest.mark.parametrize(
    "password",
    ["lovelace was here", "adalovelace", "correct horse", "correcthorsecorrecthorse", "xkcd-936-style", "--------x1"],
)
def test_what_only_looks_like_it_is_taken(password):
    """B7: no rules of composition."""
    assert not weak(password, "lovelace", "ada@example.com", "ada", "")


@pytest.mark.parametrize("password", ["seven77", "x1y" * 43])
def test_the_length_is_a_rule_for_the_command_line_too(password):
    """B6"""
    assert weak(password)


def test_a_weak_password_has_a_code_of_its_own(sqlite_app, hashed):
    """B7"""
    answer = new_account(sqlite_app, "ada@example.com1")
    assert (answer.status_code, answer.json["code"]) == (422, "password_too_common")
    assert hashed == []


# The hash -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "known", ["unknown", "wrong", "right", "unverified", "disabled", "disabled-wrong", "malformed"]
)
def test_a_login_hashes_once_whoever_asks(sqlite_app, hashed, known):
    """A4: with today's iterations for nobody's account too, in the first login of a process as in the last."""
    passwords._nobodys_hash.cache_clear()
    ada = sign_up(sqlite_app, "ada")
    with services(sqlite_app).sessions() as session:
        change(session, ada.id, is_verified=known != "unverified", is_active="disabled" not in known)
    hashed.clear()
    password = "wrong" if known in ("wrong", "disabled-wrong") else PASSWORD
    email = {"unknown": "nobody@example.com", "malformed": "no address"}.get(known, ada.email)
    status = {"right": 200, "unverified": 200, "disabled": 403}.get(known, 401)
    assert log_in(sqlite_app, password, email).status_code == status
    assert hashed == [password]


def test_nobody_has_a_password():
    """A4"""
    assert not passwords.verify_password(None, PASSWORD, 1_000)


def test_nobodys_hash_costs_what_todays_hashes_cost():
    """A4"""
    mine, nobodys = passwords.hash_password(PASSWORD, 1_234), passwords._nobodys_hash(1_234)
    assert [len(part) for part in mine.split("$")] == [len(part) for part in nobodys.split("$")]
    assert mine.split("$")[0] == nobodys.split("$")[0]


def test_a_renewed_hash_is_stored_with_the_session_it_was_asked_for(app, session, ada):
    """B9: in one transaction, and never again."""
    change(session, ada.id, password_hash=passwords.hash_password(PASSWORD, 1_500))
    statements = []
    engine = session.get_bind()
    note = lambda _c, _cur, statement, *_: statements.append(statement.split()[0])  # noqa: E731
    end = lambda _c: statements.append("COMMIT")  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", end)
    try:
        assert log_in(app, PASSWORD).status_code == 200
        first, stored = list(statements), session.scalar(select(User.password_hash))
        session.rollback()
        statements.clear()
        assert log_in(app, PASSWORD).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "commit", end)
    assert first[first.index("UPDATE") :].count("COMMIT") == 1
    assert "UPDATE" not in statements
    assert stored.startswith("pbkdf2:sha256:1000$")


# The bound ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threads", "processes", "cores", "inside", "waiting"),
    [(32, 1, 1, 1, 15), (32, 1, 2, 1, 15), (32, 1, 8, 7, 9), (32, 2, 8, 3, 13), (4, 1, 16, 2, 0), (32, 8, 4, 1, 15)],
)
def test_a_core_and_half_the_threads_stay_free(threads, processes, cores, inside, waiting):
    """B10"""
    places = passwords.places_for(threads, processes, cores)
    assert (places.inside, places.waiting) == (inside, waiting)


class Gate:
    """Stands in the hasher: says how many are inside, and lets them out when it is opened."""

    def __init__(self, monkeypatch):
        self.opened, self.arrived = threading.Event(), threading.Semaphore(0)
        self.inside, self.most, self._lock = 0, 0, threading.Lock()
        self._real = passwords.check_password_hash
        monkeypatch.setattr(passwords, "check_password_hash", self._check)

    def _check(self, stored, given):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.arrived.release()
        assert self.opened.wait(30)
        with self._lock:
            self.inside -= 1
        return self._real(stored, given)


def test_of_fifty_logins_at_once_the_excess_is_told_to_come_back(make_app, monkeypatch):
    """B10: without waiting, while the hasher stands still; health goes on, and those who waited get in."""
    app = make_app(web_threads=32)
    monkeypatch.setattr(passwords, "_places", passwords.Places(inside=2, waiting=14))
    sign_up(app, "ada")
    gate, answers, told = Gate(monkeypatch), [], threading.Semaphore(0)

    def run():
        answers.append(log_in(app, PASSWORD))
        told.release()

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    assert all(told.acquire(timeout=30) for _ in range(34))
    refused = list(answers)
    health = app.test_client().get("/healthz").status_code
    gate.opened.set()
    for thread in threads:
        thread.join()
    assert {(a.status_code, a.json["code"], a.headers["Retry-After"]) for a in refused} == {(503, "busy", "2")}
    assert (len(refused), health, gate.most) == (34, 200, 2)
    assert [answer.status_code for answer in answers[34:]] == [200] * 16


def elsewhere(call, *args):
    """What a call gives or raises in another thread, where a place that this one has does not count."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(call, *args).exception() or "done"


def test_every_place_is_free_again_afterwards(monkeypatch):
    """B10: after answers, refusals and faults."""
    places = passwords.Places(inside=1, waiting=0)
    monkeypatch.setattr(passwords, "_places", places)
    for _ in range(3):
        with pytest.raises(ValueError):
            passwords.verify_password("pbkdf2:sha256:many$salt$hash", "x", 1_000)
        with places.enter():
            assert isinstance(elsewhere(passwords.hash_password, "x", 1_000), passwords.Busy)
        assert elsewhere(passwords.hash_password, "x", 1_000) == "done"


def test_who_waits_too_long_is_told_to_come_back(monkeypatch):
    """B10"""
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.01)
    places = passwords.Places(inside=1, waiting=1)
    monkeypatch.setattr(passwords, "_places", places)
    with places.enter():
        refused = elsewhere(passwords.hash_password, "x", 1_000)
    assert (refused.status, refused.code, refused.retry_after) == (503, "busy", 2)
    assert elsewhere(passwords.hash_password, "x", 1_000) == "done"


def test_a_thread_with_a_place_needs_no_second_one(monkeypatch):
    """B10"""
    places = passwords.Places(inside=1, waiting=0)
    monkeypatch.setattr(passwords, "_places", places)
    with passwords.reserve():
        assert passwords.verify_password(passwords.hash_password(PASSWORD, 1_000), PASSWORD, 1_000)
        assert isinstance(elsewhere(passwords.hash_password, "x", 1_000), passwords.Busy)
    assert elsewhere(passwords.hash_password, "x", 1_000) == "done"


def test_a_place_that_was_left_has_to_be_taken_again(monkeypatch):
    """B10"""
    places, taken, over = passwords.Places(inside=1, waiting=0), threading.Event(), threading.Event()
    monkeypatch.setattr(passwords, "_places", places)
    with places.reserve():
        passwords.hash_password("x", 1_000)

    def hold():
        with places.reserve():
            taken.set()
            assert over.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    assert taken.wait(30)
    with pytest.raises(passwords.Busy):
        passwords.hash_password("x", 1_000)
    over.set()
    other.join()


def test_a_login_without_a_place_is_refused_before_anything_else_is_done(make_app, monkeypatch):
    """B10: it is not counted, and asks the database nothing."""
    app = make_app(ratelimit_enabled=True)
    sign_up(app, "ada")
    places, statements = passwords.Places(inside=1, waiting=0), []
    monkeypatch.setattr(passwords, "_places", places)
    with services(app).sessions() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    with places.enter(), ThreadPoolExecutor(1) as other:
        refused = other.submit(log_in, app, PASSWORD).result()
    assert (refused.status_code, refused.json["code"], statements) == (503, "busy", [])
    assert "RateLimit" not in refused.headers
    assert '"account";r=9' in log_in(app, "wrong").headers["RateLimit"]


def test_the_application_gives_half_its_threads_to_passwords(make_app):
    """B10"""
    make_app(web_threads=10)
    assert passwords._places.inside + passwords._places.waiting == 5
