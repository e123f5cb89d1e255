"""A turn: the short transaction in which a question is stored, and the one in which its answer is.

Between the two no database connection is held: what the reply needs travels in a `Turn` of plain values. With an
Idempotency-Key the turn is noted beside the key: who sends the question again gets its answer, or, where there is
none, has the same question answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, case, insert, null, or_, select, update
from sqlalchemy.orm import Session

from chatbot.auth.guard import Caller
from chatbot.auth.tokens import InvalidToken
from chatbot.chat import usage
from chatbot.chat.messages import MessageNotFound, my_message, path_to
from chatbot.chat.models import ChatSession, Message, MessageTrace, Owner
from chatbot.db import begin_write, new_id, utcnow
from chatbot.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from chatbot.knowledge.collections import Reader, readable
from chatbot.rag.prompts import PROMPT_VERSION
from chatbot.rag.tokens import cost_usd, count_tokens
from chatbot.rag.types import NOTHING_SPENT, Ask, Checked, Citation, Found, HistoryMessage, Sent, Usage
from chatbot.web import idempotency
from chatbot.web.idempotency import Held, Made

HISTORY_MESSAGES = 20
# A conversation whose answer's process has died is free again after this; a living one prolongs it several times.
LEASE = timedelta(seconds=30)
TITLE_LENGTH = 60


class ChatSessionNotFound(NotFound):
    code, detail = "chat_session_not_found", "There is no such conversation."


class ReplyInProgress(Conflict):
    code, detail = "reply_in_progress", "A question is being answered in this conversation; wait for it, or stop it."


class CollectionNotAllowed(Forbidden):
    code, detail = "collection_not_allowed", "This token may not search in that collection."


@dataclass(frozen=True)
class Turn:
    """A stored question on its way to an answer."""

    owner: Owner
    session_id: str
    question: Message
    answer_id: str
    answer_position: int
    ask: Ask
    key_id: str | None = None


@dataclass(frozen=True)
class Place:
    """A stored question, the id its answer is to have, and the answer's place in the conversation."""

    question: Message
    answer_id: str
    position: int

    def made(self) -> Made:
        """What is noted beside an Idempotency-Key."""
        return {
            "user_message_id": self.question.id,
            "message_id": self.answer_id,
            "position": str(self.position),
        }


@dataclass
class Answer:
    """An answer as it grows."""

    model: str
    text: str = ""
    question: str | None = None
    found: Found | None = None
    grounding: str = "fallback"
    checked: Checked | None = None
    citations: list[Citation] = field(default_factory=list)
    prompt_tokens: int | None = None
    usage: Usage | None = None
    condensing: Usage = NOTHING_SPENT
    # The model that was asked, where another one has taken its place.
    fallback_from: str | None = None
    # Whether an earlier answer to the same question was given again.
    cached: bool = False
    price: Callable[[str, int, int], str | None] = cost_usd
    timings_ms: dict[str, int] = field(default_factory=dict)
    suggestions: list[str] = field(default_factory=list)
    removed_links: int = 0
    prompts: list[Sent] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def spent(self) -> Usage:
        """What it has taken: as the provider reports it at the end, before that estimated from prompt and text."""
        if self.usage:
            return self.usage
        if self.prompt_tokens is None:
            return self.condensing + Usage(0, 0, estimated=True, cost_usd="0.000000")
        done = count_tokens(self.text)
        cost = self.price(self.model, self.prompt_tokens, done)
        return self.condensing + Usage(self.prompt_tokens, done, estimated=True, cost_usd=cost)

    def sent(self, prompt: Sent) -> None:
        """Notes that a model is asked."""
        self.prompts.append(prompt)
        self.prompt_tokens = prompt.tokens

    def failed(self, model: str, code: str) -> None:
        """Notes that another model takes the place of one that failed."""
        self.failures.append((model, code))

    def check(self, checked: Checked) -> None:
        """Says of a model's answer how much of it the passages support: all of what it claims, a part, or nothing."""
        self.checked = checked
        if self.grounding == "grounded" and (checked.unsupported or not (checked.claims or self.citations)):
            nothing = 0 < checked.claims == checked.unsupported and not self.citations
            self.grounding = "fallback" if nothing else "partial"

    def metadata(self) -> dict[str, Any]:
        """The contract's metadata of an answer, as far as it has come."""
        found, spent = self.found, self.spent
        return {
            "model": self.model,
            "fallback_from": self.fallback_from,
            "cached": self.cached,
            "context_used": self.grounding != "fallback",
            "retrieved_docs": retrieved_docs(found),
            "nearest_docs": nearest_docs(found),
            "grounding": self.grounding_object(),
            "citations": [asdict(citation) for citation in self.citations],
            "removed_markers": self.checked.removed_markers if self.checked else 0,
            "usage": asdict(spent) | {"total_tokens": spent.total_tokens},
            "timings_ms": self.timings_ms,
            "removed_links": self.removed_links,
            "question": self.question,
            "prompt_version": PROMPT_VERSION,
            "suggestions": self.suggestions,
        }

    def grounding_object(self) -> dict[str, Any]:
        """How well the answer stands on documents."""
        top, threshold = (self.found.top_score, self.found.threshold) if self.found else (None, None)
        unsupported = self.checked.unsupported if self.checked else 0
        return {"status": self.grounding, "top_score": top, "threshold": threshold, "unsupported": unsupported}


