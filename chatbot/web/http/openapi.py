"""The last touches on the OpenAPI document: who may call, which errors an operation can answer with, and how strict
bodies and answers are. All of it is what the guards, the parser and the error handlers do, so no view says it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask

from chatbot.web.http.openai_errors import is_ours

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# What the addresses under /v1/ answer with instead, and where their 422 is a 400.
_OPENAI_PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
_OPENAI_ERROR = {
    "type": "object",
    "description": "An error as OpenAI's clients read it.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "example": "There is no such model; GET /v1/models lists them."},
                "type": {"type": "string", "example": "invalid_request_error"},
                "param": {"type": "string", "nullable": True, "example": None},
                "code": {"type": "string", "example": "model_not_found"},
            },
        }
    },
}
_FORM = "application/x-www-form-urlencoded"
# Somebody at the form of a page is answered with a page, also when it fails.
_PAGE = {"text/html": {"schema": {"type": "string"}}}
_ERRORS = {
    "400": "The request is not valid JSON, or not valid HTTP.",
    "401": "No usable token.",
    "403": "Not allowed for this account.",
    "404": "There is no such thing, or it is somebody else's.",
    "409": "It conflicts with what is there.",
    "413": "The body is too large.",
    "415": "The body is of another type than this call reads.",
    "422": "A field is not valid; `errors` says which.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "503": "A part is busy or away; `Retry-After` says when to come back.",
}
_CONFLICTS = frozenset(
    {
        "signup",
        "change_profile",
        "delete_profile",
        "change_password",
        "create_key",
        "send",
        "add_document",
        "change_document",
        "replace_content",
        "restore_version",
        "compare_versions",
        "retry_document",
        "create_collection",
        "change_collection",
        "delete_collection",
        "create_completion",
        "regenerate",
        "pick_up",
        "add_chat_member",
    }
)
# Public, and still answering 401: they take a password or a token.
_TAKES_A_SECRET = frozenset({"login", "refresh", "verify_email", "reset_password"})

# What their body or key names may be gone.
_NAMES_SOMETHING = frozenset({"send", "add_document", "search", "create_collection", "create_completion"})
# Where the id in an answer leads: operation -> field, the name of the path's variable, operations.
_LEADS_TO = {
    "send": ("chat_session_id", "session_id", ("get_session", "messages", "rename_session", "delete_session")),
    "add_document": ("id", "document_id", ("get_document", "change_document", "delete_document")),
    "create_collection": ("id", "collection_id", ("get_collection", "change_collection", "delete_collection")),
}
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})

_HEADERS = {
    "X-Request-ID": {
        "description": "The request's id: the one it came with, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,128}$"},
    },
    "WWW-Authenticate": {
        "description": "`Bearer`, and why the token was not taken.",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer "},
    },
    "Retry-After": {
        "description": "Seconds until it is worth another try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Policy": {
        "description": "The limits that apply: how many (`q`) in how many seconds (`w`). Absent where none is set.",
        "schema": {"type": "string", "example": '"caller";q=20;w=60'},
    },
    "RateLimit": {
        "description": "How many are left (`r`), and for how many seconds (`t`).",
        "schema": {"type": "string", "example": '"caller";r=19;t=60'},
    },
}
_HEADERS_OF = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}

# chatbot/web/streaming/sse.py writes them.
_STREAM_EVENT = {
    "type": "object",
    "description": "An event of a stream. `id` counts from 1.",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["start", "sources", "token", "citation", "done", "error"]},
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "data": {"type": "string", "description": "A JSON object.", "pattern": r"^\{.*\}$"},
    },
}


@dataclass(frozen=True)
class _View:
    """What a view's decorators say of it."""

    name: str
    guard: str
    limited: bool


def finish(app: Flask, spec: dict[str, Any]) -> dict[str, object]:
    """The document with what holds for every operation filled in, so that none of it can be forgotten."""
    views = _views(app)
    spec["components"]["headers"] = _HEADERS
    spec["components"]["schemas"]["StreamEvent"] = _STREAM_EVENT
    spec["components"]["schemas"]["OpenAIError"] = _OPENAI_ERROR
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                _finish_operation(operation, views[path, method.upper()], path)
                _finish_parameters(operation)
    _finish_schemas(spec)
    return spec


def _views(app: Flask) -> dict[tuple[str, str], _View]:
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:<>]++:)?([^<>]+)>", r"{\1}", rule.rule)
        for method in rule.methods or ():
            view = app.view_functions[rule.endpoint]
            name, guard = rule.endpoint.rpartition(".")[2], getattr(view, "guard", "")
            found[path, method] = _View(name, guard, getattr(view, "limited", False))
    return found


