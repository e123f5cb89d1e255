"""An answer made once more as its question stood, and what is different. Nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from difflib import unified_diff
from typing import Any

from sqlalchemy.orm import Session

from chatbot.chat.conversations.answers import Answer, retrieved_docs
from chatbot.chat.conversations.messages import MessageNotFound, NotAnAnswer, path_to
from chatbot.chat.models import Message, MessageTrace
from chatbot.chat.replies.traces import TraceNotFound
from chatbot.chat.replies.turns import HISTORY_MESSAGES
from chatbot.config import Settings
from chatbot.knowledge.index.activation import GenerationRefused, get_generation, lacking
from chatbot.knowledge.models import Generation
from chatbot.knowledge.retrieval.retriever import Index, Retriever
from chatbot.rag.chain import retrieval_chain, stream_events
from chatbot.rag.llm.answerers import ChatModels
from chatbot.rag.types import Ask, Found, HistoryMessage

_PLACE = ("document_id", "title", "version", "chunk_id", "page", "scores")


class ReplayRefused(Exception):
    """The answer cannot be made again; the sentence says why."""


@dataclass(frozen=True)
class Before:
    """An answer as it was given, and what it was asked."""

    message_id: str
    ask: Ask
    model: str
    text: str
    metadata: Mapping[str, Any]
    trace: Mapping[str, Any]


def recall(session: Session, message_id: str) -> Before:
    """An answer, its question and what was said before that.

    Raises:
        MessageNotFound: there is no such message.
        NotAnAnswer: it is a question.
        TraceNotFound: how it was made was not noted.
        ReplayRefused: its question was deleted.
    """
    message, row = session.get(Message, message_id), session.get(MessageTrace, message_id)
    if message is None:
        raise MessageNotFound()
    if message.is_user:
        raise NotAnAnswer()
    if row is None:
        raise TraceNotFound()
    question = session.get(Message, message.parent_id) if message.parent_id else None
    if question is None:
        raise ReplayRefused("The question of this answer was deleted.")
    earlier = path_to(session, question.parent_id, HISTORY_MESSAGES)
    said = tuple(HistoryMessage(m.is_user, m.content) for m in earlier if m.content)
    searched = row.trace["collections"]
    ask = Ask(question.content, said, None if searched is None else frozenset(searched), row.trace["language"])
    found = Before(message.id, ask, row.trace["model"], message.content, message.extra, row.trace)
    session.rollback()
    return found


def searchable(session: Session, generation_id: int) -> tuple[Generation, int]:
    """A generation that can be searched, and how many documents it lacks of those that answer now.

    Raises:
        GenerationRefused: there is none of that number, or it is not finished.
    """
    generation = get_generation(session, generation_id)
    if generation.built_at is None and not generation.active:
        raise GenerationRefused(
            f"Generation {generation_id} is not finished, so it cannot be searched; "
            f"`flask index build --generation {generation_id}` goes on."
        )
    missing = len(lacking(session, generation_id))
    session.rollback()
    return generation, missing


def replay(
    retriever: Retriever, settings: Settings, index: Index | None, before: Before, model: str | None = None
) -> Answer:
    """The answer made now, in the index or in what answers now. A language model is asked, and paid.

    Raises:
        ReplayRefused: the model that was asked may not be named any more.
        Invalid: `model` may not be named.
        ChatbotError: the model or the embedder has failed.
    """
    index = index or retriever.index()
    embedder = index.embedder if index else retriever.embedder()
    if index is not None:
        # What a process loads with its first search is not part of the answer's time.
        index.search("warm up", 1)
    models = ChatModels(settings, lambda: embedder)
    if model is None and before.model not in models.names:
        names = ", ".join(models.names)
        raise ReplayRefused(f"The model {before.model} may not be named any more; choose with --model: {names}.")

    def retrieve(question: str, collections: frozenset[str] | None, beside: str | None) -> Found:
        return retriever.find(question, settings.retrieval_top_k, collections, beside, index)

    answerer = models.get(model or before.model)
    answer = Answer(answerer.name, price=models.prices.cost)
    ask = replace(before.ask, on_sent=answer.sent, on_failed=answer.failed)
    chain = retrieval_chain(retrieve, answerer, settings.no_context_behavior, embedder.embed)
    with closing(stream_events(chain, ask)) as events:
        for event in events:
            answer.apply(event)
    return answer


def difference(before: Before, answer: Answer) -> dict[str, Any]:
    """What is different, as plain values; of each pair the first is how it was."""
    old, new = before.metadata, answer.metadata()
    return {
        "message_id": before.message_id,
        "question": {"asked": before.ask.question, "searched": [old["question"], new["question"]]},
        "generation": [_generation(before.trace["search"]), _generation(_searched(answer.found))],
        "model": [old["model"], new["model"]],
        "same_prompt": _same_prompt(before.trace["prompts"], answer),
        "passages": moves(old["retrieved_docs"], retrieved_docs(answer.found)),
        "grounding": [old["grounding"], new["grounding"]],
        "citations": [len(old["citations"]), len(new["citations"])],
        "text": _text(before.text, answer.text),
        "timings_ms": [old["timings_ms"], new["timings_ms"]],
        "usage": [old["usage"], new["usage"]],
    }


def _searched(found: Found | None) -> dict[str, Any] | None:
    return asdict(found.searched) if found and found.searched else None


def _generation(search: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {name: search[name] for name in ("generation", "revision", "embedder")} if search else None


def _same_prompt(prompts: Sequence[Mapping[str, Any]], answer: Answer) -> bool | None:
    """Whether the last prompt has the same messages; None where a model was not asked both times."""
    if not prompts or not answer.prompts:
        return None
    return [m["sha256"] for m in prompts[-1]["messages"]] == [name for *_, name in answer.prompts[-1].messages]


def moves(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which passages are in the same place, which have moved, and which were lost and gained.

    Generations cut differently, so a passage is the same where at least half of the shorter one is in both.
    """
    left, kept, moved, lost = list(after), 0, [], []
    for passage in before:
        twin = next((other for other in left if _is_same(passage, other)), None)
        if twin is None:
            lost.append(_shown(passage))
            continue
        left.remove(twin)
        kept += twin["rank"] == passage["rank"]
        if twin["rank"] != passage["rank"]:
            moved.append(_shown(twin) | {"rank": [passage["rank"], twin["rank"]]})
    return {"kept": kept, "moved": moved, "lost": lost, "gained": [_shown(passage) for passage in left]}


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if (one["document_id"], one["version"]) != (other["document_id"], other["version"]):
        return False
    shared = min(one["char_end"], other["char_end"]) - max(one["char_start"], other["char_start"])
    return bool(2 * shared >= min(p["char_end"] - p["char_start"] for p in (one, other)))


def _shown(passage: Mapping[str, Any]) -> dict[str, Any]:
    return {"rank": passage["rank"]} | {name: passage[name] for name in _PLACE}


def _text(before: str, after: str) -> dict[str, Any]:
    lines = unified_diff(before.splitlines(), after.splitlines(), "before", "now", lineterm="")
    return {"same": before == after, "before": before, "after": after, "diff": "\n".join(lines)}


def notes(before: Before, missing: int) -> list[str]:
    """What has to be known to read a difference."""
    told, found = before.trace["history"]["told"], []
    if told:
        found.append(f"The client told {told} message(s) before this question; they are not stored, and not here.")
    if before.metadata["cached"]:
        found.append("The answer was kept from before, so its timings are not those of a search.")
    if missing:
        found.append(f"The generation lacks {missing} document(s) of those that answer now.")
    return found
