"""Confirming an address by the link in the mail."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from email import message_from_bytes, policy
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select, update

from chatbot.auth import service, tokens
from chatbot.auth.models import TokenFamily, User
from chatbot.db import begin_write
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail, sweep_mails
from tests.conftest import PASSWORD, sign_up

URL = "/api/users/verify-email/"


def letters(app) -> list[str]:
    """What is in the outbox, after a worker has run."""
    with app.app_context():
        for mail_id in app_due(app):
            deliver_mail(mail_id)
    folder = app.extensions["settings"].instance_path / "outbox"
    parsed = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in sorted(folder.glob("*.eml"))]
    return [message.get_content() for message in parsed]


def app_due(app) -> list[str]:
    from chatbot.mail.service import due_mails

    with app.extensions["sessions"]() as session:
        return due_mails(session)


def link_of(app) -> str:
    return re.search(r"https?://\S+", letters(app)[-1])[0]


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def verify(app, token: str, **kwargs):
    return app.test_client().post(URL, json={"token": token}, **kwargs)


def test_the_link_of_the_mail_confirms_the_address(app, session, ada):
    link = link_of(app)
    page = app.test_client().get(link)
    answer = verify(app, token_of(link))
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert (answer.status_code, answer.json["is_verified"]) == (200, True)
    assert session.get(User, ada.id).is_verified


def test_opening_the_link_confirms_nothing(app, session, ada):
    """Mail scanners open links."""
    app.test_client().get(link_of(app))
    assert not session.get(User, ada.id).is_verified


def test_the_page_loads_nothing_from_elsewhere_and_leaks_no_address(sqlite_app):
    """C10"""
    page = sqlite_app.test_client().get(f"{URL}?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert all(url.startswith("/") for url in re.findall(r'(?:src|href|action)="([^"]+)"', page.text))


def test_the_button_of_the_page_confirms_the_address(app, session, ada):
    answer = app.test_client().post(URL, data={"token": token_of(link_of(app))})
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "confirmed" in answer.text
    assert session.get(User, ada.id).is_verified


def test_confirming_twice_changes_nothing(app, session, ada):
    """C1"""
    token = token_of(link_of(app))
    first, second = verify(app, token), verify(app, token)
    assert (first.status_code, second.status_code, first.json == second.json) == (200, 200, True)
    assert session.scalar(select(func.count()).select_from(TokenFamily)) == 1
    assert "access" not in second.text


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: "A" + t, lambda t: t.replace(".", "", 1), lambda _: "x"]
)
def test_a_tampered_token_confirms_nothing(sqlite_app, change):
    """C5"""
    sign_up(sqlite_app, "ada")
    answer = verify(sqlite_app, change(token_of(link_of(sqlite_app))))
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_or_expired_token")


def test_a_token_signed_with_the_secret_of_the_jwts_confirms_nothing(sqlite_app):
    """C5"""
    ada, settings = sign_up(sqlite_app, "ada"), sqlite_app.extensions["settings"]
    state = tokens.fingerprint(ada.email)
    assert verify(sqlite_app, tokens.sign(settings.jwt_secret(), tokens.VERIFY_EMAIL, ada.id, state)).status_code == 401
    assert verify(sqlite_app, tokens.sign(settings.secret(), "reset", ada.id, state)).status_code == 401
    assert verify(sqlite_app, tokens.sign(settings.secret(), tokens.VERIFY_EMAIL, ada.id, state)).status_code == 200


def test_a_link_has_an_end(sqlite_app, monkeypatch):
    """C3"""
    sign_up(sqlite_app, "ada")
    token = token_of(link_of(sqlite_app))
    monkeypatch.setattr(service, "VERIFY_LIFETIME", timedelta(seconds=-1))
    assert verify(sqlite_app, token).json["code"] == "invalid_or_expired_token"


def test_a_link_dies_when_the_address_changes_or_the_account_goes(app, session, ada):
    """C6"""
    token = token_of(link_of(app))
    begin_write(session)
    session.execute(update(User).values(email="new@example.com"))
    session.commit()
    changed = verify(app, token)
    app.test_client().delete("/api/users/profile/", json={"password": PASSWORD}, headers=ada.headers)
    gone = verify(app, token)
    assert (changed.status_code, gone.status_code) == (401, 401)


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded"])
def test_the_link_leads_to_the_configured_address(make_app, header):
    """C11"""
    app = make_app(public_url="https://chat.example.com/", trusted_proxy_hops=1)
    sign_up(app, "ada")
    value = "host=evil.test" if header == "Forwarded" else "evil.test"
    app.test_client().post(URL + "resend/", json={"email": "ada@example.com"}, headers={header: value})
    assert len(letters(app)) == 2
    for letter in letters(app):
        assert "https://chat.example.com/api/users/verify-email/?token=" in letter
        assert "evil" not in letter


def test_the_token_is_only_in_the_letter(make_app, tmp_path, capsys):
    """C10 P1: not in an answer, a header, a log, the broker's files or a row."""
    app = make_app(log_level="DEBUG", log_format="json", instance_path=tmp_path)
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}
    answers = [app.test_client().post("/api/users/signup/", json=body)]
    link = link_of(app)
    token = token_of(link)
    answers += [app.test_client().post(URL, json={"token": token}), verify(app, token + "x")]
    messages = [file.read_text() for file in (tmp_path / "broker" / "messages").iterdir()]
    log = capsys.readouterr().err
    assert messages
    assert token not in "".join(a.text + str(a.headers) for a in answers) + "".join(messages) + log
    assert PASSWORD not in "".join(a.text for a in answers) + "".join(messages) + log
    assert token.encode() not in (tmp_path / "chatbot.db").read_bytes()


