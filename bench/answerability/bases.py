"""Knowledge bases in memory, cut, embedded, searched and fused by the application's own functions, without a database.

The same texts make bases of many sizes here, in which a question is observed in milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from chatbot.knowledge.index.keywords import MOST_TERMS, terms_of_chunk
from chatbot.knowledge.ingestion.chunks import in_context
from chatbot.rag.embeddings.embedders import Embedder
from chatbot.rag.grounding.answerability import Signals, general_sentences, known_part, nearest_general, sentences_of
from chatbot.rag.ranking import CANDIDATES, DEPTH, fuse
from chatbot.rag.text.language_detection import language_of
from chatbot.rag.text.splitter import split
from chatbot.rag.text.stemming import question_terms
from chatbot.rag.text.term_weights import MOST_OF_A_TERM, Weights, part_of_a_term
from chatbot.rag.types import Passage

CHUNK_TOKENS = 230
# The vectors of texts; the first `questions` of them are questions.
Embed = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Document:
    """A document as it is stored."""

    id: str
    title: str
    text: str
    source: str = ""


@dataclass(frozen=True)
class Observed:
    """What is seen of a question: the signals, the passages, best first, and their documents."""

    signals: Signals
    passages: tuple[Passage, ...]
    documents: tuple[str, ...]


class Base:
    """A knowledge base of some documents."""

    def __init__(self, documents: Sequence[Document], embedder: Embedder, embed: Embed) -> None:
        self._embedder, self._embed = embedder, embed
        cut = [(document, *part) for document in documents for part in _cut(document, embedder)]
        self.passages = [
            Passage(0, d.id, d.title, d.source, 1, n, None, 0, len(body), body, {})
            for n, (d, body, _, _) in enumerate(cut)
        ]
        self._vectors = embed([embedded for _, _, embedded, _ in cut])
        self._terms = [Counter(terms) for _, _, _, terms in cut]
        self._lengths = [len(terms) for _, _, _, terms in cut]
        self._mean = max(1.0, sum(self._lengths) / len(cut))
        self._having = Counter(term for terms in self._terms for term in terms)
        self._languages = sorted({language_of(document.text) or "" for document in documents})

    def first(self, question: str) -> tuple[str, str, str]:
        """The document that comes first by meaning, by words, and by both; an empty name where words find none."""
        cosines = self._vectors @ self._embed([question], questions=1)[0]
        said, weights = self._said(question)
        found = (
            int(np.argmax(cosines)),
            said[0][0] if said else None,
            self._order(question, cosines, said, weights)[0],
        )
        by_meaning, by_words, by_both = ("" if n is None else self.passages[n].document_id for n in found)
        return by_meaning, by_words, by_both

    def _order(
        self, question: str, cosines: np.ndarray, said: Sequence[tuple[int, float]], weights: Weights
    ) -> list[int]:
        shares = {n: min(1.0, value / weights.known) for n, value in said[:DEPTH]}
        near = [(int(n), float(cosines[n])) for n in np.argsort(-cosines)[:DEPTH]]
        return [n for n, _ in fuse(near, shares, self._embedder.dense_weight(question), weights.met)][:CANDIDATES]

    def observe(self, question: str) -> Observed:
        """What the application sees of a question."""
        query = self._embed([question], questions=1)[0]
        cosines = self._vectors @ query
        said, weights = self._said(question)
        order = self._order(question, cosines, said, weights)
        passages = [replace(self.passages[n], scores={"dense": float(cosines[n])}) for n in order]
        sentences = sentences_of(passages)
        best = [*(float(cosines[n]) for n in order), *(self._embed(sentences) @ query if sentences else ())]
        words = max((min(1.0, value / weights.possible) for _, value in said), default=0.0)
        shown = " ".join([question, *(passage.text for passage in passages[:2])])
        signals = Signals(
            near=round(float(max(best, default=0.0)), 4),
            dense=round(float(max(cosines, default=0.0)), 4),
            general=0.0
            if self._embedder.multilingual
            else round(nearest_general(query, self._embed(general_sentences())), 4),
            words=round(words, 4),
            met=round(weights.met, 4),
            known=1.0 if self._embedder.multilingual else round(known_part(shown, self._embedder.count_tokens), 4),
            chunks=len(self.passages),
        )
        return Observed(signals, tuple(passages), tuple(dict.fromkeys(passage.document_id for passage in passages)))

    def _said(self, question: str) -> tuple[list[tuple[int, float]], Weights]:
        """What each passage's words say, the most first, and what those of the question weigh."""
        terms = question_terms(question, self._languages)[:MOST_TERMS]
        having = {term: self._having[term] for term in terms if self._having[term]}
        weights = Weights(question, self._languages, len(self.passages), having)
        said = []
        for n, (found, length) in enumerate(zip(self._terms, self._lengths, strict=True)):
            parts = {term: part_of_a_term(found[term], length, self._mean) for term in having if term in found}
            if parts:
                said.append((n, sum(weights[term] * min(part, MOST_OF_A_TERM) for term, part in parts.items())))
        return sorted(said, key=lambda hit: -hit[1]), weights


@lru_cache(10_000)
def _cut(document: Document, embedder: Embedder) -> list[tuple[str, str, list[str]]]:
    """The chunks of a document: what they say, what is embedded, and their terms."""
    language, found = language_of(document.text), []
    for chunk in split(document.text, CHUNK_TOKENS, embedder.count_tokens):
        body = document.text[chunk.start : chunk.end]
        terms = terms_of_chunk(document.title, document.source, language, chunk.headings, body)
        found.append((body, in_context(document.title, chunk.headings, body, embedder), terms))
    return found
