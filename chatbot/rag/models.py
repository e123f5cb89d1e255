"""Chat models by name: any OpenAI-compatible one through langchain-openai, and the extractive answerer.

Both answer the same call and yield the same pieces, so the chain does not know which it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, trim_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompts import ChatPromptTemplate

from chatbot.config import EXTRACTIVE, Settings
from chatbot.egress import provider_client
from chatbot.errors import FieldError, Invalid
from chatbot.rag import extractive, prompts
from chatbot.rag.condense import join_with_last, leans_on_history, rewrite
from chatbot.rag.embedders import Embedder
from chatbot.rag.errors import (
    ModelCut,
    ModelSilent,
    is_provider_error,
    is_too_long,
    may_pass,
    retry_after,
    translate,
)
from chatbot.rag.tokens import cost_usd, count_tokens
from chatbot.rag.types import Ask, Citation, HistoryMessage, Passage, Usage
from chatbot.rag.words import content_words

log = structlog.get_logger(__name__)

SHORT_WAIT_SECONDS = 0.25
# A provider who asks for more is not asked again; the client is told when to come back.
LONGEST_WAIT_SECONDS = 5.0
MAX_ANSWER_TOKENS = 1024


@dataclass(frozen=True)
class Piece:
    """A piece of an answer: text, a citation of it, or at the end what it took.

    A model's text says with it about how large the prompt was: an answer that is broken off has cost that as well.
    """

    text: str = ""
    citation: Citation | None = None
    usage: Usage | None = None
    prompt_tokens: int | None = None


class Answerer(Protocol):
    """Something that answers from passages; without any it answers as the fallback says."""

    name: str
    # Whether it says itself what it cites; otherwise the markers in its answer are followed.
    cites: bool

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> str:
        """The question as it is to be searched."""
        ...

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Generator[Piece, None, None]:
        """The answer in pieces; `searched` is the condensed question. Closing cancels the provider's call."""
        ...


class ExtractiveAnswerer:
    """Answers with the documents' own sentences; needs no key and invents nothing."""

    name = EXTRACTIVE
    cites = True

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> str:
        return join_with_last(question, history) if history and leans_on_history(question) else question

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Generator[Piece, None, None]:
        if not passages:
            yield Piece(prompts.NOTHING_FOUND)
        # The passages were found with the question before in front; among their sentences the new words decide.
        wanted = ask.question if content_words(ask.question) else searched
        length = 0
        for quotation in extractive.quotations(wanted, passages, self._embedder()):
            start = length + len(quotation.before)
            yield from (Piece(text) for text in quotation.pieces)
            yield Piece(citation=_cited(quotation, passages[quotation.marker - 1], start))
            length = start + len(quotation.text) + len(quotation.after)
        yield Piece(usage=Usage(0, 0, estimated=False, cost_usd="0.000000"))


def _cited(quotation: extractive.Quotation, passage: Passage, start: int) -> Citation:
    """The citation of a quotation; it is one word for word, so nothing has to be looked for."""
    return Citation(
        marker=quotation.marker,
        answer_start=start,
        answer_end=start + len(quotation.text),
        document_id=passage.document_id,
        version=passage.version,
        chunk_id=passage.chunk_id,
        page=passage.page,
        char_start=passage.char_start + quotation.start,
        char_end=passage.char_start + quotation.start + len(quotation.text),
        quote=quotation.text,
        verified=True,
    )


class ModelAnswerer:
    """Answers with a language model behind OpenAI's protocol."""

    cites = False

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._history_tokens = settings.history_tokens
        self._model = _chat_model(name, settings)

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> str:
        if not history or not leans_on_history(question):
            return question
        try:
            return rewrite(self._model, question, self._messages(history))
        except Exception as error:
            if not is_provider_error(error):
                raise
            # The answer itself may still succeed, and the question is searched all the same.
            log.warning("condense_failed", model=self.name, error=type(error).__name__)
            return join_with_last(question, history)

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Generator[Piece, None, None]:
        inputs: dict[str, object] = {"history": self._messages(ask.history), "question": ask.question}
        if passages:
            boundary = prompts.new_boundary()
            inputs |= {"boundary": boundary, "passages": prompts.render_passages(passages, boundary)}
        prompt = prompts.GROUNDED if passages else prompts.GENERAL
        with closing(_Answering(prompt, self._model, inputs, self.name).pieces()) as pieces:
            yield from pieces if passages else _as_general(pieces)

    def _messages(self, history: Sequence[HistoryMessage]) -> list[BaseMessage]:
        """The conversation as LangChain's messages, the newest that fit into the budget."""
        messages = [HumanMessage(m.text) if m.is_user else AIMessage(m.text) for m in history]
        return trim_messages(
            messages, max_tokens=self._history_tokens, strategy="last", start_on="human",
            token_counter=lambda some: sum(count_tokens(m.text) + 4 for m in some),
        )  # fmt: skip


