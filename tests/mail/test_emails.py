"""What e-mails say, twice over; what names cannot do in them; and that only e-mails hold their tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import inspect, text

from chatbot.auth import emails, recovery
from chatbot.auth.models import User
from chatbot.current import services
from chatbot.extensions import db
from chatbot.mail.tasks import sweep_mails
from tests.conftest import PASSWORD, sign_up
from tests.mail.conftest import add_mail, add_user, html_of, run, smtp, text_of

HOME = "https://chat.example.com"
KINDS = [recovery.VERIFY_MAIL, recovery.RESET_MAIL, recovery.CHANGED_MAIL]
WITH_LINK = {
    recovery.VERIFY_MAIL: f"{HOME}/api/users/verify-email/?token=",
    recovery.RESET_MAIL: f"{HOME}/api/users/password/reset/?token=",
}


@pytest.fixture
def app(make_app):
    """The application at an address of its own; its e-mails go to the outbox."""
    return make_app(public_url=f"{HOME}/")


def write(app, session, kind, user, **fields):
    """The e-mail of that kind as it is at this moment, or None."""
    mail = add_mail(session, user.id, kind, **({"recipient": user.email} | fields))
    letter = services(app).mailer.builders[kind](session, mail)
    session.rollback()
    return letter


@dataclass
class Page(HTMLParser):
    """The elements of a page, their attributes, and the text a reader sees."""

    source: str
    elements: list = field(default_factory=list)
    attributes: list = field(default_factory=list)
    words: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)

    @property
    def shown(self) -> str:
        return "".join(self.words)

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href"]


def token_in(letter) -> str:
    (link,) = re.findall(r"https?://\S+", letter.text)
    return parse_qs(urlsplit(link).query)["token"][0]


# The two parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_letter_goes_out_as_text_and_as_html(make_app, box, kind):
    app = make_app(**smtp(box.port), public_url=HOME)
    with services(app).sessions() as session:
        add_mail(session, add_user(session, first_name="Zoë").id, kind)
        assert run(app, session).status == "sent"
    ((_, message),) = box.letters
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert "Hello Zoë," in text_of(message)
    assert "Hello Zoë," in Page(html_of(message)).shown
    assert message["Subject"] in Page(html_of(message)).shown


@pytest.mark.parametrize("kind", KINDS)
def test_every_letter_passes_a_server_that_knows_seven_bits_and_short_lines(make_app, box, kind):
    app = make_app(**smtp(box.port), public_url=f"{HOME}/{'long/' * 300}")
    with services(app).sessions() as session:
        add_mail(session, add_user(session, first_name="Zoë").id, kind)
        run(app, session)
    _, _, parts = box.raw.partition(b"\r\n\r\n")
    assert box.raw.isascii()
    assert max(map(len, parts.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("kind", WITH_LINK)
def test_the_button_and_the_plain_link_of_both_parts_are_one_link(app, session, kind):
    letter = write(app, session, kind, add_user(session))
    page = Page(letter.html)
    (link,) = re.findall(r"https?://\S+", letter.text)
    assert link.startswith(WITH_LINK[kind])
    assert page.links == [link, link]
    assert link in page.shown


def test_a_link_in_the_outbox_can_be_copied_as_it_is(app, session, tmp_path):
    """On a laptop the outbox is where people read their e-mails."""
    add_mail(session, add_user(session, first_name="Zoë").id)
    run(app, session)
    (file,) = (tmp_path / "outbox").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    (link,) = re.findall(r"https?://\S+", text_of(message))
    assert link in file.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_the_html_loads_nothing_and_runs_nothing(app, session, kind):
    letter = write(app, session, kind, add_user(session))
    page = Page(letter.html)
    assert set(page.elements) & {"img", "script", "link", "style", "iframe", "object", "form", "svg", "base"} == set()
    assert {name for name, _ in page.attributes} & {"src", "srcset", "background", "class", "id"} == set()
    assert [name for name, _ in page.attributes if name.startswith("on")] == []
    assert "url(" not in letter.html
    assert all(link.startswith(HOME) for link in page.links)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dark_mail_program_may_choose_its_colours(app, session, kind):
    """No colour of text or ground is set, but for the button, which sets both."""
    page = Page(write(app, session, kind, add_user(session)).html)
    styles = [value for name, value in page.attributes if name == "style"]
    coloured = [style for style in styles if re.search(r"(?<![-\w])(color|background(-color)?):", style)]
    assert dict(page.attributes).get("content") is not None
    assert ("content", "light dark") in page.attributes
    assert len(coloured) == (1 if kind in WITH_LINK else 0)


# Names -----------------------------------------------------------------------------------------------------------

MARKUP = [
    "<b>Ada",
    "Ada<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "&lt;b&gt;",
    "'><style>*{}",
    "{{ 7*7 }}{% x %}",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*MARKUP, "<script>alert(1)</script>"])
def test_a_name_is_never_markup(app, session, kind, name):
    harmless = Page(write(app, session, kind, add_user(session)).html)
    for number, names in enumerate(({"first_name": name}, {"username": name}, {"username": "eve", "last_name": name})):
        page = Page(write(app, session, kind, add_user(session, **({"username": f"eve{number}"} | names))).html)
        assert page.elements == harmless.elements
        assert [name for name, _ in page.attributes] == [name for name, _ in harmless.attributes]
    assert harmless.elements.count("bdi") == 1


@pytest.mark.parametrize("name", MARKUP)
def test_a_name_is_shown_as_it_was_typed(app, session, name):
    letter = write(app, session, recovery.RESET_MAIL, add_user(session, first_name=name))
    assert f"Hello {name}," in letter.text
    assert f"Hello {name}," in Page(letter.html).shown


LINE_ENDS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\n\n\n"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_a_name_begins_no_line(app, session, kind, end):
    """C12: neither of the text part nor of the html."""
    plain = write(app, session, kind, add_user(session, first_name="Ada Bcc"))
    letter = write(app, session, kind, add_user(session, "eve", first_name=f"Ada{end}Bcc{end}"))
    assert [len(t.splitlines()) for t in (letter.text, letter.html)] == [
        len(t.splitlines()) for t in (plain.text, plain.html)
    ]
    assert letter.text.splitlines()[0] == "Hello Ada Bcc,"


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_a_username_begins_no_line(end):
    assert emails.called(User(username=f"Ada{end}Bcc", first_name="")) == "Ada Bcc"


TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@pytest.mark.parametrize(
    "sign", [*TURNING, "\x00", "\x1b", "\x7f", "\ufeff", "\u200b", "\ud800", "\U000e0041"], ids=ascii
)
def test_a_name_turns_and_hides_nothing(sign):
    """A name with a right-to-left override could turn the link that follows it."""
    for user in (User(username="x", first_name=f"Ada{sign}King"), User(username=f"Ada{sign}King", first_name="")):
        assert emails.called(user) == "Ada King"


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_to_left_override_reaches_neither_part(app, session, kind):
    letter = write(app, session, kind, add_user(session, first_name="Ada\u202egniK"))
    assert letter.text.startswith("Hello Ada gniK,\n")
    assert set(letter.text + letter.html) & set(TURNING) == set()


@pytest.mark.parametrize(
    ("first_name", "called"),
    [
        ("Ada", "Ada"),
        ("  Ada   King ", "Ada King"),
        ("J.R.R.", "J.R.R."),
        ("St. John", "St. John"),
        ("Zoë", "Zoë"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("דנה", "דנה"),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 60, "x" * 60),
        ("", "ada"),
        (" \n ", "ada"),
        ("\u200d", "ada"),
        ("\u202e", "ada"),
        ("Win at https://evil.test", "ada"),
        ("evil.test", "ada"),
        ("www.evil.test now", "ada"),
        ("a@evil.test", "ada"),
        ("evil/x", "ada"),
        ("mailto:x", "ada"),
        ("\\\\evil", "ada"),
    ],
    ids=ascii,
)
def test_the_first_name_is_used_unless_it_is_none_or_could_become_a_link(first_name, called):
    """Whoever signs up with somebody else's address chooses what that person reads."""
    assert emails.called(User(username="ada", first_name=first_name)) == called


