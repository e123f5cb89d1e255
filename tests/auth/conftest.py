"""One application for the tests of a module that leave each other's people alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from chatbot.app import create_app
from chatbot.extensions import db
from tests.conftest import MakeApp, _settings


@pytest.fixture(scope="module")
def module_app(tmp_path_factory: pytest.TempPathFactory, models_path: Path, sqlite_template: Path) -> Iterator[MakeApp]:
    """Makes applications on SQLite that live as long as the module's tests."""
    made: list[Flask] = []

    def make(**overrides: object) -> Flask:
        folder = tmp_path_factory.mktemp("module")
        shutil.copy(sqlite_template, folder / "chatbot.db")
        app = create_app(_settings(folder, models_path, **overrides))
        app.testing = False
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
