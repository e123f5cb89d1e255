"""The last touches on the OpenAPI document: who may call, and which errors every operation can answer with."""

from __future__ import annotations

from typing import Any

from flask import Flask

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
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
_CONFLICTS = frozenset({"signup", "change_profile", "delete_profile"})
_LIMITED = frozenset({"signup", "login", "resend"})


def finish(app: Flask, spec: dict[str, Any]) -> dict[str, Any]:
    """The document with security and errors filled in from the guards, so that neither can be forgotten."""
    guards = _guards(app)
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                name, guard = guards[path, method.upper()]
                _finish_operation(operation, name, guard, has_path_id="{" in path)
    return spec


def _guards(app: Flask) -> dict[tuple[str, str], tuple[str, str]]:
    found = {}
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<uuid:", "{").replace(">", "}")
        for method in rule.methods or ():
            view = app.view_functions[rule.endpoint]
            found[path, method] = (rule.endpoint.rpartition(".")[2], getattr(view, "guard", ""))
    return found


def _finish_operation(operation: dict[str, Any], name: str, guard: str, *, has_path_id: bool) -> None:
    operation["operationId"] = name
    operation["security"] = [] if guard == "public" else [{"bearer": []}]
    responses = operation.setdefault("responses", {})
    responses.pop("default", None)
    for status in _possible(operation, name, guard, has_path_id):
        described = responses.get(status, {}).get("description", _ERRORS[status])
        responses[status] = {"description": described, "content": _PROBLEM}
    for status in ("502", "504"):
        if status in responses:
            responses[status]["content"] = _PROBLEM
    operation["responses"] = dict(sorted(responses.items()))


def _possible(operation: dict[str, Any], name: str, guard: str, has_path_id: bool) -> list[str]:
    statuses = ["422", "503"]
    if guard != "public" or name in ("login", "refresh", "verify_email"):
        statuses.append("401")
    if guard != "public" or name == "login":
        statuses.append("403")
    if has_path_id or name == "send":
        statuses.append("404")
    if "requestBody" in operation:
        statuses += ["400", "413", "415"]
    if name in _CONFLICTS:
        statuses.append("409")
    if name in _LIMITED:
        statuses.append("429")
    return statuses