# When an e-mail is written ----------------------------------------------------------------------------------------


def test_the_tokens_in_the_letters_are_the_ones_that_work(app, session):
    user, settings = add_user(session), services(app).settings
    confirm, reset = (token_in(write(app, session, kind, user)) for kind in WITH_LINK)
    user_id = user.id
    session.rollback()
    assert recovery.verify_email(session, settings, confirm).id == user_id
    recovery.reset_password(session, settings, reset, PASSWORD, PASSWORD)
    assert session.get(User, user_id, populate_existing=True).password_hash != "x"


@pytest.mark.parametrize(
    ("kind", "account", "is_written"),
    [
        (recovery.VERIFY_MAIL, {}, True),
        (recovery.VERIFY_MAIL, {"is_verified": True}, False),
        (recovery.RESET_MAIL, {}, True),
        (recovery.RESET_MAIL, {"is_verified": True}, True),
        (recovery.RESET_MAIL, {"is_active": False}, False),
        (recovery.CHANGED_MAIL, {}, True),
        (recovery.CHANGED_MAIL, {"is_active": False}, True),
    ],
)
def test_a_letter_without_a_reason_is_not_written(app, session, kind, account, is_written):
    letter = write(app, session, kind, add_user(session, **account))
    assert (letter is not None) == is_written


