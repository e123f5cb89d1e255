"""The retrieval chain: condense, retrieve, decide, answer. Small talk is answered before all that.

A LangChain runnable around a generator in which the model comes last. Anything behind the model would make closing
the stream read the rest of the model's answer first, so a client who leaves would still be paid for.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.runnables.utils import AddableDict

from chatbot.rag.grounding.citations import CitedText, Shown
from chatbot.rag.grounding.cited_links import with_cited_links
from chatbot.rag.grounding.claim_support import Embed
from chatbot.rag.grounding.known_urls import Addresses
from chatbot.rag.grounding.link_filter import LinkFilter
from chatbot.rag.llm import prompts
from chatbot.rag.llm.answerers import Answerer
from chatbot.rag.llm.small_talk import small_talk
from chatbot.rag.types import NOTHING_SPENT, Ask, Citation, Found, Part, Piece, Usage
from chatbot.translations import translated

# The question, what may be searched, and the question as it was typed where that is searched as well.
Retrieve = Callable[[str, frozenset[str] | None, str | None], Found]
Fallback = Literal["general", "refuse"]
_BEHIND_A_BRACKET = re.compile(r"(?<=[\]】])(?=.)", re.DOTALL)


def retrieval_chain(
    retrieve: Retrieve, answerer: Answerer, fallback: Fallback, embed: Embed | None = None
) -> Runnable[Ask, AddableDict]:
    """A runnable from an `Ask` to `{"parts": [Part, ...]}`; streamed, each chunk has one part.

    With `embed` a citation may also be carried by a passage that says the same in other words.
    """

    def run(ask: Ask) -> Generator[AddableDict, None, None]:
        with closing(_parts(ask, retrieve, answerer, fallback, embed)) as parts:
            for part in parts:
                yield AddableDict(parts=[part])

    chain: Runnable[Any, Any] = RunnableLambda(run, name="retrieval_chain")
    return chain


def stream_parts(chain: Runnable[Ask, AddableDict], ask: Ask) -> Generator[Part, None, None]:
    """The parts of an answer, one by one. Closing this generator closes the model's stream at once."""
    stream: Any = chain.stream(ask)
    with closing(stream):
        for chunk in stream:
            yield from chunk["parts"]


def _parts(
    ask: Ask, retrieve: Retrieve, answerer: Answerer, fallback: Fallback, embed: Embed | None
) -> Generator[Part, None, None]:
    clock = _Clock()
    talk = small_talk(ask.question)
    if talk is not None:
        yield from _talked(ask, *talk, clock)
        return
    condensed = answerer.condense(ask.question, ask.history)
    question = condensed.question
    clock.lap("condense")
    yield Part(question=question, condensing=condensed.usage)
    found = retrieve(question, ask.collections, condensed.beside)
    clock.lap("retrieve")
    yield Part(found=found, status=_status(found))
    ask = replace(ask, unsure=found.unsure)
    with closing(_answer(ask, question, found, answerer, fallback)) as pieces:
        begin = next(pieces, Piece())
        if begin.by:
            yield Part(by=begin.by)
        said = _accounted(itertools.chain([begin], pieces), condensed.usage, clock)
        cites = begin.cites if begin.by else answerer.cites
        # What the software says itself claims nothing.
        if cites or (fallback == "refuse" and not found.passages):
            yield from _as_said(said, clock)
        else:
            yield from _as_checked(said, found, embed, clock)


def _talked(ask: Ask, sentence: str, language: str | None, clock: _Clock) -> Generator[Part, None, None]:
    """The answer to a greeting, to thanks, or to a question about the assistant: nothing is searched or asked."""
    yield Part(question=ask.question)
    yield Part(found=Found((), None, 0.0), status="fallback")
    yield Part(text=translated(sentence, language or ask.language))
    yield Part(usage=NOTHING_SPENT, timings_ms=clock.total())


def _status(found: Found) -> str:
    """How the answer will stand on documents, as far as the passages tell."""
    if not found.passages:
        return "fallback"
    return "partial" if found.unsure else "grounded"


def _accounted(pieces: Iterable[Piece], spent: Usage, clock: _Clock) -> Generator[Piece, None, None]:
    """The pieces, with the time of the first text, and what was spent before them added to what they took."""
    for piece in pieces:
        if piece.text:
            clock.lap("first_token", once=True)
        yield replace(piece, usage=spent + piece.usage) if piece.usage else piece


def _as_said(pieces: Iterable[Piece], clock: _Clock) -> Generator[Part, None, None]:
    """An answer that cites by itself."""
    for piece in pieces:
        timings = clock.total() if piece.usage else {}
        yield Part(
            text=piece.text,
            citation=piece.citation,
            usage=piece.usage,
            timings_ms=timings,
            finish_reason=piece.finish_reason,
        )


def _as_checked(
    pieces: Iterable[Piece], found: Found, embed: Embed | None, clock: _Clock
) -> Generator[Part, None, None]:
    """A model's answer: its markers become citations, or go, and so do links and images that nothing stands behind."""
    by_chunk = {passage.chunk_id: passage for passage in found.passages}

    def begin() -> tuple[Addresses, LinkFilter, CitedText, list[Citation]]:
        images = Addresses([])
        return images, LinkFilter(Addresses.of(found.passages), images), CitedText(found.passages, embed), []

    images, links, cited, citations = begin()
    for piece in pieces:
        if piece.taken_back:
            images, links, cited, citations = begin()
        if piece.taken_back or piece.refused:
            yield Part(taken_back=piece.taken_back, refused=piece.refused)
        for stretch in _up_to_markers(piece.text):
            for part in _shown(cited.feed(links.feed(stretch))):
                if part.citation:
                    citations.append(part.citation)
                    images.add(by_chunk[part.citation.chunk_id])
                yield part
        if piece.usage:
            last = [*_shown(cited.feed(links.end())), *_shown(cited.end())]
            yield from last
            citations += [part.citation for part in last if part.citation]
            final, checked, removed = with_cited_links(cited.text, citations, cited.checked(), found.passages)
            yield Part(checked=checked, final=final if removed else None)
            yield Part(
                usage=piece.usage,
                timings_ms=clock.total(),
                removed_links=links.removed + removed,
                finish_reason=piece.finish_reason,
            )


def _up_to_markers(text: str) -> list[str]:
    """A piece in which there may be an image, in stretches that end where a marker may: what is cited before an image
    decides whether it stays, however many tokens have come together."""
    return _BEHIND_A_BRACKET.split(text) if "!" in text else [text]


def _shown(shown: Shown) -> Generator[Part, None, None]:
    if shown.text:
        yield Part(text=shown.text)
    yield from (Part(citation=citation) for citation in shown.citations)


def _answer(
    ask: Ask, question: str, found: Found, answerer: Answerer, fallback: Fallback
) -> Generator[Piece, None, None]:
    if not found.passages and (fallback == "refuse" or answerer.cites):
        yield Piece(prompts.nothing_found(found.nearest, ask))
        yield Piece(usage=NOTHING_SPENT)
        return
    with closing(answerer.answer(ask, question, found.passages)) as pieces:
        yield from pieces


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
