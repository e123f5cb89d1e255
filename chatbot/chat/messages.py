"""Single messages: finding one that is the caller's, and the way to it from the beginning of its conversation."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.chat.models import ChatSession, Message, Owner
from chatbot.errors import NotFound


class MessageNotFound(NotFound):
    code, detail = "message_not_found", "There is no such message."


def my_message(session: Session, owner: Owner, message_id: str) -> Message:
    """A message of the owner's conversations.

    Raises:
        MessageNotFound: there is none, or it is somebody else's.
    """
    mine = select(Message).join(ChatSession, ChatSession.id == Message.chat_session_id).where(owner.owns(ChatSession))
    message = session.scalar(mine.where(Message.id == message_id))
    if message is None:
        raise MessageNotFound()
    return message
