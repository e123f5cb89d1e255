"""XML of any kind."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import ParseError, parse


def text_of(body: str) -> str:
    return parse(f'<?xml version="1.0"?>\n<guide xmlns="urn:x" xmlns:y="urn:y">{body}</guide>'.encode(), "a.xml").text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            "<price><amount>6.50</amount><who>All &amp; sundry</who></price>",
            "price.amount: 6.50\nprice.who: All & sundry",
        ),
        ("<p>Bring a <b>towel</b>, please.</p>", "p: Bring a towel, please."),
        ("<a><i>1</i></a><a><i>2</i></a>", "a.i: 1\n\na.i: 2"),
        ('<room name="Oak room" id="r1"/>', "room@name: Oak room"),
        ("<y:p>x</y:p><!-- no --><?no no?><![CDATA[]]>", "p: x"),
        ("<p><![CDATA[a < b]]></p>", "p: a < b"),
        ("<list><row><a>1</a></row><row><a>2</a></row></list>", "list.row.a: 1\n\nlist.row.a: 2"),
    ],
)
def test_texts_stand_behind_the_names_of_their_elements(body, shown):
    assert text_of(body) == shown


def test_title_is_the_first_title():
    assert parse(b"<rss><channel><title>Pool news</title><item/></channel></rss>", "a.xml").title == "Pool news"


def test_declared_encoding_is_believed():
    assert parse('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1"), "a.xml").text == "é"


def test_entities_stay_as_they_are_written():
    source = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a><c>x&b;</c></a>'

    assert parse(source, "a.xml").text == "c: x&b;"


@pytest.mark.parametrize(
    ("data", "code"), [(b"<a>", "damaged"), (b"words", "damaged"), (b"<a>" * 1000 + b"x" + b"</a>" * 1000, "damaged")]
)
def test_broken_and_endless_nesting_are_refused(data, code):
    with pytest.raises(ParseError) as caught:
        parse(data, "a.xml")
    assert caught.value.code == code


def test_page_with_an_xml_declaration_is_html():
    assert parse(b'<?xml version="1.0"?><html><body><p>x</p></body></html>', "a.xml").media_type == "text/html"
