"""Tools of the field read the OpenAPI document as it is served: a validator, and a generator of Python clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.conftest import MakeApp

METHODS = {"get", "post", "put", "patch", "delete"}
# Imports every module of the generated package.
IMPORT_ALL = """
import importlib, pkgutil, client
for module in pkgutil.walk_packages(client.__path__, "client."):
    importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document as it is served."""
    from chatbot.app import create_app
    from chatbot.config import load_settings

    app = create_app(load_settings(instance_path=tmp_path_factory.mktemp("instance")))
    found: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return found


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [o for item in document["paths"].values() for method, o in item.items() if method in METHODS]


def test_openapi_document_is_valid_with_its_examples_and_defaults(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()] == []


def test_python_client_has_every_operation_and_can_be_imported(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    # The generator formats what it has written with a ruff that it looks for.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    words = ["generate", "--path", "openapi.json", "--output-path", "client", "--meta", "none"]
    told = python("-m", "openapi_python_client", *words)

    assert [line for line in told.splitlines() if "arning" in line.lower() or "nable" in line] == []
    modules = [path for path in (tmp_path / "client" / "api").rglob("*.py") if path.name != "__init__.py"]
    assert len(modules) == len(operations(document))
    python("-W", "error", "-m", "compileall", "-q", "client")
    python("-W", "error", "-c", IMPORT_ALL)


def test_optional_parameters_are_not_filled_in_by_swagger_ui(document: dict[str, Any]) -> None:
    """It sends the example of a parameter with each try: the second question had the Idempotency-Key of the first."""
    parameters = [p for o in operations(document) for p in o.get("parameters", ()) if not p.get("required")]

    assert "Idempotency-Key" in {p["name"] for p in parameters}
    for parameter in parameters:
        schema = parameter["schema"]
        assert "example" not in parameter
        assert schema.get("example") == schema.get("default") or "example" not in schema, parameter["name"]


def test_parameters_are_never_null(document: dict[str, Any]) -> None:
    schemas = [p["schema"] for o in operations(document) for p in o.get("parameters", ())]

    assert [s for s in schemas if s.get("nullable") or None in s.get("enum", ()) or s.get("default", 0) is None] == []


@pytest.mark.parametrize("path", ["/swagger/", "/openapi.json", "/swagger/swagger-ui.css"])
def test_api_docs_false_turns_documentation_off(make_app: MakeApp, path: str) -> None:
    client: FlaskClient = make_app(api_docs=False).test_client()

    assert client.get(path).status_code == 404


@pytest.mark.parametrize("media_type", ["application/zip", "application/octet-stream"])
def test_export_has_the_media_type_that_was_asked_for(app, ada, media_type: str) -> None:
    with app.test_client().get("/api/users/export/", headers={**ada.headers, "Accept": media_type}) as answer:
        assert (answer.status_code, answer.mimetype) == (200, media_type)
        assert answer.data.startswith(b"PK")
