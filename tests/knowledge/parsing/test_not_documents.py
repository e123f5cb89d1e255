"""Pages that come in place of the one that was asked for."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing.encoding import as_utf8, decode
from chatbot.knowledge.parsing.extractors.markup.html import declared_encoding, extract
from chatbot.knowledge.parsing.limits import DEFAULT
from chatbot.knowledge.parsing.not_documents import CHECK, CONSENT, LOGIN, MISSING, MOVED, SHELL, why_no_document

FORM = "<form><label>Name</label><input name=u><input type=password name=p><button>Log in</button></form>"
HOURS = (
    "The reading room is open from nine to six on weekdays and from ten to two on Saturdays. On public holidays it is "
    "closed. In July it closes an hour earlier, and groups need an appointment."
)


def judged(title: str, body: str, *, head: str = "", redirected: bool = False) -> str | None:
    source = f"<html><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    read = extract(source.encode(), DEFAULT)
    return why_no_document(source, read.title or "", read.text, redirected)


@pytest.mark.parametrize(
    ("title", "body", "reason"),
    [
        ("Sign in", FORM, LOGIN),
        ("Members", f"<h1>Please sign in</h1><p>This page is for members only.</p>{FORM}", LOGIN),
        ("Anmelden", f"<h1>Anmeldung</h1>{FORM}<p>Impressum Datenschutz</p>", LOGIN),
        ("Just a moment...", "<noscript>Enable JavaScript and cookies</noscript><p>Checking your browser.</p>", CHECK),
        ("Security check", "<p>Verify you are human.</p><script src=/c.js></script>", CHECK),
        ("Page not found", "<h1>404</h1><p>There is no such page. Go back to the start.</p>", MISSING),
        ("Fehler", "<p>Diese Seite wurde nicht gefunden.</p>", MISSING),
        ("エラー", "<p>お探しのページが見つかりません。</p>", MISSING),
        ("Before", "<p>We use cookies. Choose what you allow.</p><button>Accept all</button>", CONSENT),
        ("App", "<div id=root><div>Loading...</div></div><script src=/a.js></script>", SHELL),
    ],
)
def test_a_page_in_place_of_a_document_is_told(title, body, reason):
    assert judged(title, body) == reason


def test_a_page_that_sends_the_browser_on_is_told():
    assert judged("Moved", "Moved.", head="<meta http-equiv=refresh content='0; url=/new'>") == MOVED


def test_a_redirect_to_a_form_is_told_by_the_form():
    body = f"<h1>Library account</h1><p>{HOURS[:90]}</p>{FORM}"
    assert judged("Library", body, redirected=True) == LOGIN
    assert judged("Library", body) is None


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("Opening hours", f"<header>{FORM}</header><h1>Opening hours</h1><p>{HOURS}</p>"),
        (
            "Signing in",
            "<h1>Signing in</h1><p>Type the number of your card and your password. Whoever has forgotten "
            "it asks at the desk.</p><form><input name=q><button>Search</button></form>",
        ),
        ("What 404 means", f"<h1>The status 404</h1><p>A page not found has the status 404. {HOURS}</p>"),
        ("Cookies", f"<p>We bake cookies every day. {HOURS}</p><button>Order</button>"),
        ("Hours", "<p>Open from nine to five.</p><script src=/stats.js></script>"),
        ("図書館", "<p>図書館は午前九時に開きます。</p><script src=/stats.js></script>"),
        (
            "Manual",
            f"<form id=page>Sign in <input type=password name=p>{'<p>The pump has a filter that is rinsed.</p>' * 30}"
            "</form>",
        ),
        ("Rooms", "<p>Room 404 seats twelve people and has a projector. Book it at the reception.</p>"),
        ("Statuses", "<p>404 Not Found is the status for a resource that is not there, which an error page names.</p>"),
        ("Unicorns", "<p>The unicorn does not exist. It is a beast of legends.</p>"),
        ("Oat cookies", "<p>Mix oats, butter and sugar, form small cookies, and bake them.</p><button>Search</button>"),
        ("Airport", "<p>The security check at terminal 2 opens at 04:30.</p><script src=/stats.js></script>"),
        ("Contact", "<p>We use a captcha on the contact form since March.</p><script src=/stats.js></script>"),
    ],
    ids=[
        "login-box",
        "about-login",
        "about-404",
        "about-cookies",
        "short",
        "japanese",
        "all-in-one-form",
        "room-404",
        "status-404",
        "does-not-exist",
        "recipe",
        "airport",
        "captcha",
    ],
)
def test_a_document_is_no_page_in_place_of_one(title, body):
    assert judged(title, body) is None


def test_a_page_that_loads_itself_again_is_a_document():
    refresh = "<meta http-equiv=refresh content='60; url=/status'>"
    assert judged("Status", "All systems are running. Next maintenance 4 May.", head=refresh) is None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Książnica w święta", "iso-8859-2"),
        ("ห้องสมุดเปิด", "tis-620"),
        ("図書館は九時", "shift_jis"),
        ("Библиотека", "koi8-r"),
        ("図書館", "iso-2022-jp"),
        ("Tür", "utf-8"),
    ],
)
def test_a_declared_encoding_comes_before_a_guess(text, encoding):
    assert decode(as_utf8(text.encode(encoding), encoding)) == text


def test_a_wrong_or_unknown_declaration_changes_nothing():
    assert as_utf8("Tür".encode(), "iso-8859-1") == "Tür".encode()
    assert as_utf8(b"\xff\xfe\x41\x00", "iso-8859-1") == b"\xff\xfe\x41\x00"
    assert as_utf8(b"T\xfcr", "no-such-encoding") == b"T\xfcr"
    assert as_utf8(b"\x81\x20\xff", "shift_jis") == b"\x81\x20\xff"


def test_an_xml_declaration_names_the_encoding():
    page = '<?xml version="1.0" encoding="ISO-8859-2"?><html><body><p>Książnica w święta.</p></body></html>'
    assert declared_encoding(page.encode("iso-8859-2")) == "ISO-8859-2"
    assert extract(page.encode("iso-8859-2"), DEFAULT).text == "Książnica w święta."


@pytest.mark.parametrize("name", ["punycode", "idna", "unicode_escape", "raw_unicode_escape"])
def test_codecs_that_are_no_encodings_of_documents_are_not_used(name):
    data = b"Path C:\\temp\\x41 costs \xe9"
    assert as_utf8(data, name) == data
    assert decode(data, name) == decode(data)
