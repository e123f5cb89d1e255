"""The vector stores: caches of rows that SQL owns. This one is FAISS; pgvector's is
chatbot/knowledge/index/pgvector_store.py.

A store follows its rows by revision. Before a search one cheap read tells whether rows changed; only those that did
are pulled. What it holds is an immutable snapshot (snapshot.py) that is swapped by reference, because FAISS searches
and mutations must not meet in two threads (they end in a segmentation fault). Nothing is ever pickled; a process that
starts empty reads the rows, or maps the file that another one has written (snapshot_file.py) and reads what changed
since.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from chatbot.rag.embeddings.embedders import LangChainEmbeddings, Vectors
from chatbot.rag.types import Passage
from chatbot.rag.vector_store.compaction import Ended
from chatbot.rag.vector_store.segments import NOTHING, Hits, Ids, Part
from chatbot.rag.vector_store.snapshot import EMPTY, Changes, Snapshot
from chatbot.rag.vector_store.snapshot_file import LoadedSnapshot, SnapshotStore
from chatbot.system.threadpool import in_background

log = structlog.get_logger(__name__)

# With so many vectors a start reads them from a file; fewer are read from the rows as quickly.
FILE_ABOVE = 10_000
# So many seconds later a base is looked for again that another process makes, and made again after an error.
AGAIN_SECONDS, AFTER_ERROR_SECONDS = 5.0, 60.0


class Rows(Protocol):
    """The rows a store follows; the knowledge package reads them from SQL."""

    def revision(self) -> int:
        """The newest revision: one cheap read."""
        ...

    def changes(self, since: int | None) -> Changes:
        """What changed after a revision, or everything for None."""
        ...

    def passages(self, found: Sequence[tuple[int, float]]) -> list[Passage]:
        """The passages of chunk ids with their scores, in that order, without those that are gone."""
        ...


class Held(Protocol):
    """What can be searched at one moment."""

    @property
    def revision(self) -> int: ...

    @property
    def size(self) -> int:
        """How many vectors there are."""
        ...

    @property
    def kind(self) -> str:
        """How they are searched: flat, ivf or pgvector."""
        ...

    @property
    def own_bytes(self) -> int:
        """What they take of the process's own memory."""
        ...

    def ids(self) -> Ids:
        """The ids of everything that can be found."""
        ...

    def search(self, query: Vectors, k: int, labels: frozenset[str] | None, only: Ids | None = None) -> Hits:
        """The ids of the nearest with their cosines, best first; `labels` and `only` (chunk ids) limit what is
        searched, not what is found."""
        ...

    def known(self, labels: frozenset[str] | None, ids: Sequence[int]) -> tuple[set[int], list[int]]:
        """Those of the ids that may be found with the labels, and those of which nothing is known in memory."""
        ...

    def count(self, labels: frozenset[str] | None) -> int:
        """How many rows may be found with the labels, or about."""
        ...

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The vectors of ids, without those that are gone."""
        ...


class RowStore(VectorStore):
    """A LangChain vector store over rows. It is read-only here: rows are written by the knowledge package."""

    def __init__(self, embedding: LangChainEmbeddings, rows: Rows) -> None:
        self._embedding = embedding
        self._rows = rows

    def current(self, newest: int | None = None) -> Held:
        """What can be searched now: every row up to the revision `newest`, or up to the newest there is."""
        raise NotImplementedError

    def held(self) -> Held | None:
        """What was searched last; None before the first search of this process."""
        raise NotImplementedError

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    @property
    def size(self) -> int:
        """How many vectors are searchable."""
        held = self.held()
        return held.size if held else 0

    @property
    def kind(self) -> str:
        """How vectors are searched: flat, ivf or pgvector."""
        held = self.held()
        return held.kind if held else EMPTY.kind

    @property
    def own_bytes(self) -> int:
        """What the vectors take of the process's own memory; a file that is mapped is nobody's own."""
        held = self.held()
        return held.own_bytes if held else 0

    @property
    def revision(self) -> int | None:
        """The revision that is searched, or None before the first search."""
        held = self.held()
        return held.revision if held else None

    def search_passages(
        self, question: str, k: int, labels: frozenset[str] | None = None, newest: int | None = None
    ) -> list[Passage]:
        """The k nearest passages, best first, with their cosine as `scores["dense"]`; `labels` limits collections.

        `newest` is the newest revision where the caller has just read it; otherwise the rows are asked.
        """
        return self._rows.passages(self.search_vector(self.query_vector(question), k, labels, newest))

    def search_vector(
        self, query: Vectors, k: int, labels: frozenset[str] | None = None, newest: int | None = None
    ) -> list[tuple[int, float]]:
        """The ids of the k nearest chunks with their cosines, best first. `query` has the shape (1, dimension)."""
        return self.current(newest).search(query, k, labels)

    def query_vector(self, question: str) -> Vectors:
        """The question's vector, of shape (1, dimension)."""
        return self._embedding.query_vector(question)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """LangChain's call; `filter` takes the names of collections."""
        labels = kwargs.get("filter")
        found = self.search_passages(query, k, frozenset(labels) if labels is not None else None)
        return [(as_document(passage), passage.scores["dense"] or 0.0) for passage in found]

    def add_texts(self, texts: Iterable[str], metadatas: Any = None, **kwargs: Any) -> list[str]:
        raise NotImplementedError("rows are written by the knowledge room; this store follows them")

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings, metadatas: Any = None, **kwargs: Any) -> RowStore:
        raise NotImplementedError("rows are written by the knowledge room; this store follows them")


