"""Many files brought up to date at once: those that are new go in together, in one transaction.

What is known, or refused, or would not fit with the others goes the way of a single file (service.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chatbot.db import begin_write, new_id
from chatbot.errors import ChatbotError
from chatbot.knowledge.documents.blobs import kept
from chatbot.knowledge.documents.quotas import make_room
from chatbot.knowledge.documents.service import NewDocument, collection_named, refuse_unreadable, sync_file
from chatbot.knowledge.models import Collection, Document, DocumentVersion

# So many files, or so many bytes, are held at once.
MOST, MOST_BYTES = 256, 4_000_000


@dataclass(frozen=True)
class Synced:
    """What has become of a file: `added`, `changed` or `unchanged`, its document, and whether it is to be ingested."""

    outcome: str
    document_id: str
    status: str
    to_ingest: bool


def sync_files(session: Session, files: Sequence[NewDocument]) -> list[Synced | ChatbotError]:
    """Brings the documents of files up to date as `sync_file` does; for each what came of it, or why it was refused."""
    done: dict[int, Synced | ChatbotError] = {}
    for at, new in enumerate(files):
        try:
            refuse_unreadable(new)
        except ChatbotError as error:
            done[at] = error
    for collection in sorted({new.collection for new in files}):
        some = {at: new for at, new in enumerate(files) if new.collection == collection and at not in done}
        known = _known(session, collection, [new.source for new in some.values()])
        done |= {at: _unchanged(known[new.source]) for at, new in some.items() if _is_unchanged(new, known)}
        done |= _added(session, collection, {at: new for at, new in some.items() if new.source not in known})
    return [done[at] if at in done else _by_itself(session, new) for at, new in enumerate(files)]


@dataclass(frozen=True)
class _Known:
    id: str
    content_hash: str
    status: str


def _known(session: Session, collection: str, sources: Sequence[str]) -> dict[str, _Known]:
    """The documents of a collection by their sources."""
    query = (
        select(Document.source, Document.id, Document.content_hash, Document.status)
        .join(Collection)
        .where(Collection.name == collection, Document.source.in_(sources), Document.status != "deleted")
    )
    found = {row[0]: _Known(row[1], row[2], row[3]) for row in session.execute(query)}
    session.rollback()
    return found


def _is_unchanged(new: NewDocument, known: dict[str, _Known]) -> bool:
    there = known.get(new.source)
    return there is not None and there.content_hash == new.content_hash and there.status != "failed"


def _unchanged(there: _Known) -> Synced:
    return Synced("unchanged", there.id, there.status, to_ingest=False)


def _added(session: Session, collection: str, files: dict[int, NewDocument]) -> dict[int, Synced | ChatbotError]:
    """Stores what is new and queues it, in one transaction; nothing where there is no room for all of it."""
    if len(files) < 2:
        return {}
    begin_write(session)
    collection_id = collection_named(session, collection).id
    hashes = {at: new.content_hash for at, new in files.items()}
    same = (Document.collection_id == collection_id, Document.status != "deleted")
    query = select(Document.content_hash).where(*same, Document.content_hash.in_(hashes.values()))
    # Somebody else may have brought some of them since they were looked for.
    sources = select(Document.source).where(*same, Document.source.in_([new.source for new in files.values()]))
    taken = set(session.scalars(sources))
    fresh = dict(_first_of_each(files, hashes, set(session.scalars(query)), taken))
    ids = {at: new_id() for at in fresh}
    try:
        _write(session, collection_id, {ids[at]: new for at, new in fresh.items()})
    except ChatbotError:
        # Some of them may fit, or go into a file, all the same.
        session.rollback()
        return {}
    session.commit()
    return {at: Synced("added", ids[at], "queued", to_ingest=True) for at in fresh}


def _write(session: Session, collection_id: str, fresh: dict[str, NewDocument]) -> None:
    make_room(session, len(fresh), sum(len(new.data) for new in fresh.values()))
    # Where originals are files their hashes are locked: in order, or two writers would wait for each other.
    of = {id_: new.document_values() for id_, new in fresh.items()}
    order = sorted(fresh, key=lambda id_: str(of[id_]["content_hash"]))
    versions = [
        {"document_id": id_, "version": 1, **fresh[id_].version_values(), **kept(session, fresh[id_].data)}
        for id_ in order
    ]
    if fresh:
        session.execute(insert(Document), [{"id": id_, "collection_id": collection_id, **of[id_]} for id_ in order])
        session.execute(insert(DocumentVersion), versions)


def _first_of_each(
    files: dict[int, NewDocument], hashes: dict[int, str], there: set[str], sources: set[str]
) -> Iterator[tuple[int, NewDocument]]:
    """The files whose content and whose source are not there yet, nor among those before them."""
    for at, new in files.items():
        if hashes[at] not in there and new.source not in sources:
            there.add(hashes[at])
            sources.add(new.source)
            yield at, new


def _by_itself(session: Session, new: NewDocument) -> Synced | ChatbotError:
    try:
        outcome, document, to_ingest = sync_file(session, new)
    except ChatbotError as error:
        session.rollback()
        return error
    return Synced(outcome, document.id, document.status, to_ingest)
