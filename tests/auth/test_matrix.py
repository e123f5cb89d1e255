"""F1 F6 F7 F11: who may call what. matrix.csv says it, a line for each address and method; here all of it is tried."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from chatbot.auth.guard import guard_of
from tests.auth.calls import CALLS, ENDS
from tests.auth.world import COLUMNS, AuthActors, dump, empty
from tests.conftest import ROOT

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
NEVER = ("password_hash", "key_hash", '_jti"', '"jti"', "pbkdf2:", "Traceback", "sqlalchemy", str(ROOT))


def lines() -> list[dict[str, str]]:
    """The expected table."""
    with (Path(__file__).parent / "matrix.csv").open(newline="") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        return [{(name or "").strip(): cell.strip() for name, cell in row.items()} for row in rows]


LINES = lines()


@pytest.fixture(scope="module")
def app(module_app):
    return module_app(require_verified_email=True, max_sessions=1000)


@pytest.fixture(scope="module")
def spec(app):
    return app.test_client().get("/openapi.json").json


@pytest.fixture
def world(app):
    """People and their things, and nothing else in the database."""
    empty(app)
    return AuthActors(app)


def address(route: str, ids: dict[str, str]) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], route)


def rules(app) -> dict[str, set[str]]:
    """The addresses, each with the methods it takes. A WebSocket's has a table of its own, in its room's tests."""
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        if rule.websocket:
            continue
        found.setdefault(rule.rule, set()).update(rule.methods)
    return found


def endpoints(app, line: dict[str, str]) -> list[str]:
    return [r.endpoint for r in app.url_map.iter_rules() if r.rule == line["route"] and line["method"] in r.methods]


def request_of(world: AuthActors, line: dict[str, str], role: str) -> dict[str, Any]:
    """A call that is in order, with what this caller shows."""
    who = world.who[role]
    call = CALLS[line["method"], line["route"]](world, who)
    where = address(line["route"], call.pop("ids", {}))
    return {"path": where, "method": line["method"], "headers": who.headers, "buffered": True, **call}


def name_of(line: dict[str, str]) -> str:
    return f"{line['method']} {line['route']}"


def test_the_table_knows_every_address_and_no_other(app):
    """F1: an address that is missing here would go untested."""
    known = [(line["method"], line["route"]) for line in LINES]
    there = {(method, route) for route, methods in rules(app).items() for method in methods & METHODS}
    assert set(CALLS) == there, "give each address a call that is in order in tests/auth/calls.py"
    assert there - set(known) == set(), "add a line for these to tests/auth/matrix.csv"
    assert set(known) - there == set(), "these are gone; take their lines out of tests/auth/matrix.csv"
    assert len(known) == len(set(known))


def test_every_role_has_a_column():
    assert [list(line) for line in LINES] == [["method", "route", "guard", *COLUMNS]] * len(LINES)


@pytest.mark.parametrize("line", LINES, ids=name_of)
def test_each_caller_gets_what_the_table_says(world, spec, line):
    """F1 F6 F7: a refusal changes nothing, whatever the body is, and no answer tells more than is documented."""
    app = world.app
    wears = [guard_of(app, endpoint) for endpoint in endpoints(app, line)]
    assert wears == [line["guard"]]
    expected = {role: int(line[column]) for column, roles in COLUMNS.items() for role in roles}
    seen = {}
    refused = {role: request_of(world, line, role) for role, status in expected.items() if status >= 400}
    before = dump(app)
    for role, call in refused.items():
        seen[role] = refusal(world, spec, line, role, call)
    assert dump(app) == before
    for role in expected.keys() - seen.keys():
        people = AuthActors(app) if (line["method"], line["route"]) in ENDS else world
        call = request_of(people, line, role)
        answer = app.test_client().open(**call)
        assert_tells_no_more(people, spec, line, role, answer)
        seen[role] = answer.status_code
        if line["method"] == "GET" and role == "admin":
            assert_head_is_alike(app, call, answer)
    assert seen == expected


def assert_head_is_alike(app: Any, call: dict[str, Any], answer: Any) -> None:
    head = app.test_client().open(**(call | {"method": "HEAD"}))
    assert (head.status_code, head.data, head.mimetype) == (answer.status_code, b"", answer.mimetype)


def refusal(world: AuthActors, spec: dict[str, Any], line: dict[str, str], role: str, call: dict[str, Any]) -> int:
    """The status of a call that is refused, after a look at all that goes with it."""
    client = world.app.test_client()
    answer = client.open(**call)
    assert_tells_no_more(world, spec, line, role, answer)
    if line["method"] == "GET":
        assert_head_is_alike(world.app, call, answer)
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="chatbot", error=')
    if answer.status_code in (401, 403):
        # The guard comes first: what a refused caller sends is not even read.
        for content_type in ("application/json", "text/plain", "multipart/form-data"):
            again = client.open(**(call | {"json": None, "data": b'{"', "content_type": content_type}))
            assert (again.status_code, code_of(again)) == (answer.status_code, code_of(answer))
    return answer.status_code


def code_of(answer: Any) -> str:
    """The code of an error, in our shape or in that of OpenAI's clients."""
    return str(answer.json.get("error", answer.json)["code"])