@dataclass(frozen=True)
class Written:
    """A snapshot file that was written."""

    path: Path
    revision: int
    kind: str
    vectors: int
    bytes: int
    seconds: float


class FaissStore(RowStore):
    """Vectors in the memory of the process, or in a file that the processes of a machine share.

    With `upkeep` new bases are made, and written to the shelf, in the background when they are due. Until one is
    there searches go on as before: what is not in the base is in the tail, and each row of that is compared.
    """

    def __init__(
        self, embedding: LangChainEmbeddings, rows: Rows, shelf: SnapshotStore | None = None, *, upkeep: bool = False
    ) -> None:
        super().__init__(embedding, rows)
        self._shelf, self._upkeep = shelf, upkeep
        self._pulling = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._busy, self._not_before = False, 0.0

    def held(self) -> Snapshot | None:
        return self._snapshot

    def current(self, newest: int | None = None) -> Snapshot:
        newest = self._rows.revision() if newest is None else newest
        held = self._snapshot
        if held is None or held.revision < newest:
            with self._pulling:
                held = self._snapshot or self._from_file(newest)
                if held is None or held.revision < newest:
                    held = self._pulled(held)
                self._snapshot = held
        if self._upkeep and not self._busy and self._is_due(held) and time.monotonic() >= self._not_before:
            self._busy = True
            in_background(self._renew_quietly, "index-upkeep")
        return held

    def _from_file(self, newest: int) -> Snapshot | None:
        kept = self._shelf.newest(newest) if self._shelf is not None else None
        return _of_file(kept) if kept is not None else None

    def _pulled(self, held: Snapshot | None) -> Snapshot:
        changes = self._rows.changes(held.revision if held else None)
        return (held if held and not changes.complete else EMPTY).after(changes)

    def _is_due(self, held: Snapshot) -> bool:
        unsaved = self._shelf is not None and held.base.file is None and len(held.base) >= FILE_ABOVE
        return unsaved or held.is_due

    def _renew_quietly(self) -> None:
        try:
            if not self.renew():
                self._not_before = max(self._not_before, time.monotonic() + AGAIN_SECONDS)
        except Ended:
            pass
        except Exception as error:
            self._not_before = time.monotonic() + AFTER_ERROR_SECONDS
            log.error("index_not_renewed", error=type(error).__name__, reason=str(error))
        finally:
            self._busy = False

    def renew(self) -> bool:
        """Takes over the base that another process has written, or makes one; gives whether there is a new one."""
        held = self._snapshot
        if held is None:
            return False
        if self._shelf is None:
            return self._rebase(held.merged().in_memory(), held.revision)
        # To one that should have lists and has none, any that has them is welcome.
        late = held.is_due and held.base.lists is None
        kept = self._shelf.newest(held.revision, -1 if late else held.base_revision - (held.base.file is None))
        if kept is not None and (kept.part.lists is not None or not late) and self._rebase(kept.part, kept.revision):
            return True
        try:
            written = self.write()
        except OSError as error:
            self._not_before = time.monotonic() + AFTER_ERROR_SECONDS
            log.error("snapshot_file_not_written", error=type(error).__name__, reason=str(error))
            # Lists in the process's own memory are better than none; a base that has them can wait.
            return held.base.lists is None and held.is_due and self._rebase(held.merged().in_memory(), held.revision)
        return written is not None

    def write(self) -> Written | None:
        """Makes a new base of what is held, writes it and goes on with that; None while another process writes, or
        where the rows went on too far meanwhile.

        Raises:
            OSError: the disk is full, or cannot be written to.
            Ended: the process comes to its end.
        """
        held, begin = self._snapshot, time.monotonic()
        if self._shelf is None or held is None or not held.size:
            return None
        with self._shelf.writing() as mine:
            path = self._shelf.publish(held.merged(), held.revision) if mine else None
            kept = self._shelf.newest(held.revision, held.revision - 1) if path is not None else None
        if path is None or kept is None:
            return None
        self._rebase(kept.part, kept.revision)
        seconds = round(time.monotonic() - begin, 3)
        written = Written(path, kept.revision, kept.part.kind, len(kept.part), path.stat().st_size, seconds)
        log.info("snapshot_file_written", file=path.name, kind=written.kind, vectors=written.vectors, seconds=seconds)
        return written

    def _rebase(self, base: Part, revision: int) -> bool:
        """Goes on with another base, of rows of an earlier revision, and what changed since."""
        with self._pulling:
            held, changes = self._snapshot, self._rows.changes(revision)
            if changes.complete or (held is not None and changes.revision < held.revision):
                return False
            self._snapshot = Snapshot(revision, base, NOTHING, frozenset(), revision).after(changes)
            return True


def _of_file(kept: LoadedSnapshot) -> Snapshot:
    return Snapshot(kept.revision, kept.part, NOTHING, frozenset(), kept.revision)


def as_document(passage: Passage) -> Document:
    """A passage as LangChain's document."""
    metadata = {
        "document_id": passage.document_id,
        "title": passage.title,
        "source": passage.source,
        "version": passage.version,
        "page": passage.page,
        "char_start": passage.char_start,
        "char_end": passage.char_end,
    }
    return Document(id=str(passage.chunk_id), page_content=passage.text, metadata=metadata)
