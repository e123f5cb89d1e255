"""Writes postman/collection.json from the application's own OpenAPI document.

    python postman/build.py
    python postman/build.py openapi.json    # writes only the document, into that file

The collection (format v2.1) has every operation, with example bodies and saved answers, in an order that runs from top
to bottom on a fresh server (flow.py). Each request checks its answer's status and fields. Ids are derived from names,
so that the file changes only when the API does.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "postman")]

from flow import FLOW, USER, VARIABLES, Step  # noqa: E402

from chatbot.errors import title_of  # noqa: E402

TARGET = ROOT / "postman" / "collection.json"
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post", "put", "patch", "delete")
SUCCESSES = ("200", "201", "202", "204")
MEDIA_JSON = "application/json"
MEDIA_FORM = "multipart/form-data"

Json = dict[str, Any]

# Each name is new: the collection can run again on the same server.
NEW_NAME = 'pm.collectionVariables.set("{variable}", "{prefix}" + Date.now().toString(36));'


def main() -> None:
    """Writes the file."""
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(render(openapi()), encoding="utf-8")
    else:
        TARGET.write_text(render(collection(openapi())), encoding="utf-8")


def openapi() -> Json:
    """The application's OpenAPI document, without a database and without anybody's settings."""
    from chatbot.app import create_app
    from chatbot.config import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_construct(instance_path=Path(folder), log_level="WARNING")
        document: Json = create_app(settings).test_client().get("/openapi.json").get_json()
    return document


def render(made: Json) -> str:
    """The collection as the file's text."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def collection(spec: Json) -> Json:
    """The collection of an OpenAPI document."""
    schemas = spec["components"]["schemas"]
    operations = dict(_operations(spec))
    missing = operations.keys() ^ {step.operation for _, steps in FLOW.values() for step in steps}
    if missing:
        raise SystemExit(f"Give each operation its place in postman/flow.py, and no other one: {', '.join(missing)}")
    folders = [
        {
            "name": name,
            "description": text,
            "item": [_item(step, *operations[step.operation], schemas) for step in steps],
        }
        for name, (text, steps) in FLOW.items()
    ]
    info = {"_postman_id": _id("collection"), "name": spec["info"]["title"], "schema": FORMAT}
    return {
        "info": info | {"description": spec["info"]["description"]},
        "auth": _bearer(USER),
        "variable": [{"key": key, "value": value, "type": "string"} for key, value in VARIABLES.items()],
        "item": folders,
    }


def _operations(spec: Json) -> Iterator[tuple[str, tuple[str, str, Json]]]:
    """By name: path, method, and the operation with the parameters of its path."""
    for path, entry in spec["paths"].items():
        for method in (m for m in METHODS if m in entry):
            parameters = entry.get("parameters", []) + entry[method].get("parameters", [])
            yield entry[method]["operationId"], (path, method, entry[method] | {"parameters": parameters})


def _bearer(variable: str) -> Json:
    return {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}]}


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"chatbot/postman/{name}"))


def _item(step: Step, path: str, method: str, operation: Json, schemas: Json) -> Json:
    request: Json = {"method": method.upper(), "header": [], "url": _url(path, operation["parameters"], step)}
    request["description"] = operation.get("description", operation["summary"])
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    elif step.token != USER:
        request["auth"] = _bearer(step.token)
    body = _body(step, operation, schemas)
    if body is not None:
        request["body"] = body
        if body["mode"] == "raw":
            request["header"] = [{"key": "Content-Type", "value": MEDIA_JSON}]
    events = [_script(step, "prerequest", _before(step)), _script(step, "test", _after(step, operation, schemas))]
    return {
        "id": _id(step.key),
        "name": step.name or operation["summary"],
        "request": request,
        "event": [event for event in events if event["script"]["exec"]],
        "response": _answers(step.key, path, request, operation["responses"], schemas),
    }


def _body(step: Step, operation: Json, schemas: Json) -> Json | None:
    """The body: JSON in its usual form or another one, or a form with a file."""
    content = operation.get("requestBody", {}).get("content", {})
    variant = step.key.partition(":")[2]
    if variant == "file" and MEDIA_FORM in content:
        return _form(content[MEDIA_FORM]["schema"], step)
    if MEDIA_JSON not in content:
        return None
    # Where a body may have several forms, the first is the usual one.
    forms = content[MEDIA_JSON]["schema"].get("oneOf", [content[MEDIA_JSON]["schema"]])
    stream = {"stream": True} if variant == "stream" else {}
    return _raw(_json_body(forms[variant == "url"], schemas) | step.body | stream)


def _url(path: str, parameters: list[Json], step: Step) -> Json:
    """The address; path variables take the stored ids, optional query parameters are there but off."""
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    # Postman would drop a last slash; the API answers with and without it.
    parts += [""] if path.endswith("/") else []
    url: Json = {"raw": "{{baseUrl}}/" + "/".join(parts), "host": ["{{baseUrl}}"], "path": parts}
    of_path = [p["name"] for p in parameters if p["in"] == "path"]
    if of_path:
        url["variable"] = [{"key": name, "value": f"{{{{{step.path.get(name, name)}}}}}"} for name in of_path]
    query = [_query(p, step) for p in parameters if p["in"] == "query"]
    if query:
        url["query"] = query
        needed = "&".join(f"{q['key']}={q['value']}" for q in query if not q["disabled"])
        url["raw"] += f"?{needed}" if needed else ""
    return url


def _query(parameter: Json, step: Step) -> Json:
    schema, name = parameter["schema"], parameter["name"]
    value = (
        step.query[name]
        if name in step.query
        else schema.get("example", schema.get("default", schema.get("enum", [""])[0]))
    )
    return {
        "key": name,
        "value": "" if value is None else str(value),
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False) and name not in step.query,
    }


