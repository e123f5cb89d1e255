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

from chatbot import tracing
from chatbot.chat.conversations.answers import Answer
from chatbot.chat.conversations.leases import ChatSessionNotFound
from chatbot.chat.models import Message
from chatbot.chat.replies.active_replies import ActiveReplies
from chatbot.chat.replies.answer_cache import AnswerCache
from chatbot.chat.replies.metrics import measure
from chatbot.chat.replies.traces import trace_of
from chatbot.chat.replies.turns import Turn, store_answer
from chatbot.config import Settings
from chatbot.db import Sessions
from chatbot.egress import Cancelled, cancellable, raise_if_cancelled
from chatbot.errors import ChatbotError, StorageFull, Unavailable
from chatbot.knowledge.retrieval.follow_up_questions import suggestions
from chatbot.knowledge.retrieval.retriever import Retriever
from chatbot.rag.chain import retrieval_chain, stream_parts
from chatbot.rag.errors import EndedEmpty
from chatbot.rag.llm.answerers import Answerer, ChatModels
from chatbot.rag.types import NOTHING_SPENT, Citation, Found, Part
from chatbot.system.disk_space import is_full
from chatbot.tracing import Span, steps
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
class Sources:
    """The passages are found; the answer knows them."""

    answer: Answer


@dataclass(frozen=True)
class Token:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Cited:
    """A citation is complete."""

    citation: Citation


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


Event = Start | Sources | Token | Cited | Done | Failed


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

    def reply(self, turn: Turn, answerer: Answerer) -> Generator[Event, None, None]:
        """The events of one reply, traced below what asks for it now, whoever reads them later."""
        span = tracing.current().child("answer", chatbot_message_id=turn.answer_id)
        return self._reply(turn, answerer, span)

    def _reply(self, turn: Turn, answerer: Answerer, span: Span) -> Generator[Event, None, None]:
        """The events of one reply. Closing the generator cancels the model and stores the answer as interrupted.

        An answer that somebody stops is done as far as it came.
        """
        answer = Answer(answerer.name, price=self.models.prices.cost)
        failure: ChatbotError | None = None
        status, message = "interrupted", None
        try:
            with self.running.entered(turn.answer_id, turn.session_id) as asked, cancellable(asked):
                yield Start(turn, answerer.name)
                yield from self._events(turn, answerer, answer, span)
            answer.suggestions = self._suggestions(turn, answer)
            # An answer that its model was not let finish is none.
            status = "complete" if answer.finish_reason in (None, "stop") else "interrupted"
        except Cancelled:
            log.info("reply_stopped", message_id=turn.answer_id)
            failure = ServerShutdown(retry_after=1) if self.running.ending else None
        except ChatbotError as error:
            status, failure = ("interrupted" if answer.text else "failed"), error
            if isinstance(error, EndedEmpty):
                answer.ended_empty(error)
            elif not answer.text:
                # What a provider refuses it does not charge.
                answer.prompt_tokens = None
        except Exception as error:
            status, failure = ("interrupted" if answer.text else "failed"), outage(error)
            if failure is None:
                log.exception("reply_failed", message_id=turn.answer_id)
                failure = ChatbotError()
        finally:
            with tracing.inside(span.child("store")):
                message, trouble = self._store(turn, answer, status, failure)
            measure(answer, status)
            failure = failure or trouble
            code = failure.code if failure else None
            span.end(code, chatbot_status=status, chatbot_model=answer.model, chatbot_grounding=answer.grounding)
        yield Failed(failure) if failure or message is None else Done(turn, message)  # type: ignore[arg-type]

    def _events(self, turn: Turn, answerer: Answerer, answer: Answer, span: Span) -> Generator[Event, None, None]:
        embed = self._retriever.embedder().embed
        chain = retrieval_chain(partial(self._retrieve, span), answerer, self._settings.no_context_behavior, embed)
        ask = replace(turn.ask, on_sent=answer.sent, on_failed=answer.failed)
        made = self._answers.through(turn, answerer.name, lambda: stream_parts(chain, ask))
        with closing(made) as parts:
            for part in followed(span, steps(span, parts)):
                raise_if_cancelled()
                yield from taken_up(answer, part)

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


def followed(span: Span, parts: Generator[Part, None, None]) -> Generator[Part, None, None]:
    """The parts; how long each step took is told below the span."""
    condensed, first, model = span.laps(), span.laps(), span.laps()
    waits = True
    for part in parts:
        if part.question is not None:
            condensed("condense")
        if part.found is not None:
            first(), model()
        if part.text and waits:
            first("first token")
            waits = False
        yield part
    model("model")


def taken_up(answer: Answer, part: Part) -> Generator[Event, None, None]:
    """Adds a part to the answer and tells what a client wants to know of it."""
    if part.question is not None:
        answer.question, answer.condensing = part.question, part.condensing or NOTHING_SPENT
    if part.found is not None:
        answer.found, answer.grounding = part.found, part.status or "fallback"
        yield Sources(answer)
    if part.cached:
        answer.cached = True
    if part.taken_back:
        # What was a thought of the model is no part of the answer; who reads a stream learns it from `done`.
        answer.text, answer.citations = "", []
    if part.refused:
        answer.refused = True
    if part.by:
        answer.model, answer.fallback_from = part.by, answer.model
    if part.text:
        answer.text += part.text
        yield Token(part.text)
    if part.citation is not None:
        answer.citations.append(part.citation)
        yield Cited(part.citation)
    if part.final is not None:
        answer.text, answer.citations = part.final.text, list(part.final.citations)
    if part.checked is not None:
        answer.check(part.checked)
    if part.usage is not None:
        answer.usage, answer.timings_ms = part.usage, dict(part.timings_ms)
        answer.removed_links, answer.finish_reason = part.removed_links, part.finish_reason
