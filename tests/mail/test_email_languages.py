"""E-mails in the language of the request that they answer."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chatbot.auth import recovery
from chatbot.auth.models import User
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.mail.emails import Email
from chatbot.mail.models import Mail
from chatbot.translations import LANGUAGES, translated
from tests.conftest import PASSWORD, ROOT, sign_up
from tests.mail.conftest import add_mail

SUBJECTS = {
    recovery.VERIFY_MAIL: "Confirm your e-mail address",
    recovery.RESET_MAIL: "Choose a new password",
    recovery.CHANGED_MAIL: "Your password was changed",
}
TEMPLATES = sorted((ROOT / "chatbot" / "templates" / "letters").iterdir())


def written(app: Flask, session: Session, mail: Mail) -> Email:
    letter = services(app).mailer.builders[mail.kind](session, mail)
    session.rollback()
    assert letter is not None
    return letter


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_letter_is_wholly_in_its_language(sqlite_app: Flask, language: str, kind: str) -> None:
    ada = sign_up(sqlite_app, "ada")
    with services(sqlite_app).sessions() as session:
        mail = add_mail(session, ada.id, kind, recipient=ada.email, language=language)
        with sqlite_app.app_context():
            letter = written(sqlite_app, session, mail)

    assert letter.subject == translated(SUBJECTS[kind], language)
    assert f'<html lang="{language}"' in letter.html
    assert letter.text.startswith(translated("Hello {name},", language).format(name="ada"))
    assert "<bdi>ada</bdi>" in letter.html
    said = [sentence for sentence in english() if len(sentence) > 20 and "{" not in sentence]
    flat = " ".join(f"{letter.text} {letter.html}".split())
    left = [sentence for sentence in said if sentence in flat]
    assert bool(left) == (language == "en"), left
    assert not re.search(r"\{\w+\}", flat)


def english() -> set[str]:
    """The sentences of the templates."""
    return {found for path in TEMPLATES for found in re.findall(r'say\("([^"]+)"', path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_sentence_of_the_templates_is_translated(language: str) -> None:
    named = {
        *english(),
        *SUBJECTS.values(),
        "{date} at {time} UTC",
        "1 day",
        "{number} days",
        "1 hour",
        "{number} hours",
    }
    assert len(english()) > 10
    assert [sentence for sentence in named if translated(sentence, language) == sentence] == []


def test_each_way_to_a_letter_keeps_the_language_of_its_request(sqlite_app: Flask) -> None:
    client = sqlite_app.test_client()
    fields = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}
    mail = {"email": "ada@example.com"}

    def post(path: str, body: dict[str, str], liked: str, **headers: str) -> None:
        answer = client.post(f"/api/users/{path}", json=body, headers={"Accept-Language": liked, **headers})
        assert answer.status_code in (200, 201, 202), answer.json

    post("signup/", fields, "de-AT,en;q=0.5")
    post("verify-email/resend/", mail, "es")
    post("password/forgot/", mail, "zh-Hans")
    with sqlite_app.app_context(), services(sqlite_app).sessions() as session:
        user = session.scalars(select(User)).one()
        token = recovery.reset_token(services(sqlite_app).settings, user)
    post("password/reset/", {"token": token, "password": PASSWORD + "x", "password2": PASSWORD + "x"}, "fr")
    access = client.post("/api/users/login/", json=mail | {"password": PASSWORD + "x"}).json["access"]  # type: ignore[index]
    change = {"current_password": PASSWORD + "x", "password": PASSWORD, "password2": PASSWORD}
    post("password/change/", change, "pt", Authorization=f"Bearer {access}")

    with services(sqlite_app).sessions() as session:
        queued = session.scalars(select(Mail).order_by(Mail.created_at)).all()
    assert [(letter.kind, letter.language) for letter in queued] == [
        (recovery.VERIFY_MAIL, "de"),
        (recovery.VERIFY_MAIL, "es"),
        (recovery.RESET_MAIL, "zh"),
        (recovery.CHANGED_MAIL, "fr"),
        (recovery.CHANGED_MAIL, "en"),
    ]


def test_a_name_with_braces_is_a_name(sqlite_app: Flask) -> None:
    ada = sign_up(sqlite_app, "ada")
    with services(sqlite_app).sessions() as session:
        begin_write(session)
        session.execute(update(User).values(first_name="{service}{0}"))
        session.commit()
        mail = add_mail(session, ada.id, recovery.CHANGED_MAIL, recipient=ada.email, language="de")
        letter = written(sqlite_app, session, mail)
    assert letter.text.startswith("Hallo {service}{0},")
    assert "<bdi>{service}{0}</bdi>" in letter.html
