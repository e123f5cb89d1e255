"""What people say of answers."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.auth.models import User, that_stay
from chatbot.chat.conversations.messages import my_answer
from chatbot.chat.models import Message, Owner
from chatbot.db import begin_write, utcnow


def give_feedback(session: Session, owner: Owner, message_id: str, rating: str | None, comment: str | None) -> Message:
    """Notes what somebody says of an answer, in place of what was said before; with neither it is taken back.

    Raises:
        MessageNotFound: there is no such message, or it is not theirs.
        NotAnAnswer: it is a question.
    """
    begin_write(session)
    # Before the message: deleting an account takes its rows in this order.
    rater = session.scalar(that_stay(select(User.id).where(User.id == owner.user_id)))
    message = my_answer(session, owner, message_id)
    message.rating, message.comment = rating, comment or None
    said = bool(message.rating or message.comment)
    message.rated_at, message.rated_by = (utcnow(), rater) if said else (None, None)
    session.commit()
    return message
