"""Signing up: the rules, and what nobody may set or learn."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from chatbot.auth import accounts
from chatbot.auth.models import User
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.errors import Conflict
from chatbot.mail.models import Mail

URL = "/api/users/signup/"
PASSWORD = "correct horse 9"
FIELDS = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}


def sign_up(client, **changes):
    return client.post(URL, json=FIELDS | changes)


def pointers(answer) -> set[str]:
    return {error["pointer"] for error in answer.json["errors"]}


def test_an_account_is_made_and_its_mail_is_queued(client, session):
    answer = sign_up(client, first_name="Ada", last_name="Lovelace")
    user = answer.json["user"]
    assert answer.status_code == 201
    assert set(user) == {"id", "username", "email", "first_name", "last_name", "is_verified", "is_admin", "created_at"}
    assert (user["username"], user["email"], user["first_name"]) == ("ada", "ada@example.com", "Ada")
    assert (user["is_verified"], user["is_admin"], user["created_at"][-1]) == (False, False, "Z")
    mail = session.scalars(select(Mail)).one()
    assert (mail.kind, mail.user_id, mail.recipient, mail.status) == (
        "verify_email",
        user["id"],
        user["email"],
        "queued",
    )


def test_the_password_is_stored_as_a_salted_pbkdf2_hash(client, session):
    sign_up(client)
    sign_up(client, username="bob", email="bob@example.com")
    one, other = session.scalars(select(User.password_hash))
    assert one.startswith("pbkdf2:sha256:1000$")
    assert one != other
    assert PASSWORD not in one


@pytest.mark.parametrize("field", ["username", "email", "password", "password2"])
def test_each_required_field_is_missed(sqlite_app, field):
    body = {name: value for name, value in FIELDS.items() if name != field}
    answer = sqlite_app.test_client().post(URL, json=body)
    assert (answer.status_code, pointers(answer)) == (422, {f"/{field}"})


@pytest.mark.parametrize("field", list(FIELDS))
@pytest.mark.parametrize("value", [None, 5, True, [], {}])
def test_a_field_of_another_type_is_refused(sqlite_app, field, value):
    answer = sign_up(sqlite_app.test_client(), **{field: value})
    assert (answer.status_code, pointers(answer)) == (422, {f"/{field}"})


@pytest.mark.parametrize(
    "email",
    [
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "a b@example.com",
        "ada@@example.com",
        "ada@exa mple.com",
        "ada@example.com\r\nBcc: all@example.com",
        "Ada <ada@example.com>",
        "a@b\r\nBcc:",
        "ada@[127.0.0.1]",
        "ada@-x.com",
        "x" * 321,
    ],
)
def test_what_is_not_an_address_is_refused(sqlite_app, email):
    """C12"""
    answer = sign_up(sqlite_app.test_client(), email=email)
    assert (answer.status_code, pointers(answer)) == (422, {"/email"})


@pytest.mark.parametrize(
    "name", ["ab", "a b", "a\r\nb", "a/b", "<ada>", "ada@home", "", "x" * 151, "a\u202eb", "a\u200bb"]
)
def test_a_user_name_has_only_plain_characters(sqlite_app, name):
    """C12"""
    answer = sign_up(sqlite_app.test_client(), username=name)
    assert (answer.status_code, pointers(answer)) == (422, {"/username"})


@pytest.mark.parametrize("name", ["ada.l", "ada_l", "ada+l-2", "Zoë", "李小龍", "x" * 150])
def test_a_user_name_may_be_of_any_script(app, name):
    assert sign_up(app.test_client(), username=name).json["user"]["username"] == name


def test_the_two_passwords_have_to_be_the_same(sqlite_app):
    answer = sign_up(sqlite_app.test_client(), password2="correct horse 8")
    assert (answer.status_code, pointers(answer)) == (422, {"/password2"})


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PASSWORD",
        "Password1",
        "12345678",
        "1234567890123",
        "qwertyuiop",
        "chatbot1",
        "chatbot123",
        "٠١٢٣٤٥٦٧٨٩",
        "ada-lovelace",
        "ADA-LOVELACE",
        "ada.mail@example.com",
        "ada.mail",
        "ｐａｓｓｗｏｒｄ",
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(sqlite_app, password):
    """B7"""
    answer = sign_up(
        sqlite_app.test_client(),
        username="ada-lovelace",
        email="ada.mail@example.com",
        password=password,
        password2=password,
    )
    assert (answer.status_code, answer.json["code"]) == (422, "password_too_common")


@pytest.mark.parametrize(
    "password", ["aaaa bbbb", "no-digits-here", "UPPERONLYHERE", "🐴🔋📎✅🐴🔋📎✅", "  spaced out  "]
)
def test_there_are_no_rules_of_composition(sqlite_app, password):
    """B7"""
    assert sign_up(sqlite_app.test_client(), password=password, password2=password).status_code == 201


@pytest.mark.parametrize(
    ("length", "status"), [(7, 422), (8, 201), (9, 201), (64, 201), (127, 201), (128, 201), (129, 422)]
)
def test_a_password_has_eight_to_128_characters(sqlite_app, length, status):
    """B6 G9: code points, not bytes."""
    password = ("é🐴 " * 50)[:length]
    answer = sign_up(sqlite_app.test_client(), password=password, password2=password)
    assert answer.status_code == status


@pytest.mark.parametrize("password", ["x" * 129, "x" * 400_000])
def test_a_password_that_is_too_long_is_never_hashed(sqlite_app, monkeypatch, password):
    """B6"""
    hashed = []
    monkeypatch.setattr("chatbot.auth.credentials.passwords.generate_password_hash", lambda *_, **__: hashed.append(1))
    monkeypatch.setattr("chatbot.auth.credentials.passwords.check_password_hash", lambda *_, **__: hashed.append(1))
    client = sqlite_app.test_client()
    assert sign_up(client, password=password, password2=password).status_code == 422
    assert client.post("/api/users/login/", json={"email": "a@b.de", "password": password}).status_code == 422
    assert hashed == []


@pytest.mark.parametrize("password", ["  Correct Horse  ", "ÄÖÜ\u0308 ẞ\ufb01 abc", "tab\there and there"])
def test_a_password_is_kept_unmodified(sqlite_app, password):
    """B6: no trimming, no case, no normal form."""
    client = sqlite_app.test_client()
    sign_up(client, password=password, password2=password)
    variants = {password.strip(), password.lower(), password[:-1]} - {password}
    tried = [
        client.post("/api/users/login/", json={"email": FIELDS["email"], "password": p}).status_code for p in variants
    ]
    right = client.post("/api/users/login/", json={"email": FIELDS["email"], "password": password}).status_code
    assert (set(tried), right) == ({401}, 200)


@pytest.mark.parametrize(
    "field",
    [
        "role",
        "is_admin",
        "verified",
        "is_verified",
        "is_active",
        "id",
        "user_id",
        "created_at",
        "quota",
        "password_hash",
    ],
)
def test_nobody_sets_what_is_not_theirs_to_set(app, session, ada, field):
    """F5"""
    client = app.test_client()
    at_signup = sign_up(client, username="eve", email="eve@example.com", **{field: True})
    in_profile = client.patch("/api/users/profile/", json={field: True}, headers=ada.headers)
    assert (at_signup.status_code, pointers(at_signup)) == (422, {f"/{field}"})
    assert (in_profile.status_code, pointers(in_profile)) == (422, {f"/{field}"})
    user = session.scalars(select(User)).one()
    assert (user.id, user.is_admin, user.is_verified) == (ada.id, False, False)


def test_a_taken_address_or_name_is_a_conflict_that_tells_no_more(app, session, ada):
    """A2"""
    client = app.test_client()
    same_mail = sign_up(client, username="other", email="ADA@example.com ")
    same_name = sign_up(client, username="ADA", email="other@example.com")
    assert (same_mail.status_code, same_mail.json["code"]) == (409, "email_taken")
    assert (same_name.status_code, same_name.json["code"]) == (409, "username_taken")
    assert ada.id not in same_mail.text + same_name.text
    assert ada.email not in same_name.text
    assert session.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        (" ada@example.com ", "ada@example.com"),
        ("\u0130x@example.com", "i\u0307x@example.com"),
        ("zoe\u0308@example.com", "zo\u00eb@example.com"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@B\u00dcCHER.example", "ada@b\u00fccher.example"),
    ],
)
def test_an_address_has_one_form(app, one, other):
    """A6"""
    client = app.test_client()
    sign_up(client, email=one)
    again = sign_up(client, username="other", email=other)
    login = client.post("/api/users/login/", json={"email": other, "password": PASSWORD})
    assert (again.status_code, again.json["code"], login.status_code) == (409, "email_taken", 200)


def test_a_tagged_address_is_another_account(client):
    """A6"""
    sign_up(client)
    assert sign_up(client, username="other", email="ada+tag@example.com").status_code == 201


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("ﬁona", "fiona"), ("zoe\u0308", "zo\u00eb")])
def test_a_user_name_has_one_form(app, one, other):
    """A6"""
    client = app.test_client()
    sign_up(client, username=one)
    answer = sign_up(client, username=other, email="other@example.com")
    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")


@pytest.mark.parametrize("changes", [{"email": "new@example.com"}, {"username": "new"}])
def test_of_many_who_want_one_name_at_once_one_gets_it(app, session, changes):
    """A2: the unique index decides, and the others are told why."""
    answers, start = [], threading.Barrier(6)

    def run(number):
        start.wait()
        mine = {"username": f"name{number}", "email": f"mail{number}@example.com"} | changes
        answers.append(sign_up(app.test_client(), **mine))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (field,) = changes
    codes = sorted(a.json.get("code", "made") for a in answers)
    assert codes == sorted([f"{field}_taken"] * 5 + ["made"])


@pytest.mark.parametrize("field", ["email", "username"])
def test_a_writer_who_came_between_is_a_conflict(app, monkeypatch, ada, field):
    """A2: the look found nothing, the write finds somebody."""
    looks = iter([lambda *_: None, accounts._refuse_taken])
    real = accounts._refuse_taken
    monkeypatch.setattr(accounts, "_refuse_taken", lambda *found: next(looks, real)(*found))
    mine = {"username": "other", "email": "other@example.com"} | {field: {"email": ada.email, "username": "ada"}[field]}
    answer = sign_up(app.test_client(), **mine)
    assert (answer.status_code, answer.json["code"]) == (409, f"{field}_taken")


def test_a_conflict_that_is_gone_again_is_still_a_conflict(app, monkeypatch, ada):
    monkeypatch.setattr(accounts, "_refuse_taken", lambda *_: None)
    assert sign_up(app.test_client()).status_code == 409


def test_a_rename_to_a_name_that_was_taken_meanwhile_is_a_conflict(app, ada):
    """Two at once: the one who comes second is told so; on no database is it a 500."""
    other = services(app).sessions()

    begin_write(other)
    other.add(User(username="carol", username_key="carol", email="carol@example.com", password_hash=""))
    other.flush()
    found = []

    def rename():
        with services(app).sessions() as mine:
            try:
                accounts.change_profile(mine, ada.id, {"username": "Carol"})
            except Conflict as error:
                found.append(error.code)

    thread = threading.Thread(target=rename)
    thread.start()
    thread.join(0.3)
    other.commit()
    other.close()
    thread.join(10)
    assert found == ["username_taken"]