def _json_body(schema: Json, schemas: Json) -> Json:
    """What a newcomer would send: the required fields and those with an example."""
    resolved = _resolved(schema, schemas)
    required = resolved.get("required", [])
    fields = {k: v for k, v in resolved["properties"].items() if k in required or "example" in v}
    return {name: _example(field, schemas) for name, field in fields.items()}


def _raw(body: Json) -> Json:
    return {"mode": "raw", "raw": _pretty(body), "options": {"raw": {"language": "json"}}}


def _form(schema: Json, step: Step) -> Json:
    fields = []
    for name, field in schema["properties"].items():
        if field.get("format") == "binary":
            fields.append({"key": name, "type": "file", "src": step.file})
        else:
            used = name in step.body or name in schema.get("required", ())
            fields.append({"key": name, "type": "text", "value": step.body.get(name, ""), "disabled": not used})
    return {"mode": "formdata", "formdata": fields}


def _script(step: Step, kind: str, lines: list[str]) -> Json:
    return {"listen": kind, "script": {"id": _id(f"{step.key}:{kind}"), "type": "text/javascript", "exec": lines}}


def _before(step: Step) -> list[str]:
    lines = [NEW_NAME.format(variable=variable, prefix=prefix) for variable, prefix in step.names.items()]
    for name in (name for name in step.names if name.endswith("username")):
        email = name.replace("username", "email")
        lines.append(f'pm.collectionVariables.set("{email}", pm.collectionVariables.get("{name}") + "@example.com");')
    if step.needs:
        lines.append(f'if (!pm.collectionVariables.get("{step.needs}")) pm.execution.skipRequest();')
    return lines


def _after(step: Step, operation: Json, schemas: Json) -> list[str]:
    """Checks the status, and that the fields that an answer always has are there; stores what later requests need."""
    good = [status for status in SUCCESSES if status in operation["responses"]]
    lines = [f'pm.test("status", () => pm.expect(pm.response.code).to.be.oneOf([{", ".join(good)}]));']
    fields = [] if step.key.endswith(":stream") else _fields(operation["responses"], good, schemas)
    if fields or step.stores:
        lines.append("const answer = pm.response.json();")
    if fields:
        names = ", ".join(f'"{name}"' for name in fields)
        lines.append(f'pm.test("fields", () => pm.expect(answer).to.include.keys({names}));')
    for variable, place in step.stores.items():
        found = re.sub(r"\[(\w+)=(\w+)\]", r".find((one) => one.\1 === \2)", place)
        lines.append(f'pm.collectionVariables.set("{variable}", answer.{found});')
    return lines


def _fields(responses: Json, good: list[str], schemas: Json) -> list[str]:
    for status in good:
        schema = responses[status].get("content", {}).get(MEDIA_JSON, {}).get("schema")
        if schema:
            resolved = _resolved(schema, schemas)
            return list(resolved.get("required", []))[:3]
    return []


def _answers(key: str, path: str, request: Json, responses: Json, schemas: Json) -> list[Json]:
    """One saved answer for the way it should go, and one for an error."""
    streamed = key.endswith(":stream")
    possible = [status for status in SUCCESSES if status in responses]
    # The usual success is the one whose body is described; others only say how they differ.
    good = next((status for status in possible if "content" in responses[status]), possible[0])
    bad = next(status for status in ("401", "422") if status in responses)
    content = responses[good].get("content", {})
    if streamed:
        media, body = "text/event-stream", content["text/event-stream"]["example"]
    elif "schema" in content.get(MEDIA_JSON, {}):
        media, body = MEDIA_JSON, _pretty(_example(content[MEDIA_JSON]["schema"], schemas))
    else:
        media, body = next(iter(content), None), ""
    problem = _pretty(_problem(int(bad), path))
    return [
        _answer(key, responses[good]["description"], int(good), media, body, request),
        _answer(key, responses[bad]["description"], int(bad), "application/problem+json", problem, request),
    ]


def _answer(key: str, name: str, status: int, media: str | None, body: str, request: Json) -> Json:
    made: Json = {
        "id": _id(f"{key}:{status}"),
        "name": f"{status} {name}",
        "originalRequest": {k: v for k, v in request.items() if k != "description"},
        "status": title_of(status),
        "code": status,
        "_postman_previewlanguage": "json" if media and "json" in media else "text",
        "header": [{"key": "Content-Type", "value": media}] if media else [],
        "body": body,
    }
    return made


def _problem(status: int, path: str) -> Json:
    """The problem object the application would answer with."""
    from chatbot.auth.credentials.sessions import InvalidCredentials
    from chatbot.errors import FieldError, Invalid, Unauthorized, problem

    unauthorized = InvalidCredentials() if path.endswith("/login/") else Unauthorized()
    invalid = Invalid(errors=[FieldError("/email", "This is not an e-mail address.")])
    error = unauthorized if status == 401 else invalid
    return problem(error, instance=path, request_id="5a6f1d0c9b7e4f0f8f5b1c2d3e4f5a6b")


def _resolved(schema: Json, schemas: Json) -> Json:
    found: Json = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _example(schema: Json, schemas: Json) -> Any:
    """An example of a schema: its own, or one made from its parts."""
    schema = _resolved(schema, schemas)
    if "example" in schema:
        return schema["example"]
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {name: _example(field, schemas) for name, field in schema["properties"].items()}
    kind = schema.get("type", "object")
    if kind == "array":
        return [_example(schema["items"], schemas)]
    if isinstance(kind, list) and "null" in kind:
        return None
    return {"string": "…", "boolean": True, "integer": 1, "number": 1.0}.get(str(kind), {})


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    main()
