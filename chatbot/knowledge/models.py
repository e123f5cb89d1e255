"""The rows that hold all knowledge. The index derives from them; losing it loses nothing.

A chunk carries the revision at which it became visible and the one at which it was removed. Every process compares
the newest revision with the one it holds and pulls what changed between the two.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from chatbot.db import Base, UtcDateTime, new_id, utcnow
from chatbot.rag.text.stemming import TERMS_VERSION

# SQLite only counts up an INTEGER PRIMARY KEY.
BigId = BigInteger().with_variant(Integer, "sqlite")

DEFAULT_COLLECTION = "default"
# The type of a document that is the answer to the question in its title: it comes first where that is asked.
CURATED = "curated"


EVERYONE, MEMBERS = "everyone", "members"


class Collection(Base):
    """A named set of documents; a document is in exactly one. `visibility` says who may find what is in it."""

    __tablename__ = "collections"

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    visibility: Mapped[str] = mapped_column(String(20), default=EVERYONE)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class CollectionMember(Base):
    """Somebody who may read a collection that is for its members."""

    __tablename__ = "collection_members"
    __table_args__ = (Index("ix_collection_members_user_id", "user_id"),)

    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class WorkerRow(Base):
    """A worker process that ingests, and when it was last seen."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class Document(Base):
    """What somebody put in. Its row is the queue entry as well: status, lease, attempts and the reason of a wait."""

    __tablename__ = "documents"
    __table_args__ = (
        Index("ix_documents_status_next_attempt_at", "status", "next_attempt_at"),
        Index("ix_documents_uploaded_at_id", "uploaded_at", "id"),
        Index("ix_documents_collection_id_content_hash", "collection_id", "content_hash"),
        Index("ix_documents_collection_id_source", "collection_id", "source"),
    )

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id"))
    title: Mapped[str] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(500), default="")
    # Where it is fetched from, again whenever somebody asks for it.
    url: Mapped[str | None] = mapped_column(String(2000))
    document_type: Mapped[str] = mapped_column(String(50), default="article")
    is_active: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(String(20), default="queued")
    version: Mapped[int] = mapped_column(default=1)
    content_hash: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(default=0)
    chunk_count: Mapped[int] = mapped_column(default=0)
    chunks_done: Mapped[int] = mapped_column(default=0)
    chunks_total: Mapped[int] = mapped_column(default=0)
    language: Mapped[str | None] = mapped_column(String(10))
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_detail: Mapped[str | None] = mapped_column(String(500))
    blocked_because: Mapped[str | None] = mapped_column(String(500))
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    lease_owner: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow, onupdate=utcnow)

    collection: Mapped[Collection] = relationship(lazy="joined", innerjoin=True)

    def queue(self) -> None:
        """Puts the document (back) into the queue, with a clean slate."""
        self.status = "queued"
        self.attempts = self.chunks_done = self.chunks_total = 0
        self.next_attempt_at = utcnow()
        self.lease_owner = self.lease_until = None
        self.error_code = self.error_detail = self.blocked_because = None

    @staticmethod
    def failed_values(code: str, detail: str) -> dict[str, object]:
        """The columns of a document that cannot be ingested."""
        ended = dict.fromkeys(("lease_owner", "lease_until", "blocked_because"))
        return {"status": "failed", "error_code": code, "error_detail": detail[:500], **ended}

    @staticmethod
    def ready_values(chunks: int) -> dict[str, object]:
        """The columns of a document whose newest version answers with so many chunks."""
        counts = dict.fromkeys(("chunk_count", "chunks_done", "chunks_total"), chunks)
        nothing = dict.fromkeys(("lease_owner", "lease_until", "error_code", "error_detail"))
        return {"status": "ready", **counts, **nothing}

    @staticmethod
    def queued_values(because: str | None, until: datetime | None = None) -> dict[str, Any]:
        """The columns of a document that goes back into the queue: why, and when it is due if that is later."""
        ended = dict.fromkeys(("lease_owner", "lease_until"))
        later = {"next_attempt_at": until} if until else {}
        return {"status": "queued", "blocked_because": because and because[:500], **ended, **later}


