"""One answer of a language model on its way: time limits, one repeat before the first token, an end in any case."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompts import ChatPromptTemplate

from chatbot.config import Settings
from chatbot.egress import Patience, waiting
from chatbot.rag.breaker import Breaker
from chatbot.rag.errors import (
    ModelCut,
    ModelEndless,
    ModelResting,
    ModelSilent,
    is_outage,
    is_provider_error,
    is_too_long,
    may_pass,
    retry_after,
    translate,
)
from chatbot.rag.prompts import without_boundaries
from chatbot.rag.tokens import count_tokens
from chatbot.rag.types import OnSent, Piece, Sent, Usage
from chatbot.rag.wellformed import WellFormed

log = structlog.get_logger(__name__)

SHORT_WAIT_SECONDS = 0.25
# A provider who asks for more is not asked again; the client is told when to come back.
LONGEST_WAIT_SECONDS = 5.0
# Many who were refused together do not come back together.
JITTER_SECONDS = 0.25
# No token has more characters on the average; who writes more does not count, or does not stop.
CHARACTERS_A_TOKEN = 16
# What may come over the line for an answer: the frame around a token is much larger than the token.
MAX_BYTES = 8_000_000
# No answer takes so many; who tells of more does not count.
MOST_TOKENS = 1_000_000_000

_NOTHING_MORE = object()


@dataclass(frozen=True)
class Bounds:
    """How long a model is waited for, in seconds, and how long an answer may become, in tokens."""

    first_token: float
    between_tokens: float
    answer: float
    tokens: int

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        first = settings.model_first_token_seconds or settings.model_read_seconds
        return cls(first, settings.model_read_seconds, settings.model_answer_seconds, settings.model_answer_tokens)

    def patience(self) -> Patience:
        """What begins with a call of the model."""
        return Patience(self.first_token, self.between_tokens, self.answer, MAX_BYTES)


@dataclass(frozen=True)
class Line:
    """A model and what is known of the way to it. `price` is that of tokens of the prompt and of the answer."""

    name: str
    model: BaseChatModel
    bounds: Bounds
    breaker: Breaker
    price: Callable[[int, int], str | None]

    def usage(self, prompt: int, completion: int, *, estimated: bool) -> Usage:
        """What a call took."""
        return Usage(prompt, completion, estimated, self.price(prompt, completion))

    def check(self) -> None:
        """Lets pass who may ask; the outcome is told with `tell`.

        Raises:
            ModelResting: it has failed too often in a row.
        """
        seconds = self.breaker.refusal()
        if seconds is not None:
            raise ModelResting(retry_after=seconds)

    def tell(self, error: Exception | None) -> None:
        """Tells the breaker what became of a call: an error of the provider, or None."""
        if error is None or not is_outage(error):
            self.breaker.worked()
        elif self.breaker.failed():
            log.warning("model_left_alone", model=self.name)


class Answering:
    """One answer: repeats once before the first token, never after it."""

    def __init__(
        self, line: Line, prompt: ChatPromptTemplate, inputs: dict[str, object], on_sent: OnSent | None = None
    ) -> None:  # fmt: skip
        self._line, self._prompt, self._inputs = line, prompt, inputs
        self._on_sent, self._prompt_tokens = on_sent, 0
        self._most = line.bounds.tokens * CHARACTERS_A_TOKEN
        self._usage: UsageMetadata | None = None
        self._finished = False
        self._text = ""

    def pieces(self) -> Generator[Piece, None, None]:
        """The answer in pieces, and at the end what it took. Closing it hangs up on the provider.

        Raises:
            ChatbotError: what the provider did wrong, in our words.
        """
        self._line.check()
        try:
            yield from self._attempts()
        except Exception as error:
            if not is_provider_error(error):
                self._line.breaker.unknown()
                raise
            self._line.tell(error)
            log.warning(
                "model_failed", model=self._line.name, error=type(error).__name__, midway=bool(self._text)
            )  # fmt: skip
            raise translate(error) from None
        except BaseException:
            # Whoever asked has left.
            self._line.breaker.worked() if self._text else self._line.breaker.unknown()
            raise
        self._line.tell(None)
        yield Piece(usage=self._counted())

    def _attempts(self) -> Generator[Piece, None, None]:
        try:
            yield from self._attempt()
        except Exception as error:
            if not is_provider_error(error) or self._text or not self._ready_again(error):
                raise
        else:
            return
        yield from self._attempt()

    def _ready_again(self, error: Exception) -> bool:
        """Whether one more try could help: after the wait that was asked for, or without the conversation so far."""
        if is_too_long(error):
            had_history = bool(self._inputs["history"])
            self._inputs["history"] = []
            return had_history
        wait = (retry_after(error) or SHORT_WAIT_SECONDS) + random.uniform(0, JITTER_SECONDS)
        if not may_pass(error) or wait > LONGEST_WAIT_SECONDS + JITTER_SECONDS:
            return False
        time.sleep(wait)
        return True

    def _attempt(self) -> Generator[Piece, None, None]:
        self._patience = self._line.bounds.patience()
        messages = self._prompt.format_messages(**self._inputs)
        self._tell_sent(messages)
        # Not `prompt | model`: a sequence adds up every chunk of its own, and nothing here reads the sum.
        stream: Any = self._line.model.stream(messages)
        text = WellFormed()
        with closing(stream):
            while (chunk := self._next(stream)) is not _NOTHING_MORE:
                self._usage = getattr(chunk, "usage_metadata", None) or self._usage
                self._finished |= bool(chunk.response_metadata.get("finish_reason"))
                if chunk.text:
                    if shown := text.feed(chunk.text):
                        yield Piece(self._within_bounds(shown))
                    self._patience.again()
                if len(self._text) > self._most:
                    raise ModelEndless(retry_after=5)
        if rest := text.end():
            yield Piece(self._within_bounds(rest))
        if not self._finished:
            # A connection that is cut ends the iterator without an error; only the reason is missing.
            raise ModelCut(retry_after=5)
        if not self._text.strip():
            raise ModelSilent(retry_after=5)

    def _next(self, stream: Any) -> Any:
        with waiting(self._patience):
            return next(stream, _NOTHING_MORE)

    def _within_bounds(self, text: str) -> str:
        room = self._most - len(self._text)
        self._text += text[: room + 1]
        return text[:room]

    def _counted(self) -> Usage:
        if self._usage and believable(self._usage):
            return self._line.usage(self._usage["input_tokens"], self._usage["output_tokens"], estimated=False)
        return self._line.usage(self._prompt_tokens, count_tokens(self._text), estimated=True)

    def _tell_sent(self, messages: Sequence[BaseMessage]) -> None:
        """Counts about how large the prompt is, and tells it before it is sent."""
        texts = [(message.type, message.text) for message in messages]
        sizes = [count_tokens(text) + 4 for _, text in texts]
        self._prompt_tokens = sum(sizes)
        if self._on_sent:
            hashes = [hashlib.sha256(without_boundaries(text).encode()).hexdigest() for _, text in texts]
            sent = tuple((role, size, name) for (role, _), size, name in zip(texts, sizes, hashes, strict=True))
            self._on_sent(Sent(self._line.name, self._prompt_tokens, sent))


def believable(usage: UsageMetadata) -> bool:
    """Whether a service can have counted so many tokens."""
    return all(0 <= usage[kind] <= MOST_TOKENS for kind in ("input_tokens", "output_tokens"))
