"""RTF as Word, LibreOffice, WordPad, TextEdit and Outlook write it."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import ParseError, parse

FONTS = (
    r"{\fonttbl{\f0\fswiss\fcharset0 Calibri;}{\f1\fcharset204 Arial Cyr;}"
    r"{\f2\fcharset128 MS Mincho;}{\f3\fcharset2 Symbol;}}"
)


def text_of(body: str) -> str:
    return parse(rf"{{\rtf1\ansi\ansicpg1252\deff0{FONTS}\pard {body}}}".encode("latin-1"), "a.rtf").text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (r"One\par Two\line Three", "One\nTwo\nThree"),
        (r"Caf\'e9 \u8364?5 \u-10179?\u-8704? \emdash  \ldblquote a\rdblquote", "Café €5 😀 — “a”"),
        (r"{\uc2\u1046\'c6\'c6}\uc0\u1078 x", "Жжx"),
        (r"{\f1\'cc\'ee\'f1\'ea\'e2\'e0}", "Москва"),
        (r"{\f2\'93\'fa\'96\'7b}", "日本"),
        (r"{\b Bold} {\i and} plain\~text\_x \{a\} \\", "Bold and plain\xa0text-x {a} \\"),
        (r"Seen{\v hidden}{\*\unknown gone}{\deleted old} text", "Seen text"),
        (r"25{\super 1} crowns, {\strike 20}", "25^1 crowns, ~~20~~"),
        (r"Open{\footnote {\super\chftn } Not on Mondays.} daily.", "Open[1] daily.\n\n[1] Not on Mondays."),
        (
            r"\trowd\cellx1\cellx2\intbl Who\cell Price\cell\row\intbl Child\par under 4\cell 4\cell\row\pard After",
            "Who | Price\nWho: Child under 4; Price: 4\n\nAfter",
        ),
        (r'{\field{\*\fldinst{HYPERLINK "https://a.example"}}{\fldrslt the site}} x', "the site x"),
        (r"{\listtext\pard\plain\f3 \'b7\tab}One\par{\listtext 2.\tab}Two", "- One\n2. Two"),
        (r"\outlinelevel0 Prices\par\pard Text", "# Prices\nText"),
        (r"{\pict\wmetafile8 0102ffee}{\object{\*\objdata 0102}{\result Shown}} {\bin3 a}b x", "x"),
        (r"{\shp{\*\shpinst{\sp{\sn shapeType}{\sv 202}}{\shptxt In a box}}}", "In a box"),
        (r"{\header Above}{\footer Below}{\stylesheet{\s1 heading 1;}}{\*\generator Word;}Text", "Text"),
        ("never {closed", "never closed"),
    ],
)
def test_text_is_what_a_person_sees(body, shown):
    assert text_of(body) == shown


def test_title_is_that_of_the_properties():
    parsed = parse(rb"{\rtf1\ansi{\info{\title Pool rules}{\author Ada}}x}", "a.rtf")

    assert (parsed.title, parsed.text, parsed.media_type) == ("Pool rules", "x", "application/rtf")


def test_rich_text_in_a_file_called_doc_is_read():
    assert parse(rb"{\rtf1\ansi Pool}", "a.doc").text == "Pool"


@pytest.mark.parametrize(("data", "code"), [(b"words", "damaged"), (b"{\\rtf1" + b"{" * 5000 + b"x", "too_complex")])
def test_other_content_is_refused(data, code):
    with pytest.raises(ParseError) as caught:
        parse(data, "a.rtf")
    assert caught.value.code == code
