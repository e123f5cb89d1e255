"""What people say of answers."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chatbot.chat.messages import my_answer
from chatbot.chat.models import Message, Owner
from chatbot.db import begin_write, utcnow


def give_feedback(session: Session, owner: Owner, message_id: str, rating: str | None, comment: str | None) -> Message:
    """Notes what somebody says of an answer, in place of what was said before; with neither it is taken back.

    Raises:
        MessageNotFound: there is no such message, or it is not theirs.
        NotAnAnswer: it is a question.
    """
    begin_write(session)
    message = my_answer(session, owner, message_id)
    message.rating, message.comment = rating, comment or None
    message.rated_at = utcnow() if message.rating or message.comment else None
    session.commit()
    return message
