from email.message import EmailMessage

import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.messages.eml import extract
from chatbot.knowledge.parsing.limits import DEFAULT
from tests.knowledge.parsing.makers import make_pdf


def letter(text: str | None = "The shop opens at nine.\n", page: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Jürgen <j@example.com>"
    message["To"] = "Ada <ada@example.com>"
    message["Subject"] = "Öffnungszeiten"
    message["Date"] = "Mon, 06 May 2024 09:00:00 +0200"
    message["X-Secret-Route"] = "internal"
    if text is not None:
        message.set_content(text)
    if page is not None:
        add = message.add_alternative if text is not None else message.set_content
        add(page, subtype="html")
    return message


HEADERS = (
    "From: Jürgen <j@example.com>\nTo: Ada <ada@example.com>\nSubject: Öffnungszeiten\n"
    "Date: Mon, 06 May 2024 09:00:00 +0200"
)
PAGE = "<html><script>evil()</script><p>The shop <b>opens</b> at ten.</p></html>"


def text_of(message: EmailMessage) -> str:
    return extract(message.as_bytes(), DEFAULT).text


def test_headers_text_and_names_of_attachments_come_out():
    message = letter(page=PAGE)
    message.add_attachment(make_pdf("attached words"), maintype="application", subtype="pdf", filename="Preis_ü.pdf")
    message.add_attachment("other words", filename="notes.txt")

    parsed = parse(message.as_bytes(), "a.eml")

    assert parsed.text == f"{HEADERS}\n\nThe shop opens at nine.\n\nAttachments: Preis_ü.pdf, notes.txt"
    assert (parsed.title, parsed.media_type, parsed.pages) == ("Öffnungszeiten", "message/rfc822", ())


def test_a_letter_with_only_a_page_or_an_empty_text_beside_it_gives_the_page():
    assert text_of(letter(None, PAGE)) == f"{HEADERS}\n\nThe shop opens at ten."
    assert text_of(letter(" \n", PAGE)) == f"{HEADERS}\n\nThe shop opens at ten."


def test_a_page_with_pictures_in_it_is_read():
    message = letter(" ", PAGE)
    message.get_payload()[1].add_related(b"\x89PNG", maintype="image", subtype="png", cid="<1>")
    assert text_of(message) == f"{HEADERS}\n\nThe shop opens at ten."


def test_a_letter_within_a_letter_is_named_and_not_read():
    message = letter()
    inner = letter("inner words")
    inner.add_attachment(b"x", maintype="application", subtype="zip", filename="inner.zip")
    message.add_attachment(inner)
    assert text_of(message) == f"{HEADERS}\n\nThe shop opens at nine.\n\nAttachments: message/rfc822"


@pytest.mark.parametrize(
    ("encoding", "transfer"),
    [
        ("utf-8", "8bit"),
        ("cp1252", "8bit"),
        ("iso-8859-1", "quoted-printable"),
        ("utf-8", "base64"),
        ("made-up", "8bit"),
    ],
)
def test_the_encoding_of_the_text_is_found(encoding, transfer):
    message = letter(None)
    real = "utf-8" if encoding == "made-up" else encoding
    message.set_content("Größe: fünf Fuß".encode(real), maintype="text", subtype="plain", cte=transfer)
    message.set_param("charset", encoding)
    del message["Content-Disposition"]
    assert text_of(message) == f"{HEADERS}\n\nGröße: fünf Fuß"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"=?utf-8?Q?Gr=C3=B6=C3=9Fe?= plain =?iso-8859-1?B?/A==?=", "Größe plain ü"),
        ("Größe".encode(), "Größe"),
        ("Größe".encode("cp1252"), "Größe"),
        (b"folded\r\n  over lines", "folded over lines"),
        (b"=?utf-8?B?a?=", "=?utf-8?B?a?="),
        (b"=?no-such?Q?x?=", "x"),
    ],
)
def test_a_subject_is_decoded_and_a_careless_one_does_no_harm(raw, shown):
    parsed = extract(b"Subject: " + raw + b"\r\n\r\nbody\r\n", DEFAULT)
    assert parsed.text == f"Subject: {shown}\n\nbody"


