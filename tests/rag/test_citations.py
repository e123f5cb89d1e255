"""Markers in an answer, and the places in the documents they lead to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.rag.citations import CitationFinder
from chatbot.rag.types import Citation, Passage

VERSION_TEXT = (
    "👋 Welcome.\n\nThe shop opens at nine. It closes at five on weekdays. Dogs are welcome in the garden.\n\n"
    "Goods can be returned within thirty days. The refund is paid to the card that was used.\n"
)
SECOND_AT = VERSION_TEXT.index("Goods")


def passage(rank: int, start: int, end: int) -> Passage:
    return Passage(
        rank, f"doc-{rank}", "T", "S", 3, 100 + rank, None, start, end, VERSION_TEXT[start:end], {"dense": 0.7}
    )


PASSAGES = [passage(1, 0, SECOND_AT - 2), passage(2, SECOND_AT, len(VERSION_TEXT))]


def cite(answer: str, *cuts: int) -> list[Citation]:
    finder = CitationFinder(PASSAGES)
    edges = [0, *sorted(cuts), len(answer)]
    return [c for a, b in pairwise(edges) for c in finder.feed(answer[a:b])]


def test_a_verbatim_sentence_is_cited_where_it_stands():
    answer = "The shop opens at nine. [1]"

    (citation,) = cite(answer)

    assert citation.quote == "The shop opens at nine."
    assert VERSION_TEXT[citation.char_start : citation.char_end] == citation.quote
    assert answer[citation.answer_start : citation.answer_end] == citation.quote
    assert citation.verified
    assert (citation.marker, citation.document_id, citation.version, citation.chunk_id) == (1, "doc-1", 3, 101)


def test_a_paraphrase_is_cited_with_the_sentence_that_supports_it():
    (citation,) = cite("Returned goods are fine within thirty days [2].")
    assert citation.quote == "Goods can be returned within thirty days."
    assert citation.char_start == SECOND_AT
    assert citation.verified


def test_a_claim_the_passage_does_not_support_is_not_verified():
    (citation,) = cite("The rocket launches from Mars tomorrow [1].")
    assert not citation.verified
    assert citation.quote in VERSION_TEXT


@pytest.mark.parametrize("marker", ["[0]", "[3]", "[999]", "[doc:1]", "[-1]", "[1234]", "[]", "[ 1 ]"])
def test_a_forged_marker_gives_no_citation(marker):
    """J8"""
    assert cite(f"The shop opens at nine {marker}.") == []


def test_a_forged_marker_does_not_disturb_the_next_one():
    """J8"""
    (citation,) = cite("The moon is cheese [9]. The shop opens at nine. [1]")
    assert citation.quote == "The shop opens at nine."


def test_without_passages_nothing_is_cited():
    assert CitationFinder([]).feed("The shop opens at nine [1].") == []


def test_several_markers_in_a_row_are_about_the_same_words():
    answer = "Goods can be returned within thirty days. [2][1] [2]"
    citations = cite(answer)
    assert [c.marker for c in citations] == [2, 1, 2]
    assert len({(c.answer_start, c.answer_end) for c in citations}) == 1
    assert [c.verified for c in citations] == [True, False, True]


def test_each_marker_is_about_the_words_since_the_one_before():
    answer = "The shop opens at nine. [1] The refund is paid to the card that was used. [2]"
    assert [answer[c.answer_start : c.answer_end] for c in cite(answer)] == [
        "The shop opens at nine.", "The refund is paid to the card that was used.",
    ]  # fmt: skip


def test_a_marker_speaks_for_the_last_sentence_of_a_longer_claim():
    answer = "Hello, nice that you ask. The store opens at nine [1]."
    (citation,) = cite(answer)
    assert answer[citation.answer_start : citation.answer_end] == "The store opens at nine"
    assert citation.quote == "The shop opens at nine."


@pytest.mark.parametrize("answer", ["[1]", " . [1]", "\n\n[2] then"])
def test_a_marker_about_nothing_is_never_verified(answer):
    (citation,) = cite(answer)
    assert not citation.verified
    assert 0 <= citation.answer_start <= citation.answer_end <= len(answer)


def test_a_passage_without_sentences_is_quoted_whole():
    finder = CitationFinder([Passage(1, "d", "T", "S", 1, 1, None, 5, 11, "# Head", {})])
    (citation,) = finder.feed("About the head [1]")
    assert (citation.quote, citation.char_start, citation.char_end) == ("# Head", 5, 11)


def test_a_marker_that_comes_in_pieces_is_cited_when_it_is_complete():
    finder = CitationFinder(PASSAGES)
    pieces = ["The shop opens", " at nine. ", "[", "1", "]"]
    assert [len(finder.feed(piece)) for piece in pieces] == [0, 0, 0, 0, 1]


ANSWER = st.lists(
    st.sampled_from(
        ["The shop opens at nine.", " It closes at five", "[1]", "[2]", " ", "\n", ". ", "[7]", "👋", "[", "]", "12",
         "Refunds go to the card that was used", "The shop opens at nine. It closes at five on weekdays."]
    ), max_size=12,
).map("".join)  # fmt: skip


@given(ANSWER, st.data())
@settings(max_examples=200, deadline=None)
def test_any_cutting_of_the_answer_gives_the_same_citations(answer, data):
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=8))
    assert cite(answer, *cuts) == cite(answer)


@given(ANSWER)
@settings(max_examples=200, deadline=None)
def test_every_quote_is_the_text_at_its_offsets(answer):
    for citation in cite(answer):
        assert VERSION_TEXT[citation.char_start : citation.char_end] == citation.quote
        assert citation.quote in PASSAGES[citation.marker - 1].text
        assert 0 <= citation.answer_start <= citation.answer_end <= len(answer)
