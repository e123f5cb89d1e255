"""The retrieval chain: condense, retrieve, decide, answer. Small talk is answered before all that.

A LangChain runnable around a generator in which the model comes last. Anything behind the model would make closing
the stream read the rest of the model's answer first, so a client who leaves would still be paid for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Literal, cast

from langchain_core.runnables import Runnable, RunnableLambda

from chatbot.rag.events import AnsweredBy, Declined, Event, Events, Finished, Retrieved, Token, Withdrawn, Withheld
from chatbot.rag.grounding.citations import CitedText, Shown
from chatbot.rag.grounding.cited_links import with_cited_links
from chatbot.rag.grounding.claim_support import Embed
from chatbot.rag.grounding.known_urls import Addresses
from chatbot.rag.grounding.link_filter import LinkFilter
from chatbot.rag.llm import prompts
from chatbot.rag.llm.answerers import Answerer
from chatbot.rag.llm.small_talk import small_talk
from chatbot.rag.types import NOTHING_SPENT, Ask, Checked, Citation, Condensed, Found
from chatbot.translations import translated

# The question, what may be searched, and the question as it was typed where that is searched as well.
Retrieve = Callable[[str, frozenset[str] | None, str | None], Found]
Fallback = Literal["general", "refuse"]
_BEHIND_A_BRACKET = re.compile(r"(?<=[\]】])(?=.)", re.DOTALL)


def retrieval_chain(
    retrieve: Retrieve, answerer: Answerer, fallback: Fallback, embed: Embed | None = None
) -> Runnable[Ask, Event]:
    """A runnable from an `Ask` to the events of its answer. It is made to be streamed: `invoke` returns the last one.

    With `embed` a citation may also be carried by a passage that says the same in other words.
    """

    def run(ask: Ask) -> Events:
        clock = _Clock()
        talk = small_talk(ask.question)
        if talk is not None:
            sentence, language = talk
            yield Condensed(ask.question)
            yield Retrieved(Found((), None, 0.0), "fallback")
            yield Token(translated(sentence, language or ask.language))
            yield Finished(NOTHING_SPENT, timings_ms=clock.total())
            return
        condensed = answerer.condense(ask.question, ask.history)
        clock.lap("condense")
        yield condensed
        found = retrieve(condensed.question, ask.collections, condensed.beside)
        clock.lap("retrieve")
        yield Retrieved(found, _status(found))
        only_documents = found.unsure and fallback == "refuse" and not answerer.cites
        instead = prompts.nothing_found(found.passages, ask) if only_documents else None
        answer = _VisibleAnswer(condensed, found, embed, clock, answerer.cites, instead)
        if not found.passages and (fallback == "refuse" or answerer.cites):
            yield from answer.canned(prompts.nothing_found(found.nearest, ask))
            return
        ask = replace(ask, unsure=found.unsure)
        with closing(answerer.answer(ask, condensed.question, found.passages)) as events:
            for event in events:
                yield from answer.read(event)

    return RunnableLambda(run, name="retrieval_chain")


def stream_events(chain: Runnable[Ask, Event], ask: Ask) -> Events:
    """The events of an answer, one by one. Closing this generator closes the model's stream at once."""
    return cast(Events, chain.stream(ask))


def _status(found: Found) -> str:
    """How the answer will stand on documents, as far as the passages tell."""
    if not found.passages:
        return "fallback"
    return "partial" if found.unsure else "grounded"


class _VisibleAnswer:
    """What is shown of an answer. Where it does not cite by itself, its markers become citations, or go, and so do
    links and images that nothing stands behind.

    With a text that is said `instead` of an answer that rests on nothing, tokens are held back until the first
    citation, and never shown if none comes and no sentence is supported.
    """

    def __init__(
        self, condensed: Condensed, found: Found, embed: Embed | None, clock: _Clock, cites: bool, instead: str | None
    ) -> None:
        self._condensed, self._found, self._embed, self._clock, self._cites = condensed, found, embed, clock, cites
        self._instead = instead
        self._by_chunk = {passage.chunk_id: passage for passage in found.passages}
        self._begin()

    def _begin(self) -> None:
        self._images = Addresses([])
        self._links = LinkFilter(Addresses.of(self._found.passages), self._images)
        self._cited, self._citations = CitedText(self._found.passages, self._embed), list[Citation]()
        self._held, self._holds = list[Event](), self._instead is not None

    def canned(self, text: str) -> list[Event]:
        """What the software says itself, which claims nothing."""
        self._clock.lap("first_token", once=True)
        return [Token(text), self._finished(Finished(NOTHING_SPENT))]

    def read(self, event: Event) -> list[Event]:
        """The events that come of one of the answerer's."""
        match event:
            case Token():
                self._clock.lap("first_token", once=True)
                if self._cites:
                    return [event]
                events = self._checked(event.text)
                shown = self._released(events, any(isinstance(event, Citation) for event in events))
                return [Withheld(event.text)] if self._holds else shown
            case AnsweredBy():
                self._cites = event.cites
            case Withdrawn():
                self._begin()
            case Declined() if self._holds:
                # That a model declines is shown, and nothing that it said before.
                self._begin()
                self._holds = False
            case Finished():
                return [self._finished(event)] if self._cites else self._end(event)
        return [event]

    def _released(self, events: list[Event], rests_on_something: bool) -> list[Event]:
        """The events that may be shown now: none while another text might take their place."""
        self._held += events
        self._holds = self._holds and not rests_on_something
        if self._holds:
            return []
        released, self._held = self._held, []
        return released

    def _checked(self, text: str) -> list[Event]:
        events = list[Event]()
        # Stretches end where a marker may: what is cited before an image decides whether it stays, however many tokens
        # have come together.
        for stretch in _BEHIND_A_BRACKET.split(text) if "!" in text else [text]:
            events += self._shown(self._cited.feed(self._links.feed(stretch)))
        return events

    def _shown(self, shown: Shown) -> list[Event]:
        for citation in shown.citations:
            self._citations.append(citation)
            self._images.add(self._by_chunk[citation.chunk_id])
        return [Token(shown.text), *shown.citations] if shown.text else [*shown.citations]

    def _end(self, finished: Finished) -> list[Event]:
        events = [*self._shown(self._cited.feed(self._links.end())), *self._shown(self._cited.end())]
        text, checked = self._cited.text, self._cited.checked()
        final, checked, removed = with_cited_links(text, self._citations, checked, self._found.passages)
        said = self._released(events, bool(self._citations) or checked.claims > checked.unsupported)
        if self._holds and self._instead:
            # What is said instead is whole, however the model has ended.
            whole = replace(finished, finish_reason="stop")
            return [Token(self._instead), Checked(0, claims=0, unsupported=0), self._finished(whole)]
        ended = self._finished(replace(finished, removed_links=self._links.removed + removed))
        return [*said, final, checked, ended] if removed else [*said, checked, ended]

    def _finished(self, finished: Finished) -> Finished:
        usage = self._condensed.usage + finished.usage
        return replace(finished, usage=usage, timings_ms=self._clock.total())


class _Clock:
    """Milliseconds of each step since the start of the question."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, int] = {}

    def lap(self, name: str, once: bool = False) -> None:
        now = time.perf_counter()
        if once:
            self._laps.setdefault(name, round((now - self._start) * 1000))
        else:
            self._laps[name] = round((now - self._last) * 1000)
        self._last = now

    def total(self) -> dict[str, int]:
        return {**self._laps, "total": round((time.perf_counter() - self._start) * 1000)}