def retrieved_docs(found: Found | None) -> list[dict[str, Any]]:
    """The passages as the contract shows them."""
    return [{**vars(passage), "scores": dict(passage.scores)} for passage in found.passages] if found else []


def nearest_docs(found: Found | None) -> list[dict[str, str]]:
    """The documents that came nearest where none can carry an answer."""
    nearest = found.nearest if found else ()
    documents = {p.document_id: {"document_id": p.document_id, "title": p.title, "source": p.source} for p in nearest}
    return list(documents.values())


def begin_turn(
    session: Session, caller: Caller, text: str, session_id: str | None, collections: frozenset[str] | None,
    budget: int | None = None, key: Held | None = None, parent_id: str | None = None,
) -> Turn:  # fmt: skip
    """Stores the question in the caller's conversation, or in a new one. `budget` is the account's, in tokens a day.

    The question goes below the message `parent_id`, or below the newest one; with the conversation's own id for
    `parent_id` it stands at the beginning of a branch of its own.

    Raises:
        InvalidToken: the account was deleted a moment ago.
        ChatSessionNotFound: the conversation is not theirs.
        MessageNotFound: the message to go below is not in it.
        Invalid: the message to go below is a question that has an answer.
        ReplyInProgress: a question is being answered in that conversation.
        CollectionNotAllowed: their token does not reach there.
        CollectionNotFound: there is no such collection, or not for them.
        QuotaExceeded: today's tokens are used up.
        IdempotencyInProgress: another request has taken the key.
    """
    return _begin(
        session, caller, collections, budget, key,
        lambda: _new_question(session, caller, text, session_id, parent_id),
    )  # fmt: skip


def begin_again(
    session: Session, caller: Caller, message_id: str, collections: frozenset[str] | None,
    budget: int | None = None, key: Held | None = None,
) -> Turn:  # fmt: skip
    """Has a question of the caller answered once more, beside the answers it has. The message may be one of those.

    Raises:
        MessageNotFound: there is no such message, or its question was deleted.
        InvalidToken, ReplyInProgress, CollectionNotAllowed, CollectionNotFound, QuotaExceeded, IdempotencyInProgress:
            as for `begin_turn`.
    """
    owner = Owner.of(caller)
    return _begin(session, caller, collections, budget, key, lambda: _asked_again(session, owner, message_id))


def _begin(
    session: Session, caller: Caller, collections: frozenset[str] | None, budget: int | None, key: Held | None,
    find_place: Callable[[], Place],
) -> Turn:  # fmt: skip
    owner, reader = Owner.of(caller), Reader.of(caller)
    _refuse_ungranted(reader, collections)
    begin_write(session)
    if not usage.hold_account(session, owner):
        raise InvalidToken()
    usage.check_budget(session, caller, budget)
    searched = readable(session, reader, collections)
    if key is not None and key.made:
        place = _noted(session, owner, key.made)
        hold(session, owner, place.question.chat_session_id, place.answer_id, places=0)
    else:
        place = find_place()
    question = place.question
    earlier = path_to(session, question.parent_id, HISTORY_MESSAGES)
    key_id = key.id if key is not None else None
    idempotency.note(session, key_id, place.made())
    session.commit()
    if question in session:
        session.expunge(question)
    said = tuple(HistoryMessage(m.is_user, m.content) for m in earlier if m.content)
    ask = Ask(question.content, said, searched)
    return Turn(owner, question.chat_session_id, question, place.answer_id, place.position, ask, key_id)


