"""Databases of earlier revisions are upgraded without loss."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from flask_migrate import check, downgrade, upgrade
from sqlalchemy import inspect, select, text

from chatbot.extensions import db
from chatbot.knowledge.models import DocumentVersion
from tests.conftest import HOURS, ROOT, MakeApp, add_and_ingest

ROWS = {
    "users": 1,
    "collections": 1,
    "generations": 1,
    "documents": 1,
    "document_versions": 1,
    "chunks": 1,
    "chat_sessions": 1,
    "messages": 2,
}


def test_database_of_revision_0006_upgrades_without_loss(make_app: MakeApp, tmp_path: Path) -> None:
    """As it was made by the six migrations that the initial one has taken the place of."""
    with sqlite3.connect(tmp_path / "chatbot.db") as old:
        old.executescript((ROOT / "tests" / "data" / "database-0006.sql").read_text(encoding="utf-8"))
    old.close()
    app = make_app()
    with app.app_context():
        upgrade()
        check()
        with db.engine.connect() as connection:
            found = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar() for name in ROWS}
            (answer,) = connection.execute(text("SELECT content FROM messages WHERE NOT is_user")).scalars()
    assert found == ROWS
    assert answer == "The shop opens at nine. [1]"


def test_warnings_of_documents_come_and_go_with_their_revision(make_app: MakeApp, database_url: str | None) -> None:
    app = make_app(database_url=database_url)
    add_and_ingest(app, HOURS)
    with app.app_context():
        downgrade(revision="0009")
        assert "warnings" not in columns_of("document_versions")
        upgrade(revision="0010")
        check()
        with db.engine.connect() as connection:
            # As JSON it is the empty list, which both kinds of database store.
            assert list(connection.execute(select(DocumentVersion.warnings)).scalars()) == [[]]


def columns_of(table: str) -> set[str]:
    return {column["name"] for column in inspect(db.engine).get_columns(table)}


def test_flask_db_check_knows_every_model(sqlite_template: Path, tmp_path: Path) -> None:
    """It loads less than the web process does, and `flask db migrate` would drop the tables that it does not know."""
    (tmp_path / "chatbot.db").write_bytes(sqlite_template.read_bytes())
    environment = os.environ | {"INSTANCE_PATH": str(tmp_path)}
    command = [str(Path(sys.executable).parent / "flask"), "db", "check"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "No new upgrade operations" in done.stdout + done.stderr) == (0, True), done.stderr
