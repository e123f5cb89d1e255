"""The house rules, kept by a test each."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from flask_migrate import check, downgrade, upgrade
from sqlalchemy import inspect, text

import celeryconfig
from chatbot.auth.guard import guard_of
from chatbot.config import Settings
from chatbot.current import services
from chatbot.extensions import db
from tests.conftest import HOURS, ROOT, add_and_ingest

FILES = sorted((ROOT / "chatbot").rglob("*.py"))
PYTHON = [*FILES, ROOT / "celeryconfig.py", ROOT / "gunicorn.conf.py", ROOT / "wsgi.py"]
# The child that parses a document inherits a few named variables; everything else is read in config.
READS_ENVIRONMENT = {"chatbot/config/environment.py", "celeryconfig.py", "chatbot/knowledge/parsing/runner.py"}
NEVER_IMPORTED = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def check_imports(config: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_packages_import_downwards_only():
    check_imports(ROOT / "pyproject.toml")


def test_of_types_only_services_is_imported_upwards(tmp_path):
    lenient = "exclude_type_checking_imports = true\n"
    exception = 'ignore_imports = ["chatbot.** -> chatbot.services"]\nunmatched_ignore_imports_alerting = "none"\n'
    config = (ROOT / "pyproject.toml").read_text()
    assert lenient in config
    config = re.sub(r"^type = .*\n", rf"\g<0>{exception}", config.replace(lenient, ""), flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(config)
    check_imports(tmp_path / "pyproject.toml")


def test_the_contracts_have_no_exceptions():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert contracts
    assert [contract["name"] for contract in contracts if "ignore_imports" in contract] == []


def test_every_endpoint_wears_a_guard(sqlite_app):
    """F1"""
    kinds = {rule.endpoint: guard_of(sqlite_app, rule.endpoint) for rule in sqlite_app.url_map.iter_rules()}
    assert {e: k for e, k in kinds.items() if k not in ("public", "signed_in", "user", "admin")} == {}


def own_tasks(app) -> dict:
    celery = services(app).celery
    celery.loader.import_default_modules()
    return {n: t for n, t in celery.tasks.items() if not n.startswith(("celery.", "tests."))}


def test_every_task_has_a_name_of_its_own(sqlite_app):
    """N15: a renamed function must not lose messages."""
    names = set(own_tasks(sqlite_app))
    assert names >= {"mail.deliver", "mail.sweep", "knowledge.ingest", "knowledge.sweep", "chat.cleanup"}
    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z_]+", name)] == []


def test_every_task_goes_to_a_queue_that_a_worker_consumes(sqlite_app):
    (worker,) = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("worker:")]
    words = shlex.split(worker)
    consumed = set(words[words.index("--queues") + 1].split(","))
    routes = celeryconfig.task_routes
    used = {routes.get(n, {}).get("queue", celeryconfig.task_default_queue) for n in own_tasks(sqlite_app)}
    assert used == consumed == set(celeryconfig.QUEUES)
    assert set(routes) <= set(own_tasks(sqlite_app))


def test_the_clock_starts_only_tasks_that_exist(sqlite_app):
    schedule = celeryconfig.schedule(services(sqlite_app).settings)
    assert {entry["task"] for entry in schedule.values()} | set(celeryconfig.NIGHTLY) <= set(own_tasks(sqlite_app))


def test_there_is_one_migration_head():
    assert len(ScriptDirectory(str(ROOT / "migrations")).get_heads()) == 1


def test_the_models_are_what_the_migrations_make(app):
    """O1"""
    with app.app_context():
        check()
        tables = set(inspect(db.engine).get_table_names())
    assert tables >= set(db.metadata.tables)


def test_migrations_go_down_and_up_again_with_rows_in_the_tables(app, ada):
    """O2: the way down says what it loses, and the way up works afterwards."""
    add_and_ingest(app, HOURS)
    app.test_client().post("/api/chat/send/", json={"message": "When?"}, headers=ada.headers)
    with app.app_context():
        db.session.remove()
        downgrade(revision="base")
        left = set(inspect(db.engine).get_table_names()) & set(db.metadata.tables)
        upgrade()
        check()
        with db.engine.connect() as connection:
            users = connection.execute(text("SELECT count(*) FROM users")).scalar()
    assert (left, users) == (set(), 0)


def test_the_environment_is_read_in_one_place():
    pattern = re.compile(r"os\.environ|os\.getenv|environ\[|import environ|getenv\(")
    found = {
        name_of(path)
        for path in PYTHON
        if pattern.search(path.read_text()) and "request.environ" not in path.read_text()
    }
    assert found <= READS_ENVIRONMENT


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_nothing_is_unpickled(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert not imported & NEVER_IMPORTED


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_silenced_type_error_is_named(path):
    assert re.findall(r"# type: ignore(?!\[)", path.read_text()) == []


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_formatting_is_never_skipped(path):
    assert "# fmt: " + "skip" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short(path):
    assert len(path.read_text().splitlines()) <= 450


def test_every_setting_is_explained():
    explained = set(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert {name.upper() for name in Settings.model_fields} - explained == set()
