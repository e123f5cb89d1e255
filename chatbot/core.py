"""The application without its HTTP side: settings, database, and what commands, tasks and routes work with.

What takes long to import is built when it is first asked for, so that a command loads only what it needs. The web
process and the worker build all of it at their start (chatbot/app.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from sqlalchemy.orm import Session

from chatbot import nightly
from chatbot.auth import accounts
from chatbot.auth import models as auth_models
from chatbot.chat import models as chat_models
from chatbot.config import ROOT, Settings, load_settings
from chatbot.config.environment import renamed
from chatbot.db import engine_options, prepare_engine
from chatbot.extensions import db
from chatbot.knowledge import models as knowledge_models
from chatbot.knowledge.documents import blobs, quotas
from chatbot.logs import configure_logs
from chatbot.mail import models as mail_models
from chatbot.mail.emails import LetterBuilders
from chatbot.mail.transport import Transport
from chatbot.system import disk_space, private_files
from chatbot.web.idempotency import model as idempotency

log = structlog.get_logger(__name__)

# Tables refer to each other: all of them have to be known before a row is read.
MODELS = (auth_models, chat_models, knowledge_models, mail_models, idempotency, nightly)


class _Json(DefaultJSONProvider):
    """JSON that never contains NaN and keeps the order in which we wrote it."""

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, allow_nan=False, **kwargs)


@dataclass(frozen=True)
class MailRoom:
    """Who writes which e-mail, and the way out."""

    builders: LetterBuilders
    transport: Transport


class Parts(dict[str, Any]):
    """What is bound to the application, by name; a part that was announced is built when it is first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._builders: dict[str, Callable[[], Any]] = {}
        self._lock = threading.RLock()

    def announce(self, **builders: Callable[[], Any]) -> None:
        """Says how parts are built."""
        self._builders.update(builders)

    def __missing__(self, name: str) -> Any:
        with self._lock:
            if name not in self:
                self[name] = self._builders[name]()
            return self[name]

    def build(self) -> None:
        """Builds every part that was announced."""
        for name in self._builders:
            self[name]


def create_core(settings: Settings | None = None) -> Flask:
    """An application that commands run in, from settings or from the environment.

    Raises:
        ConfigError: naming every setting that cannot be used.
    """
    settings = settings or load_settings()
    configure_logs(settings.log_level, settings.log_format)
    for old, new in renamed(ROOT / ".env").items():
        log.warning("deprecated_setting", name=old, use=new)
    private_files.make_folder(settings.instance_path)
    for path in private_files.tighten(settings.instance_path):
        log.warning("readable_by_others", path=str(path))
    app = Flask("chatbot", instance_path=str(settings.instance_path), root_path=str(ROOT / "chatbot"))
    app.json = _Json(app)
    app.secret_key = settings.secret()
    app.debug = settings.flask_debug
    parts = app.extensions = Parts()
    parts["settings"] = settings
    _bind_database(app, settings)
    parts.announce(
        migrate=lambda: _migrate(app),
        mail_room=lambda: _mail_room(app, settings),
        celery=lambda: _celery(app, settings),
        embedders=lambda: _embedders(settings),
        fetch_limits=lambda: _fetch_limits(settings),
        retriever=lambda: _retriever(parts, settings),
        answer_cache=lambda: _answer_cache(parts, settings),
        replies=lambda: _replies(parts, settings),
    )
    return app


def _bind_database(app: Flask, settings: Settings) -> None:
    url = settings.sqlalchemy_url()
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, settings.web_threads)
    db.init_app(app)
    with app.app_context():
        app.extensions["sessions"] = prepare_engine(db.engine)
        disk_space.attach(db.engine, disk_space.DiskSpace(settings.instance_path))
        blobs.attach(db.engine, settings.instance_path / "originals", in_files=settings.file_storage == "disk")
        quotas.attach(db.engine, settings.max_documents, settings.max_knowledge_mb)
        accounts.attach_erasers(db.engine, _erasers(app, settings))


def _erasers(app: Flask, settings: Settings) -> tuple[accounts.Eraser, ...]:
    """What takes an account's words out where the database does not, when it is deleted."""

    def conversations(session: Session, user_id: str) -> Callable[[], None]:
        from chatbot.chat import erasure

        return erasure.erase(session, user_id, answers=app.extensions["answer_cache"])

    def emails(session: Session, user_id: str) -> Callable[[], None]:
        from chatbot.mail import service, transport

        return service.erase(session, user_id, folder=settings.instance_path / transport.OUTBOX)

    return conversations, emails


def _migrate(app: Flask) -> Any:
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    return app.extensions["migrate"]


def _celery(app: Flask, settings: Settings) -> Any:
    from chatbot.background import create_celery

    return create_celery(app, settings)


def _mail_room(app: Flask, settings: Settings) -> MailRoom:
    from flask_mail import Mail

    from chatbot.auth import emails as auth_emails
    from chatbot.mail import transport

    sender = settings.mail_default_sender
    if not settings.mail_server:
        return MailRoom(
            auth_emails.builders(settings), transport.outbox(settings.instance_path / transport.OUTBOX, sender)
        )
    app.config.update(
        MAIL_SERVER=settings.mail_server,
        MAIL_PORT=settings.mail_port,
        MAIL_USERNAME=settings.mail_username,
        MAIL_PASSWORD=settings.mail_password.get_secret_value() if settings.mail_password else None,
        MAIL_USE_TLS=settings.mail_use_tls,
    )
    # What the extension knows of this application; the extension itself has no server until it is bound to one.
    return MailRoom(auth_emails.builders(settings), transport.smtp(Mail().init_app(app), sender))


def _embedders(settings: Settings) -> Any:
    from chatbot.rag.embeddings.embedders import Embedders

    return Embedders(settings)


def _fetch_limits(settings: Settings) -> Any:
    from chatbot.egress.limits import limits_of
    from chatbot.knowledge.documents.urls import MEDIA_TYPES

    return limits_of(settings, MEDIA_TYPES)


def _retriever(parts: Parts, settings: Settings) -> Any:
    from chatbot.knowledge.retrieval.retriever import Retriever

    folder = settings.instance_path / "index"
    return Retriever(parts["sessions"], parts["embedders"], settings.relevance_threshold, settings.vector_store, folder)


def _answer_cache(parts: Parts, settings: Settings) -> Any:
    from chatbot.cache import Cache
    from chatbot.chat.replies.answer_cache import AnswerCache

    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    return AnswerCache(Cache(url, settings.secret()), parts["retriever"], settings)


def _replies(parts: Parts, settings: Settings) -> Any:
    from chatbot.chat.replies.reply import Replies
    from chatbot.rag.llm.answerers import ChatModels

    retriever = parts["retriever"]
    models = ChatModels(settings, retriever.embedder)
    return Replies(parts["sessions"], retriever, models, settings, parts["answer_cache"])
