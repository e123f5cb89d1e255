"""Chunks and their offsets, on texts that a person would write and on texts that nobody would."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatbot.rag.embeddings.minilm import MiniLM
from chatbot.rag.text.splitter import Chunk, split

LINE = st.sampled_from(
    [
        "# One",
        "## Two",
        "###### Six ######",
        "#no heading",
        "####### seven",
        "```python",
        "```",
        "~~~~",
        "~~~",
        "# comment",
        "",
        "   ",
        "\t",
        "Plain words stand here, and more of them follow. Then the next sentence!",
        "這是一個沒有空格的句子，它很長。第二句在這裡！",
        "नमस्ते दुनिया e\u0301 👩‍👩‍👧 🇩🇪",
        "x" * 70,
        "- an item; and another",
        "a\u2028b",
        "a\x0cb",
        "\x1c",
        "a\x85",
        "0 1 2 3 4 5 6 7 8 9",
    ]
)
TEXTS = st.one_of(
    st.lists(st.tuples(LINE, st.sampled_from(["\n", "\r\n", "\n\n", "\r"])), max_size=25).map(
        lambda lines: "".join(a + b for a, b in lines)
    ),
    st.text(max_size=300),
)


def words(text: str) -> int:
    """A toy counter: a word is a token, and so is every five characters of a long one."""
    return sum(1 + len(word) // 5 for word in text.split())


@pytest.fixture(scope="module")
def minilm(models_path) -> MiniLM:
    return MiniLM(cache_dir=models_path)


def check(text: str, chunks: list[Chunk], limit: int, count) -> None:
    """What holds for every text: nothing lost, nothing twice, in order, trimmed, and within the limit."""
    end = 0
    for chunk in chunks:
        assert end <= chunk.start < chunk.end <= len(text)
        assert not text[end : chunk.start].strip()
        body = text[chunk.start : chunk.end]
        assert body == body.strip()
        assert count(body) <= limit
        end = chunk.end
    assert not text[end:].strip()


@given(TEXTS, st.integers(15, 60))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_chunks_cover_every_text_in_order_within_the_limit(text, limit):
    check(text, split(text, limit, words), limit, words)


@given(TEXTS, st.integers(15, 60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_chunks_are_within_the_limit_of_the_real_tokenizer(minilm, text, limit):
    count = cache(minilm.count_tokens)
    check(text, split(text, limit, count), limit, count)


@given(TEXTS, st.integers(15, 60))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_text_is_always_cut_in_the_same_way(text, limit):
    assert split(text, limit, words) == split(text, limit, words)


@pytest.fixture
def each_alone(monkeypatch) -> None:
    """Sections of a few words stay alone, so that a test can be short."""
    monkeypatch.setattr("chatbot.rag.text.splitter.SHORT_SECTION_TOKENS", 0)


@pytest.mark.usefixtures("each_alone")
def test_a_chunk_knows_the_headings_above_it_outermost_first():
    text = "Before.\n# A\nIn A.\n## B\nIn B.\n### C\nIn C.\n## D\nIn D.\n# E\nIn E.\n"

    chunks = split(text, 100, words)

    assert [(text[c.start : c.end].split("\n")[-1], c.headings) for c in chunks] == [
        ("Before.", ()),
        ("In A.", ("A",)),
        ("In B.", ("A", "B")),
        ("In C.", ("A", "B", "C")),
        ("In D.", ("A", "D")),
        ("In E.", ("E",)),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\u2028"])
def test_a_headings_title_has_no_line_end_in_it(end):
    chunks = split(f"# Title ##{end}Body.{end}", 100, words)
    assert [c.headings for c in chunks] == [("Title",)]


def test_a_line_as_long_as_a_text_is_none_of_the_headings():
    """It would go with every chunk below it."""
    text = "# " + "many words " * 60 + "\n\n## Hours\n\nThe shop opens at nine."
    assert {heading for chunk in split(text, 40, words) for heading in chunk.headings} == {"Hours"}


def test_an_anchor_is_no_part_of_a_headings_title():
    assert split("# Install { #install }\nBody.\n", 100, words)[0].headings == ("Install",)


@pytest.mark.usefixtures("each_alone")
@pytest.mark.parametrize(
    ("opens", "closes"), [("```", "```"), ("~~~", "~~~~"), ("````md", "````"), ("   ```sh", "```")]
)
def test_a_line_in_a_code_fence_is_no_heading(opens, closes):
    text = f"# Real\n{opens}\n# a comment\n```x`\n{closes}\n## After\nBody.\n".replace("```x`\n", "")
    chunks = split(text, 100, words)
    assert [c.headings for c in chunks] == [("Real",), ("Real", "After")]


@pytest.mark.usefixtures("each_alone")
def test_a_shorter_or_different_fence_does_not_close_one():
    text = "````\n```\n~~~~~\n# not a heading\n````\n# a heading\nBody.\n"
    assert [c.headings for c in split(text, 100, words)] == [(), ("a heading",)]


def test_a_fence_that_is_never_closed_hides_the_headings_below_it():
    assert [c.headings for c in split("```\n# a\n# b\n", 100, words)] == [()]


def test_a_short_section_goes_with_the_next_under_the_headings_they_share():
    text = "# Guide\n## One\nA few words.\n## Two\nA few more.\n"
    assert split(text, 100, words) == [Chunk(0, len(text) - 1, ("Guide",))]


def test_a_section_that_can_stand_alone_stays_alone():
    text = "# One\n" + "word " * 60 + "\n# Two\n" + "word " * 60 + "\n"
    assert [c.headings for c in split(text, 200, words)] == [("One",), ("Two",)]


def test_a_short_section_stays_alone_when_both_would_be_too_long():
    text = "# One\nA few words.\n# Two\n" + "word " * 60 + "\n"
    assert [c.headings for c in split(text, 62, words)] == [("One",), ("Two",)]


def test_a_last_scrap_goes_with_the_piece_before_it():
    lengths = [len(("x " * 154)[c.start : c.end].split()) for c in split("x " * 154, 96, words)]
    assert lengths == [72, 82]


def test_a_last_piece_that_says_something_stays_alone():
    lengths = [len(("x " * 170)[c.start : c.end].split()) for c in split("x " * 170, 96, words)]
    assert lengths == [72, 72, 26]


def test_a_heading_alone_goes_with_the_section_below_it():
    text = "# Guide\n\n## Start\n\nDo this first.\n"

    chunks = split(text, 100, words)

    assert chunks == [Chunk(0, len(text) - 1, ("Guide", "Start"))]


def test_a_heading_alone_stays_alone_when_there_is_no_room_for_more():
    text = "# " + "word " * 30 + "\n# B\nBody.\n"
    chunks = split(text, 20, words)
    assert "Body." in text[chunks[-1].start : chunks[-1].end]
    assert len(chunks) > 1
    check(text, chunks, 20, words)


@pytest.mark.parametrize("text", ["# A", "# A\n", "# A\n## B\n### C\n", "\n\n# A\n\n"])
def test_a_text_of_headings_only_is_one_chunk(text):
    (chunk,) = split(text, 100, words)
    assert text[chunk.start : chunk.end] == text.strip()


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t", "\u3000\u2028"])
def test_a_text_without_a_visible_character_has_no_chunks(text):
    assert split(text, 100, words) == []


def test_white_space_that_counts_no_tokens_is_not_given_out_twice():
    text = "one two three\n\n\n\n \n\nfour five six seven\n\n\n\n\n\neight nine"
    chunks = split(text, 4, lambda piece: len(piece.split()))
    assert [text[c.start : c.end] for c in chunks] == ["one two three", "four five six seven", "eight nine"]


def test_a_word_of_100_000_characters_is_cut_and_loses_nothing():
    text = "ab" * 50_000
    chunks = split(text, 50, len)
    assert "".join(text[c.start : c.end] for c in chunks) == text
    assert max(c.end - c.start for c in chunks) <= 50


def test_a_word_of_100_000_characters_costs_the_real_tokenizer_little_time(minilm):
    text = "start " + "x" * 100_000 + " end"
    check(text, split(text, 200, minilm.count_tokens), 200, minilm.count_tokens)


def test_a_text_without_spaces_is_cut_at_its_sentences(minilm):
    text = "店は九時に開きます。" * 100
    chunks = split(text, 60, minilm.count_tokens)
    check(text, chunks, 60, minilm.count_tokens)
    assert all(text[c.start : c.end].endswith("。") for c in chunks)


def test_english_is_cut_between_sentences_before_words():
    text = "First sentence of the text here. Second sentence of the text here. Third one of it."
    chunks = split(text, 14, words)
    assert all(re.search(r"\.$", text[c.start : c.end]) for c in chunks)


@pytest.mark.usefixtures("each_alone")
def test_offsets_count_code_points_not_bytes_or_glyphs():
    text = "👩‍👩‍👧 e\u0301 first.\n\n# H\n🇩🇪 second.\n"
    chunks = split(text, 100, words)
    assert [text[c.start : c.end] for c in chunks] == ["👩‍👩‍👧 e\u0301 first.", "# H\n🇩🇪 second."]
    assert chunks[1].start == text.index("#")


def test_a_word_of_any_length_is_cut_too():
    """H7: to an embedder it is one token that it does not know."""
    text = f"before {'x' * 100_000} after"

    chunks = split(text, 20, lambda piece: len(piece.split()))

    assert max(c.end - c.start for c in chunks) <= 20 * 16 + 15
    assert "".join(text[c.start : c.end] for c in chunks).replace(" ", "") == text.replace(" ", "")
