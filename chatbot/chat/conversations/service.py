"""What can be done with conversations, apart from asking. Ownership stands in every WHERE."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, Select, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from chatbot.chat.conversations import usage
from chatbot.chat.conversations.leases import ChatSessionNotFound
from chatbot.chat.conversations.members import check_owner, names_of
from chatbot.chat.conversations.views import views
from chatbot.chat.models import ChatSession, Message, Owner
from chatbot.chat.schemas import MessageView
from chatbot.db import begin_write, utcnow
from chatbot.knowledge.documents.collections import Reader
from chatbot.knowledge.retrieval.stale_citations import Quote, outdated
from chatbot.web.pagination import Page, newest_first, oldest_first


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up has deleted."""

    deleted_sessions: int
    deleted_messages: int


def _mine(owner: Owner) -> Select[ChatSession]:
    return select(ChatSession).where(owner.takes_part(ChatSession))


def list_sessions(session: Session, owner: Owner, q: str | None, limit: int, cursor: str | None) -> Page:
    """The owner's conversations, the one used last first; `q` looks into titles and messages."""
    query = _mine(owner)
    if q:
        said = exists().where(Message.chat_session_id == ChatSession.id, Message.content.icontains(q, autoescape=True))
        query = query.where(or_(ChatSession.title.icontains(q, autoescape=True), said))
    page = newest_first(session, query, ChatSession.updated_at, ChatSession.id, limit, cursor)
    return Page(with_counts(session, page.items), page.next_cursor)


def with_counts(session: Session, chats: Any) -> list[dict[str, Any]]:
    """Conversations with how many messages each has."""
    ids = [chat.id for chat in chats]
    query = select(Message.chat_session_id, func.count()).where(Message.chat_session_id.in_(ids))
    counts = dict(session.execute(query.group_by(Message.chat_session_id)).all())
    names = names_of(session, ids)
    return [
        {"chat": chat, "message_count": counts.get(chat.id, 0), "members": names.get(chat.id, [])} for chat in chats
    ]


def get_session(session: Session, owner: Owner, session_id: str) -> dict[str, object]:
    """One conversation of the owner.

    Raises:
        ChatSessionNotFound: there is none, or it is somebody else's.
    """
    chat = session.scalar(_mine(owner).where(ChatSession.id == session_id))
    if chat is None:
        raise ChatSessionNotFound()
    return with_counts(session, [chat])[0]


def rename_session(session: Session, owner: Owner, session_id: str, title: str) -> dict[str, object]:
    """Gives a conversation another title.

    Raises:
        ChatSessionNotFound: as for `get_session`.
        OwnerRequired: they only take part in it.
    """
    begin_write(session)
    check_owner(session, owner, session_id)
    mine = (ChatSession.id == session_id, owner.owns(ChatSession))
    session.execute(update(ChatSession).where(*mine).values(title=title, titled_by_person=True))
    session.commit()
    return get_session(session, owner, session_id)


def delete_session(session: Session, owner: Owner, session_id: str) -> str | None:
    """Deletes a conversation and its messages. Gives the id of the answer that was being made in it, if one was:
    whoever makes it notices, and stops.

    Raises:
        ChatSessionNotFound: as for `get_session`.
        OwnerRequired: they only take part in it.
    """
    begin_write(session)
    check_owner(session, owner, session_id)
    gone = delete(ChatSession).where(ChatSession.id == session_id, owner.owns(ChatSession))
    deleted = session.execute(gone.returning(ChatSession.answering_id)).one_or_none()
    session.commit()
    if deleted is None:
        raise ChatSessionNotFound()
    answer_id: str | None = deleted.answering_id
    return answer_id


def list_messages(
    session: Session, owner: Owner, reader: Reader, session_id: str, limit: int, cursor: str | None
) -> Page:
    """The messages of a conversation of the owner, oldest first, as the reader sees them, with what is outdated.

    Raises:
        ChatSessionNotFound: as for `get_session`.
    """
    get_session(session, owner, session_id)
    query = select(Message).where(Message.chat_session_id == session_id)
    page = oldest_first(session, query, Message.position, limit, cursor)
    seen = views(session, reader, page.items)
    gone = outdated(session, {_quote_of(c) for view in seen for c in view.metadata.get("citations", ())})
    return Page([_marked(view, gone) for view in seen], page.next_cursor)


def _marked(view: MessageView, gone: set[Quote]) -> MessageView:
    citations = view.metadata.get("citations")
    if not citations:
        return view
    marked = [citation | {"outdated": _quote_of(citation) in gone} for citation in citations]
    return replace(view, metadata=view.metadata | {"citations": marked})


def _quote_of(citation: dict[str, Any]) -> Quote:
    return citation["document_id"], citation["version"], citation["quote"]


def clean_up(session: Session, retention_days: int) -> Cleaned:
    """Deletes messages older than the retention, and conversations that were not used since, in one transaction.

    With them goes what answers have cost on days longer ago than `usage.KEPT_DAYS`.
    """
    before = utcnow() - timedelta(days=retention_days)
    begin_write(session)
    messages = session.execute(delete(Message).where(Message.created_at < before))
    empty = ~exists().where(Message.chat_session_id == ChatSession.id)
    sessions = session.execute(delete(ChatSession).where(ChatSession.updated_at < before, empty))
    usage.forget_old(session)
    session.commit()
    assert isinstance(messages, CursorResult)  # noqa: S101 - a DELETE's result has a row count.
    assert isinstance(sessions, CursorResult)  # noqa: S101
    return Cleaned(deleted_sessions=sessions.rowcount, deleted_messages=messages.rowcount)
