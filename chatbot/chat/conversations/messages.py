"""Single messages: finding one that is the caller's, and the way to it from the beginning of its conversation."""

from __future__ import annotations

from sqlalchemy import Select, bindparam, literal, select
from sqlalchemy.orm import Session, aliased

from chatbot.chat.models import ChatSession, Message, Owner
from chatbot.errors import Invalid, NotFound


class MessageNotFound(NotFound):
    code, detail = "message_not_found", "There is no such message."


class NotAnAnswer(Invalid):
    code, detail = "not_an_answer", "This is for answers; the message is a question."


def my_answer(session: Session, owner: Owner, message_id: str) -> Message:
    """An answer in a conversation in which the owner takes part.

    Raises:
        MessageNotFound: there is none, or it is somebody else's.
        NotAnAnswer: it is a question.
    """
    message = my_message(session, owner, message_id)
    if message.is_user:
        raise NotAnAnswer()
    return message


def my_message(session: Session, owner: Owner, message_id: str) -> Message:
    """A message of a conversation in which the owner takes part.

    Raises:
        MessageNotFound: there is none, or it is somebody else's.
    """
    mine = select(Message).join(ChatSession, ChatSession.id == Message.chat_session_id)
    message = session.scalar(mine.where(Message.id == message_id, owner.takes_part(ChatSession)))
    if message is None:
        raise MessageNotFound()
    return message


def path_to(session: Session, message_id: str | None, at_most: int) -> list[Message]:
    """The messages from the beginning of a branch to a message, oldest first; of a longer branch the newest ones."""
    if message_id is None:
        return []
    return list(session.scalars(_PATH, {"message": message_id, "most": at_most}))


def _path() -> Select[Message]:
    walk = select(Message.id, Message.parent_id, literal(1).label("steps")).where(Message.id == bindparam("message"))
    path = walk.cte("path", recursive=True)
    up = aliased(Message)
    above = select(up.id, up.parent_id, path.c.steps + 1).join(path, up.id == path.c.parent_id)
    path = path.union_all(above.where(path.c.steps < bindparam("most")))
    return select(Message).join(path, Message.id == path.c.id).order_by(path.c.steps.desc())


# Built once: every follow-up asks it.
_PATH = _path()
