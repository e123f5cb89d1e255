"""The Postman collection is what postman/build.py makes of the API as it is now."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import ROOT, MakeApp

Json = dict[str, Any]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """postman/build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("postman_build", ROOT / "postman" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def openapi(build: ModuleType) -> Json:
    document: Json = build.openapi()
    return document


@pytest.fixture(scope="module")
def committed() -> Json:
    found: Json = json.loads((ROOT / "postman" / "collection.json").read_text(encoding="utf-8"))
    return found


def _requests(collection: Json) -> list[Json]:
    return [item for folder in collection["item"] for item in folder["item"]]


def test_the_committed_collection_is_what_the_builder_makes_now(build: ModuleType, openapi: Json) -> None:
    made = build.render(build.collection(openapi))
    assert (ROOT / "postman" / "collection.json").read_text(encoding="utf-8") == made, "run `make postman`"


def test_the_builder_makes_the_same_twice(build: ModuleType, openapi: Json) -> None:
    assert build.collection(openapi) == build.collection(build.openapi())


def test_every_operation_is_in_the_folder_of_its_tag(committed: Json, openapi: Json) -> None:
    wanted = {
        (operation["tags"][0], method.upper(), path.replace("{", ":").replace("}", ""))
        for path, entry in openapi["paths"].items()
        for method, operation in entry.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    found = {
        (folder["name"], item["request"]["method"], "/" + "/".join(item["request"]["url"]["path"]))
        for folder in committed["item"]
        for item in folder["item"]
    }
    assert found == wanted


def test_every_id_is_there_once(committed: Json) -> None:
    ids = [item["id"] for item in _requests(committed)]
    ids += [answer["id"] for item in _requests(committed) for answer in item["response"]]
    assert len(ids) == len(set(ids)) > 50


def test_every_request_has_a_saved_success_and_a_saved_error(committed: Json) -> None:
    for item in _requests(committed):
        good, bad = item["response"]
        assert good["code"] < 300, item["name"]
        assert json.loads(bad["body"])["status"] == bad["code"] >= 400, item["name"]


def test_public_requests_send_no_token_and_all_others_send_it(committed: Json, openapi: Json) -> None:
    assert committed["auth"]["bearer"][0]["value"] == "{{access}}"
    for item in _requests(committed):
        request = item["request"]
        path = "/" + "/".join("{" + p[1:] + "}" if p.startswith(":") else p for p in request["url"]["path"])
        is_public = openapi["paths"][path][request["method"].lower()]["security"] == []
        assert (request.get("auth") == {"type": "noauth"}) == is_public, item["name"]


def test_every_variable_that_is_used_is_declared(committed: Json) -> None:
    text = json.dumps(committed["item"])
    declared = {variable["key"] for variable in committed["variable"]}
    used = {part.partition("}}")[0] for part in text.split("{{")[1:]}
    assert used <= declared
    assert "baseUrl" in used


def test_logging_in_stores_both_tokens(committed: Json) -> None:
    login = next(
        item for item in _requests(committed) if item["request"]["url"]["path"][:3] == ["api", "users", "login"]
    )
    script = "\n".join(login["event"][0]["script"]["exec"])
    assert 'collectionVariables.set("access", answer.access)' in script
    assert 'collectionVariables.set("refresh", answer.refresh)' in script


def _body(committed: Json, method: str, *path: str) -> Json:
    items = [i for i in _requests(committed) if i["request"]["url"]["path"] == [*path, ""]]
    body: Json = json.loads(next(i for i in items if i["request"]["method"] == method)["request"]["body"]["raw"])
    return body


def test_the_example_bodies_are_accepted_as_they_are(committed: Json, make_app: MakeApp) -> None:
    client: FlaskClient = make_app().test_client()
    signed_up = client.post("/api/users/signup/", json=_body(committed, "POST", "api", "users", "signup"))
    logged_in = client.post("/api/users/login/", json=_body(committed, "POST", "api", "users", "login"))
    headers = {"Authorization": f"Bearer {logged_in.json['access']}"}
    asked = client.post("/api/chat/send/", json=_body(committed, "POST", "api", "chat", "send"), headers=headers)
    changed = client.patch(
        "/api/users/profile/", json=_body(committed, "PATCH", "api", "users", "profile"), headers=headers
    )
    assert [signed_up.status_code, logged_in.status_code, asked.status_code, changed.status_code] == [
        201, 200, 200, 200,
    ]  # fmt: skip
