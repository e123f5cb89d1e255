"""Confirming an address by the link in the mail."""

from __future__ import annotations

import json
import re
import threading
from email import message_from_bytes, policy
from urllib.parse import parse_qs, urlsplit

import pytest
from itsdangerous import TimestampSigner
from sqlalchemy import func, select, update

from chatbot.auth import guard, recovery
from chatbot.auth.credentials import tokens
from chatbot.auth.models import SecurityEvent, TokenFamily, User
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.mail.models import Mail
from chatbot.mail.tasks import deliver_mail, sweep_mails
from tests.broker_files import messages
from tests.conftest import PASSWORD, sign_up

URL = "/api/users/verify-email/"


def letters(app) -> list[str]:
    """What is in the outbox, after a worker has run."""
    with app.app_context():
        for mail_id in app_due(app):
            deliver_mail(mail_id)
    folder = services(app).settings.instance_path / "outbox"
    parsed = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in sorted(folder.glob("*.eml"))]
    return [message.get_body(("plain",)).get_content() for message in parsed]


def app_due(app) -> list[str]:
    from chatbot.mail.service import due_mails

    with services(app).sessions() as session:
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
    assert confirmed_events(session) == [ada.id]


def confirmed_events(session) -> list[str]:
    return list(session.scalars(select(SecurityEvent.user_id).where(SecurityEvent.kind == "email_verified")))


def test_of_two_who_confirm_at_once_one_has_done_it(app, session, ada, monkeypatch):
    """C1: the second waits until the first is done; it could not, were the row not held since the look."""
    token, others, same = token_of(link_of(app)), [], tokens.same

    def overtaken(*states):
        if not others:
            others.append(threading.Thread(target=verify, args=(app, token)))
            others[0].start()
            others[0].join(0.5)
        return same(*states)

    monkeypatch.setattr(tokens, "same", overtaken)
    assert verify(app, token).json["is_verified"]
    others[0].join()
    assert confirmed_events(session) == [ada.id]


def test_confirming_signs_nobody_in(app, session, ada):
    """C1: whoever reads somebody's mail gets the address confirmed, and no session."""
    answer = verify(app, token_of(link_of(app)))
    assert set(answer.json) == {
        "id",
        "username",
        "email",
        "first_name",
        "last_name",
        "is_verified",
        "is_admin",
        "created_at",
    }
    assert session.scalar(select(func.count()).select_from(TokenFamily)) == 1


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
    ada, settings = sign_up(sqlite_app, "ada"), services(sqlite_app).settings
    state, purpose = tokens.fingerprint(ada.email), tokens.VERIFY_EMAIL
    assert verify(sqlite_app, tokens.sign(settings.jwt_secrets(), purpose, ada.id, state)).status_code == 401
    assert verify(sqlite_app, tokens.sign(settings.mail_secrets(), "reset", ada.id, state)).status_code == 401
    assert verify(sqlite_app, tokens.sign(settings.mail_secrets(), purpose, ada.id, state)).status_code == 200


DAYS = 24 * 3600


@pytest.mark.parametrize(
    ("ago", "status"), [(3 * DAYS - 10, 200), (3 * DAYS + 1, 401), (-60, 401)], ids=["old", "too old", "future"]
)
def test_a_link_has_an_end(sqlite_app, monkeypatch, ago, status):
    """C3: after three days; and one from the future has not begun."""
    ada = sign_up(sqlite_app, "ada")
    then = int(utcnow().timestamp()) - ago
    with monkeypatch.context() as patched, services(sqlite_app).sessions() as session:
        patched.setattr(TimestampSigner, "get_timestamp", lambda _: then)
        token = recovery.verification_token(services(sqlite_app).settings, session.get(User, ada.id))
    answer = verify(sqlite_app, token)
    assert answer.status_code == status
    assert answer.json.get("code") == (None if status == 200 else "invalid_or_expired_token")


def test_a_link_dies_when_the_address_changes_or_the_account_goes(app, session, ada):
    """C6"""
    token = token_of(link_of(app))
    begin_write(session)
    session.execute(update(User).values(email="new@example.com"))
    session.commit()
    changed = verify(app, token)
    assert not session.scalar(select(User.is_verified))
    session.rollback()
    app.test_client().delete("/api/users/profile/", json={"password": PASSWORD}, headers=ada.headers)
    gone = verify(app, token)
    assert (changed.status_code, gone.status_code) == (401, 401)