def test_marks_and_envelopes_before_the_headers_are_passed_over():
    assert (
        extract(b"\xef\xbb\xbf\r\nFrom ada Mon May 6\r\nSubject: x\r\n\r\nbody", DEFAULT).text == "Subject: x\n\nbody"
    )


def test_a_text_that_is_no_letter_is_damaged():
    with pytest.raises(ParseError) as caught:
        parse(b"Just words without headers.\n\nMore.", "a.eml")
    assert caught.value.code == "damaged"


def test_a_letter_whose_parts_never_end_keeps_its_text():
    """H7"""
    data = (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nkept\n--b\nContent-Type: multipart/mixed\n\nz"
    )
    assert parse(data, "a.eml").text == "Subject: x\n\nkept\n\nz"


def test_parts_within_parts_without_end_are_too_complex():
    """H7"""
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(2000))
    with pytest.raises(ParseError) as caught:
        parse(f"Subject: x\n{parts}\nend".encode(), "a.eml")
    assert caught.value.code == "too_complex"


def flowed(body: str, delsp: str = "no") -> str:
    source = f"Subject: s\nContent-Type: text/plain; charset=utf-8; format=flowed; delsp={delsp}\n\n{body}"
    return extract(source.encode(), DEFAULT).text.removeprefix("Subject: s\n\n")


def test_flowed_lines_are_joined_within_their_quotation():
    assert flowed("The boats \nare out.\n> Who \n> knows?\nWe do.\n-- \nOffice \n") == (
        "The boats are out.\n> Who knows?\nWe do.\n-- \nOffice"
    )
    assert flowed(">>> Who \n>>> knows?\n>> I \n> do \nnot.\n>\n>  stuffed \n>  line") == (
        ">>> Who knows?\n>> I \n> do \nnot.\n>\n>  stuffed  line"
    )
    assert flowed("会議室は午前九 \n時から", "yes") == "会議室は午前九時から"
    assert flowed(">> 会議室は午前九 \n>> 時から\n> はい", "yes") == ">> 会議室は午前九時から\n> はい"
    assert flowed(" From here \n on\n > no quotation\n") == "From here on\n> no quotation"


def part(kind: str, body: str, headers: str = "") -> str:
    return f"--b\nContent-Type: {kind}\n{headers}\n{body}\n"


def mixed(*parts: str, kind: str = "mixed") -> str:
    """The text and the attachments of an e-mail of these parts."""
    source = f"Subject: s\nContent-Type: multipart/{kind}; boundary=b\n\n{''.join(parts)}--b--\n"
    return extract(source.encode(), DEFAULT).text.removeprefix("Subject: s\n\n")


def event(name: str = "Budget", uid: str = "UID:1", head: str = "") -> str:
    lines = "BEGIN:VCALENDAR", head, "BEGIN:VEVENT", uid, f"SUMMARY:{name}", "END:VEVENT", "END:VCALENDAR"
    return "\n".join(filter(None, lines))


def test_an_invitation_is_shown_beside_the_text():
    invitation = event(head="METHOD:REQUEST", uid="DTSTART:20270105T090000Z")
    parts = part("text/plain", "You are invited."), part("text/calendar", invitation), part("text/html", PAGE)
    assert mixed(*parts, kind="alternative") == "You are invited.\n\nInvitation: Budget\nWhen: 2027-01-05 09:00 UTC"


def test_invitation_inside_a_form_that_is_not_chosen_is_shown():
    inner = part("text/html", PAGE) + part("text/calendar", event())
    nested = part("multipart/mixed; boundary=c", (inner + "--b--").replace("--b", "--c"))
    assert mixed(part("text/plain", "Hello."), nested, kind="alternative") == "Hello.\n\nBudget"
    assert mixed(part("text/plain", " "), nested, kind="alternative") == "The shop opens at ten.\n\nBudget"
    only = part("text/calendar", event()), part("text/markdown", "Hello.")
    assert mixed(*only, kind="alternative") == "Hello.\n\nBudget"