def assert_tells_no_more(world: AuthActors, spec: dict[str, Any], line: dict[str, str], role: str, answer: Any) -> None:
    """F6: the keys are those of the document, and nobody reads of another's address, of a secret or of a path."""
    if line["route"].startswith(("/static", "/swagger", "/openapi.json")) or answer.mimetype == "application/zip":
        return
    if answer.data and answer.mimetype in ("application/json", "application/problem+json"):
        ours = line["route"].startswith(("/api/", "/v1/"))
        operation = spec["paths"][plain(line["route"])][line["method"].lower()] if ours else None
        if operation is not None:
            assert str(answer.status_code) in operation["responses"]
            content = operation["responses"][str(answer.status_code)].get("content", {})
            schema = content.get(answer.mimetype, {}).get("schema", {})
            assert undocumented(spec, schema, answer.json) == []
    own = {world.who[role].user.email} if world.who[role].user else set()
    # These show the account that a password, or the link of an e-mail, was for.
    own |= {world.other.email, world.owner.email} if line["guard"] == "public" else set()
    others = {who.user.email for who in world.who.values() if who.user} - own
    assert [text for text in (*NEVER, *others) if text in answer.text] == []


def plain(route: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


def undocumented(spec: dict[str, Any], schema: dict[str, Any], value: Any, where: str = "") -> list[str]:
    """The keys of an answer that its schema does not name, at any depth."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]  # A reference to a schema, or null.
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [key for item in value for key in undocumented(spec, schema.get("items", {}), item, where)]
    named = schema.get("properties")
    if not isinstance(value, dict) or (named is None and schema.get("type") == "object"):
        return []  # A plain value, or an object that is free by its description.
    found = [f"{where}/{key}" for key in value if key not in (named or {})]
    deeper = [
        undocumented(spec, named[key], item, f"{where}/{key}") for key, item in value.items() if key in (named or {})
    ]
    return found + [key for keys in deeper for key in keys]


def test_a_key_that_is_not_documented_is_seen():
    """F6: the check itself."""
    spec = {"components": {"schemas": {"User": {"properties": {"id": {}, "free": {"type": "object"}}}}}}
    page = {"properties": {"items": {"items": {"$ref": "#/components/schemas/User"}}}}
    answer = {"items": [{"id": 1, "free": {"x": 1}}, {"id": 2, "jti": 3}], "more": 1}
    assert undocumented(spec, page, answer) == ["/more", "/items/jti"]


@pytest.mark.parametrize("route", sorted({line["route"] for line in LINES}))
def test_a_method_that_an_address_does_not_take_is_405(world, route):
    """F11: for whoever asks, TRACE and HEAD included, and whatever a header or a field says the method is."""
    app = world.app
    line = next(line for line in LINES if line["route"] == route)
    takes = rules(app)[route]
    where = request_of(world, line, "owner")["path"]
    spoof = dict.fromkeys(OVERRIDES, line["method"])
    before = dump(app)
    for role in ("nobody", "admin", "key_all", "visitor"):
        for method in sorted({*METHODS, "HEAD", "TRACE", "PROPFIND"} - takes):
            answer = app.test_client().open(
                where, method=method, headers=world.who[role].headers | spoof, data={"_method": line["method"]}
            )
            assert (method, answer.status_code, set(answer.allow)) == (method, 405, takes)
            assert method == "HEAD" or code_of(answer) == "method_not_allowed"
    assert dump(app) == before


@pytest.mark.parametrize("line", [line for line in LINES if line["method"] in ("GET", "POST")], ids=name_of)
def test_a_header_makes_no_other_method_of_a_call(world, line):
    """F11: a GET stays a GET, and a POST a POST."""
    call = request_of(world, line, "admin")
    call["headers"] = call["headers"] | dict.fromkeys(OVERRIDES, "DELETE")
    assert world.app.test_client().open(**call).status_code == int(line["admin"])


@pytest.mark.parametrize("route", sorted({line["route"] for line in LINES}))
def test_asking_for_the_methods_takes_the_same_guard(world, route):
    """F11: OPTIONS tells a stranger nothing of a guarded address, and does nothing."""
    app = world.app
    line = next(line for line in LINES if line["route"] == route)
    where = request_of(world, line, "owner")["path"]
    before = dump(app)
    nobody, admin = (app.test_client().options(where, headers=world.who[role].headers) for role in ("nobody", "admin"))
    assert nobody.status_code == (200 if line["guard"] == "public" else 401)
    if admin.status_code == 200:
        assert (set(admin.allow), admin.data) == (rules(app)[route], b"")
    assert dump(app) == before


def test_what_looks_like_a_preflight_opens_nothing(app):
    """P5: only OPTIONS is a preflight, and it reaches no view."""
    headers = {"Access-Control-Request-Method": "GET", "Origin": "https://example.com"}
    assert app.test_client().get("/api/users/profile/", headers=headers).status_code == 401
    preflight = app.test_client().options("/api/users/profile/", headers=headers)
    assert (preflight.status_code, preflight.data) == (204, b"")
    assert "Access-Control-Allow-Origin" not in preflight.headers
