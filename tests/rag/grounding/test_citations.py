"""Markers in an answer, and the places in the documents they lead to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.chat.conversations.answers import Answer
from chatbot.rag.grounding.citations import CitedText
from chatbot.rag.types import Checked, Citation, Passage

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


def follow(answer: str, *cuts: int) -> tuple[CitedText, list[Citation]]:
    """The text as it is shown, cut into pieces on its way, and its citations."""
    cited = CitedText(PASSAGES)
    edges = [0, *sorted(cuts), len(answer)]
    shown = [*(cited.feed(answer[a:b]) for a, b in pairwise(edges)), cited.end()]
    assert "".join(part.text for part in shown) == cited.text
    return cited, [citation for part in shown for citation in part.citations]


def cite(answer: str, *cuts: int) -> list[Citation]:
    return follow(answer, *cuts)[1]


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


def test_a_citation_that_fits_and_proves_nothing_is_kept_unverified_and_counted():
    cited, (citation,) = follow("Returned goods are fine within thirty days [2].")
    assert cited.text == "Returned goods are fine within thirty days [2]."
    assert not citation.verified
    assert (cited.checked().unverified_markers, cited.checked().removed_markers) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("The rocket launches from Mars tomorrow [1].", "The rocket launches from Mars tomorrow."),
        ("The shop opens at nine. [2]", "The shop opens at nine."),
        ("The shop opens at ten [1].", "The shop opens at ten."),
        ("The shop does not open at nine [1].", "The shop does not open at nine."),
        ("Goods can be returned within 14 days [2].", "Goods can be returned within 14 days."),
        (
            'They say "all the refund is paid in gold" [2] to the card that was used.',
            'They say "all the refund is paid in gold" to the card that was used.',
        ),
        ("Refunds are paid with docs_url to the card [2].", "Refunds are paid with docs_url to the card."),
    ],
)
def test_a_marker_whose_passage_does_not_support_the_sentence_is_taken_out_and_counted(answer, shown):
    cited, citations = follow(answer)
    assert (cited.text, citations, cited.checked().removed_markers) == (shown, [], 1)


@pytest.mark.parametrize(
    "marker",
    [
        "[0]",
        "[3]",
        "[999]",
        "[doc:9]",
        "[-1]",
        "[1234]",
        "[ 9 ]",
        "[^7]",
        "【8†source】",
        "[Passage 5]",
        "[7, 8]",
        "[Quelle 9]",
    ],
)
def test_a_forged_marker_is_taken_out(marker):
    """J8"""
    cited, citations = follow(f"The shop opens at nine {marker}.")
    assert (cited.text, citations) == ("The shop opens at nine.", [])
    assert cited.checked().removed_markers >= 1


@pytest.mark.parametrize(
    "marker", ["[1]", "[ 1 ]", "[doc:1]", "[^1]", "【1†source】", "[Passage 1]", "[1, 9]", "[source 1]"]
)
def test_however_a_marker_is_written_it_is_shown_in_one_way(marker):
    cited, (citation,) = follow(f"The shop opens at nine {marker}.")
    assert (cited.text, citation.marker) == ("The shop opens at nine [1].", 1)


# What the check of 26 shapes found unfollowed, and others.
SHAPES = [
    "(1)",
    "(Passage 1)",
    "(Source: 1)",
    "[1-2]",
    "[1–2]",
    "[1 2]",
    "【1:0†source】",
    "【1†L3-L5】",
    "[p1]",
    "[note 1]",
    "[citation 1]",
    "[cite: 1]",
    "[citation:1]",
    "[1: T]",
    "[T, 1]",
    "[1, §2]",
    "¹",
    "\\[1\\]",
    "［1］",
    "`[1]`",
    "[one]",
    "{1}",
    "**[1]**",
    "[[1]]",
    "([1])",
    "(see [1])",
    "[1] and [2]",
    "[1], [2]",
    "^1^",
    "[S1]",
    "[Source: T]",
]


@pytest.mark.parametrize("marker", SHAPES)
def test_marker_in_any_shape_is_followed_and_shown_in_one_form(marker):
    cited, citations = follow(f"The shop opens at nine {marker}.", *range(20, 40))
    assert (cited.text, [citation.marker for citation in citations]) == ("The shop opens at nine [1].", [1])


@pytest.mark.parametrize("marker", SHAPES)
def test_marker_in_any_shape_is_taken_out_without_a_scar(marker):
    cited, citations = follow(f"Elephants paint the ceiling {marker}.", *range(20, 50))
    assert (cited.text, citations) == ("Elephants paint the ceiling.", [])
    assert cited.checked().removed_markers >= 1


@pytest.mark.parametrize(
    "answer",
    [
        "There are two (2) doors.",
        "(1) Open it. (2) Close it.",
        "A garden of 50 m² and f(1).",
        "See (2019).",
    ],
)
def test_number_that_may_be_something_else_stays(answer):
    assert follow(answer)[0].text == answer


@pytest.mark.parametrize(
    "answer",
    [
        "```py\nshop[1] = nine[9]\n```\n",
        "Use `opens[1]` for it.",
        "A list [] and [see below].",
        "Open [",
        "[1](/hours) is a link",
        "[a, b]",
        "[2024-01-01T00:00]",
        "As R v Smith [2019] UKSC 7 has it.",
    ],
)
def test_a_bracket_that_is_no_marker_stays(answer):
    cited, citations = follow(answer)
    assert (cited.text, citations) == (answer, [])


def test_a_forged_marker_does_not_disturb_the_next_one():
    """J8"""
    (citation,) = cite("The moon is cheese [9]. The shop opens at nine. [1]")
    assert citation.quote == "The shop opens at nine."


def test_without_passages_nothing_is_cited():
    cited = CitedText([])
    shown = [cited.feed("The shop opens at nine [1]."), cited.end()]
    assert "".join(part.text for part in shown) == "The shop opens at nine."
    assert not any(part.citations for part in shown)


def test_of_several_markers_in_a_row_those_stay_that_support_the_sentence_once():
    cited, citations = follow("Goods can be returned within thirty days. [2][1] [2]")
    assert cited.text == "Goods can be returned within thirty days. [2]"
    assert [c.marker for c in citations] == [2]


def test_each_marker_is_about_the_words_since_the_one_before():
    answer = "The shop opens at nine. [1] The refund is paid to the card that was used. [2]"
    assert [answer[c.answer_start : c.answer_end] for c in cite(answer)] == [
        "The shop opens at nine.",
        "The refund is paid to the card that was used.",
    ]


def test_a_marker_speaks_for_the_last_sentence_of_a_longer_claim():
    answer = "Hello, nice that you ask. The shop opens at nine [1]."
    (citation,) = cite(answer)
    assert answer[citation.answer_start : citation.answer_end] == citation.quote == "The shop opens at nine"


def test_a_claim_that_joins_two_sentences_is_quoted_with_both():
    (citation,) = cite("Goods returned within thirty days are refunded to the card that was used [2].")
    assert citation.quote == "Goods can be returned within thirty days. The refund is paid to the card that was used."


@pytest.mark.parametrize("answer", ["[1]", " . [1]", "\n\n[2] then", "Yes [1]"])
def test_a_marker_about_nothing_is_taken_out(answer):
    assert cite(answer) == []


def test_a_claim_in_other_words_is_carried_by_nearness(embedder):
    """The embedder is asked where the words do not tell."""
    text = "The hotel has a heated swimming pool."
    passages = [Passage(1, "d", "T", "S", 1, 1, None, 0, len(text), text, {})]
    answer = "Guests find a warm swimming pool at the hotel [1]."
    cited = CitedText(passages, embedder.embed)
    (citation,) = cited.feed(answer).citations
    assert citation.quote == text
    other = CitedText(passages, embedder.embed)
    assert not other.feed("Breakfast is served until noon [1].").citations


def test_a_marker_that_comes_in_pieces_is_cited_when_the_next_character_shows_that_it_is_complete():
    cited = CitedText(PASSAGES)
    pieces = ["The shop opens", " at nine. ", "[", "1", "]", " It"]
    shown = [cited.feed(piece) for piece in pieces]
    assert [part.text for part in shown] == ["The shop opens", " at nine.", "", "", "", " [1] It"]
    assert [len(part.citations) for part in shown] == [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("answer", "claims", "unsupported"),
    [
        ("The shop opens at nine. [1] The refund is paid to the card. [2]", 2, 0),
        ("The shop opens at nine. [1] Elephants paint the ceiling blue.", 2, 1),
        ("The shop opens at nine. Dogs are welcome in the garden.", 2, 0),
        ("Elephants paint the ceiling blue. [1]", 1, 1),
        ("Yes.", 0, 0),
        ("Which shop do you mean?", 0, 0),
    ],
)
def test_what_no_passage_supports_is_counted(answer, claims, unsupported):
    checked = follow(answer)[0].checked()
    assert (checked.claims, checked.unsupported) == (claims, unsupported)


ANSWER = st.lists(
    st.sampled_from(
        [
            "The shop opens at nine.",
            " It closes at five",
            "[1]",
            "[2]",
            " ",
            "\n",
            ". ",
            "[7]",
            "👋",
            "[",
            "]",
            "12",
            "(",
            "`",
            "```",
            "[doc:",
            "Refunds go to the card that was used",
            "The shop opens at nine. It closes at five on weekdays.",
        ]
    ),
    max_size=12,
).map("".join)


@given(ANSWER, st.data())
@settings(max_examples=200, deadline=None)
def test_any_cutting_of_the_answer_gives_the_same_text_and_citations(answer, data):
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=8))
    whole, citations = follow(answer)
    cut, same = follow(answer, *cuts)
    assert (cut.text, same, cut.removed) == (whole.text, citations, whole.removed)


@given(ANSWER)
@settings(max_examples=200, deadline=None)
def test_every_quote_is_the_text_at_its_offsets(answer):
    cited, citations = follow(answer)
    for citation in citations:
        assert VERSION_TEXT[citation.char_start : citation.char_end] == citation.quote
        assert citation.quote in PASSAGES[citation.marker - 1].text
        assert 0 <= citation.answer_start < citation.answer_end <= len(cited.text)
    assert cited.checked().unverified_markers == sum(not citation.verified for citation in citations)


@pytest.mark.parametrize(("unverified", "status"), [(0, "grounded"), (1, "partial")])
def test_answer_with_unverified_citation_is_partial(unverified, status):
    answer = Answer(model="m", grounding="grounded")
    answer.check(Checked(0, claims=1, unsupported=0, unverified_markers=unverified))
    assert answer.grounding == status
    assert answer.metadata()["unverified_markers"] == unverified