def _refuse_ungranted(reader: Reader, asked: frozenset[str] | None) -> None:
    if asked is not None and reader.granted is not None and not asked <= reader.granted:
        raise CollectionNotAllowed()


def _new_question(
    session: Session, caller: Caller, text: str, session_id: str | None, parent_id: str | None
) -> Place:  # fmt: skip
    owner, answer_id, parent = Owner.of(caller), new_id(), None
    if session_id is None and parent_id is not None:
        session_id = my_message(session, owner, parent_id).chat_session_id
    if session_id is None:
        session_id, position = _new_session(session, owner, text, answer_id), 0
    else:
        position = hold(session, owner, session_id, answer_id, places=2)
        parent = _parent(session, session_id, parent_id)
    question = Message(
        id=new_id(), chat_session_id=session_id, parent_id=parent, position=position, is_user=True,
        author=caller.username, content=text, status="complete", extra={}, created_at=utcnow(),
    )  # fmt: skip
    session.connection().execute(_NEW_MESSAGE, _row_of(question))
    return Place(question, answer_id, position + 1)


# Built once, and without mapped objects: what every question does takes a fifth of the time so.
_TABLES = Message.metadata.tables
_NEW_MESSAGE = insert(_TABLES[Message.__tablename__])
_NEW_TRACE = insert(_TABLES[MessageTrace.__tablename__])
_NEW_SESSION = insert(_TABLES[ChatSession.__tablename__])
_THERE = select(Message.id).where(Message.id.in_(bindparam("ids", expanding=True)))


def _row_of(message: Message) -> dict[str, Any]:
    """A new message as a row."""
    names = ("id", "chat_session_id", "parent_id", "position", "is_user", "author", "content", "status", "created_at")
    return {name: getattr(message, name) for name in names} | {"metadata": message.extra}


def _parent(session: Session, session_id: str, parent_id: str | None) -> str | None:
    """The message that a question goes below: the one that was named, or else the newest."""
    there = select(Message.id).where(Message.chat_session_id == session_id)
    if parent_id is None:
        return session.scalar(there.order_by(Message.position.desc()).limit(1))
    if parent_id == session_id:
        return None
    named = session.scalar(select(Message).where(Message.chat_session_id == session_id, Message.id == parent_id))
    if named is None:
        raise MessageNotFound()
    answers = select(Message.id).where(Message.parent_id == named.id, ~Message.is_user)
    # Below a question that was never answered is the only way on.
    if named.is_user and session.scalar(answers.limit(1)) is not None:
        raise Invalid(errors=[FieldError("/parent_id", "A question goes below an answer; this message is a question.")])
    return parent_id


def _asked_again(session: Session, owner: Owner, message_id: str) -> Place:
    message = my_message(session, owner, message_id)
    question = message if message.is_user else session.get(Message, message.parent_id or "")
    if question is None:
        raise MessageNotFound("The question of this answer was deleted.")
    answer_id = new_id()
    return Place(question, answer_id, hold(session, owner, question.chat_session_id, answer_id, places=1))


def _new_session(session: Session, owner: Owner, text: str, answer_id: str) -> str:
    """A new conversation, held for its first answer, with the places of that and of its question taken."""
    now, id_ = utcnow(), new_id()
    row = {
        "id": id_, "user_id": owner.user_id, "visitor": owner.visitor, "title": title_of(text), "next_position": 2,
        "answering_id": answer_id, "answering_until": now + LEASE, "created_at": now, "updated_at": now,
    }  # fmt: skip
    session.connection().execute(_NEW_SESSION, row)
    return id_


