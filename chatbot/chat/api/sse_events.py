"""A reply's events as a client reads them: frames of a stream, or one JSON object. Also those of a stored reply."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from functools import singledispatch
from typing import Any

from chatbot.chat.conversations.answers import retrieved_docs
from chatbot.chat.conversations.views import as_asked
from chatbot.chat.replies.reply import Cited, Done, Event, Failed, Sources, Start, Token
from chatbot.chat.schemas import MessageView, ReplySchema
from chatbot.errors import ChatbotError
from chatbot.web.streaming.sse import AsProblem

_reply = ReplySchema()


def frames(
    events: Generator[Event, None, None], as_problem: AsProblem
) -> Generator[tuple[str, dict[str, object]], None, None]:
    """The (name, payload) of each event, in the contract's shapes."""
    with closing(events):
        for event in events:
            yield ("error", as_problem(event.error)) if isinstance(event, Failed) else _frame(event)


@singledispatch
def _frame(event: Event) -> tuple[str, dict[str, object]]:
    raise TypeError(type(event))


@_frame.register
def _(event: Start) -> tuple[str, dict[str, object]]:
    turn = event.turn
    return "start", {
        "chat_session_id": turn.session_id,
        "user_message_id": turn.question.id,
        "message_id": turn.answer_id,
        "model": event.model,
    }


@_frame.register
def _(event: Sources) -> tuple[str, dict[str, object]]:
    answer = event.answer
    return "sources", {"retrieved_docs": retrieved_docs(answer.found), "grounding": answer.grounding_object()}


@_frame.register
def _(event: Token) -> tuple[str, dict[str, object]]:
    return "token", {"text": event.text}


@_frame.register
def _(event: Cited) -> tuple[str, dict[str, object]]:
    return "citation", asdict(event.citation)


@_frame.register
def _(event: Done) -> tuple[str, dict[str, object]]:
    return "done", reply_of(event)


def done_again(reply: tuple[MessageView | None, MessageView]) -> Generator[tuple[str, dict[str, object]], None, None]:
    """The last event of a stored reply."""
    yield "done", reply_object(*reply)


def reply_of(event: Done) -> dict[str, object]:
    """The contract's Reply, for the person who has asked."""
    return reply_object(as_asked(event.turn.question), as_asked(event.message))


def reply_object(question: MessageView | None, answer: MessageView) -> dict[str, object]:
    """The contract's Reply."""
    shape = {"chat_session_id": answer.message.chat_session_id, "user_message": question, "message": answer}
    dumped: dict[str, object] = _reply.dump(shape)
    return dumped


def frames_again(reply: dict[str, Any]) -> Generator[tuple[str, dict[str, Any]], None, None]:
    """The events of a stored Reply; its whole text is one token."""
    answer = reply["message"]
    metadata = answer["metadata"]
    ids = {"user_message_id": reply["user_message"]["id"], "message_id": answer["id"]}
    yield "start", {"chat_session_id": reply["chat_session_id"], **ids, "model": metadata["model"]}
    yield "sources", {"retrieved_docs": metadata["retrieved_docs"], "grounding": metadata["grounding"]}
    yield "token", {"text": answer["content"]}
    yield from (("citation", citation) for citation in metadata["citations"])
    yield "done", reply


def drain(events: Generator[Event, None, None]) -> dict[str, object]:
    """The Reply of a whole run.

    Raises:
        ChatbotError: the answer could not be finished.
    """
    for event in events:
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Done):
            return reply_of(event)
    raise ChatbotError()
