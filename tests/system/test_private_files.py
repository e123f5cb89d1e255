"""Nobody but their owner reads what the application stores, whatever umask a process begins with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from chatbot.app import create_app
from chatbot.background import enqueue
from chatbot.config import load_settings
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.extensions import db
from chatbot.knowledge.documents.service import NewDocument, add_document
from chatbot.mail.service import deliver
from chatbot.mail.tasks import deliver_mail
from chatbot.system import private_files
from tests.conftest import ROOT, _settings, add_and_ingest, sign_up

CLOSED, OPEN = 0o077, 0o022


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    """That of most machines."""
    before = os.umask(OPEN)
    yield
    os.umask(before)


def readable_by_others(folder: Path) -> list[str]:
    """Everything below a folder, and the folder, that has a permission for others."""
    found = [folder, *folder.rglob("*")]
    return sorted(str(path.relative_to(folder)) for path in found if path.lstat().st_mode & CLOSED)


def test_create_app_and_its_work_leave_nothing_readable(tmp_path: Path, models_path: Path) -> None:
    instance = tmp_path / "missing" / "instance"
    app = create_app(_settings(instance, models_path, file_storage="disk", models_path=instance / "models"))
    with app.app_context():
        upgrade()
        sign_up(app, "ada")
        with services(app).sessions() as session:
            mailer = services(app).mailer
            for mail_id in session.scalars(text("SELECT id FROM mails")).all():
                session.rollback()
                assert deliver(session, mail_id, mailer.builders, mailer.transport) == "sent"
        add_and_ingest(app, "# Hours\n\nThe shop opens at nine.")
        assert app.test_cli_runner().invoke(args=["index", "snapshot"]).exit_code == 0
        enqueue(deliver_mail, "nobody")
        with services(app).sessions() as session:
            begin_write(session)
            session.execute(text("UPDATE users SET first_name = 'Ada'"))
            there = {path.name for path in instance.rglob("*")}
            assert readable_by_others(instance.parent) == []
            session.commit()
        db.engine.dispose()

    wanted = {"chatbot.db", "chatbot.db-wal", "chatbot.db-shm", "secret_key", "outbox", "originals", "index", "models"}
    assert wanted | {"broker", "messages", "control"} <= there
    assert {path.suffix for path in (instance / "outbox").iterdir()} == {".eml"}
    assert list((instance / "broker" / "messages").iterdir())
    assert readable_by_others(instance) == []


# What a web process and a worker do with wsgi.py.
SIGN_UP = """
from wsgi import app
person = {"username": "ada", "email": "ada@example.com", "password": "horse battery 9", "password2": "horse battery 9"}
assert app.test_client().post("/api/users/signup/", json=person).status_code == 201
with app.app_context():
    from chatbot.mail.tasks import sweep_mails
    sweep_mails.run()
"""


def test_real_processes_leave_nothing_readable(tmp_path: Path, models_path: Path) -> None:
    instance = tmp_path / "instance"
    environment = {
        "PATH": f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin",
        "INSTANCE_PATH": str(instance),
        "HOME": str(tmp_path),
        "MODELS_PATH": str(models_path),
        "LOG_LEVEL": "WARNING",
        "ADMIN_PASSWORD": "correct horse battery 9",
    }
    document = tmp_path / "hours.md"
    document.write_text("# Hours\n\nThe shop opens at nine.")
    flask = ["-m", "flask", "--app", "wsgi"]
    for program in (
        [*flask, "db", "upgrade"],
        [*flask, "users", "create-admin", "root@example.com", "--username", "root"],
        [*flask, "knowledge", "ingest", str(document)],
        ["-c", SIGN_UP],
    ):
        done = subprocess.run(
            [sys.executable, *program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert readable_by_others(instance) == []

    assert {"chatbot.db", "secret_key", "broker", "outbox"} <= {path.name for path in instance.iterdir()}
    assert list((instance / "broker" / "messages").iterdir())


def test_open_instance_is_tightened_at_start(tmp_path: Path, models_path: Path) -> None:
    """As an older version has left it, and as a checkout has it (instance/.gitkeep)."""
    instance, elsewhere = tmp_path / "instance", tmp_path / "elsewhere"
    (instance / "outbox").mkdir(parents=True)
    (instance / "broker" / "messages").mkdir(parents=True)
    files = [instance / "chatbot.db", instance / "outbox" / "a.eml", instance / "broker" / "messages" / "b.msg"]
    for file in [*files, instance / ".gitkeep", elsewhere]:
        file.touch()
    (instance / "link").symlink_to(elsewhere)
    program = instance / "run"
    program.touch(0o755)

    create_app(_settings(instance, models_path))

    assert [path for path in readable_by_others(instance) if path != "link"] == []
    assert stat.S_IMODE(program.stat().st_mode) == 0o700
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


def test_files_of_somebody_else_are_named_in_a_warning(
    tmp_path: Path, models_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = tmp_path / "instance"
    instance.mkdir()
    (instance / "theirs").touch()
    chmod = Path.chmod

    def refused(path: Path, mode: int, **how: bool) -> None:
        if path.name == "theirs":
            raise PermissionError(1, "not yours")
        chmod(path, mode, **how)

    monkeypatch.setattr(Path, "chmod", refused)

    create_app(_settings(instance, models_path))

    log = capsys.readouterr().err
    assert "readable_by_others" in log
    assert str(instance / "theirs") in log
    assert readable_by_others(instance) == ["theirs"]


def test_private_folder_is_not_searched_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start looks at the instance folder's own entries, not at ten thousand originals."""
    folder = tmp_path / "instance"
    private_files.make_folder(folder / "originals")
    (folder / "originals" / "a").touch()
    seen: list[Path] = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: seen.append(path) or iterdir(path))

    assert private_files.tighten(folder) == []

    assert seen == [folder]


def test_database_that_cannot_be_created_is_told_by_sqlite(tmp_path: Path, models_path: Path) -> None:
    app = create_app(
        _settings(tmp_path, models_path, database_url=f"sqlite:///{tmp_path}/nowhere/a.db", flask_debug=True)
    )
    with app.app_context(), pytest.raises(OperationalError, match="unable to open"):
        db.engine.connect()


def test_secret_is_made_in_a_private_folder(tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, instance_path=tmp_path / "a" / "instance", database_url=None)

    settings.secret()

    assert readable_by_others(tmp_path / "a") == []


def test_document_added_before_the_first_ingestion_is_private(tmp_path: Path, models_path: Path) -> None:
    app = create_app(_settings(tmp_path / "instance", models_path, file_storage="disk"))
    with app.app_context():
        upgrade()
        with services(app).sessions() as session:
            add_document(session, NewDocument(b"The shop opens at nine.", title="Hours", media_type="text/plain"))
        db.engine.dispose()

    assert list((tmp_path / "instance" / "originals").glob("??/*"))
    assert readable_by_others(tmp_path / "instance") == []
