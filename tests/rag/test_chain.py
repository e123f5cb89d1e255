"""The retrieval chain: condense, retrieve, decide, answer, cite; and close at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import pytest

from chatbot.errors import ChatbotError
from chatbot.rag.chain import Fallback, retrieval_chain, stream_parts
from chatbot.rag.llm import prompts
from chatbot.rag.llm.answerers import Piece
from chatbot.rag.llm.small_talk import GREETING
from chatbot.rag.types import NOTHING_SPENT, Ask, Checked, Condensed, Found, HistoryMessage, Part, Passage, Usage

TEXT = "The shop opens at nine. On Saturdays it opens at ten."
PASSAGE = Passage(1, "doc", "Hours", "", 3, 7, 2, 100, 100 + len(TEXT), TEXT, {"dense": 0.7})
SOME = Found((PASSAGE,), 0.7, 0.35)
NONE = Found((), 0.1, 0.35)
ASK = Ask("When?")


class Scripted:
    """An answerer that says given pieces."""

    name = "scripted"
    cites = False

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.said = 0
        self.closed = False

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> Condensed:
        return Condensed(f"{history[-1].text} {question}" if history else question)

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Generator[Piece, None, None]:
        try:
            for text in self.texts:
                self.said += 1
                yield Piece(text)
            yield Piece(usage=Usage(3, 4, estimated=False, cost_usd=None))
        finally:
            self.closed = True


def run(answerer: Scripted, found: Found = SOME, fallback: Fallback = "general") -> list[Part]:
    return list(stream_parts(retrieval_chain(lambda *_: found, answerer, fallback), ASK))


def test_the_parts_come_in_the_order_of_the_contract() -> None:
    parts = run(Scripted("It opens at nine [1]", "."))

    assert [part.question for part in parts[:1]] == ["When?"]
    assert (parts[1].found, parts[1].status) == (SOME, "grounded")
    assert [part.text for part in parts[2:] if part.text] == ["It opens at nine", " [1]."]
    assert [part.citation.marker for part in parts if part.citation] == [1]
    assert parts[-2].checked == Checked(removed_markers=0, claims=1, unsupported=0)
    assert parts[-1].usage == Usage(3, 4, estimated=False, cost_usd=None)


def test_the_rewritten_question_is_what_is_searched() -> None:
    searched: list[tuple[str, frozenset[str] | None, str | None]] = []

    def retrieve(question: str, collections: frozenset[str] | None, beside: str | None) -> Found:
        searched.append((question, collections, beside))
        return SOME

    ask = Ask("And then?", (HistoryMessage(True, "Hello."),), frozenset({"shop"}))
    parts = list(stream_parts(retrieval_chain(retrieve, Scripted("Yes."), "general"), ask))

    assert searched == [("Hello. And then?", frozenset({"shop"}), None)]
    assert parts[0].question == "Hello. And then?"


def test_a_citation_points_into_the_text_of_the_version() -> None:
    (citation,) = [part.citation for part in run(Scripted("The shop opens at nine. [1]")) if part.citation]

    assert citation.verified
    assert (citation.document_id, citation.version, citation.page) == ("doc", 3, 2)
    assert TEXT[citation.char_start - 100 : citation.char_end - 100] == citation.quote


def test_a_marker_may_be_cut_into_pieces() -> None:
    citations = [part.citation for part in run(Scripted("The shop opens at nine. [", "1", "]")) if part.citation]

    assert [citation.marker for citation in citations] == [1]


@pytest.mark.parametrize("forged", ["[2]", "[0]", "[999]", "[doc:999]", "[-1]", "[1000]"])
def test_a_forged_marker_gives_no_citation(forged: str) -> None:
    """J8"""
    assert not [part for part in run(Scripted(f"The shop opens at nine. {forged}")) if part.citation]


def test_without_passages_the_answer_is_a_fallback() -> None:
    parts = run(Scripted("Paris [1]."), NONE)

    assert parts[1].status == "fallback"
    assert not [part for part in parts if part.citation]


def test_refusing_asks_no_model() -> None:
    answerer = Scripted("Paris.")

    parts = run(answerer, NONE, fallback="refuse")

    assert [part.text for part in parts if part.text] == [prompts.NOTHING_FOUND]
    assert parts[-1].usage == Usage(0, 0, estimated=False, cost_usd="0.000000")
    assert answerer.said == 0


def test_refusing_only_concerns_questions_without_passages() -> None:
    assert "At nine." in [part.text for part in run(Scripted("At nine."), SOME, fallback="refuse")]


def test_the_timings_say_what_took_how_long() -> None:
    timings = run(Scripted("At nine."))[-1].timings_ms

    assert list(timings) == ["condense", "retrieve", "first_token", "total"]
    assert timings["first_token"] <= timings["total"]


def test_closing_the_chain_closes_the_model_and_reads_nothing_more() -> None:
    """K4"""
    answerer = Scripted(*["word "] * 100)
    parts = stream_parts(retrieval_chain(lambda *_: SOME, answerer, "general"), Ask("When?"))
    for _ in range(3):
        next(parts)

    parts.close()

    assert answerer.closed
    assert answerer.said <= 2


def test_an_error_of_the_model_passes_through() -> None:
    class Failing(Scripted):
        def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Generator[Piece, None, None]:
            yield Piece("The ")
            raise ChatbotError("broken")

    parts = stream_parts(retrieval_chain(lambda *_: SOME, Failing(), "general"), Ask("When?"))

    assert [next(parts).text for _ in range(3)][-1] == "The"
    with pytest.raises(ChatbotError, match="broken"):
        next(parts)


def test_the_chain_is_a_langchain_runnable() -> None:
    whole = retrieval_chain(lambda *_: SOME, Scripted("At ", "nine."), "general").invoke(Ask("When?"))

    assert "".join(part.text for part in whole["parts"]) == "At nine."


@pytest.mark.parametrize(
    ("found", "status"), [(SOME, "grounded"), (replace(SOME, unsure=True), "partial"), (NONE, "fallback")]
)
def test_passages_that_may_not_answer_are_partial_and_the_model_is_told(found: Found, status: str) -> None:
    asked: list[Ask] = []

    class Noting(Scripted):
        def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Generator[Piece, None, None]:
            asked.append(ask)
            yield from super().answer(ask, searched, passages)

    parts = run(Noting("It opens at nine [1]."), found)
    assert parts[1].status == status
    assert asked[0].unsure == (status == "partial")


def test_small_talk_asks_no_model_and_searches_nothing() -> None:
    def retrieve(*_: object) -> Found:
        raise AssertionError("searched")

    answerer = Scripted("Yes.")
    parts = list(stream_parts(retrieval_chain(retrieve, answerer, "general"), Ask("Hello!", language="fr")))
    assert answerer.said == 0
    assert (parts[1].status, parts[-1].usage) == ("fallback", NOTHING_SPENT)
    assert "".join(part.text for part in parts) == GREETING
