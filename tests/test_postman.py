"""The Postman collection is what postman/build.py makes of the API as it is now."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from chatbot.auth import accounts
from chatbot.current import services
from chatbot.extensions import db
from chatbot.knowledge.tasks import sweep_documents
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


def test_every_operation_is_in_the_collection(committed: Json, openapi: Json) -> None:
    wanted = {
        (method.upper(), path.replace("{", ":").replace("}", ""))
        for path, entry in openapi["paths"].items()
        for method in entry
        if method in ("get", "post", "put", "patch", "delete")
    }
    found = {(i["request"]["method"], "/" + "/".join(i["request"]["url"]["path"])) for i in _requests(committed)}
    assert found == wanted


def test_operation_without_a_place_is_refused(build: ModuleType, openapi: Json) -> None:
    new = {"/new/": {"get": {"operationId": "brand_new", "parameters": []}}}
    with pytest.raises(SystemExit, match=r"postman/flow.py.*brand_new"):
        build.collection(openapi | {"paths": openapi["paths"] | new})


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


class Runner:
    """Sends the collection's requests from top to bottom, as newman does, and understands its scripts as far as
    build.py writes them. Documents are ingested between the requests."""

    def __init__(self, app: Flask, collection: Json) -> None:
        self._app, self._client = app, app.test_client()
        self._collection = collection
        self.variables = {v["key"]: v["value"] for v in collection["variable"]} | {"baseUrl": ""}
        self.failures: list[str] = []
        self.skipped: list[str] = []
        self.sent = 0

    def run(self) -> None:
        for folder in self._collection["item"]:
            for item in folder["item"]:
                scripts = {event["listen"]: event["script"]["exec"] for event in item["event"]}
                if self._may_be_sent(scripts.get("prerequest", [])):
                    self._send(f"{folder['name']} / {item['name']}", item["request"], "\n".join(scripts["test"]))
                    self._ingest()
                else:
                    self.skipped.append(item["name"])

    def _may_be_sent(self, lines: list[str]) -> bool:
        for line in lines:
            if needed := re.fullmatch(
                r'if \(!pm.collectionVariables.get\("(\w+)"\)\) pm.execution.skipRequest\(\);', line
            ):
                return bool(self.variables[needed[1]])
            name, value = re.findall(r'set\("(\w+)", (.+)\);', line)[0]
            prefix = re.match(r'"([\w-]+)" \+ Date.now', value)
            source = re.match(r'pm.collectionVariables.get\("(\w+)"\)', value)
            self.variables[name] = f"{prefix[1]}1" if prefix else f"{self.variables[source[1]]}@example.com"  # type: ignore[index]
        return True

    def _send(self, name: str, request: Json, tests: str) -> None:
        auth = request.get("auth", self._collection["auth"])
        token = "" if auth["type"] == "noauth" else self._filled(auth["bearer"][0]["value"])
        with self._client.open(
            self._url(request["url"]),
            method=request["method"],
            **self._body(request.get("body")),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        ) as answer:
            self._check(name, answer, tests)
        self.sent += 1

    def _check(self, name: str, answer: TestResponse, tests: str) -> None:
        good = re.findall(r"oneOf\(\[([\d, ]+)\]\)", tests)[0].split(", ")
        if str(answer.status_code) not in good:
            self.failures.append(f"{name}: {answer.status_code} {answer.text[:200]}")
            return
        for keys in re.findall(r"include\.keys\(([^)]+)\)", tests):
            if not set(json.loads(f"[{keys}]")) <= answer.json.keys():  # type: ignore[union-attr]
                self.failures.append(f"{name}: not all of {keys}")
        for variable, place in re.findall(r'collectionVariables\.set\("(\w+)", answer\.(.+)\);', tests):
            self.variables[variable] = str(_at(answer.json, place))

    def _url(self, url: Json) -> str:
        values = {v["key"]: self._filled(v["value"]) for v in url.get("variable", ())}
        path = "/".join(values.get(part.removeprefix(":"), part) for part in url["path"])
        # Nobody works beside the runner, so that waiting for a document would be in vain.
        query = {q["key"]: self._filled(q["value"]) for q in url.get("query", ()) if not q["disabled"]}
        return f"/{path}?{urlencode({name: value for name, value in query.items() if name != 'wait'})}"

    def _body(self, body: Json | None) -> Json:
        if body is None:
            return {}
        if body["mode"] == "raw":
            return {"json": json.loads(self._filled(body["raw"]))}
        return {
            "data": {
                f["key"]: (ROOT / "postman" / f["src"]).open("rb") if f["type"] == "file" else self._filled(f["value"])
                for f in body["formdata"]
                if not f.get("disabled")
            }
        }

    def _filled(self, text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: self.variables[found[1]], text)

    def _ingest(self) -> None:
        with self._app.app_context():
            sweep_documents.run()


def _at(answer: Any, place: str) -> Any:
    for name, condition, value in re.findall(r"(\w+)(?:\.find\(\(one\) => one\.(\w+) === (\w+)\))?", place):
        answer = answer[name]
        if condition:
            answer = next(one for one in answer if one[condition] == json.loads(value))
    return answer


def test_collection_runs_green_on_a_fresh_server(committed: Json, make_app: MakeApp) -> None:
    app = make_app(ratelimit_enabled=True)
    variables = {v["key"]: v["value"] for v in committed["variable"]}
    with app.app_context():
        email, password = variables["admin_email"], variables["admin_password"]
        accounts.create_admin(db.session(), services(app).settings, email, "boss", password)
    runner = Runner(app, committed)

    runner.run()

    assert runner.failures == []
    assert runner.sent > 70
    assert len(runner.skipped) <= 5


def test_every_request_checks_its_status(committed: Json) -> None:
    for item in _requests(committed):
        scripts = [event["script"]["exec"] for event in item["event"] if event["listen"] == "test"]
        assert "pm.expect(pm.response.code).to.be.oneOf([2" in scripts[0][0], item["name"]
