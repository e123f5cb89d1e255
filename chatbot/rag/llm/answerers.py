"""Chat models by name: any OpenAI-compatible one through langchain-openai, and the extractive answerer.

Both answer the same call with the same events, so the chain does not know which it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, trim_messages

from chatbot.config import EXTRACTIVE, Settings
from chatbot.config.validators import PROVIDERS
from chatbot.egress import provider_client, read_deadline
from chatbot.errors import FieldError, Invalid
from chatbot.rag.breaker import Breaker
from chatbot.rag.embeddings.embedders import Embedder
from chatbot.rag.errors import ModelMisconfigured, is_provider_error, translate
from chatbot.rag.events import Events, Finished, Token
from chatbot.rag.llm import extractive, prompts
from chatbot.rag.llm.completion import GenerationLimits, LLMCall, ModelClient, believable
from chatbot.rag.llm.condense import rewrite, stand_alone
from chatbot.rag.llm.fallbacks import WithFallbacks
from chatbot.rag.llm.pricing import Prices, load_prices
from chatbot.rag.llm.titles import write_title
from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.follow_ups import stands_alone
from chatbot.rag.text.surrogates import well_formed
from chatbot.rag.text.tokens import count_tokens
from chatbot.rag.types import NOTHING_SPENT, Ask, Checked, Citation, Condensed, HistoryMessage, Passage, Usage

log = structlog.get_logger(__name__)


class Answerer(Protocol):
    """Something that answers from passages; without any it answers as the fallback says."""

    name: str
    # Whether it says itself what it cites; otherwise the markers in its answer are followed.
    cites: bool

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> Condensed:
        """The question as it is to be searched, and what that took."""
        ...

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
        """The events of the answer; `searched` is the condensed question. Closing cancels the provider's call."""
        ...


class ExtractiveAnswerer:
    """Answers with the documents' own sentences; needs no key and invents nothing."""

    name = EXTRACTIVE
    cites = True

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> Condensed:
        return stand_alone(question, history)

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
        # The passages were found with the question before in front; among their sentences the new words decide.
        wanted = ask.question if content_words(ask.question) else searched
        quotations = extractive.quotations(wanted, passages, self._embedder(), ask.unsure)
        length = 0
        if not quotations:
            # Of a table whose rows are elsewhere nothing can be quoted.
            yield from (Token(prompts.said(prompts.NOTHING_FOUND, ask)), Checked(0, claims=0, unsupported=0))
        elif ask.unsure:
            first = f"{prompts.said(prompts.MAY_NOT_SAY, ask)} "
            length = len(first)
            yield Token(first)
        for quotation in quotations:
            start = length + len(quotation.before)
            yield from map(Token, quotation.pieces)
            yield _cited(quotation, passages[quotation.marker - 1], start)
            length = start + len(quotation.text) + len(quotation.after)
        yield Finished(NOTHING_SPENT)


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
    """Answers with a language model."""

    cites = False

    def __init__(self, name: str, settings: Settings, prices: Prices) -> None:
        self.name = name
        self._history_tokens = settings.history_tokens
        breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)
        self._line = ModelClient(
            name, _chat_model(name, settings), GenerationLimits.of(settings), breaker, partial(prices.cost, name)
        )

    def condense(self, question: str, history: Sequence[HistoryMessage]) -> Condensed:
        if not history or stands_alone(question):
            return Condensed(question)
        try:
            rewritten = self._rewritten(question, self._messages(history))
        except Exception as error:
            if not is_provider_error(error):
                raise
            # The answer itself may still succeed, and the question is searched all the same.
            log.warning("condense_failed", model=self.name, error=type(error).__name__)
            return stand_alone(question, history)
        # A model that declines, or thinks until its limit, has rewritten nothing.
        return rewritten if rewritten.question else replace(stand_alone(question, history), usage=rewritten.usage)

    def _rewritten(self, question: str, history: list[BaseMessage]) -> Condensed:
        prompt = sum(count_tokens(message.text) + 4 for message in history) + count_tokens(question)
        return Condensed(*self._once(lambda: rewrite(self._line.model, question, history), prompt))

    def title(self, question: str, answer: str) -> tuple[str, Usage]:
        """A title for a conversation that begins so, empty where the model has none; and what it took.

        Raises:
            ChatbotError: the model has failed.
        """
        prompt = count_tokens(question) + count_tokens(answer)
        try:
            return self._once(lambda: write_title(self._line.model, question, answer), prompt)
        except Exception as error:
            if not is_provider_error(error):
                raise
            raise translate(error) from None

    def _once(self, call: Callable[[], tuple[str, Any]], prompt: int) -> tuple[str, Usage]:
        """What a call that is not streamed says, and what it took: `prompt` tokens, if the provider does not tell."""
        self._line.check()
        try:
            with read_deadline(self._line.bounds.patience()):
                text, taken = call()
        except Exception as error:
            self._line.tell(error) if is_provider_error(error) else self._line.breaker.unknown()
            raise
        except BaseException:
            self._line.breaker.unknown()
            raise
        self._line.tell(None)
        text = well_formed(text)
        if taken is None or not believable(taken):
            return text, self._line.usage(prompt, count_tokens(text), estimated=True)
        return text, self._line.usage(taken["input_tokens"], taken["output_tokens"], estimated=False)

    def answer(self, ask: Ask, searched: str, passages: Sequence[Passage]) -> Events:
        inputs: dict[str, object] = {"history": self._messages(ask.history), "question": ask.question}
        if not passages:
            preface = prompts.said(prompts.NOT_FROM_DOCUMENTS, ask)
            return LLMCall(self._line, prompts.GENERAL, inputs, ask.on_sent, preface).events()
        boundary = prompts.new_boundary()
        inputs |= {"boundary": boundary, "passages": prompts.render_passages(passages, boundary)}
        prompt = prompts.UNSURE if ask.unsure else prompts.GROUNDED
        return LLMCall(self._line, prompt, inputs, ask.on_sent).events()

    def _messages(self, history: Sequence[HistoryMessage]) -> list[BaseMessage]:
        """The conversation as LangChain's messages, the newest that fit into the budget.

        What a client tells of it may be made up, the model's own words too: it is quoted, and in nobody's role.
        """
        messages = [HumanMessage(m.text) if m.is_user else AIMessage(prompts.as_said(m.text)) for m in history]
        kept: list[BaseMessage] = trim_messages(
            messages,
            max_tokens=self._history_tokens,
            strategy="last",
            start_on="human",
            token_counter=lambda some: sum(count_tokens(m.text) + 4 for m in some),
        )
        if not kept or not any(m.told for m in history):
            return kept
        said = [(isinstance(m, HumanMessage), m.text) for m in kept]
        return [HumanMessage(prompts.render_told(said, prompts.new_boundary()))]


