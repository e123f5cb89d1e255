"""What routes, tasks and commands of an application work with: one object, a service an attribute.

What takes long to import is built when it is first asked for, so that a command loads only what it needs. The web
process and the worker build all of it when they start (chatbot/app.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from flask import Flask

from chatbot.config import Settings
from chatbot.db import Sessions

if TYPE_CHECKING:
    import redis
    from celery import Celery

    from chatbot.auth.export import Export
    from chatbot.chat.replies.answer_cache import AnswerCache
    from chatbot.chat.replies.reply import Replies
    from chatbot.config.signing_secrets import Secrets
    from chatbot.egress.limits import Limits as FetchLimits
    from chatbot.knowledge.retrieval.retriever import Retriever
    from chatbot.mail.transport import Mailer
    from chatbot.rag.embeddings.embedders import Embedders
    from chatbot.web.health import Checks
    from chatbot.web.limits.rate_limits import Limits
    from chatbot.web.metrics import Readings
    from chatbot.web.streaming.broadcast import Broadcast
    from chatbot.web.streaming.concurrency_limit import ConcurrencyLimit
    from chatbot.web.streaming.websockets import Sockets

T = TypeVar("T")


class Lazy(Generic[T]):
    """An attribute that its method builds when it is first asked for, once for all threads; it may be assigned."""

    def __init__(self, build: Callable[[Any], T]) -> None:
        self._build, self.__doc__ = build, build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, services: None, owner: type) -> Self: ...

    @overload
    def __get__(self, services: Services, owner: type) -> T: ...

    def __get__(self, services: Services | None, owner: type) -> Self | T:
        if services is None:
            return self
        with services.building:
            built: dict[str, T] = vars(services)
            if self._name not in built:
                built[self._name] = self._build(services)
            return built[self._name]


class Services:
    """The services of one application. Tests replace one by assigning another."""

    settings: Settings
    """Every setting, checked."""
    sessions: Sessions
    """Opens a database session."""

    def __init__(self, app: Flask, settings: Settings, sessions: Sessions) -> None:
        self._app, self.settings, self.sessions = app, settings, sessions
        self.building = threading.RLock()

    def build(self) -> None:
        """Builds every service, so that no request and no task waits for it."""
        for name, found in vars(type(self)).items():
            if isinstance(found, Lazy):
                getattr(self, name)

    @Lazy
    def mailer(self) -> Mailer:
        """Writes e-mails, and sends them: to MAIL_SERVER, or into files."""
        from flask_mail import Mail

        from chatbot.auth import emails as auth_emails
        from chatbot.mail import transport

        settings = self.settings
        builders, sender = auth_emails.builders(settings), settings.mail_default_sender
        if not settings.mail_server:
            return transport.Mailer(builders, transport.outbox(settings.instance_path / transport.OUTBOX, sender))
        self._app.config.update(
            MAIL_SERVER=settings.mail_server,
            MAIL_PORT=settings.mail_port,
            MAIL_USERNAME=settings.mail_username,
            MAIL_PASSWORD=settings.mail_password.get_secret_value() if settings.mail_password else None,
            MAIL_USE_TLS=settings.mail_use_tls,
        )
        # What the extension knows of this application; the extension itself has no server until it is bound to one.
        return transport.Mailer(builders, transport.smtp(Mail().init_app(self._app), sender))

    @Lazy
    def celery(self) -> Celery:
        """Sends tasks to the workers; in a worker, runs them."""
        from chatbot.background import create_celery

        return create_celery(self._app, self.settings)

    @Lazy
    def embedders(self) -> Embedders:
        """The embedding models by their names."""
        from chatbot.rag.embeddings.embedders import Embedders

        return Embedders(self.settings)

    @Lazy
    def fetch_limits(self) -> FetchLimits:
        """What may be fetched from the web, and how much of it."""
        from chatbot.egress.limits import limits_of
        from chatbot.knowledge.documents.urls import MEDIA_TYPES

        return limits_of(self.settings, MEDIA_TYPES)

    @Lazy
    def retriever(self) -> Retriever:
        """Searches the documents."""
        from chatbot.knowledge.retrieval.retriever import Retriever

        settings = self.settings
        folder = settings.instance_path / "index"
        return Retriever(self.sessions, self.embedders, settings.relevance_threshold, settings.vector_store, folder)

    @Lazy
    def answer_cache(self) -> AnswerCache:
        """Answers that may be returned again: in Redis with REDIS_URL, else in this process."""
        from chatbot.cache import Cache
        from chatbot.chat.replies.answer_cache import AnswerCache

        settings = self.settings
        url = settings.redis_url.get_secret_value() if settings.redis_url else None
        return AnswerCache(Cache(url, settings.secret()), self.retriever, settings)

    @Lazy
    def replies(self) -> Replies:
        """Answers questions with the chat models."""
        from chatbot.chat.replies.reply import Replies
        from chatbot.rag.llm.answerers import ChatModels

        models = ChatModels(self.settings, self.retriever.embedder)
        return Replies(self.sessions, self.retriever, models, self.settings, self.answer_cache)

    @Lazy
    def jwt_secrets(self) -> Secrets:
        """What tokens are signed with, and what they were signed with before."""
        return self.settings.jwt_secrets()

    @Lazy
    def rate_limits(self) -> Limits | None:
        """Counts what callers do; None when RATELIMIT_ENABLED is false."""
        from chatbot.web.limits.rate_limits import Limits

        return Limits(self.settings) if self.settings.ratelimit_enabled else None

    @Lazy
    def concurrency_limit(self) -> ConcurrencyLimit:
        """How many answers this process makes at the same time."""
        from chatbot.web.streaming.concurrency_limit import ConcurrencyLimit

        return ConcurrencyLimit(self.settings.web_streams)

    @Lazy
    def broadcast(self) -> Broadcast:
        """The streams that are under way in this process, for clients that come back to one."""
        from chatbot.web.streaming.broadcast import Broadcast

        return Broadcast()

    @Lazy
    def sockets(self) -> Sockets:
        """How many WebSockets this process keeps open."""
        from chatbot.web.streaming.websockets import Sockets

        return Sockets(self.concurrency_limit)

    @Lazy
    def redis_probe(self) -> redis.Redis | None:
        """Asks Redis whether it answers, for /readyz; None without REDIS_URL."""
        from chatbot.web.health import redis_probe

        return redis_probe(self.settings)

    @Lazy
    def health_checks(self) -> tuple[Checks, ...]:
        """What each package tells of its state at /readyz."""
        from chatbot.knowledge.maintenance import health as knowledge_health
        from chatbot.mail import health as mail_health

        return partial(knowledge_health.checks, retriever=self.retriever), mail_health.checks

    @Lazy
    def metrics_readers(self) -> tuple[Readings, ...]:
        """What each package reads from the database for /metrics."""
        from chatbot.knowledge.maintenance import health as knowledge_health
        from chatbot.mail import health as mail_health

        return partial(knowledge_health.readings, retriever=self.retriever), mail_health.readings

    @Lazy
    def account_exports(self) -> tuple[Export, ...]:
        """What each package has stored about a person, for the export of their account."""
        from chatbot.auth import export
        from chatbot.chat.conversations import export as chat_export
        from chatbot.knowledge.documents import export as knowledge_export

        return export.account_parts, chat_export.conversations, knowledge_export.memberships