def _finish_operation(operation: dict[str, Any], view: _View, path: str) -> None:
    operation["operationId"] = view.name
    operation["security"] = [] if view.guard == "public" else [{"bearer": []}]
    responses = operation.setdefault("responses", {})
    responses.pop("default", None)
    problem = _OPENAI_PROBLEM if is_ours(path) else _PROBLEM
    if _FORM in operation.get("requestBody", {}).get("content", {}):
        problem = _PROBLEM | _PAGE
        responses["200"]["content"] = responses["200"].get("content", {}) | _PAGE
    responses.pop("422" if is_ours(path) else "", None)
    for status in _possible(operation, view, path):
        described = responses.get(status, {}).get("description", _ERRORS[status])
        responses[status] = {"description": described, "content": problem}
    for status in ("502", "504"):
        if status in responses:
            responses[status]["content"] = problem
    for status, response in responses.items():
        _finish_response(status, response, limited=view.limited)
    _link(responses, view.name)
    operation["responses"] = dict(sorted(responses.items()))


def _finish_parameters(operation: dict[str, Any]) -> None:
    """A parameter is there or not; null is a value of JSON, which makes three types of one in generated clients."""
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        schema.pop("nullable", None)
        if schema.get("default", "") is None:
            del schema["default"]
        if "enum" in schema:
            schema["enum"] = [value for value in schema["enum"] if value is not None]
        if "example" in schema and not parameter.get("required") and schema["example"] != schema.get("default"):
            # Swagger UI would send it with each try: a key that was used, a filter that nobody asked for.
            example = schema.pop("example")
            parameter["description"] = f"{parameter.get('description', '')} For example: `{example}`.".lstrip()


def _finish_response(status: str, response: dict[str, Any], *, limited: bool) -> None:
    names = ["X-Request-ID"] + ([_HEADERS_OF[status]] if status in _HEADERS_OF else [])
    names += ["RateLimit-Policy", "RateLimit"] if limited else []
    of_all = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    response["headers"] = response.get("headers", {}) | of_all
    stream = response.get("content", {}).get("text/event-stream")
    if stream is not None:
        stream.setdefault("schema", {"$ref": "#/components/schemas/StreamEvent"})


def _link(responses: dict[str, Any], name: str) -> None:
    field, variable, operations = _LEADS_TO.get(name, ("", "", ()))
    there = {variable: f"$response.body#/{field}"}
    links = {other: {"operationId": other, "parameters": there} for other in operations}
    for status in ("200", "201", "202"):
        if links and status in responses:
            responses[status]["links"] = links


def _possible(operation: dict[str, object], view: _View, path: str) -> list[str]:
    name, guard = view.name, view.guard
    statuses = ["400" if is_ours(path) else "422", "503"]
    if guard != "public" or name in _TAKES_A_SECRET:
        statuses.append("401")
    if guard != "public" or name == "login":
        statuses.append("403")
    if "{" in path or name in _NAMES_SOMETHING:
        statuses.append("404")
    if "requestBody" in operation:
        statuses += ["400", "413", "415"]
    if name in _CONFLICTS:
        statuses.append("409")
    if view.limited:
        statuses.append("429")
    return statuses


def _finish_schemas(spec: dict[str, Any]) -> None:
    """A body takes no further fields. An answer has all its fields but those marked `x-sometimes`, and may get more."""
    schemas = spec["components"]["schemas"]
    operations = [o for item in spec["paths"].values() for m, o in item.items() if m in _METHODS]
    bodies = set(_used(schemas, [o.get("requestBody") for o in operations]))
    answers = set(_used(schemas, [o["responses"] for o in operations])) - bodies
    for name in bodies:
        schemas[name].setdefault("additionalProperties", False)
    for name in answers:
        schemas[name].pop("additionalProperties", None)
        properties = schemas[name].get("properties", {})
        always = [field for field, schema in properties.items() if not schema.get("x-sometimes")]
        if always:
            schemas[name].setdefault("required", always)


def _used(schemas: dict[str, object], part: object) -> Iterator[str]:
    """The names of the schemas a part of the document refers to, directly or not."""
    todo, seen = [part], set()
    while todo:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(todo.pop())):
            if name not in seen:
                seen.add(name)
                todo.append(schemas[name])
                yield name
