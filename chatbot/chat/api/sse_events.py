"""A reply's events as a client reads them: frames of a stream, or one JSON object. Also those of a stored reply."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict
from typing import Any, assert_never

from chatbot.chat.conversations.answers import grounding_object, retrieved_docs
from chatbot.chat.conversations.views import as_asked
from chatbot.chat.replies.reply import Done, Failed, ReplyEvent, Start
from chatbot.chat.schemas import MessageView, ReplySchema
from chatbot.errors import ChatbotError
from chatbot.rag.events import AnsweredBy, Declined, Finished, Retrieved, Token, Withdrawn, Withheld
from chatbot.rag.types import Checked, Citation, Condensed, Final
from chatbot.web.streaming.broadcast import Frame, Frames
from chatbot.web.streaming.sse import AsProblem

_reply = ReplySchema()


def frames_of(event: ReplyEvent, as_problem: AsProblem) -> list[Frame]:
    """An event as the (name, payload) of the contract; nothing for what a client learns from `done`."""
    match event:
        case Token():
            return [("token", {"text": event.text})]
        case Citation():
            return [("citation", asdict(event))]
        case Start():
            ids = {"user_message_id": event.turn.question.id, "message_id": event.turn.answer_id}
            return [("start", {"chat_session_id": event.turn.session_id, **ids, "model": event.model})]
        case Retrieved():
            grounding = grounding_object(event.found, event.status)
            return [("sources", {"retrieved_docs": retrieved_docs(event.found), "grounding": grounding})]
        case Done():
            return [("done", reply_of(event))]
        case Failed():
            return [("error", as_problem(event.error))]
        case Condensed() | AnsweredBy() | Withheld() | Withdrawn() | Declined() | Final() | Checked() | Finished():
            return []
        case _:
            assert_never(event)


def done_again(reply: tuple[MessageView | None, MessageView]) -> Frames:
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


def frames_again(reply: dict[str, Any]) -> Frames:
    """The events of a stored Reply; its whole text is one token."""
    answer = reply["message"]
    metadata = answer["metadata"]
    ids = {"user_message_id": reply["user_message"]["id"], "message_id": answer["id"]}
    yield "start", {"chat_session_id": reply["chat_session_id"], **ids, "model": metadata["model"]}
    yield "sources", {"retrieved_docs": metadata["retrieved_docs"], "grounding": metadata["grounding"]}
    yield "token", {"text": answer["content"]}
    yield from (("citation", citation) for citation in metadata["citations"])
    yield "done", reply


def drain(events: Generator[ReplyEvent, None, None]) -> dict[str, Any]:
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
