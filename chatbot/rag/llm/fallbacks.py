"""An order of models: where one fails before its first token, the next one answers, and the answer says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Protocol

import structlog

from chatbot.errors import ChatbotError
from chatbot.rag.errors import ContentFiltered, QuestionTooLong
from chatbot.rag.events import AnsweredBy, Events
from chatbot.rag.types import Ask, Condensed, HistoryMessage, Passage

log = structlog.get_logger(__name__)


class One(Protocol):
    """An answerer (chatbot/rag/llm/answerers.py)."""

    @property
    def name(self) -> str: ...
    @property
    def cites(self) -> bool: ...
    def condense(self, question: str, history: Sequence[HistoryMessage]) -> Condensed: ...
    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events: ...


class WithFallbacks:
    """The first answerer, and behind it those that take its place. Each is tried once, before the first token."""

    def __init__(self, first: One, others: Sequence[One]) -> None:
        self._order = [first, *others]
        self.name, self.cites = first.name, first.cites

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> Condensed:
        """The question as it is to be searched; the first one's, which joins by itself where it fails."""
        return self._order[0].condense(question, history)

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
        """The answer of the first who has one; it begins with `AnsweredBy` if that is another one.

        Raises:
            ChatbotError: all have failed; the first one's error.
        """
        failures: list[ChatbotError] = []
        for answerer in self._order:
            with closing(answerer.answer(ask, searched, passages)) as events:
                try:
                    begin = next(events)
                except (QuestionTooLong, ContentFiltered):
                    # These are about the question, which stays the same.
                    raise
                except ChatbotError as error:
                    failures.append(error)
                    log.warning("model_falls_back", model=answerer.name, code=error.code)
                    if ask.on_failed:
                        ask.on_failed(answerer.name, error.code)
                    continue
                if failures:
                    yield AnsweredBy(answerer.name, answerer.cites)
                yield begin
                yield from events
                return
        raise failures[0]
