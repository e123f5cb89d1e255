"""`flask backup ...`"""

from __future__ import annotations

import logging
import zipfile

import pytest

from tests.backup.test_service import rows
from tests.conftest import HOURS, SECRET, add_and_ingest, sign_up


def run(app, *args: object):
    level = logging.getLogger("chatbot").level
    try:
        result = app.test_cli_runner().invoke(args=["backup", *map(str, args)])
    finally:
        logging.getLogger("chatbot").setLevel(level)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def other(make_app, tmp_path):
    return make_app(instance_path=tmp_path / "other")


def test_a_backup_is_made_checked_and_restored(app, other, tmp_path):
    """M14"""
    sign_up(app, "ada")
    add_and_ingest(app, HOURS)
    path = tmp_path / "b.zip"
    made = run(app, "create", path)
    assert (made.exit_code, made.stderr.strip()) == (0, "")
    assert "0 original(s) in files" in made.stdout
    assert "Whole: " in run(app, "check", path).stdout
    restored = run(other, "restore", path)
    assert restored.exit_code == 0, restored.stderr
    assert rows(other) == rows(app)
    again = run(other, "restore", path)
    assert (again.exit_code, "not empty" in again.stderr) == (1, True)
    assert run(other, "restore", path, "--replace").exit_code == 0
    assert other.test_cli_runner().invoke(args=["knowledge", "verify"]).exit_code == 0


def test_without_a_name_the_file_has_the_date(sqlite_app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(sqlite_app, "create").exit_code == 0
    (path,) = tmp_path.glob("chatbot-backup-*.zip")
    assert run(sqlite_app, "check", path).exit_code == 0


def test_the_secret_comes_along_only_when_it_is_asked_for(sqlite_app, other, tmp_path):
    """P1"""
    secret = (tmp_path / "secret_key").read_bytes()
    assert (tmp_path / "other" / "secret_key").read_bytes() != secret
    run(sqlite_app, "create", tmp_path / "without.zip")
    with zipfile.ZipFile(tmp_path / "without.zip") as zipped:
        assert "secret_key" not in zipped.namelist()
    run(sqlite_app, "create", tmp_path / "with.zip", "--with-secret")
    assert run(other, "restore", tmp_path / "with.zip").exit_code == 0
    assert (tmp_path / "other" / "secret_key").read_bytes() == secret
    assert (tmp_path / "other" / "secret_key").stat().st_mode & 0o077 == 0


def test_a_secret_that_is_a_setting_is_neither_kept_nor_replaced(make_app, sqlite_app, tmp_path):
    set_here = make_app(instance_path=tmp_path / "set", secret_key=SECRET)
    refused = run(set_here, "create", tmp_path / "no.zip", "--with-secret")
    assert (refused.exit_code, "SECRET_KEY is a setting" in refused.stderr) == (1, True)
    run(sqlite_app, "create", tmp_path / "with.zip", "--with-secret")
    restored = run(set_here, "restore", tmp_path / "with.zip")
    assert (restored.exit_code, "was not used" in restored.stderr) == (0, True)


def test_what_is_no_backup_is_told_in_a_sentence(sqlite_app, tmp_path):
    file, nowhere = tmp_path / "x.zip", tmp_path / "nowhere.zip"
    file.write_text("no zip")
    reasons = {
        file: "This is not a backup, or it is damaged.",
        nowhere: f"{nowhere} cannot be read: No such file or directory.",
    }
    for command in ("check", "restore"):
        for path, reason in reasons.items():
            refused = run(sqlite_app, command, path)
            assert (refused.exit_code, refused.stderr) == (1, f"Error: {reason}\n")


def test_a_database_without_tables_is_told_from_one_of_another_version(sqlite_app, make_app, tmp_path):
    run(sqlite_app, "create", tmp_path / "b.zip")
    empty = make_app(database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    refused = run(empty, "restore", tmp_path / "b.zip")
    sentence = "Error: This database has no tables yet. Run `flask db upgrade` first."
    assert (refused.exit_code, refused.stderr.strip()) == (1, sentence)


def test_originals_that_are_missing_are_named_and_the_rest_is_kept(make_app, tmp_path):
    app = make_app(file_storage="disk")
    add_and_ingest(app, HOURS)
    (file,) = (tmp_path / "originals").glob("??/*")
    file.unlink()
    made = run(app, "create", tmp_path / "b.zip")
    assert (made.exit_code, file.name in made.stderr) == (1, True)
    assert run(app, "check", tmp_path / "b.zip").exit_code == 0
