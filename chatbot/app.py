"""The application factory: a table of contents. Nothing connects here; everything is bound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from chatbot import __version__, background, private_files, storage
from chatbot.auth import accounts, export, guard, jwts, letters, passwords
from chatbot.auth import tasks as auth_tasks
from chatbot.auth.cli import users_cli
from chatbot.auth.routes import blp as users_blueprint
from chatbot.backup.cli import backup_cli
from chatbot.cache import Cache
from chatbot.chat import erasure, gap_routes
from chatbot.chat import export as chat_export
from chatbot.chat import tasks as chat_tasks
from chatbot.chat.answer_cache import AnswerCache
from chatbot.chat.cli import chat_cli
from chatbot.chat.message_routes import blp as chat_blueprint
from chatbot.chat.openai_routes import blp as openai_blueprint
from chatbot.chat.replies import Replies
from chatbot.chat.socket_routes import blp as socket_blueprint
from chatbot.config import ROOT, Settings, load_settings
from chatbot.db import engine_options, prepare_engine
from chatbot.egress.limits import limits_of
from chatbot.extensions import db, mail, migrate
from chatbot.knowledge import export as knowledge_export
from chatbot.knowledge import health as knowledge_health
from chatbot.knowledge import originals, quotas
from chatbot.knowledge.cli import knowledge_cli
from chatbot.knowledge.eval_cli import eval_cli
from chatbot.knowledge.index_cli import index_cli
from chatbot.knowledge.retrieval import Retriever
from chatbot.knowledge.routes import blp as knowledge_blueprint
from chatbot.knowledge.urls import MEDIA_TYPES
from chatbot.logs import configure_logs
from chatbot.mail import health as mail_health
from chatbot.mail import service as mail_service
from chatbot.mail import transport
from chatbot.mail.cli import mail_cli
from chatbot.mail.letters import LetterBuilders
from chatbot.rag.embedders import Embedders
from chatbot.rag.models import ChatModels
from chatbot.web import docs, headers, health, limits, metrics, problems, requests, sockets
from chatbot.web.blueprint import Api
from chatbot.web.feeds import Feeds
from chatbot.web.fields import ProblemSchema
from chatbot.web.slots import Slots

# The tasks that no route wakes have to be imported by somebody, or a worker does not know them; so do routes and
# commands that one room gives to another.
__all__ = ["auth_tasks", "chat_tasks", "create_app", "gap_routes"]

log = structlog.get_logger(__name__)


class _Json(DefaultJSONProvider):
    """JSON that never contains NaN and keeps the order in which we wrote it."""

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, allow_nan=False, **kwargs)


@dataclass(frozen=True)
class MailRoom:
    """Who writes which letter, and the way out."""

    builders: LetterBuilders
    transport: transport.Transport


def create_app(settings: Settings | None = None) -> Flask:
    """The application, from settings or from the environment.

    Raises:
        ConfigError: naming every setting that cannot be used.
    """
    settings = settings or load_settings()
    configure_logs(settings.log_level, settings.log_format)
    private_files.make_folder(settings.instance_path)
    for path in private_files.tighten(settings.instance_path):
        log.warning("readable_by_others", path=str(path))
    app = Flask("chatbot", instance_path=str(settings.instance_path), root_path=str(ROOT / "chatbot"))
    app.extensions["settings"] = settings
    _init_web(app, settings)
    _init_database(app, settings)
    _init_mail(app, settings)
    _init_answers(app, settings)
    _init_api(app)
    background.create_celery(app, settings)
    app.cli.add_command(users_cli)
    app.cli.add_command(knowledge_cli)
    app.cli.add_command(index_cli)
    app.cli.add_command(eval_cli)
    app.cli.add_command(mail_cli)
    app.cli.add_command(chat_cli)
    app.cli.add_command(backup_cli)
    return app


def _init_web(app: Flask, settings: Settings) -> None:
    app.json = _Json(app)
    app.secret_key = settings.secret()
    app.debug = settings.flask_debug
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    if settings.trusted_proxy_hops:
        hops = settings.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_prefix=0)  # type: ignore[method-assign]
    problems.init_app(app)
    requests.init_app(app, settings.max_upload_mb * 1024 * 1024)
    limits.init_app(app, settings)
    headers.init_app(app, settings.cors_origins)
    health.init_app(app, settings)
    metrics.init_app(app)


def _init_database(app: Flask, settings: Settings) -> None:
    url = settings.sqlalchemy_url()
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, settings.web_threads)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    with app.app_context():
        app.extensions["sessions"] = prepare_engine(db.engine)
        storage.attach(db.engine, storage.Disk(settings.instance_path))
        originals.attach(db.engine, settings.instance_path / "originals", in_files=settings.originals == "files")
        quotas.attach(db.engine, settings.max_documents, settings.max_knowledge_mb)


def _init_mail(app: Flask, settings: Settings) -> None:
    password = settings.mail_password.get_secret_value() if settings.mail_password else None
    app.config.update(
        MAIL_SERVER=settings.mail_server or "",
        MAIL_PORT=settings.mail_port,
        MAIL_USERNAME=settings.mail_username,
        MAIL_PASSWORD=password,
        MAIL_USE_TLS=settings.mail_use_tls,
    )
    # What the extension knows of this application; the extension itself has no server until it is bound to one.
    server = mail.init_app(app)
    sender = settings.mail_default_sender
    way = transport.smtp(server, sender) if settings.mail_server else transport.outbox(
        settings.instance_path / transport.OUTBOX, sender
    )  # fmt: skip
    app.extensions["mail_room"] = MailRoom(letters.builders(settings), way)


def _init_answers(app: Flask, settings: Settings) -> None:
    """What finds and writes answers. Models and vectors are loaded when they are first needed."""
    sessions = app.extensions["sessions"]
    embedders = Embedders(settings)
    files = settings.instance_path / "index"
    retriever = Retriever(sessions, embedders, settings.relevance_threshold, settings.vector_store, files)
    models = ChatModels(settings, retriever.embedder)
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    answers = AnswerCache(Cache(url, settings.secret()), retriever, settings)
    app.extensions.update(
        embedders=embedders,
        fetch_limits=limits_of(settings, MEDIA_TYPES),
        retriever=retriever,
        answer_cache=answers,
        replies=Replies(sessions, retriever, models, settings, answers),
        slots=Slots(settings.web_streams),
        feeds=Feeds(),
    )
    sockets.init_app(app, app.extensions["slots"])
    # What takes an account's words out where the database does not, when it is deleted.
    outbox = settings.instance_path / transport.OUTBOX
    erasers = (partial(erasure.erase, answers=answers), partial(mail_service.erase, folder=outbox))
    with app.app_context():
        accounts.attach_erasers(db.engine, erasers)
    # What each room tells of itself at /metrics and /readyz.
    app.extensions["readings"] = (partial(knowledge_health.readings, retriever=retriever), mail_health.readings)
    app.extensions["checks"] = (partial(knowledge_health.checks, retriever=retriever), mail_health.checks)


def _init_api(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    jwts.init_app(app, settings)
    passwords.bound_hashing(settings.web_threads, settings.web_concurrency)
    guard.init_app(app, app.extensions["sessions"], settings.require_verified_email)
    app.config.update(API_TITLE="Chatbot", API_VERSION=__version__, OPENAPI_VERSION="3.0.3")
    api = Api(app, spec_kwargs={"info": {"description": API_DESCRIPTION}})
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    api.spec.components.schema("Problem", schema=ProblemSchema)
    for blueprint in (users_blueprint, chat_blueprint, openai_blueprint, knowledge_blueprint):
        api.register_blueprint(blueprint)
    app.register_blueprint(socket_blueprint)
    docs.init_app(app, api)
    # What a person's export consists of; each room adds what it has stored about them.
    app.extensions["exports"] = (export.account_parts, chat_export.conversations, knowledge_export.memberships)


API_DESCRIPTION = (
    "Answers from your own documents, with citations that can be checked. Sign up, log in, and send the access token "
    "as `Authorization: Bearer`; programs send an API key in its place. Errors are problem objects (RFC 9457), a "
    "method that an address does not take is 405 with `Allow`, and lists come in pages with `next_cursor`."
)