def _chat_model(name: str, settings: Settings) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    model: BaseChatModel = init_chat_model(
        name, model_provider="openai", api_key=settings.openai_api_key, base_url=settings.openai_base_url,
        # By itself the client has no time-out at all, and repeats a request twice; one repeat is made here.
        timeout=(settings.model_connect_seconds, settings.model_read_seconds), max_retries=0,
        stream_usage=True, max_tokens=MAX_ANSWER_TOKENS,
        http_client=provider_client(),
    )  # fmt: skip
    return model


def _as_general(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Says first that an answer is not from the documents, and only when there is an answer."""
    said = False
    for piece in pieces:
        if piece.text and not said:
            yield Piece(prompts.NOT_FROM_DOCUMENTS, prompt_tokens=piece.prompt_tokens)
            said = True
        yield piece


class _Answering:
    """One answer on its way: repeats once before the first token, never after it."""

    def __init__(
        self, prompt: ChatPromptTemplate, model: BaseChatModel, inputs: dict[str, object], name: str
    ) -> None:  # fmt: skip
        self._prompt, self._chain, self._inputs, self._model = prompt, prompt | model, inputs, name
        self._usage: UsageMetadata | None = None
        self._finished = False
        self._text = ""

    def pieces(self) -> Generator[Piece, None, None]:
        try:
            yield from self._attempt()
        except Exception as error:
            if not is_provider_error(error):
                raise
            if self._text or not self._ready_again(error):
                raise self._told(error) from None
            yield from self._last_attempt()
        yield Piece(usage=self._counted())

    def _ready_again(self, error: Exception) -> bool:
        """Whether one more try could help: after the wait that was asked for, or without the conversation so far."""
        if is_too_long(error):
            had_history = bool(self._inputs["history"])
            self._inputs["history"] = []
            return had_history
        wait = retry_after(error) or SHORT_WAIT_SECONDS
        if not may_pass(error) or wait > LONGEST_WAIT_SECONDS:
            return False
        time.sleep(wait)
        return True

    def _last_attempt(self) -> Generator[Piece, None, None]:
        try:
            yield from self._attempt()
        except Exception as error:
            if is_provider_error(error):
                raise self._told(error) from None
            raise

    def _told(self, error: Exception) -> Exception:
        log.warning("model_failed", model=self._model, error=type(error).__name__, midway=bool(self._text))
        return translate(error)

    def _attempt(self) -> Generator[Piece, None, None]:
        prompt_tokens = self._prompt_tokens()
        stream: Any = self._chain.stream(self._inputs)
        with closing(stream):
            for chunk in stream:
                self._usage = getattr(chunk, "usage_metadata", None) or self._usage
                self._finished |= bool(chunk.response_metadata.get("finish_reason"))
                if chunk.text:
                    self._text += chunk.text
                    yield Piece(chunk.text, prompt_tokens=prompt_tokens)
        if not self._finished:
            # A connection that is cut ends the iterator without an error; only the reason is missing.
            raise ModelCut(retry_after=5)
        if not self._text.strip():
            raise ModelSilent(retry_after=5)

    def _counted(self) -> Usage:
        if self._usage:
            return _usage(self._model, self._usage["input_tokens"], self._usage["output_tokens"], estimated=False)
        return _usage(self._model, self._prompt_tokens(), count_tokens(self._text), estimated=True)

    def _prompt_tokens(self) -> int:
        return sum(count_tokens(message.text) + 4 for message in self._prompt.format_messages(**self._inputs))


def _usage(model: str, prompt: int, completion: int, *, estimated: bool) -> Usage:
    return Usage(prompt, completion, estimated, cost_usd(model, prompt, completion))


class ChatModels:
    """The chat models a request may name, each made once a process."""

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        self._settings = settings
        self._embedder = embedder
        self._made: dict[str, Answerer] = {}

    @property
    def names(self) -> list[str]:
        """What may be named, the default first."""
        return self._settings.allowed_chat_models

    def get(self, name: str | None) -> Answerer:
        """The answerer of that name, or the default one.

        Raises:
            Invalid: the name is not on the list.
        """
        name = name or self.names[0]
        if name not in self.names:
            raise Invalid(errors=[FieldError("/model", f"Choose one of: {', '.join(self.names)}.")])
        if name not in self._made:
            extractive_one = name == EXTRACTIVE
            self._made[name] = (
                ExtractiveAnswerer(self._embedder) if extractive_one else ModelAnswerer(name, self._settings)
            )
        return self._made[name]
