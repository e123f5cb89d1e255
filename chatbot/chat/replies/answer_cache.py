"""Whole answers to identical questions: asked by whoever may read the same, of the same documents and the same model.

The name of an answer is made of everything it depends on, so nothing has to be thrown away when something changes: the
collections that may be searched, the generation and its revision, the model and its fall-backs, the wording of the
prompts, the settings of search and answer, the question, and the conversation it is understood with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, replace

import structlog
from pydantic import TypeAdapter, ValidationError

from chatbot import __version__
from chatbot.cache import Cache
from chatbot.chat.replies.turns import Turn
from chatbot.config import Settings
from chatbot.knowledge.retrieval.retriever import Retriever
from chatbot.rag.llm.prompts import PROMPT_VERSION
from chatbot.rag.types import NOTHING_SPENT, Part

log = structlog.get_logger(__name__)

Parts = Generator[Part, None, None]
_parts: TypeAdapter[list[Part]] = TypeAdapter(list[Part])


class AnswerCache:
    """The answers kept. With ANSWER_CACHE_SECONDS at 0 there are none."""

    def __init__(self, cache: Cache, retriever: Retriever, settings: Settings) -> None:
        self._cache, self._retriever, self._settings = cache, retriever, settings

    def through(self, turn: Turn, model: str, make: Callable[[], Parts]) -> Parts:
        """The parts of an answer, kept or made. One that was made is kept when it has come to its end."""
        if not self._settings.answer_cache_seconds:
            yield from _closing(make())
            return
        begun, name = time.perf_counter(), self._name(turn, model)
        kept = None if _is_asked_again(turn) else self._get(name)
        if kept is not None:
            self._note(turn, name)
            yield Part(cached=True)
            yield from (_without_cost(part, begun) for part in kept)
            return
        made: list[Part] = []
        for part in _closing(make()):
            made.append(part)
            yield part
        if all(map(_may_be_kept, made)):
            self._cache.put(name, _parts.dump_json(made, exclude_defaults=True), self._settings.answer_cache_seconds)
            self._note(turn, name)

    def forget(self, message_id: str) -> None:
        """Takes out what a message was answered with: somebody says that it is bad, or is gone."""
        name = self._cache.get(_of_message(message_id)) if self._settings.answer_cache_seconds else None
        if name is not None:
            self._cache.drop(name.decode())
            self._cache.drop(_of_message(message_id))

    def _get(self, name: str) -> list[Part] | None:
        value = self._cache.get(name)
        try:
            return None if value is None else _parts.validate_json(value)
        except ValidationError:
            # Another version of this software has written it.
            return None

    def _note(self, turn: Turn, name: str) -> None:
        self._cache.put(_of_message(turn.answer_id), name.encode(), self._settings.answer_cache_seconds)

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


def _may_be_kept(part: Part) -> bool:
    """What another model gave in the place of one that was away is not what that one would have said; an answer that
    was cut or refused may come whole another time; and thoughts that were taken back would be shown again."""
    return not (part.by or part.refused or part.taken_back or part.finish_reason != "stop")


def _closing(parts: Parts) -> Parts:
    with closing(parts):
        yield from parts


def _without_cost(part: Part, begun: float) -> Part:
    """A kept part as it is given again: nobody is paid for it, and it took no longer than this."""
    part = replace(part, condensing=None)
    if part.usage is None:
        return part
    return replace(part, usage=NOTHING_SPENT, timings_ms={"total": round((time.perf_counter() - begun) * 1000)})
