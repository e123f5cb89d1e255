"""What the database knows of the index's snapshot files (chatbot/rag/vector_store/snapshot_file.py): which were
completed.

The rows of what was removed after a file's revision are kept for its sake, so that a process that starts from it can
be told; but not for long, for the machine that has it may be gone.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chatbot.db import Sessions, begin_write, utcnow
from chatbot.knowledge.models import Generation, IndexFile

if TYPE_CHECKING:
    from chatbot.rag.vector_store.snapshot_file import SnapshotStore

# Removals are kept for so long for a file that was not written anew.
KEPT = timedelta(days=7)


class SqlSnapshotRegistry:
    """The notes of one generation's files."""

    def __init__(self, sessions: Sessions, generation_id: int) -> None:
        self._sessions, self._generation_id = sessions, generation_id

    def tokens(self) -> frozenset[str]:
        with self._sessions() as session:
            return frozenset(session.scalars(select(IndexFile.token)))

    def note(self, token: str, revision: int) -> bool:
        with self._sessions() as session:
            begin_write(session)
            generation = session.get(Generation, self._generation_id, with_for_update={"key_share": True})
            if generation is None or not generation.embedder or generation.purged_revision > revision:
                session.rollback()
                return False
            session.add(IndexFile(token=token, generation_id=self._generation_id, revision=revision))
            session.commit()
            return True

    def forget(self, tokens: frozenset[str]) -> None:
        with self._sessions() as session:
            begin_write(session)
            session.execute(delete(IndexFile).where(IndexFile.token.in_(tokens)))
            session.commit()


def snapshot_store_of(sessions: Sessions, generation: Generation, folder: Path | None) -> SnapshotStore | None:
    """The snapshot files of a generation, where there is a folder for them."""
    from chatbot.rag.vector_store.snapshot_file import SnapshotHeader, SnapshotStore

    if folder is None:
        return None
    about = SnapshotHeader(generation.id, generation.embedder, generation.dimension)
    return SnapshotStore(folder, about, SqlSnapshotRegistry(sessions, generation.id))


def may_be_purged(session: Session) -> None:
    """Counts up the revisions that may be purged, in the caller's transaction: all that no file of the last days needs
    to be told of."""
    behind = select(Generation.revision).where(Generation.id == IndexFile.generation_id).scalar_subquery()
    old = (IndexFile.created_at < utcnow() - KEPT, IndexFile.revision < behind)
    session.execute(delete(IndexFile).where(*old).execution_options(synchronize_session=False))
    oldest = (
        select(func.min(IndexFile.revision))
        .where(IndexFile.generation_id == Generation.id, IndexFile.revision >= Generation.purged_revision)
        .scalar_subquery()
    )
    values = {"purged_revision": func.coalesce(oldest, Generation.revision)}
    session.execute(update(Generation).values(values).execution_options(synchronize_session=False))


def forget_files(session: Session, generation_id: int) -> None:
    """The files of a generation that is no more; whoever writes one next deletes them. In the caller's transaction."""
    session.execute(delete(IndexFile).where(IndexFile.generation_id == generation_id))
