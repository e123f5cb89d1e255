"""One answer of a language model on its way: time limits, one repeat before the first token, an end in any case."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompts import ChatPromptTemplate

from chatbot.config import Settings
from chatbot.egress import ReadDeadline, read_deadline
from chatbot.rag.breaker import Breaker
from chatbot.rag.errors import (
    ContentFiltered,
    EndedEmpty,
    ModelCut,
    ModelEndless,
    ModelOutOfTokens,
    ModelResting,
    ModelSilent,
    is_outage,
    is_provider_error,
    is_too_long,
    may_pass,
    retry_after,
    translate,
)
from chatbot.rag.events import Declined, Event, Events, Finished, Token, Withdrawn
from chatbot.rag.llm.prompts import in_turns, without_boundaries
from chatbot.rag.llm.thoughts import Thoughts
from chatbot.rag.text.surrogates import WellFormed
from chatbot.rag.text.tokens import count_tokens
from chatbot.rag.types import OnSent, Sent, Usage

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

# Why a model has ended, in the words of OpenAI, Anthropic, Gemini, Mistral and others; anything else is "stop".
_LENGTH = ("length", "max_tokens", "max_output_tokens", "model_length")
_FILTER = (
    "content_filter",
    "content_filtered",
    "content-filter",
    "safety",
    "sensitive",
    "recitation",
    "refusal",
    "blocklist",
    "prohibited_content",
    "spii",
    "guardrail_intervened",
)

_NOTHING_MORE = object()


def finish_reason_of(told: object) -> str:
    """A provider's reason to end as one of OpenAI's: `stop`, `length` or `content_filter`."""
    word = str(told or "").lower()
    return "length" if word in _LENGTH else "content_filter" if word in _FILTER else "stop"


@dataclass(frozen=True)
class GenerationLimits:
    """How long a model is waited for, in seconds, and how long an answer may become, in tokens."""

    first_token: float
    between_tokens: float
    answer: float
    tokens: int

    @classmethod
    def of(cls, settings: Settings) -> GenerationLimits:
        first = settings.model_first_token_seconds or settings.model_read_seconds
        return cls(first, settings.model_read_seconds, settings.model_answer_seconds, settings.model_answer_tokens)

    def patience(self) -> ReadDeadline:
        """What begins with a call of the model."""
        return ReadDeadline(self.first_token, self.between_tokens, self.answer, MAX_BYTES)


@dataclass
class Habits:
    """What was learnt of a model from its answers: whether it writes only the closing tag of its thoughts."""

    closes_unopened: bool = False


@dataclass(frozen=True)
class ModelClient:
    """A model and what is known of the way to it. `price` is that of tokens of the prompt and of the answer."""

    name: str
    model: BaseChatModel
    bounds: GenerationLimits
    breaker: Breaker
    price: Callable[[int, int], str | None]
    habits: Habits = field(default_factory=Habits)

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
            log.warning("circuit_opened", model=self.name)


class LLMCall:
    """One answer: repeats once before the first token, never after it.

    `preface` is shown before the answer, as soon as there is one, unless the model declines.
    """

    def __init__(
        self,
        line: ModelClient,
        prompt: ChatPromptTemplate,
        inputs: dict[str, object],
        on_sent: OnSent | None = None,
        preface: str = "",
    ) -> None:
        self._line, self._prompt, self._inputs = line, prompt, inputs
        self._on_sent, self._prompt_tokens, self._preface = on_sent, 0, preface
        self._most = line.bounds.tokens * CHARACTERS_A_TOKEN
        self._usage: UsageMetadata | None = None
        self._finish: object = None
        self._may_repeat, self._declined = True, False
        # What was shown, and all that was written, thoughts among it.
        self._text = self._written = ""

    def events(self) -> Events:
        """The answer as it comes, and at the end what it took. Closing it hangs up on the provider.

        Raises:
            ChatbotError: what the provider did wrong, in our words.
        """
        with self._outcome():
            while True:
                try:
                    with closing(self._send()) as stream:
                        while (chunk := self._next(stream)) is not _NOTHING_MORE:
                            yield from self._read(chunk)
                    taken_back, text = self._thoughts.feed(self._well_formed.end())
                    yield from self._shown(taken_back, text + self._thoughts.end())
                    self._check_end()
                    break
                except Exception as error:
                    if not self._repeats(error):
                        raise
        yield Finished(self._counted(), finish_reason_of(self._finish))

    @contextmanager
    def _outcome(self) -> Iterator[None]:
        """Lets pass who may ask, tells the breaker what becomes of it, and says in our words what went wrong."""
        self._line.check()
        try:
            yield
        except Exception as error:
            if not is_provider_error(error):
                self._line.breaker.unknown()
                raise
            self._line.tell(error)
            log.warning("model_failed", model=self._line.name, error=type(error).__name__, midway=bool(self._text))
            told = translate(error)
            if isinstance(told, EndedEmpty) and (self._usage or self._written):
                told.usage = self._counted()
            raise told from None
        except BaseException:
            # Whoever asked has left.
            self._line.breaker.worked() if self._written else self._line.breaker.unknown()
            raise
        self._line.tell(None)

    def _repeats(self, error: Exception) -> bool:
        """Whether one more try could help: after the wait that was asked for, or without the conversation so far."""
        if not self._may_repeat or not is_provider_error(error) or self._text:
            return False
        self._may_repeat = False
        if is_too_long(error):
            had_history = bool(self._inputs["history"])
            self._inputs["history"] = []
            return had_history
        wait = (retry_after(error) or SHORT_WAIT_SECONDS) + random.uniform(0, JITTER_SECONDS)
        if not may_pass(error) or wait > LONGEST_WAIT_SECONDS + JITTER_SECONDS:
            return False
        time.sleep(wait)
        return True

    def _send(self) -> Any:
        """LangChain's stream of the model's chunks."""
        self._patience = self._line.bounds.patience()
        self._finish, self._written = None, ""
        self._well_formed, self._thoughts = WellFormed(), Thoughts(self._line.habits.closes_unopened)
        messages = in_turns(self._prompt.format_messages(**self._inputs))
        self._tell_sent(messages)
        # Not `prompt | model`: a sequence adds up every chunk of its own, and nothing here reads the sum.
        return self._line.model.stream(messages)

    def _next(self, stream: Any) -> Any:
        """The next chunk.

        Raises:
            ModelEndless: the answer is longer than any that was asked for.
        """
        if len(self._written) > self._most:
            raise ModelEndless(retry_after=5)
        with read_deadline(self._patience):
            return next(stream, _NOTHING_MORE)

    def _read(self, chunk: Any) -> list[Event]:
        """The events of a chunk."""
        self._usage = getattr(chunk, "usage_metadata", None) or self._usage
        self._finish = _ended(chunk) or self._finish
        refusal = chunk.additional_kwargs.get("refusal") or ""
        told, events = chunk.text or refusal, list[Event]()
        if told:
            text = self._well_formed.feed(self._within_bounds(told))
            events = self._shown(*self._thoughts.feed(text), refused=bool(refusal))
        if told or _thinks(chunk):
            self._patience.again()
        return events

    def _shown(self, taken_back: bool, text: str, *, refused: bool = False) -> list[Event]:
        events = list[Event]()
        if taken_back:
            events.append(Withdrawn())
            self._text = ""
        if text and refused and not self._declined:
            events.append(Declined())
            self._declined = True
        if text and self._preface and not self._text and not self._declined:
            events.append(Token(self._preface))
        if text:
            events.append(Token(text))
        self._text += text
        return events

    def _check_end(self) -> None:
        """What has come is an answer.

        Raises:
            ModelCut: it has no end.
            EndedEmpty, ModelSilent: it says nothing.
        """
        if not self._finish:
            # A connection that is cut ends the iterator without an error; only the reason is missing.
            raise ModelCut(retry_after=5)
        self._line.habits.closes_unopened = self._thoughts.came_unopened
        if self._text.strip():
            return
        ended = finish_reason_of(self._finish)
        if ended != "stop":
            raise ContentFiltered() if ended == "content_filter" else ModelOutOfTokens()
        raise ModelSilent(retry_after=5)

    def _within_bounds(self, text: str) -> str:
        room = self._most - len(self._written)
        self._written += text[: room + 1]
        return text[:room]

    def _counted(self) -> Usage:
        if self._usage and believable(self._usage):
            return self._line.usage(self._usage["input_tokens"], self._usage["output_tokens"], estimated=False)
        return self._line.usage(self._prompt_tokens, count_tokens(self._written), estimated=True)

    def _tell_sent(self, messages: Sequence[BaseMessage]) -> None:
        """Counts about how large the prompt is, and tells it before it is sent."""
        texts = [(message.type, message.text) for message in messages]
        sizes = [count_tokens(text) + 4 for _, text in texts]
        self._prompt_tokens = sum(sizes)
        if self._on_sent:
            hashes = [hashlib.sha256(without_boundaries(text).encode()).hexdigest() for _, text in texts]
            sent = tuple((role, size, name) for (role, _), size, name in zip(texts, sizes, hashes, strict=True))
            self._on_sent(Sent(self._line.name, self._prompt_tokens, sent))


def _ended(chunk: Any) -> object:
    """The reason to end that a chunk brings; each provider's package has its own name for it."""
    told = chunk.response_metadata
    return told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")


def _thinks(chunk: Any) -> bool:
    """Whether a chunk without text brings a thought of the model: that is life, and nobody's answer."""
    return bool(chunk.additional_kwargs.get("thinks") or (isinstance(chunk.content, list) and chunk.content))


def believable(usage: UsageMetadata) -> bool:
    """Whether a service can have counted so many tokens."""
    return all(0 <= usage[kind] <= MOST_TOKENS for kind in ("input_tokens", "output_tokens"))