def _chat_model(name: str, settings: Settings) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    from chatbot.rag.llm.openai_transport import plain_streams

    # By itself a client has no time-out at all, and repeats a request twice; one repeat is made here.
    bounds: dict[str, Any] = {"max_retries": 0, "max_tokens": settings.model_answer_tokens}
    if name.partition(":")[0] in PROVIDERS and ":" in name:
        other: BaseChatModel = init_chat_model(name, timeout=settings.model_read_seconds, **bounds)
        return other
    waits = (
        settings.model_connect_seconds,
        max(GenerationLimits.of(settings).first_token, settings.model_read_seconds),
    )
    if settings.openai_api_key is None:
        raise ModelMisconfigured()
    return plain_streams(
        model=name.removeprefix("openai:"),
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url,
        timeout=waits,
        stream_usage=True,
        http_client=provider_client(),
        **bounds,
    )


class ChatModels:
    """The chat models a request may name, each made once a process."""

    def __init__(self, settings: Settings, embedder: Callable[[], Embedder]) -> None:
        self._settings = settings
        self._embedder = embedder
        self._made: dict[str, Answerer] = {}
        self.prices = load_prices(settings.model_prices)

    @property
    def names(self) -> list[str]:
        """What may be named, the default first."""
        return self._settings.allowed_chat_models

    def get(self, name: str | None) -> Answerer:
        """The answerer of that name, or the default one; behind it those of CHAT_FALLBACKS.

        Raises:
            Invalid: the name is not on the list.
        """
        name = name or self.names[0]
        if name not in self.names:
            raise Invalid(errors=[FieldError("/model", f"Choose one of: {', '.join(self.names)}.")])
        others = [other for other in self._settings.chat_fallbacks if other != name]
        if not others or name == EXTRACTIVE:
            return self._one(name)
        return WithFallbacks(self._one(name), [self._one(other) for other in others])

    def title(self, name: str | None, question: str, answer: str) -> tuple[str, Usage]:
        """A title by the model of that name; empty and for nothing where that is no language model, or is gone.

        Raises:
            ChatbotError: the model has failed.
        """
        known = {*self.names, *self._settings.chat_fallbacks}
        model = self._one(name) if name in known else None
        return model.title(question, answer) if isinstance(model, ModelAnswerer) else ("", NOTHING_SPENT)

    def _one(self, name: str) -> Answerer:
        if name not in self._made:
            extractive_one = name == EXTRACTIVE
            self._made[name] = (
                ExtractiveAnswerer(self._embedder)
                if extractive_one
                else ModelAnswerer(name, self._settings, self.prices)
            )
        return self._made[name]