class DocumentVersion(Base):
    """One content of a document: the original bytes and the text that offsets count in.

    `content_hash` is empty while the bytes are still to be fetched. With `in_file` they lie under the instance folder
    by their hash, and `content` is empty.
    """

    __tablename__ = "document_versions"
    __table_args__ = (UniqueConstraint("document_id", "version"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    version: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64))
    filename: Mapped[str] = mapped_column(String(255), default="")
    media_type: Mapped[str | None] = mapped_column(String(100))
    size_bytes: Mapped[int] = mapped_column(default=0)
    in_file: Mapped[bool] = mapped_column(default=False)
    content: Mapped[bytes] = deferred(mapped_column(LargeBinary))
    # 64 bits that texts of nearly the same words have nearly in common, for finding near duplicates.
    simhash: Mapped[int | None] = mapped_column(BigInteger)
    # How much its text looks like orders to a model, 0 to 1; NULL where it was never looked at.
    instruction_score: Mapped[float | None]
    text: Mapped[str | None] = deferred(mapped_column(Text))
    pages: Mapped[list[int]] = mapped_column(JSON, default=list)
    # What of the content is not in the text, as parsing/warnings.py has it.
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class Generation(Base):
    """One way of cutting and embedding; its revision counts what became visible or was removed."""

    __tablename__ = "generations"

    id: Mapped[int] = mapped_column(primary_key=True)
    embedder: Mapped[str] = mapped_column(String(200))
    dimension: Mapped[int]
    chunk_tokens: Mapped[int]
    threshold: Mapped[float]
    # What `flask eval calibrate` has learnt, see rag/grounding/answerability.py; while NULL the threshold decides
    # alone.
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # The languages its documents have: a question is stemmed in each.
    languages: Mapped[list[str]] = mapped_column(JSON, default=list)
    # Which terms its chunks are indexed with, see TERMS_VERSION; others are written anew by the sweep.
    terms_version: Mapped[int] = mapped_column(default=TERMS_VERSION)
    # 1 for the active generation, NULL for the others: the unique index lets only one be active.
    active: Mapped[int | None] = mapped_column(unique=True)
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    # Rows removed up to this revision are gone; a process that holds less reads everything again.
    purged_revision: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
    # When every document was in it; NULL while it is being built.
    built_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    activated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The one that was active before it, which a rollback returns to.
    previous_id: Mapped[int | None]
    lease_owner: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ChunkRow(Base):
    """A chunk: its offsets in the version's text, its own text, and its vector as packed float32."""

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("generation_id", "version_id", "ordinal"),
        Index("ix_chunks_generation_id_added_revision", "generation_id", "added_revision"),
        Index("ix_chunks_generation_id_removed_revision", "generation_id", "removed_revision"),
        Index("ix_chunks_generation_id_text_hash", "generation_id", "text_hash"),
        Index("ix_chunks_document_id", "document_id"),
        Index("ix_chunks_version_id", "version_id"),
        # An id that was given away is never given again: other processes still hold it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    generation_id: Mapped[int] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    version_id: Mapped[int] = mapped_column(ForeignKey("document_versions.id", ondelete="CASCADE"))
    version: Mapped[int]
    ordinal: Mapped[int]
    char_start: Mapped[int]
    char_end: Mapped[int]
    page: Mapped[int | None]
    headings: Mapped[list[str]] = mapped_column(JSON, default=list)
    text: Mapped[str] = mapped_column(Text)
    tokens: Mapped[int]
    text_hash: Mapped[str] = mapped_column(String(64))
    embedding: Mapped[bytes] = deferred(mapped_column(LargeBinary))
    added_revision: Mapped[int | None] = mapped_column(BigInteger)
    removed_revision: Mapped[int | None] = mapped_column(BigInteger)


class IndexFile(Base):
    """A snapshot file of a generation's index that was completed, on some machine. What is not noted here is not read:
    a database that was put back to an earlier state does not know the files of its lost future."""

    __tablename__ = "index_files"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    generation_id: Mapped[int] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    # The changes after it are kept for the file's sake, for some days.
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)


class EvaluationCase(Base):
    """A question of a stored set, and the ids of the documents that answer it: search is measured with it."""

    __tablename__ = "evaluation_cases"
    __table_args__ = (Index("ix_evaluation_cases_set_name_created_at", "set_name", "created_at"),)

    id: Mapped[str] = mapped_column(SqlUuid(as_uuid=False), primary_key=True, default=new_id)
    set_name: Mapped[str] = mapped_column(String(100))
    question: Mapped[str] = mapped_column(Text)
    relevant: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow)
