"""Replies that are under way: stopping one, from whichever process, and saying now and then that it is being made.

A reply whose conversation was deleted is stopped as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chatbot.chat.conversations.leases import LEASE
from chatbot.chat.conversations.messages import my_answer
from chatbot.chat.conversations.views import views
from chatbot.chat.models import ChatSession, Message, Owner
from chatbot.chat.schemas import MessageView
from chatbot.db import Sessions, begin_write, utcnow
from chatbot.knowledge.documents.collections import Reader

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
RENEW_SECONDS = 10.0


def under_way(session: Session, owner: Owner, message_id: str) -> str | None:
    """The conversation of the owner's in which a process is making that answer now; None if none is."""
    return session.scalar(select(ChatSession.id).where(*_made_now(owner, message_id)))


def ask_to_stop(session: Session, owner: Owner, message_id: str) -> str:
    """Asks whichever process makes an answer to stop. `stopping`, or the status of an answer that is stored already.

    Raises:
        MessageNotFound: there is no such answer, or it is somebody else's.
        NotAnAnswer: it is a question.
    """
    begin_write(session)
    wish = update(ChatSession).where(*_made_now(owner, message_id)).values(stop_asked=True)
    found = session.scalar(wish.returning(ChatSession.id).execution_options(synchronize_session=False))
    session.commit()
    return "stopping" if found is not None else my_answer(session, owner, message_id).status


def stored_reply(
    session: Session, owner: Owner, reader: Reader, message_id: str
) -> tuple[MessageView | None, MessageView]:
    """A stored answer and its question, if that is still there, as the reader sees them.

    Raises:
        MessageNotFound, NotAnAnswer: as for `ask_to_stop`.
    """
    answer = my_answer(session, owner, message_id)
    question = session.get(Message, answer.parent_id) if answer.parent_id else None
    seen = views(session, reader, [answer] if question is None else [answer, question])
    session.expunge_all()
    session.rollback()
    return seen[1] if question is not None else None, seen[0]


def _made_now(owner: Owner, message_id: str) -> tuple[ColumnElement[bool], ...]:
    return owner.takes_part(ChatSession), ChatSession.answering_id == message_id, ChatSession.answering_until > utcnow()


# Built once, and without mapped objects: they are asked every second, of hundreds of conversations perhaps.
_CHATS = ChatSession.metadata.tables[ChatSession.__tablename__]
_OURS = _CHATS.c.id.in_(bindparam("chats", expanding=True))
_STATES = select(_CHATS.c.id, _CHATS.c.answering_id, _CHATS.c.stop_asked).where(_OURS)
_RENEW = (
    update(_CHATS)
    .where(_OURS, _CHATS.c.answering_id.in_(bindparam("answers", expanding=True)))
    .values(answering_until=bindparam("later"))
)


@dataclass(frozen=True)
class _Reply:
    session_id: str
    stop: threading.Event = field(default_factory=threading.Event)


class ActiveReplies:
    """The replies of this process.

    Each asks several times a second whether it is to stop. Once a second one of them looks into the database for all,
    and every ten seconds it prolongs the lease of all: a query a second for a process, however many replies it has.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._replies: dict[str, _Reply] = {}
        self._looking = threading.Lock()
        self.ending = False
        self._look_due = self._renew_due = 0.0

    @contextmanager
    def entered(self, answer_id: str, session_id: str) -> Iterator[Callable[[], bool]]:
        """Inside, the reply is known; what it gives says whether the reply is to stop."""
        if not self._replies:
            self._look_due, self._renew_due = time.monotonic() + LOOK_SECONDS, time.monotonic() + RENEW_SECONDS
        reply = self._replies[answer_id] = _Reply(session_id)
        try:
            yield lambda: self._asked(reply)
        finally:
            self._replies.pop(answer_id, None)

    def stop(self, answer_id: str) -> None:
        """Stops a reply of this process, if there is one of that id."""
        reply = self._replies.get(answer_id)
        if reply is not None:
            reply.stop.set()

    def shut_down(self) -> None:
        """Stops every reply of this process, because it ends."""
        self.ending = True
        for reply in list(self._replies.values()):
            reply.stop.set()

    def _asked(self, reply: _Reply) -> bool:
        if not reply.stop.is_set() and time.monotonic() >= self._look_due and self._looking.acquire(blocking=False):
            try:
                self._look()
            except SQLAlchemyError as error:
                log.warning("replies_not_looked_up", error=type(error).__name__)
            finally:
                self._look_due = time.monotonic() + LOOK_SECONDS
                self._looking.release()
        return reply.stop.is_set()

    def _look(self) -> None:
        replies = dict(self._replies)
        ours = {"chats": list({reply.session_id for reply in replies.values()})}
        with self._sessions() as session:
            if time.monotonic() >= self._renew_due:
                begin_write(session)
                later = {"answers": list(replies), "later": utcnow() + LEASE}
                session.connection().execute(_RENEW, ours | later)
                self._renew_due = time.monotonic() + RENEW_SECONDS
            found = session.connection().execute(_STATES, ours).all()
            session.commit()
        wanted = {row.answering_id for row in found if row.stop_asked}
        known = {row.id for row in found}
        for answer_id, reply in replies.items():
            # Nobody can read the answer of a conversation that was deleted.
            if answer_id in wanted or reply.session_id not in known:
                reply.stop.set()