def test_the_broker_carries_ids_only(make_app, tmp_path, session_of):
    """N11"""
    import base64

    app = make_app(instance_path=tmp_path)
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}
    app.test_client().post("/api/users/signup/", json=body)
    (file,) = (tmp_path / "broker" / "messages").iterdir()
    message = json.loads(file.read_text())
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert message["content-type"] == "application/json"
    assert args == session_of(app).scalars(select(Mail.id)).all()
    assert kwargs == {}
    assert "ada" not in file.read_text()


@pytest.fixture
def session_of():
    """Sessions that are closed after the test."""
    opened = []

    def open_session(app):
        opened.append(app.extensions["sessions"]())
        return opened[-1]

    yield open_session
    for session in opened:
        session.close()


def test_asking_again_looks_the_same_for_everybody(app, session, ada, bob):
    """A3"""
    begin_write(session)
    session.execute(update(User).where(User.id == bob.id).values(is_verified=True))
    session.commit()
    headers = {"X-Request-ID": "same-request"}
    asked = [
        app.test_client().post(URL + "resend/", json={"email": email}, headers=headers)
        for email in (ada.email, bob.email, "nobody@example.com", "not an address")
    ]
    assert {(a.status_code, a.data) for a in asked} == {(202, b"{}\n")}
    assert session.scalar(select(func.count()).select_from(Mail).where(Mail.user_id == ada.id)) == 2
    assert session.scalar(select(func.count()).select_from(Mail)) == 3


def test_a_letter_to_somebody_who_is_confirmed_is_not_sent(app, session, ada):
    verify(app, token_of(link_of(app)))
    begin_write(session)
    mail = Mail(kind="verify_email", user_id=ada.id, recipient=ada.email)
    session.add(mail)
    session.commit()
    assert len(letters(app)) == 1
    assert session.scalar(select(Mail.status).where(Mail.id == mail.id)) == "cancelled"


def test_an_unconfirmed_address_keeps_everything_but_the_account_closed(make_app, database_url):
    """C16 A1"""
    app = make_app(database_url=database_url, require_verified_email=True)
    ada = sign_up(app, "ada")
    client = app.test_client()
    closed = [
        client.get("/api/chat/history/", headers=ada.headers), client.get("/api/knowledge/search/?q=x",
        headers=ada.headers),
        client.post("/api/chat/send/", json={"message": "x"}, headers=ada.headers),
        client.post("/api/chat/send/", json={"message": "x", "stream": True}, headers=ada.headers),
    ]  # fmt: skip
    assert {(a.status_code, a.json["code"]) for a in closed} == {(403, "email_not_verified")}
    assert client.get("/api/users/profile/", headers=ada.headers).status_code == 200
    assert verify(app, token_of(link_of(app))).status_code == 200
    assert client.get("/api/chat/history/", headers=ada.headers).status_code == 200


def test_the_sweep_sends_what_no_message_was_left_for(sqlite_app, tmp_path):
    """N3"""
    sign_up(sqlite_app, "ada")
    assert list((tmp_path / "broker" / "messages").iterdir()) == []
    sweep_mails()
    assert len(list((tmp_path / "outbox").iterdir())) == 1
