"""Collections: who may read what, and what administrators do with them.

Who may read is asked of the database at each question, so a change holds for the next one in every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chatbot.auth.accounts import AccountNotFound
from chatbot.auth.callers import Caller
from chatbot.auth.credentials.passwords import fold
from chatbot.auth.models import User, that_stay
from chatbot.db import begin_write
from chatbot.errors import Conflict, NotFound
from chatbot.knowledge.documents.service import check_collection, collection_named
from chatbot.knowledge.models import DEFAULT_COLLECTION, EVERYONE, Collection, CollectionMember, Document
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.web.idempotency import service as idempotency
from chatbot.web.idempotency.service import Held
from chatbot.web.pagination import Page, newest_first

log = structlog.get_logger(__name__)


class CollectionNotFound(NotFound):
    code, detail = "collection_not_found", "There is no such collection, or you may not read it."


class MemberNotFound(NotFound):
    code, detail = "member_not_found", "That account is not a member of this collection."


class CollectionExists(Conflict):
    code, detail = "collection_exists", "There is a collection with this name."


class CollectionNotEmpty(Conflict):
    code, detail = "collection_not_empty", "There are documents in this collection; delete or move them first."


class CollectionIsDefault(Conflict):
    code, detail = "collection_is_default", "The collection `default` can be neither deleted nor given another name."


@dataclass(frozen=True)
class Reader:
    """Who searches. `granted` are the names of collections that their token limits them to; None is no limit.

    A visitor's token stands for somebody without an account: it reads what everyone may, and beyond that only what it
    was granted by name, as far as the owner of the key may read it.
    """

    user_id: str
    is_admin: bool = False
    is_visitor: bool = False
    granted: frozenset[str] | None = None

    @classmethod
    def of(cls, caller: Caller) -> Reader:
        granted = None if caller.collections is None else frozenset(map(clean_title, caller.collections))
        return cls(caller.user_id, caller.is_admin, bool(caller.visitor), granted)

    @property
    def is_ordinary(self) -> bool:
        """Neither an administrator nor a visitor, and not limited by their token."""
        return not self.is_admin and not self.is_visitor and self.granted is None


def asked_for(names: Iterable[str] | None) -> frozenset[str] | None:
    """The collections a request names, as they are stored; None where it names none.

    Raises:
        Invalid: a name has nothing to show.
    """
    if names is None:
        return None
    return frozenset(check_collection(name, f"/collections/{place}") for place, name in enumerate(names))


def readable(session: Session, reader: Reader, names: frozenset[str] | None = None) -> frozenset[str]:
    """The ids of the collections that somebody may search: all they may read, or those of the names.

    Raises:
        CollectionNotFound: one of the names is not there, or not for them; which of the two is not said.
    """
    query = _OF_ANYBODY if reader.is_ordinary else select(Collection.name, Collection.id).where(*_open_to(reader))
    found = {row.name: row.id for row in session.connection().execute(query, {"reader": reader.user_id})}
    if names is None:
        return frozenset(found.values())
    if not names <= found.keys():
        raise CollectionNotFound()
    return frozenset(found[name] for name in names)


def may_read(reader: Reader) -> ColumnElement[bool]:
    """The same as a condition on documents: they are in a collection that somebody may search."""
    return Document.collection_id.in_(select(Collection.id).where(*_open_to(reader)))


def _open_to(reader: Reader) -> list[ColumnElement[bool]]:
    everyone = Collection.visibility == EVERYONE
    if reader.is_visitor and reader.granted is None:
        return [everyone]
    limits: list[ColumnElement[bool]] = [] if reader.granted is None else [Collection.name.in_(reader.granted)]
    if reader.is_admin:
        return limits
    memberships = _is(bindparam("reader", reader.user_id, CollectionMember.user_id.type))
    theirs = Collection.id.in_(select(CollectionMember.collection_id).where(memberships))
    if not reader.is_visitor:
        return [*limits, everyone | theirs]
    # A visitor has no role of their own; what an administrator's key grants by name is an administrator's to grant.
    granted_by_admin = select(User.id).where(User.id == reader.user_id, User.is_admin).exists()
    return [*limits, everyone | theirs | granted_by_admin]


def _is(user_id: str | BindParameter[str]) -> ColumnElement[bool]:
    return CollectionMember.user_id == user_id


# Built once, for whoever is named when it is asked: every question and every search does.
_OF_ANYBODY = select(Collection.name, Collection.id).where(*_open_to(Reader("")))


@dataclass(frozen=True)
class Described:
    """A collection, and how many documents it has, deleted ones left out."""

    id: str
    name: str
    visibility: str
    document_count: int
    created_at: datetime


@dataclass(frozen=True)
class Member:
    """Somebody who may read a collection, and since when."""

    user_id: str
    username: str
    created_at: datetime


@dataclass(frozen=True)
class Receipt:
    """What the deletion of a collection has removed."""

    id: str
    name: str
    members: int


def list_collections(session: Session, reader: Reader, limit: int, cursor: str | None) -> Page:
    """A page of the collections that somebody may read, newest first."""
    query = select(Collection).where(*_open_to(reader))
    page = newest_first(session, query, Collection.created_at, Collection.id, limit, cursor)
    return Page(_described(session, page.items), page.next_cursor)


def get_collection(session: Session, reader: Reader, collection_id: str) -> Described:
    """A collection.

    Raises:
        CollectionNotFound: there is none, or it is not for them.
    """
    found = session.scalar(select(Collection).where(Collection.id == collection_id, *_open_to(reader)))
    if found is None:
        raise CollectionNotFound()
    return _described(session, [found])[0]


def _described(session: Session, found: Sequence[Collection]) -> list[Described]:
    held = (Document.collection_id.in_([row.id for row in found]), Document.status != "deleted")
    query = select(Document.collection_id, func.count()).where(*held).group_by(Document.collection_id)
    counts = {row[0]: row[1] for row in session.execute(query)}
    return [Described(row.id, row.name, row.visibility, counts.get(row.id, 0), row.created_at) for row in found]


def create_collection(session: Session, name: str, visibility: str, key: Held | None = None) -> Described:
    """Makes a collection; an Idempotency-Key is answered in the transaction that makes it.

    Raises:
        Invalid: the name has nothing to show.
        CollectionExists: the name is taken.
    """
    name = check_collection(name, "/name")
    begin_write(session)
    collection = Collection(name=name, visibility=visibility)
    session.add(collection)
    _flush(session)
    made = Described(collection.id, name, visibility, 0, collection.created_at)
    if key is not None:
        idempotency.note(session, key.id, {"collection_id": made.id})
        idempotency.finish(session, key.id, 201)
    session.commit()
    return made


def change_collection(session: Session, collection_id: str, changes: dict[str, str]) -> Described:
    """Changes `name` or `visibility`. Tokens that were granted the old name no longer reach it.

    Raises:
        CollectionNotFound: there is none.
        Invalid: the name has nothing to show.
        CollectionExists: the name is taken.
        CollectionIsDefault: `default` keeps its name.
    """
    values = changes | ({"name": check_collection(changes["name"], "/name")} if "name" in changes else {})
    begin_write(session)
    collection = _held(session, collection_id)
    if collection.name == DEFAULT_COLLECTION != values.get("name", DEFAULT_COLLECTION):
        raise CollectionIsDefault()
    for field, value in values.items():
        setattr(collection, field, value)
    _flush(session)
    changed = _described(session, [collection])[0]
    session.commit()
    log.info("collection_changed", collection_id=changed.id, visibility=changed.visibility)
    return changed


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError:  # A unique index on the name is all that can refuse it.
        session.rollback()
        raise CollectionExists() from None


def _held(session: Session, collection_id: str) -> Collection:
    """The collection, locked, so that nobody adds a document or a member meanwhile."""
    query = select(Collection).where(Collection.id == collection_id).with_for_update()
    collection = session.scalar(query.execution_options(populate_existing=True))
    if collection is None:
        raise CollectionNotFound()
    return collection


def delete_collection(session: Session, collection_id: str) -> Receipt:
    """Deletes a collection in which there is no document; its memberships go with it.

    Raises:
        CollectionNotFound: there is none.
        CollectionIsDefault: `default` stays.
        CollectionNotEmpty: there is a document in it.
    """
    begin_write(session)
    collection = _held(session, collection_id)
    if collection.name == DEFAULT_COLLECTION:
        raise CollectionIsDefault()
    inside = Document.collection_id == collection.id
    if session.scalar(select(Document.id).where(inside, Document.status != "deleted").limit(1)):
        raise CollectionNotEmpty()
    _let_go_of_deleted(session, inside)
    of_it = CollectionMember.collection_id == collection.id
    members = len(session.scalars(delete(CollectionMember).where(of_it).returning(CollectionMember.user_id)).all())
    receipt = Receipt(collection.id, collection.name, members)
    session.delete(collection)
    session.commit()
    return receipt


def _let_go_of_deleted(session: Session, inside: ColumnElement[bool]) -> None:
    """The empty rows of deleted documents stay until the nightly clean-up, so another collection takes them in."""
    if session.scalar(select(Document.id).where(inside).limit(1)):
        default = collection_named(session, DEFAULT_COLLECTION)
        session.execute(update(Document).where(inside).values(collection_id=default.id))


def list_members(session: Session, collection_id: str, limit: int, cursor: str | None) -> Page:
    """A page of the members, newest first.

    Raises:
        CollectionNotFound: there is no such collection.
    """
    if session.get(Collection, collection_id) is None:
        raise CollectionNotFound()
    query = select(CollectionMember).where(CollectionMember.collection_id == collection_id)
    page = newest_first(session, query, CollectionMember.created_at, CollectionMember.user_id, limit, cursor)
    whose = select(User.id, User.username).where(User.id.in_([member.user_id for member in page.items]))
    names: dict[str, str] = {row.id: row.username for row in session.execute(whose)}
    # Somebody whose account was deleted between the two reads is left out.
    items = [Member(m.user_id, names[m.user_id], m.created_at) for m in page.items if m.user_id in names]
    return Page(items, page.next_cursor)


def add_member(session: Session, collection_id: str, username: str) -> tuple[Member, bool]:
    """Lets somebody read a collection. Returns the member and whether they are new.

    Raises:
        CollectionNotFound: there is no such collection.
        AccountNotFound: there is no such account.
    """
    begin_write(session)
    collection = _held(session, collection_id)
    user = session.scalar(that_stay(select(User).where(User.username_key == fold(username))))
    if user is None:
        raise AccountNotFound()
    row = session.get(CollectionMember, (collection.id, user.id))
    is_new = row is None
    if row is None:
        row = CollectionMember(collection_id=collection.id, user_id=user.id)
        session.add(row)
        session.flush()
    member = Member(user.id, user.username, row.created_at)
    session.commit()
    log.info("collection_member_added", collection_id=collection_id, member=member.user_id, is_new=is_new)
    return member, is_new


def remove_member(session: Session, collection_id: str, user_id: str) -> None:
    """Takes somebody's membership away; from the next question on they do not find what is in it.

    Raises:
        CollectionNotFound: there is no such collection.
        MemberNotFound: they are no member.
    """
    begin_write(session)
    collection = _held(session, collection_id)
    which = (CollectionMember.collection_id == collection.id, _is(user_id))
    if not session.scalars(delete(CollectionMember).where(*which).returning(CollectionMember.user_id)).all():
        raise MemberNotFound()
    session.commit()
    log.info("collection_member_removed", collection_id=collection_id, member=user_id)
