"""The application without its HTTP side: settings, database, and its services (chatbot/services.py)."""

from __future__ import annotations

from collections.abc import Callable

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
from chatbot.db import Sessions, engine_options, prepare_engine
from chatbot.extensions import db
from chatbot.knowledge import models as knowledge_models
from chatbot.knowledge.documents import blobs, quotas
from chatbot.logs import configure_logs
from chatbot.mail import models as mail_models
from chatbot.services import Services
from chatbot.system import disk_space, private_files
from chatbot.web.idempotency import model as idempotency

log = structlog.get_logger(__name__)

# Tables refer to each other: all of them have to be known before a row is read.
MODELS = (auth_models, chat_models, knowledge_models, mail_models, idempotency, nightly)


class _Json(DefaultJSONProvider):
    """JSON that never contains NaN and keeps the order in which we wrote it."""

    sort_keys = False

    def dumps(self, obj: object, **kwargs: object) -> str:
        return super().dumps(obj, allow_nan=False, **kwargs)


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
    sessions = _bind_database(app, settings)
    app.extensions["services"] = services = Services(app, settings, sessions)
    with app.app_context():
        accounts.attach_erasers(db.engine, _erasers(services))
    return app


def _bind_database(app: Flask, settings: Settings) -> Sessions:
    url = settings.sqlalchemy_url()
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, settings.web_threads)
    db.init_app(app)
    with app.app_context():
        disk_space.attach(db.engine, disk_space.DiskSpace(settings.instance_path))
        blobs.attach(db.engine, settings.instance_path / "originals", in_files=settings.file_storage == "disk")
        quotas.attach(db.engine, settings.max_documents, settings.max_knowledge_mb)
        return prepare_engine(db.engine)


def _erasers(services: Services) -> tuple[accounts.Eraser, ...]:
    """What takes an account's words out where the database does not, when it is deleted."""

    def conversations(session: Session, user_id: str) -> Callable[[], None]:
        from chatbot.chat import erasure

        return erasure.erase(session, user_id, answers=services.answer_cache)

    def emails(session: Session, user_id: str) -> Callable[[], None]:
        from chatbot.mail import service, transport

        return service.erase(session, user_id, folder=services.settings.instance_path / transport.OUTBOX)

    return conversations, emails


def bind_migrations(app: Flask) -> None:
    """Lets Flask-Migrate work on the application's database; it takes long to import."""
    from flask_migrate import Migrate

    Migrate(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