def title_of(text: str) -> str:
    """A conversation's first title: its first question, on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH].rpartition(" ")[0] or line[:TITLE_LENGTH]
    return f"{cut}…"


def hold(session: Session, owner: Owner, session_id: str, answer_id: str, places: int) -> int:
    """Takes a conversation for one answer, and so many places in it, of which it gives the first.

    It is held until the answer is stored. Whoever makes the answer says now and then that they are still at it;
    after LEASE without a word the conversation is free again. Ownership stands in the WHERE.

    Raises:
        ChatSessionNotFound: the conversation is not theirs.
        ReplyInProgress: another answer is under way in it.
    """
    now = utcnow()
    mine = (ChatSession.id == session_id, owner.takes_part(ChatSession))
    free = or_(ChatSession.answering_id.is_(None), ChatSession.answering_until < now)
    after = session.scalar(
        update(ChatSession)
        .where(*mine, free | (ChatSession.answering_id == answer_id))
        .values(
            next_position=ChatSession.next_position + places,
            updated_at=now,
            answering_id=answer_id,
            answering_until=now + LEASE,
            stop_asked=False,
        )
        .returning(ChatSession.next_position)
        .execution_options(synchronize_session=False)
    )
    if after is not None:
        return int(after) - places
    if session.scalar(select(ChatSession.id).where(*mine)) is None:
        raise ChatSessionNotFound()
    raise ReplyInProgress(retry_after=1)


def _noted(session: Session, owner: Owner, made: Made) -> Place:
    """The question that an earlier request has stored, and the id and the place its answer was to have."""
    mine = select(Message).join(ChatSession).where(owner.takes_part(ChatSession))
    question = session.scalar(mine.where(Message.id == made["user_message_id"]))
    if question is None:
        raise ChatSessionNotFound()
    return Place(question, made["message_id"], int(made.get("position", question.position + 1)))


def earlier_answer(session: Session, owner: Owner, key: Held) -> tuple[Message, Message] | None:
    """The question and the answer that an earlier request with the key has stored, if the answer says anything.

    Raises:
        ChatSessionNotFound: the conversation was deleted, or is not theirs.
    """
    if not key.made:
        return None
    place = _noted(session, owner, key.made)
    answer = session.get(Message, place.answer_id)
    session.expunge_all()
    session.rollback()
    return (place.question, answer) if answer is not None and (answer.content or answer.status == "complete") else None


def store_answer(
    session: Session, turn: Turn, answer: Answer, status: str, trace: dict[str, Any] | None = None
) -> Message | None:
    """Stores the answer in its place, what it has cost, and how it was made. None when the conversation was deleted in
    the meantime.

    An answer that says nothing costs nothing, and its key goes to whoever sends the question again.
    """
    begin_write(session)
    says_something = bool(answer.text) or status == "complete"
    if says_something or answer.spent.total_tokens:
        usage.count(session, turn.owner, answer.spent)
    # Never before its question, however coarse the clock.
    now = max(utcnow(), turn.question.created_at + timedelta(microseconds=1))
    connection = session.connection()
    if not connection.execute(_LET_GO, {"chat": turn.session_id, "answer": turn.answer_id, "now": now}).rowcount:
        session.commit()
        return None
    there = set(connection.scalars(_THERE, {"ids": [turn.question.id, turn.answer_id]}))
    message = Message(
        id=turn.answer_id,
        chat_session_id=turn.session_id,
        parent_id=turn.question.id if turn.question.id in there else None,
        position=turn.answer_position,
        is_user=False,
        content=answer.text,
        status=status,
        extra=answer.metadata(),
        created_at=now,
    )
    if turn.answer_id in there:
        # A question that is answered once more has a place with an answer that failed.
        message = session.merge(message)
        session.flush()
        if trace is not None:
            session.merge(MessageTrace(message_id=message.id, trace=trace))
    else:
        connection.execute(_NEW_MESSAGE, _row_of(message))
        if trace is not None:
            connection.execute(_NEW_TRACE, {"message_id": message.id, "trace": trace})
    if says_something:
        idempotency.finish(session, turn.key_id, 200)
    session.commit()
    return message


# The conversation is free for its next question, unless another one has it already.
_LET_GO = (
    update(_TABLES[ChatSession.__tablename__])
    .where(ChatSession.id == bindparam("chat"))
    .values(
        updated_at=bindparam("now"),
        answering_id=case((ChatSession.answering_id == bindparam("answer"), null()), else_=ChatSession.answering_id),
    )
)
