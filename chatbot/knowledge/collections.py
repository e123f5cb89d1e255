"""Collections: who may read what."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from chatbot.auth.guard import Caller
from chatbot.errors import NotFound
from chatbot.knowledge.models import EVERYONE, Collection, CollectionMember


class CollectionNotFound(NotFound):
    code, detail = "collection_not_found", "There is no such collection, or you may not read it."


@dataclass(frozen=True)
class Reader:
    """Who searches. `granted` are the names of collections that their token limits them to; None is no limit.

    A visitor's token stands for somebody without an account: it reads what everyone may, and beyond that only what it
    was granted by name.
    """

    user_id: str
    is_admin: bool = False
    is_visitor: bool = False
    granted: frozenset[str] | None = None

    @classmethod
    def of(cls, caller: Caller) -> Reader:
        return cls(caller.user_id, caller.is_admin, bool(caller.visitor), caller.collections)


def readable(session: Session, reader: Reader, names: frozenset[str] | None = None) -> frozenset[str]:
    """The ids of the collections that somebody may search: all they may read, or those of the names.

    Raises:
        CollectionNotFound: one of the names is not there, or not for them; which of the two is not said.
    """
    query = select(Collection.name, Collection.id).where(*_open_to(reader))
    found = {row.name: row.id for row in session.execute(query)}
    if names is None:
        return frozenset(found.values())
    if not names <= found.keys():
        raise CollectionNotFound()
    return frozenset(found[name] for name in names)


def _open_to(reader: Reader) -> list[ColumnElement[bool]]:
    limits: list[ColumnElement[bool]] = [] if reader.granted is None else [Collection.name.in_(reader.granted)]
    by_name_only = reader.is_visitor and reader.granted is None
    if reader.is_admin and not by_name_only:
        return limits
    theirs = select(CollectionMember.collection_id).where(CollectionMember.user_id == reader.user_id)
    everyone = Collection.visibility == EVERYONE
    return [*limits, everyone if by_name_only else everyone | Collection.id.in_(theirs)]
