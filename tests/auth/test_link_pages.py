"""The small pages behind the links of e-mails: what they ask, what they answer, and what they give away: nothing."""

from __future__ import annotations

import html
import re

import pytest

from chatbot.auth import recovery
from chatbot.auth.credentials import passwords
from chatbot.auth.models import User
from chatbot.current import services
from tests.conftest import PASSWORD, sign_up

VERIFY, RESET = "/api/users/verify-email/", "/api/users/password/reset/"
NEW, NEWER = "a lighthouse in the fog", "two lighthouses in the fog"
MAKERS = {VERIFY: recovery.verification_token, RESET: recovery.reset_token}
ASKS = {VERIFY: "Confirm your e-mail address", RESET: "Choose a new password"}
DONE = {VERIFY: "Your address is confirmed.", RESET: "Your password is changed."}
BROKEN = "This link does not work."

both = pytest.mark.parametrize("url", [VERIFY, RESET], ids=["verify", "reset"])


def token_for(app, who, url: str) -> str:
    with services(app).sessions() as session:
        return MAKERS[url](services(app).settings, session.get(User, who.id))


def submit(app, url: str, token: str, password: str = NEW, password2: str | None = None):
    """What a browser sends from the page: its form's fields, to the page's own address."""
    twice = {"password": password, "password2": password if password2 is None else password2}
    fields = {"data": twice if url == RESET else {}, "content_type": "application/x-www-form-urlencoded"}
    return app.test_client().post(url, query_string={"token": token}, **fields)


def log_in(app, who, password: str = PASSWORD) -> int:
    body = {"email": who.email, "password": password}
    return app.test_client().post("/api/users/login/", json=body).status_code


def assert_page(answer, status: int, text: str) -> None:
    """A page with this status and text that loads nothing from elsewhere and tells nobody where it is."""
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert text in html.unescape(answer.text)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert '<meta name="referrer" content="no-referrer">' in answer.text
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    directives = {part.strip() for part in answer.headers["Content-Security-Policy"].split(";")}
    nothing = {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"}
    assert directives == nothing | {"style-src 'self'"}
    assert all(url.startswith("/static/") for url in re.findall(r'(?:src|href|action)="([^"]+)"', answer.text))
    assert "<script" not in answer.text
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert ("Location" in answer.headers, "Set-Cookie" in answer.headers) == (False, False)


@both
def test_the_page_asks_and_changes_nothing(app, session, ada, url):
    """C10: and holds no token that a copy of it could give away."""
    token = token_for(app, ada, url)
    page = app.test_client().get(f"{url}?token={token}")
    assert_page(page, 200, ASKS[url])
    assert page.text.count("<form") == page.text.count('<form method="post">') == 1
    assert token not in page.text + str(page.headers)
    assert not session.get(User, ada.id).is_verified
    assert log_in(app, ada) == 200


@both
def test_the_page_is_the_same_whatever_the_link_says(sqlite_app, url):
    """A8 C10 G10: nothing of the address is repeated, and nothing is told before the form is sent."""
    ada, client = sign_up(sqlite_app, "ada"), sqlite_app.test_client()
    good = client.get(url, query_string={"token": token_for(sqlite_app, ada, url)})
    for token in ("x", '"><script>alert(1)</script>', "{{ 7 * 7 }}"):
        assert client.get(url, query_string={"token": token}).data == good.data
    assert "This link does not work" in client.get(url).text


@both
def test_the_form_of_the_page_does_what_the_letter_promised(app, session, ada, url):
    answer = submit(app, url, token_for(app, ada, url))
    assert_page(answer, 200, DONE[url])
    assert "<form" not in answer.text
    assert session.get(User, ada.id).is_verified
    assert log_in(app, ada, NEW if url == RESET else PASSWORD) == 200


@pytest.mark.parametrize(
    ("password", "password2", "reason"),
    [
        ("qwertyuiop", None, "This password is too easy to guess."),
        (NEW, NEWER, "The two passwords differ."),
        ("tooshrt", None, "Length must be between 8 and 128."),
        ("", None, "Length must be between 8 and 128."),
    ],
    ids=["common", "differ", "short", "empty"],
)
def test_the_page_says_why_a_password_is_refused_and_asks_again(app, ada, password, password2, reason):
    token = token_for(app, ada, RESET)
    answer = submit(app, RESET, token, password, password2)
    assert_page(answer, 422, reason)
    assert answer.text.count('role="alert"') == answer.text.count('<form method="post">') == 1
    assert [typed for typed in (password, token) if typed and typed in answer.text] == []
    assert_page(submit(app, RESET, token), 200, DONE[RESET])


@both
@pytest.mark.parametrize("token", ["x", "<b>x</b>", "a.b.c"])
def test_a_link_that_is_none_is_answered_with_a_page(sqlite_app, url, token):
    """C5"""
    answer = submit(sqlite_app, url, token)
    assert_page(answer, 401, BROKEN)
    assert ("<b>" in answer.text, "<form" in answer.text) == (False, False)


@both
def test_a_link_of_the_other_letter_is_answered_with_a_page(app, ada, url):
    """C2"""
    (other,) = {VERIFY, RESET} - {url}
    assert_page(submit(app, url, token_for(app, ada, other)), 401, BROKEN)
    assert log_in(app, ada) == 200


def test_a_reset_link_that_was_used_is_answered_with_a_page(app, ada):
    """C8"""
    token = token_for(app, ada, RESET)
    submit(app, RESET, token)
    assert_page(submit(app, RESET, token, NEWER), 401, BROKEN)
    assert log_in(app, ada, NEW) == 200


def test_a_confirmation_link_that_was_used_says_that_all_is_well(app, ada):
    """C1"""
    token = token_for(app, ada, VERIFY)
    for _ in range(2):
        assert_page(submit(app, VERIFY, token), 200, DONE[VERIFY])


@both
def test_a_form_without_a_token_is_answered_with_a_page(sqlite_app, url):
    fields = {"data": {"password": NEW, "password2": NEW}} if url == RESET else {}
    answer = sqlite_app.test_client().post(url, content_type="application/x-www-form-urlencoded", **fields)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")


def test_a_field_the_page_does_not_have_is_refused(app, session, ada):
    """F5"""
    fields = {"password": NEW, "password2": NEW, "is_admin": "true"}
    answer = app.test_client().post(RESET, query_string={"token": token_for(app, ada, RESET)}, data=fields)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert (session.get(User, ada.id).is_admin, log_in(app, ada)) == (False, 200)


def test_a_page_of_a_busy_server_keeps_the_link_usable(sqlite_app, monkeypatch):
    """B10: it says so, and when to come back, instead of calling the link used up."""
    ada = sign_up(sqlite_app, "ada")
    token = token_for(sqlite_app, ada, RESET)
    monkeypatch.setattr(passwords, "_places", passwords.Places(1, 0))
    with passwords._places.enter():
        answer = submit(sqlite_app, RESET, token)
    assert_page(answer, 503, "try again")
    assert '<form method="post">' in answer.text
    assert_page(submit(sqlite_app, RESET, token), 200, DONE[RESET])
