"""Whole answers to identical questions: asked by whoever may read the same, of the same documents and the same model.

The name of an answer is made of everything it depends on, so nothing has to be thrown away when something changes: the
collections that may be searched, the generation and its revision, the model and its fall-backs, the wording of the
prompts, the settings of search and answer, the question, and the conversation it is understood with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import get_args

import structlog
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from chatbot import __version__
from chatbot.cache import Cache
from chatbot.chat.replies.turns import Turn
from chatbot.config import Settings
from chatbot.knowledge.retrieval.retriever import Retriever
from chatbot.rag.events import AnsweredBy, Declined, Event, Events, Finished, Withdrawn
from chatbot.rag.llm.prompts import PROMPT_VERSION
from chatbot.rag.types import NOTHING_SPENT, Condensed

log = structlog.get_logger(__name__)

_kinds = {kind.__name__: TypeAdapter(kind) for kind in get_args(Event)}


class AnswerCache:
    """The answers kept. With ANSWER_CACHE_SECONDS at 0 there are none."""

    def __init__(self, cache: Cache, retriever: Retriever, settings: Settings) -> None:
        self._cache, self._retriever, self._settings = cache, retriever, settings

    def key(self, turn: Turn, model: str) -> str | None:
        """What the answer to a question is kept under. None where none are kept."""
        return self._name(turn, model) if self._settings.answer_cache_seconds else None

    def get(self, key: str | None, turn: Turn) -> Events | None:
        """The events of an answer that is kept, as they are given again; None where it has to be made."""
        value = None if key is None or _is_asked_again(turn) else self._cache.get(key)
        events = None if value is None else _loaded(value)
        if key is None or events is None:
            return None
        self._note(turn, key)
        return _without_cost(events, time.perf_counter())

    def put(self, key: str | None, turn: Turn, events: Sequence[Event]) -> None:
        """Keeps an answer that was made and has come to its end."""
        if key is not None and all(map(_may_be_kept, events)):
            told = to_json([(type(event).__name__, event) for event in events])
            self._cache.put(key, told, self._settings.answer_cache_seconds)
            self._note(turn, key)

    def forget(self, message_id: str) -> None:
        """Takes out what a message was answered with: somebody says that it is bad, or is gone."""
        name = self._cache.get(_of_message(message_id)) if self._settings.answer_cache_seconds else None
        if name is not None:
            self._cache.drop(name.decode())
            self._cache.drop(_of_message(message_id))

    def _note(self, turn: Turn, key: str) -> None:
        self._cache.put(_of_message(turn.answer_id), key.encode(), self._settings.answer_cache_seconds)

    def _name(self, turn: Turn, model: str) -> str:
        index, settings, ask = self._retriever.index(), self._settings, turn.ask
        generation = index.generation if index else None
        return "answer:" + json.dumps(
            [
                __version__,
                PROMPT_VERSION,
                model,
                settings.chat_fallbacks,
                settings.no_context_behavior,
                settings.retrieval_top_k,
                settings.relevance_threshold,
                settings.history_tokens,
                settings.model_answer_tokens,
                ask.language,
                generation and [generation.id, generation.revision, generation.threshold, generation.gate],
                None if ask.collections is None else sorted(ask.collections),
                ask.question,
                [asdict(message) for message in ask.history],
            ]
        )


def _of_message(message_id: str) -> str:
    return f"answer-of:{message_id}"


def _is_asked_again(turn: Turn) -> bool:
    """Whether a question that has an answer is to get another one. The first one's place is behind its question."""
    return turn.answer_position != turn.question.position + 1


def _may_be_kept(event: Event) -> bool:
    """What another model gave in the place of one that was away is not what that one would have said; an answer that
    was cut or refused may come whole another time; and thoughts that were taken back would be shown again."""
    cut = isinstance(event, Finished) and event.finish_reason != "stop"
    return not (cut or isinstance(event, AnsweredBy | Declined | Withdrawn))


def _loaded(value: bytes) -> list[Event] | None:
    """The events of a kept answer; None where another version of this software has written it."""
    try:
        return [_kinds[kind].validate_python(told) for kind, told in from_json(value)]
    except (KeyError, TypeError, ValueError):
        return None


def _without_cost(events: Sequence[Event], begun: float) -> Events:
    """An answer as it is given again: nobody is paid for it, and it took no longer than this."""
    for event in events:
        match event:
            case Condensed():
                yield replace(event, usage=NOTHING_SPENT)
            case Finished():
                total = round((time.perf_counter() - begun) * 1000)
                yield replace(event, usage=NOTHING_SPENT, timings_ms={"total": total})
            case _:
                yield event
