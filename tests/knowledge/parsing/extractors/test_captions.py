"""Subtitles as YouTube, Zoom and editors write them."""

from __future__ import annotations

import pytest

from chatbot.knowledge.parsing import ParseError, parse


def text_of(body: str, name: str = "a.vtt") -> str:
    head = "WEBVTT\n\n" if name.endswith("vtt") else ""
    return parse(f"{head}{body}".encode(), name).text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("00:01.000 --> 00:04.000\nWelcome.", "[0:00:01] Welcome."),
        (
            "intro\n01:02:03.500 --> 01:02:04.000 align:start\n<v Ada>We <b>open</b> <00:01.5>at 6.",
            "[1:02:03] Ada: We open at 6.",
        ),
        ("NOTE\nnobody sees this\n\n00:01.000 --> 00:02.000\nA &lt;b&gt; &amp; c", "[0:00:01] A <b> & c"),
        ("STYLE\n::cue { color: red }\n\n00:01.000 --> 00:02.000\nText", "[0:00:01] Text"),
        (
            "00:01.000 --> 00:02.000\nwe open\n\n00:02.000 --> 00:03.000\nwe open\nat six\n\n"
            "00:03.000 --> 00:04.000\nat six\nand close",
            "[0:00:01] we open at six and close",
        ),
    ],
)
def test_what_is_said_is_shown_once_behind_its_time(body, shown):
    assert text_of(body) == shown


def test_subrip_with_its_marks_is_read():
    one = "1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>One.</i>\r\n{\\an8}Two.\r\n"
    body = one + "\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nThree.\r\n"

    assert text_of(body, "a.srt") == "[0:00:01] One. Two. Three."


def test_long_talk_is_cut_into_paragraphs_at_sentences():
    cues = [
        f"00:{second:02d}.000 --> 00:{second:02d}.900\nSentence {second} has some words in it." for second in range(30)
    ]
    paragraphs = text_of("\n\n".join(cues)).split("\n\n")

    assert len(paragraphs) == 3
    assert paragraphs[1].startswith("[0:00:10] Sentence 10 has")
    assert all(paragraph.endswith("in it.") for paragraph in paragraphs)


@pytest.mark.parametrize("name", ["a.vtt", "a.srt"])
def test_file_without_a_cue_is_damaged(name):
    with pytest.raises(ParseError) as caught:
        text_of("only words", name)
    assert caught.value.code == "damaged"
