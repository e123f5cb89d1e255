"""A reply: one generator that JSON drains and a stream frames.

It holds no database session and no request. It ends in exactly one of `Done` and `Failed`, or is closed by a client
who left; whichever it is, what there is of the answer has been stored by then.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from chatbot import metrics, tracing
from chatbot.chat.conversations.answers import Answer
from chatbot.chat.conversations.leases import ChatSessionNotFound
from chatbot.chat.models import Message
from chatbot.chat.replies.active_replies import ActiveReplies
from chatbot.chat.replies.answer_cache import AnswerCache
from chatbot.chat.replies.traces import trace_of
from chatbot.chat.replies.turns import Turn, store_answer
from chatbot.config import Settings
from chatbot.db import Sessions
from chatbot.egress import Cancelled, cancellable, raise_if_cancelled
from chatbot.errors import ChatbotError, StorageFull, Unavailable
from chatbot.knowledge.retrieval.follow_up_questions import suggestions
from chatbot.knowledge.retrieval.retriever import Retriever
from chatbot.rag.chain import retrieval_chain, stream_events
from chatbot.rag.errors import EndedEmpty
from chatbot.rag.events import Event, Events, Retrieved, Token
from chatbot.rag.llm.answerers import Answerer, ChatModels
from chatbot.rag.types import Condensed, Found
from chatbot.system.disk_space import is_full
from chatbot.tracing import Span
from chatbot.web.db_errors import outage

log = structlog.get_logger(__name__)

# So long an answer waits for a database that is away, in seconds, at most so long between two attempts; three times
# it tries also when the server stops.
STORE_SECONDS, STORE_PAUSE, STORE_ATTEMPTS = 20.0, 2.0, 3


@dataclass(frozen=True)
class Start:
    """The question is stored; the answer will have the turn's `answer_id`."""

    turn: Turn
    model: str


@dataclass(frozen=True)
class Done:
    """The answer is whole and stored."""

    turn: Turn
    message: Message


@dataclass(frozen=True)
class Failed:
    """The answer could not be finished; what there was of it is stored."""

    error: ChatbotError


class ServerShutdown(Unavailable):
    code, detail = "server_shutdown", "The server stops; ask again in a moment."


# What the chain tells goes on as it is.
ReplyEvent = Start | Event | Done | Failed


