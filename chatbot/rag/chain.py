"""The retrieval chain: condense, retrieve, decide, answer.

A LangChain runnable around a generator in which the model comes last. Anything behind the model would make closing
the stream read the rest of the model's answer first, so a client who leaves would still be paid for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.runnables.utils import AddableDict

from chatbot.rag import prompts
from chatbot.rag.citations import CitationFinder
from chatbot.rag.models import Answerer, Piece
from chatbot.rag.types import Ask, Found, Part, Usage

Retrieve = Callable[[str, frozenset[str] | None], Found]
Fallback = Literal["general", "refuse"]


def retrieval_chain(retrieve: Retrieve, answerer: Answerer, fallback: Fallback) -> Runnable[Ask, AddableDict]:
    """A runnable from an `Ask` to `{"parts": [Part, ...]}`; streamed, each chunk has one part."""

    def run(ask: Ask) -> Generator[AddableDict, None, None]:
        with closing(_parts(ask, retrieve, answerer, fallback)) as parts:
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


def _parts(ask: Ask, retrieve: Retrieve, answerer: Answerer, fallback: Fallback) -> Generator[Part, None, None]:
    clock = _Clock()
    question = answerer.condense(ask.question, ask.history)
    clock.lap("condense")
    yield Part(question=question)
    found = retrieve(question, ask.collections)
    clock.lap("retrieve")
    yield Part(found=found, status="grounded" if found.passages else "fallback")
    finder = CitationFinder(found.passages)
    with closing(_answer(ask, question, found, answerer, fallback)) as pieces:
        for piece in pieces:
            if piece.text:
                clock.lap("first_token", once=True)
                yield Part(text=piece.text, prompt_tokens=piece.prompt_tokens)
                found_in = [] if answerer.cites else finder.feed(piece.text)
                yield from (Part(citation=citation) for citation in found_in)
            if piece.citation:
                yield Part(citation=piece.citation)
            if piece.usage:
                yield Part(usage=piece.usage, timings_ms=clock.total())


def _answer(
    ask: Ask, question: str, found: Found, answerer: Answerer, fallback: Fallback
) -> Generator[Piece, None, None]:
    if not found.passages and fallback == "refuse":
        yield Piece(prompts.NOTHING_FOUND)
        yield Piece(usage=Usage(0, 0, estimated=False, cost_usd="0.000000"))
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
