"""The services of an application: what is built when, and what replaces what."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from chatbot.config import Settings
from chatbot.core import create_core
from chatbot.current import services, settings
from chatbot.services import Lazy, Services
from tests.conftest import MakeApp

LAZY = [name for name, found in vars(Services).items() if isinstance(found, Lazy)]


def test_application_of_a_command_has_built_no_service(tmp_path: Path) -> None:
    app = create_core(Settings(_env_file=None, instance_path=tmp_path))

    assert [name for name in LAZY if name in vars(services(app))] == []


def test_application_of_web_and_worker_has_built_every_service(make_app: MakeApp) -> None:
    found = vars(services(make_app()))

    assert [name for name in (*LAZY, "settings", "sessions") if name not in found] == []


def test_service_that_many_threads_ask_for_is_built_once(sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    found, together, built = Services(sqlite_app, services(sqlite_app).settings, services(sqlite_app).sessions), 8, []
    barrier = threading.Barrier(together)

    def build(_services: Services) -> object:
        built.append(object())
        return built[-1]

    def ask() -> object:
        barrier.wait()
        return found.broadcast

    monkeypatch.setattr(vars(Services)["broadcast"], "_build", build)
    with ThreadPoolExecutor(together) as threads:
        asked = list(threads.map(lambda _: ask(), range(together)))

    assert (asked, len(built)) == (built * together, 1)


def test_assigned_service_replaces_the_one_that_was_built(sqlite_app: Flask) -> None:
    other = replace(services(sqlite_app).fetch_limits, max_bytes=1)

    services(sqlite_app).fetch_limits = other

    with sqlite_app.app_context():
        assert services().fetch_limits is other
        assert settings() is services(sqlite_app).settings


def test_unknown_service_is_an_attribute_error(sqlite_app: Flask) -> None:
    with pytest.raises(AttributeError):
        services(sqlite_app).no_such_service  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", LAZY)
def test_every_service_is_described(name: str) -> None:
    assert vars(Services)[name].__doc__