class Replies:
    """Makes replies. One a process; used by many threads."""

    def __init__(
        self, sessions: Sessions, retriever: Retriever, models: ChatModels, settings: Settings, answers: AnswerCache
    ) -> None:
        self._sessions = sessions
        self._answers = answers
        self._retriever = retriever
        self._settings = settings
        self.models = models
        self.running = ActiveReplies(sessions)

    def reply(self, turn: Turn, answerer: Answerer) -> Generator[ReplyEvent, None, None]:
        """The events of one reply, traced below what asks for it now, whoever reads them later."""
        span = tracing.current().child("answer", chatbot_message_id=turn.answer_id)
        return self._reply(turn, answerer, span)

    def _reply(self, turn: Turn, answerer: Answerer, span: Span) -> Generator[ReplyEvent, None, None]:
        """The events of one reply. Closing the generator cancels the model and stores the answer as interrupted.

        An answer that somebody stops is done as far as it came.
        """
        answer = Answer(answerer.name, price=self.models.prices.cost)
        failure: ChatbotError | None = None
        status, message = "interrupted", None
        try:
            with self.running.entered(turn.answer_id, turn.session_id) as asked, cancellable(asked):
                yield Start(turn, answerer.name)
                key, steps, made = self._answers.key(turn, answerer.name), _Steps(span), list[Event]()
                kept = self._answers.get(key, turn)
                answer.cached = kept is not None
                with closing(kept or self._ask(turn, answerer, answer, span)) as events:
                    while (event := tracing.call(span, next, events, None)) is not None:
                        raise_if_cancelled()
                        steps.add(event)
                        made.append(event)
                        answer.apply(event)
                        yield event
                steps.end()
                if kept is None:
                    self._answers.put(key, turn, made)
            answer.suggestions = self._suggestions(turn, answer)
            # An answer that its model was not let finish is none.
            status = "complete" if answer.finish_reason in (None, "stop") else "interrupted"
        except Cancelled:
            log.info("reply_stopped", message_id=turn.answer_id)
            failure = ServerShutdown(retry_after=1) if self.running.ending else None
        except Exception as error:
            status, failure = ("interrupted" if answer.text else "failed"), _failure(error, turn, answer)
        finally:
            with tracing.inside(span.child("store")):
                message, trouble = self._store(turn, answer, status, failure)
            _measure(answer, status)
            failure = failure or trouble
            code = failure.code if failure else None
            span.end(code, chatbot_status=status, chatbot_model=answer.model, chatbot_grounding=answer.grounding)
        yield Failed(failure) if failure or message is None else Done(turn, message)  # type: ignore[arg-type]

    def _ask(self, turn: Turn, answerer: Answerer, answer: Answer, span: Span) -> Events:
        embed = self._retriever.embedder().embed
        chain = retrieval_chain(partial(self._retrieve, span), answerer, self._settings.no_context_behavior, embed)
        return stream_events(chain, replace(turn.ask, on_sent=answer.sent, on_failed=answer.failed))

    def _retrieve(self, span: Span, question: str, collections: frozenset[str] | None, beside: str | None) -> Found:
        with tracing.inside(span.child("retrieve")) as inner:
            found = self._retriever.find(question, self._settings.retrieval_top_k, collections, beside)
            inner.note(chatbot_passages=len(found.passages))
            return found

    def _suggestions(self, turn: Turn, answer: Answer) -> list[str]:
        """What might be asked next. An answer is none the worse without."""
        asked = [message.text for message in turn.ask.history if message.is_user]
        passages = answer.found.passages if answer.found else ()
        used = {citation.chunk_id for citation in answer.citations}
        try:
            with self._sessions() as session:
                return suggestions(session, passages, used, [turn.ask.question, answer.question or "", *asked])
        except SQLAlchemyError as error:
            log.warning("no_suggestions", message_id=turn.answer_id, error=type(error).__name__)
            return []

    def _store(
        self, turn: Turn, answer: Answer, status: str, failure: ChatbotError | None
    ) -> tuple[Message | None, ChatbotError | None]:
        """Stores the answer in a short transaction of its own; a database that is busy or away is asked again."""
        trace, until = trace_of(turn, answer, failure), time.monotonic() + STORE_SECONDS
        for attempt in itertools.count(1):
            try:
                with self._sessions() as session:
                    message = store_answer(session, turn, answer, status, trace)
                return message, None if message else ChatSessionNotFound()
            except SQLAlchemyError as error:
                log.error("answer_not_stored", message_id=turn.answer_id, error=type(error).__name__, attempt=attempt)
                if is_full(error):
                    return None, StorageFull("The answer could not be stored; ask again.", retry_after=60)
                away = outage(error) is not None and time.monotonic() < until
                if attempt >= STORE_ATTEMPTS and (self.running.ending or not away):
                    break
                time.sleep(min(STORE_PAUSE, 0.1 * attempt))
            except Exception:
                log.exception("answer_not_stored", message_id=turn.answer_id)
                return None, ChatbotError()
        return None, Unavailable("The answer could not be stored; ask again.", code="busy", retry_after=1)


def _failure(error: Exception, turn: Turn, answer: Answer) -> ChatbotError:
    """The failure that an error is told as. What a provider refuses it does not charge."""
    if isinstance(error, EndedEmpty):
        answer.ended_empty(error)
    elif isinstance(error, ChatbotError) and not (answer.text or answer.withheld):
        answer.prompt_tokens = None
    failure = error if isinstance(error, ChatbotError) else outage(error)
    if failure is None:
        log.exception("reply_failed", message_id=turn.answer_id)
    return failure or ChatbotError()


def _measure(answer: Answer, status: str) -> None:
    """Counts an answer that has ended for /metrics, under the model that wrote it."""
    model, spent, took = answer.model, answer.spent, answer.timings_ms
    metrics.ANSWERS.labels(status, model).inc()
    if status == "complete":
        metrics.DECISIONS.labels(answer.grounding).inc()
    for name, seconds in (("first_token", metrics.FIRST_TOKEN_SECONDS), ("total", metrics.ANSWER_SECONDS)):
        if name in took:
            seconds.labels(model).observe(took[name] / 1000)
    if spent.total_tokens:
        metrics.TOKENS.labels(model, "prompt").inc(spent.prompt_tokens)
        metrics.TOKENS.labels(model, "completion").inc(spent.completion_tokens)
        if spent.cost_usd is None:
            metrics.UNPRICED.labels(model).inc()
        else:
            metrics.COST.labels(model).inc(float(spent.cost_usd))


class _Steps:
    """How long each step of a reply took, told below its span."""

    def __init__(self, span: Span) -> None:
        self._condense, self._first, self._model = span.laps(), span.laps(), span.laps()
        self._waits = True

    def add(self, event: Event) -> None:
        match event:
            case Condensed():
                self._condense("condense")
            case Retrieved():
                self._first(), self._model()
            case Token() if self._waits:
                self._first("first token")
                self._waits = False

    def end(self) -> None:
        self._model("model")
