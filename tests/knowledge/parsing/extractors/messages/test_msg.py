from datetime import UTC, datetime

import pytest

from chatbot.knowledge.parsing import ParseError, parse, sniff
from chatbot.knowledge.parsing.extractors.messages.msg import ONLY_RTF, extract
from chatbot.knowledge.parsing.formats import MSG
from chatbot.knowledge.parsing.limits import DEFAULT
from tests.knowledge.parsing.msg_makers import (
    attachment,
    compound_file,
    message,
    properties,
    recipient,
    strings,
)

SUBJECT, BODY, HTML, RTF = 0x0037, 0x1000, 0x1013, 0x1009
SENDER, SENDER_ADDRESS, ON_BEHALF, ON_BEHALF_ADDRESS = 0x0C1A, 0x5D01, 0x0042, 0x5D02
HEADERS, SENT, CODE_PAGE, INTERNET_CODE_PAGE = 0x007D, 0x0039, 0x3FFD, 0x3FDE
LONG_NAME, SHORT_NAME, DISPLAY_NAME, MIME = 0x3707, 0x3704, 0x3001, 0x370E
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def text_of(values: dict, **more) -> str:
    return extract(message(values, **more), DEFAULT).text


def code_of(data: bytes, name: str = "a.msg") -> str:
    with pytest.raises(ParseError) as caught:
        parse(data, name)
    return caught.value.code


def test_headers_text_and_names_of_attachments_are_read():
    data = message(
        {
            SUBJECT: "Your offer",
            BODY: "Hello Bob,\r\n\r\nfine.\r\n",
            SENDER: "Ann Lee",
            SENDER_ADDRESS: "ann@example.org",
        },
        fixed={SENT: NINE},
        recipients=(
            recipient("Bob", "bob@example.org"),
            recipient("'eve@example.org'", "eve@example.org"),
            recipient("Kim", "kim@example.org", 2),
            recipient("Secret", "secret@example.org", 3),
        ),
        attachments=(
            attachment({LONG_NAME: "offer 2026.pdf", SHORT_NAME: "OFFER2~1.PDF", 0x3701: b"%PDF" * 2000}),
            attachment({SHORT_NAME: "logo.png"}),
            attachment({DISPLAY_NAME: "Re: earlier"}, method=5),
            attachment({MIME: "text/csv"}),
            attachment({}, method=5),
            attachment({}),
        ),
    )
    parsed = parse(data, "upload")
    assert parsed.text == (
        "From: Ann Lee <ann@example.org>\nTo: Bob <bob@example.org>, eve@example.org\nCc: Kim <kim@example.org>\n"
        "Subject: Your offer\nDate: Mon, 02 Mar 2026 09:00:00 +0000\n\nHello Bob,\n\nfine.\n\n"
        "Attachments: offer 2026.pdf, logo.png, Re: earlier, text/csv, message/rfc822, application/octet-stream"
    )
    assert parsed.title == "Your offer"
    assert parsed.media_type == MSG


def test_sender_is_the_one_that_outlook_shows_without_paths_of_a_directory():
    shown = {
        ON_BEHALF: "The team",
        ON_BEHALF_ADDRESS: "team@example.org",
        SENDER: "Ann",
        SENDER_ADDRESS: "a@example.org",
    }
    assert text_of(shown) == "From: The team <team@example.org>"
    assert text_of({SENDER: "Ann Lee", SENDER_ADDRESS: "/O=EXAMPLE/OU=FIRST/CN=ANN"}) == "From: Ann Lee"
    assert text_of({SENDER: "/O=X", SENDER_ADDRESS: "ann@example.org"}) == "From: /O=X <ann@example.org>"


def test_names_that_outlook_shows_stand_for_recipients_that_are_not_in_the_file():
    assert text_of({0x0E04: "Bob; Eve;", 0x0E03: "Kim"}) == "To: Bob; Eve\nCc: Kim"