@pytest.mark.parametrize("kind", WITH_LINK)
def test_a_token_is_not_sent_to_an_address_that_the_account_has_left(app, session, kind):
    """C6: the e-mail was queued before the change, and the token would be good for the new address."""
    assert write(app, session, kind, add_user(session), recipient="old@example.com") is None


def test_a_letter_without_a_reason_is_cancelled_and_not_sent(app, session, tmp_path):
    add_mail(session, add_user(session, is_active=False).id, recovery.RESET_MAIL)
    assert run(app, session).status == "cancelled"
    assert not (tmp_path / "outbox").exists()


def test_the_notice_says_where_and_when_and_what_to_do(app, session):
    when = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    letter = write(app, session, recovery.CHANGED_MAIL, add_user(session), created_at=when)
    for said in (" ".join(letter.text.split()), " ".join(Page(letter.html).shown.split())):
        assert f"at {HOME} was changed on 2026-02-03 at 04:05 UTC" in said
        assert "If it was not you" in said
        assert "ask for a password reset" in said
        assert "whoever runs the service" in said
    assert Page(letter.html).links == []


def test_the_letters_say_how_long_their_links_work(app, session):
    user = add_user(session)
    assert "works for 3 days" in write(app, session, recovery.VERIFY_MAIL, user).text
    assert "works once, and for 1 hour" in write(app, session, recovery.RESET_MAIL, user).text


# Links and tokens over HTTP --------------------------------------------------------------------------------------

NEW = {"username": "ada", "email": "ada@example.com", "password": PASSWORD, "password2": PASSWORD}


def ask_for_letters(app, **headers):
    """Everything that queues an e-mail over HTTP, and a worker comes by after each."""
    client, answers = app.test_client(), []

    def post(path, body):
        answers.append(client.post(f"/api/users/{path}/", json=body, headers=headers))
        with app.app_context():
            sweep_mails()

    post("signup", NEW)
    post("verify-email/resend", {"email": NEW["email"]})
    post("password/forgot", {"email": NEW["email"]})
    access = client.post("/api/users/login/", json={"email": NEW["email"], "password": PASSWORD}).json["access"]
    headers = headers | {"Authorization": f"Bearer {access}"}
    fresh = "another good sentence 7"
    post("password/change", {"current_password": PASSWORD, "password": fresh, "password2": fresh})
    return answers


def outbox(app) -> list:
    files = sorted((services(app).settings.instance_path / "outbox").glob("*.eml"))
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"])
def test_every_link_leads_to_the_configured_address_whatever_a_request_says(make_app, header):
    """C11"""
    app = make_app(public_url=HOME, trusted_proxy_hops=1)
    value = {"Forwarded": "host=evil.test;proto=http", "X-Forwarded-Proto": "http"}.get(header, "evil.test")
    answers = ask_for_letters(app, **{header: value})
    messages = outbox(app)
    assert [answer.status_code for answer in answers] == [201, 202, 202, 200]
    assert len(messages) == 4
    for message in messages:
        for said in (text_of(message), html_of(message)):
            assert "evil" not in said
            assert set(re.findall(r"\w+://[^/\s\"<]+", said)) == {HOME}


def test_no_token_is_anywhere_but_in_its_letter(make_app, tmp_path, capsys):
    """C10 P1: not in a row, a message of the broker, an answer, a header or a log."""
    app = make_app(log_level="DEBUG", log_format="json", instance_path=tmp_path)
    answers = ask_for_letters(app)
    tokens = [t for message in outbox(app) for t in re.findall(r"token=([\w.~-]+)", text_of(message))]
    listed = app.test_cli_runner().invoke(args=["mail", "list"]).output
    log = capsys.readouterr().err
    messages = [file.read_bytes() for file in (tmp_path / "broker").rglob("*") if file.is_file()]
    rows = [file.read_bytes() for file in tmp_path.glob("chatbot.db*")]
    told = "".join(answer.text + str(answer.headers) for answer in answers) + log + listed
    assert len(tokens) == 3
    assert len(messages) >= 4
    assert log
    for token in tokens:
        assert token not in told
        assert token.encode() not in b"".join(messages + rows)


def test_a_row_of_the_queue_has_nothing_to_hold_a_token(app, session):
    """What an e-mail says is written when it is sent."""
    sign_up(app, "ada")
    run(app, session)
    with app.app_context():
        columns = {column["name"] for column in inspect(db.engine).get_columns("mails")}
    assert columns == {
        "id",
        "kind",
        "user_id",
        "recipient",
        "status",
        "attempts",
        "next_attempt_at",
        "error",
        "created_at",
        "sent_at",
        "language",
    }
    (row,) = session.execute(text("SELECT * FROM mails")).mappings()
    assert max(len(str(value)) for value in row.values()) <= 36