BROKEN = [event()[:-4], "BEGIN:", "nothing", event().replace("VEVENT", "VTIMEZONE"), "\0\0"]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("kind", ["alternative", "mixed"])
def test_unreadable_invitation_is_listed_and_the_rest_is_read(broken, kind):
    parts = part("text/plain", "You are invited."), part("text/calendar; name=invite.ics", broken)
    assert mixed(*parts, kind=kind) == "You are invited.\n\nAttachments: invite.ics"
    assert mixed(parts[0], part("application/ics", broken), kind=kind).endswith("\n\nAttachments: application/ics")


def test_invitation_that_comes_twice_is_shown_once():
    first, copy = part("text/calendar", event()), event("Budget (copy)", "UID:1\nSEQUENCE:0")
    assert mixed(first, part("text/calendar", copy)) == "Budget"
    assert mixed(first, part("application/ics; name=invite.ics", copy)) == "Budget\n\nAttachments: invite.ics"
    attached = "Content-Disposition: attachment; filename=invite.ics\n"
    assert mixed(first, part("text/calendar", copy, attached)) == "Budget\n\nAttachments: invite.ics"
    without_uid = part("text/calendar", event(uid=""))
    assert mixed(without_uid, without_uid) == "Budget"


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (event("Party", "UID:2"), "Party"),
        (event("Budget", "UID:1\nSEQUENCE:1"), "Budget"),
        (event("Budget", "UID:1\nRECURRENCE-ID:20270105"), "Budget\nReplaces: 2027-01-05"),
        (event("Budget", head="METHOD:CANCEL"), "Cancelled: Budget"),
    ],
)
def test_another_event_or_version_is_no_copy(other, shown):
    assert mixed(part("text/calendar", event()), part("text/calendar", other)) == f"Budget\n\n{shown}"


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("text/markdown", "# Boats\n\nfour", "# Boats\n\nfour"),
        ("text/csv", "name,wins\nLeafs,3", "name | wins\nname: Leafs; wins: 3"),
        ("text/tab-separated-values", "name\twins\nLeafs\t3", "name | wins\nname: Leafs; wins: 3"),
        ("text/enriched", "<bold>Now</bold>", "<bold>Now</bold>"),
        ("text/x-patch", "+added", "+added"),
        ("text/vnd.made-up; charset=koi8-r", "x", "x"),
        ("text/markdown; name=boats.md", "# Boats", "Attachments: boats.md"),
        ("text/rtf", "{}", "Attachments: text/rtf"),
        ("application/pdf", "x", "Attachments: application/pdf"),
        ("application/pdf; name=scan.pdf", "x", "Attachments: scan.pdf"),
        ("image/png", "x", "Attachments: image/png"),
    ],
)
def test_part_of_another_kind_is_read_or_listed(kind, body, shown):
    assert mixed(part("text/plain", "Hello."), part(kind, body)) == f"Hello.\n\n{shown}"
    alone = f"Subject: s\nContent-Type: {kind}\n\n{body}\n"
    assert extract(alone.encode(), DEFAULT).text == f"Subject: s\n\n{shown}"


def test_of_other_forms_the_page_is_taken():
    forms = part("text/x-amp-html", "amp"), part("text/html", PAGE)
    assert mixed(*forms, kind="alternative") == "The shop opens at ten."
    assert mixed(part("text/plain", " "), *forms, kind="alternative") == "The shop opens at ten."
    assert mixed(part("text/markdown", "*md*"), kind="alternative") == "*md*"


@pytest.mark.parametrize("kind", ["mixed", "alternative", "mixed; boundary=other"])
def test_multipart_without_its_boundary_keeps_its_text(kind):
    source = f"Subject: s\nContent-Type: multipart/{kind}\n\n--b\n\nHello.\n--b--\n"
    assert "Hello." in extract(source.encode(), DEFAULT).text


def test_table_that_cannot_be_read_is_listed():
    table = part("text/csv", ",".join("abc" * 9000))
    assert mixed(part("text/plain", "Hello."), table) == "Hello.\n\nAttachments: text/csv"


@pytest.mark.parametrize("disposition", ["inline", None])
def test_a_text_with_a_name_that_is_not_attached_is_the_text(disposition):
    said = f'Content-Disposition: {disposition}; filename="body.txt"\n' if disposition else ""
    source = f'Subject: s\nContent-Type: text/plain; name="body.txt"\n{said}\nThe key hangs behind the door.\n'
    assert "The key hangs" in extract(source.encode(), DEFAULT).text
