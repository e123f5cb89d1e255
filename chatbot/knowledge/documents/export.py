"""What this package has stored about a person, for them to take along."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from chatbot.knowledge.models import Collection, CollectionMember


def memberships(session: Session, user_id: str) -> Iterator[tuple[str, dict[str, object]]]:
    """(file name, content) of the collections that somebody is a member of."""
    query = select(CollectionMember, Collection.name).join(Collection)
    rows = session.execute(query.where(CollectionMember.user_id == user_id).order_by(Collection.name)).all()
    items = [
        {
            "collection_id": member.collection_id,
            "collection": name,
            "user_id": user_id,
            "created_at": member.created_at.isoformat().replace("+00:00", "Z"),
        }
        for member, name in rows
    ]
    yield "collections.json", {"collections": items}