def test_a_link_of_a_disabled_account_waits_until_it_is_enabled(app, session, ada):
    """C6 D7: a disabled account changes nothing, and is told no more than a wrong link tells."""
    token = token_of(link_of(app))
    for active, status in ((False, 401), (True, 200)):
        begin_write(session)
        session.execute(update(User).values(is_active=active))
        session.commit()
        answer = verify(app, token)
        assert (answer.status_code, session.scalar(select(User.is_verified))) == (status, active)
        session.rollback()
    assert answer.json["is_verified"]


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
    told = [file.read_text() for file in messages(tmp_path)]
    log = capsys.readouterr().err
    assert told
    assert token not in "".join(a.text + str(a.headers) for a in answers) + "".join(told) + log
    assert PASSWORD not in "".join(a.text for a in answers) + "".join(told) + log
    assert token.encode() not in (tmp_path / "chatbot.db").read_bytes()


def test_the_broker_carries_ids_only(make_app, tmp_path, session_of):
    """N11"""
    import base64

    app = make_app(instance_path=tmp_path)
    body = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}
    app.test_client().post("/api/users/signup/", json=body)
    (file,) = messages(tmp_path)
    message = json.loads(file.read_text())
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert message["content-type"] == "application/json"
    assert args == session_of(app).scalars(select(Mail.id)).all()
    assert kwargs == {}
    # Random ids may well hold the letters of a short name.
    assert "ada@" not in file.read_text() + base64.b64decode(message["body"]).decode()


@pytest.fixture
def session_of():
    """Sessions that are closed after the test."""
    opened = []

    def open_session(app):
        opened.append(services(app).sessions())
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
    assert len({tuple(a.headers) for a in asked}) == 1
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


NOBODY = "5f0c2a52-3f5e-4a39-9a3c-1f2f6f0a7b11"


def test_an_unconfirmed_address_keeps_everything_but_the_account_closed(make_app, database_url):
    """C16 A1: every endpoint but those of the own account says the same, streams included; none reads its body."""
    app = make_app(database_url=database_url, require_verified_email=True)
    ada, client = sign_up(app, "ada"), app.test_client()
    closed, streamed = [], {"message": "x", "stream": True}
    for rule in app.url_map.iter_rules():
        if guard.guard_of(app, rule.endpoint) == "user":
            url = re.sub(r"<uuid:\w+>", NOBODY, re.sub(r"<int:\w+>", "1", rule.rule))
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                closed.append(client.open(url, method=method, headers=ada.headers))
    closed.append(client.post("/api/chat/send/", json=streamed, headers=ada.headers))
    assert {(a.status_code, (a.json.get("error") or a.json)["code"]) for a in closed} == {(403, "email_not_verified")}
    assert len(closed) > 8
    assert client.get("/api/users/profile/", headers=ada.headers).status_code == 200
    assert verify(app, token_of(link_of(app))).status_code == 200
    assert client.get("/api/chat/history/", headers=ada.headers).status_code == 200


def test_whoever_is_not_confirmed_still_manages_the_own_account(make_app):
    """C16: to read it, to leave, to sign out, to change the password and to ask for another e-mail."""
    app = make_app(require_verified_email=True)
    ada, client = sign_up(app, "ada"), app.test_client()
    assert client.post(URL + "resend/", json={"email": ada.email}).status_code == 202
    assert client.get("/api/users/sessions/", headers=ada.headers).status_code == 200
    assert client.get("/api/users/export/", headers=ada.headers, buffered=True).status_code == 200
    body = {"current_password": PASSWORD, "password": "a lighthouse", "password2": "a lighthouse"}
    assert client.post("/api/users/password/change/", json=body, headers=ada.headers).status_code == 200
    assert client.post("/api/users/logout/", json={"refresh": ada.refresh}, headers=ada.headers).status_code == 204


def test_an_administrator_who_is_not_confirmed_is_told_so(make_app):
    """C16"""
    app = make_app(require_verified_email=True)
    root = sign_up(app, "root", admin=True)
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(User).values(is_verified=False))
        session.commit()
    answer = app.test_client().get("/api/users/security-events/", headers=root.headers)
    assert (answer.status_code, answer.json["code"]) == (403, "email_not_verified")


def test_the_sweep_sends_what_no_message_was_left_for(sqlite_app, tmp_path):
    """N3"""
    sign_up(sqlite_app, "ada")
    assert messages(tmp_path) == []
    sweep_mails()
    assert len(list((tmp_path / "outbox").iterdir())) == 1