def test_date_is_that_of_the_sender_where_the_headers_are_there():
    headers = "Received: by x\r\nDate: Mon, 2 Mar 2026 10:00:00\r\n +0100\r\nFrom: a@example.org\r\n"
    assert text_of({SUBJECT: "x", HEADERS: headers}, fixed={SENT: NINE}) == (
        "Subject: x\nDate: Mon, 2 Mar 2026 10:00:00 +0100"
    )


def test_time_that_is_in_no_calendar_is_left_out():
    data = compound_file(
        {
            "__properties_version1.0": properties({}) + bytes.fromhex("4000390006000000ffffffffffffffff"),
            **strings({SUBJECT: "x"}),
        }
    )
    assert parse(data, "a.msg").text == "Subject: x"


def test_page_is_read_where_there_is_no_plain_text():
    page = "<html><body><p>Grüße</p><ul><li>one</li></ul><p style='display:none'>secret</p></body></html>"
    assert text_of({BODY: " \r\n", HTML: page.encode("cp1252")}, fixed={INTERNET_CODE_PAGE: 1252}) == "Grüße\n\n- one"
    declared = '<meta charset="windows-1251">' + "<p>Привет всем, это письмо</p>"
    assert text_of({HTML: declared.encode("cp1251")}) == "Привет всем, это письмо"
    assert text_of({HTML: page}) == "Grüße\n\n- one"
    assert text_of({BODY: "plain", HTML: page.encode()}) == "plain"


def test_text_that_is_rtf_only_is_told():
    assert text_of({SUBJECT: "x", RTF: b"LZFu"}) == f"Subject: x\n\n{ONLY_RTF}"
    assert text_of({SUBJECT: "x", BODY: "plain", RTF: b"LZFu"}) == "Subject: x\n\nplain"


@pytest.mark.parametrize(
    ("number", "name", "text"),
    [
        (1250, "cp1250", "Příliš žluťoučký kůň"),
        (1251, "cp1251", "Добрый день, коллеги"),
        (932, "cp932", "お世話になっております"),
        (936, "gbk", "您好，附件是报价单"),
        (65001, "utf-8", "Grüße aus Köln"),
        (28605, "iso-8859-15", "kostet 5 €, für fünf"),
        (20866, "koi8-r", "Добрый день, коллеги"),
    ],
)
def test_strings_of_eight_bits_are_read_in_the_code_page_of_the_message(number, name, text):
    for key in (CODE_PAGE, INTERNET_CODE_PAGE):
        data = message(
            {SUBJECT: text, BODY: text},
            fixed={key: number},
            recipients=(recipient(text, "b@example.org", code_page=name),),
            code_page=name,
        )
        assert extract(data, DEFAULT).text == f"To: {text} <b@example.org>\nSubject: {text}\n\n{text}"


def test_code_page_that_does_not_exist_is_guessed():
    assert text_of({SUBJECT: "Grüße"}, fixed={CODE_PAGE: 4_000_000_000}, code_page="utf-8") == "Subject: Grüße"


def test_old_office_file_with_an_email_in_it_is_no_email():
    inner = {"__properties_version1.0": properties({})}
    assert code_of(compound_file({"WordDocument": b"x" * 5000, "ObjectPool": {"_1": inner}}), "a.doc") == "unsupported"
    assert code_of(compound_file({"EncryptedPackage": b"x", "more": inner}), "a.docx") == "encrypted"
    assert code_of(compound_file({"Workbook": b"x" * 5000}), "a.msg") == "unsupported"


def test_email_with_a_protected_document_attached_is_read():
    inner = compound_file({"EncryptedPackage": b"x" * 5000})
    data = message({SUBJECT: "x"}, attachments=(attachment({LONG_NAME: "plan.docx", 0x3701: inner}),))
    assert sniff(data, "a.txt") == MSG
    assert parse(data, "a.msg").text == "Subject: x\n\nAttachments: plan.docx"


def test_large_text_is_read_whole():
    text = "\n".join(f"Line {number}" for number in range(30_000))
    assert text_of({BODY: text}) == text
