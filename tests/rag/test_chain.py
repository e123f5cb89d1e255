"""The retrieval chain: condense, retrieve, decide, answer, cite; and close at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chatbot.chat.conversations.answers import Answer
from chatbot.errors import ChatbotError
from chatbot.rag.chain import Fallback, retrieval_chain, stream_events
from chatbot.rag.events import AnsweredBy, Declined, Event, Events, Finished, Retrieved, Token, Withdrawn, Withheld
from chatbot.rag.llm import prompts
from chatbot.rag.llm.small_talk import GREETING
from chatbot.rag.types import NOTHING_SPENT, Ask, Checked, Citation, Condensed, Found, HistoryMessage, Passage, Usage
from tests.rag.events import finished, of_kind, text_of

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

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
        try:
            for text in self.texts:
                self.said += 1
                yield Token(text)
            yield Finished(Usage(3, 4, estimated=False, cost_usd=None))
        finally:
            self.closed = True


def run(answerer: Scripted, found: Found = SOME, fallback: Fallback = "general") -> list[Event]:
    return list(stream_events(retrieval_chain(lambda *_: found, answerer, fallback), ASK))


def test_events_of_answer_come_in_order_of_contract() -> None:
    events = run(Scripted("It opens at nine [1]", "."))

    assert events[:2] == [Condensed("When?"), Retrieved(SOME, "grounded")]
    assert of_kind(events, Token) == [Token("It opens at nine"), Token(" [1].")]
    assert [citation.marker for citation in of_kind(events, Citation)] == [1]
    assert events[-2] == Checked(removed_markers=0, claims=1, unsupported=0)
    assert finished(events).usage == Usage(3, 4, estimated=False, cost_usd=None)


UNSURE = replace(SOME, unsure=True)
NOTHING = f"{prompts.NOTHING_FOUND} Nearest: Hours."


@pytest.mark.parametrize(
    ("fallback", "said", "shown"),
    [
        ("refuse", ["Rome ", "was built ", "in 753 BC."], NOTHING),
        ("refuse", ["Paris is ", "the capital [7]."], NOTHING),
        ("refuse", ["It opens ", "at nine [1]. ", "Rome was built in 753 BC."], None),
        ("refuse", ["The shop ", "opens at nine."], None),
        ("general", ["Rome ", "was built in 753 BC."], None),
    ],
)
def test_where_only_documents_may_answer_an_unsure_answer_that_rests_on_none_is_never_shown(
    fallback: Fallback, said: list[str], shown: str | None
) -> None:
    events = run(Scripted(*said), UNSURE, fallback)
    assert text_of(events) == (shown or "".join(said))
    answer = Answer("scripted")
    for event in events:
        answer.apply(event)
    assert answer.text == text_of(events)
    assert answer.grounding == ("partial" if shown is None and fallback == "refuse" else "fallback")


class Eventful(Scripted):
    """An answerer whose model gives these events."""

    def __init__(self, *events: Event) -> None:
        super().__init__()
        self.events = events

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
        yield from self.events


def refused(*events: Event) -> Answer:
    """The answer that comes of these events where only the documents may answer."""
    answer = Answer("scripted")
    for event in run(Eventful(*events), UNSURE, "refuse"):
        answer.apply(event)
    return answer


ROME = Token("Rome was built in 753 BC. ")
CITED = Token("It opens at nine [1]. ")
END = Finished(Usage(3, 4, estimated=False, cost_usd=None))


def test_what_a_model_says_after_a_withdrawn_thought_is_held_back_again() -> None:
    assert refused(CITED, Withdrawn(), ROME, END).text == NOTHING
    assert refused(ROME, Withdrawn(), CITED, END).text.strip() == "It opens at nine [1]."


def test_a_model_that_declines_is_shown_without_what_it_said_before() -> None:
    answer = refused(ROME, Declined(), Token("I cannot help."), END)
    assert (answer.text, answer.refused) == ("I cannot help.", True)


def test_a_fallback_that_cites_by_itself_is_shown_at_once() -> None:
    said = Token(prompts.NOTHING_FOUND)
    answer = refused(AnsweredBy("extractive", cites=True), said, Checked(0, claims=0, unsupported=0), END)
    assert (answer.text, answer.model) == (prompts.NOTHING_FOUND, "extractive")


def test_what_is_said_instead_of_a_cut_answer_is_whole() -> None:
    link = Token("See https://example.com/rome. ")
    answer = refused(ROME, link, replace(END, finish_reason="length"))
    assert (answer.text, answer.finish_reason, answer.removed_links) == (NOTHING, "stop", 0)


def test_what_is_held_back_when_an_answer_ends_early_is_paid_for() -> None:
    answer = Answer("scripted", prompt_tokens=7)
    for event in (ROME, CITED):
        answer.apply(Withheld(event.text))
    assert answer.text == ""
    assert answer.spent.completion_tokens > 5


def test_what_is_held_back_is_shown_when_the_first_citation_comes() -> None:
    events = run(Scripted("It opens ", "at nine [1]. ", "More."), UNSURE, "refuse")
    kinds = [type(event).__name__ for event in events[2:]]
    assert kinds.index("Citation") > kinds.index("Token")
    assert of_kind(events, Token)[0] == Token("It opens")


def test_the_rewritten_question_is_what_is_searched() -> None:
    searched: list[tuple[str, frozenset[str] | None, str | None]] = []

    def retrieve(question: str, collections: frozenset[str] | None, beside: str | None) -> Found:
        searched.append((question, collections, beside))
        return SOME

    ask = Ask("And then?", (HistoryMessage(True, "Hello."),), frozenset({"shop"}))
    parts = list(stream_events(retrieval_chain(retrieve, Scripted("Yes."), "general"), ask))

    assert searched == [("Hello. And then?", frozenset({"shop"}), None)]
    assert parts[0] == Condensed("Hello. And then?")


def test_a_citation_points_into_the_text_of_the_version() -> None:
    (citation,) = of_kind(run(Scripted("The shop opens at nine. [1]")), Citation)

    assert citation.verified
    assert (citation.document_id, citation.version, citation.page) == ("doc", 3, 2)
    assert TEXT[citation.char_start - 100 : citation.char_end - 100] == citation.quote


def test_a_marker_may_be_cut_into_pieces() -> None:
    citations = of_kind(run(Scripted("The shop opens at nine. [", "1", "]")), Citation)

    assert [citation.marker for citation in citations] == [1]


@pytest.mark.parametrize("forged", ["[2]", "[0]", "[999]", "[doc:999]", "[-1]", "[1000]"])
def test_a_forged_marker_gives_no_citation(forged: str) -> None:
    """J8"""
    assert not of_kind(run(Scripted(f"The shop opens at nine. {forged}")), Citation)


def test_without_passages_the_answer_is_a_fallback() -> None:
    parts = run(Scripted("Paris [1]."), NONE)

    assert parts[1] == Retrieved(NONE, "fallback")
    assert not of_kind(parts, Citation)


def test_refusing_asks_no_model() -> None:
    answerer = Scripted("Paris.")

    parts = run(answerer, NONE, fallback="refuse")

    assert of_kind(parts, Token) == [Token(prompts.NOTHING_FOUND)]
    assert finished(parts).usage == Usage(0, 0, estimated=False, cost_usd="0.000000")
    assert answerer.said == 0


def test_refusing_only_concerns_questions_without_passages() -> None:
    assert Token("At nine.") in run(Scripted("At nine."), SOME, fallback="refuse")


def test_the_timings_say_what_took_how_long() -> None:
    timings = finished(run(Scripted("At nine."))).timings_ms

    assert list(timings) == ["condense", "retrieve", "first_token", "total"]
    assert timings["first_token"] <= timings["total"]


def test_closing_the_chain_closes_the_model_and_reads_nothing_more() -> None:
    """K4"""
    answerer = Scripted(*["word "] * 100)
    parts = stream_events(retrieval_chain(lambda *_: SOME, answerer, "general"), Ask("When?"))
    for _ in range(3):
        next(parts)

    parts.close()

    assert answerer.closed
    assert answerer.said <= 2


def test_an_error_of_the_model_passes_through() -> None:
    class Failing(Scripted):
        def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
            yield Token("The ")
            raise ChatbotError("broken")

    parts = stream_events(retrieval_chain(lambda *_: SOME, Failing(), "general"), Ask("When?"))

    assert [next(parts) for _ in range(3)][-1] == Token("The")
    with pytest.raises(ChatbotError, match="broken"):
        next(parts)


def test_chain_is_langchain_runnable_whose_invoke_returns_last_event() -> None:
    chain = retrieval_chain(lambda *_: SOME, Scripted("At ", "nine."), "general")

    assert chain.get_name() == "retrieval_chain"
    assert isinstance(chain.invoke(Ask("When?")), Finished)


@pytest.mark.parametrize(
    ("found", "status"), [(SOME, "grounded"), (replace(SOME, unsure=True), "partial"), (NONE, "fallback")]
)
def test_passages_that_may_not_answer_are_partial_and_the_model_is_told(found: Found, status: str) -> None:
    asked: list[Ask] = []

    class Noting(Scripted):
        def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
            asked.append(ask)
            yield from super().answer(ask, searched, passages)

    parts = run(Noting("It opens at nine [1]."), found)
    assert parts[1] == Retrieved(found, status)
    assert asked[0].unsure == (status == "partial")


def test_small_talk_asks_no_model_and_searches_nothing() -> None:
    def retrieve(*_: object) -> Found:
        raise AssertionError("searched")

    answerer = Scripted("Yes.")
    parts = list(stream_events(retrieval_chain(retrieve, answerer, "general"), Ask("Hello!", language="fr")))
    assert answerer.said == 0
    assert parts[1] == Retrieved(Found((), None, 0.0), "fallback")
    assert finished(parts).usage == NOTHING_SPENT
    assert text_of(parts) == GREETING
