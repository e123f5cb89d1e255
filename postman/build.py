"""Writes postman/collection.json from the application's own OpenAPI document.

    python postman/build.py

The collection (format v2.1) has a folder for each tag and a request for each operation, with example bodies and saved
answers. Logging in stores the tokens; asking and adding store the ids that other requests need. Ids are derived from
names, so that the file changes only when the API does.
"""

from __future__ import annotations

import json
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "postman" / "collection.json"
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post", "put", "patch", "delete")
SUCCESSES = ("200", "201", "202", "204")
MEDIA_JSON = "application/json"
MEDIA_FORM = "multipart/form-data"

Json = dict[str, Any]

# The first hand-filled variable of a path or a body; the requests below fill the others.
VARIABLES = {
    "baseUrl": "http://127.0.0.1:8000",
    "access": "",
    "refresh": "",
    "session_id": "",
    "message_id": "",
    "document_id": "",
    "number": "1",
    "model": "extractive",
    "collection_id": "",
    "user_id": "",
    "key_id": "",
}
# What an operation's answer stores for the requests after it: variable -> path in the answer.
STORES = {
    "login": {"access": "access", "refresh": "refresh"},
    "refresh": {"access": "access", "refresh": "refresh"},
    "send": {"session_id": "chat_session_id", "message_id": "message.id"},
    "add_document": {"document_id": "id"},
    "create_collection": {"collection_id": "id"},
    "add_member": {"user_id": "user_id"},
    "create_key": {"key_id": "id"},
}
# Fields of a body that an earlier request has stored.
STORED_FIELDS = {"refresh": "{{refresh}}"}


def main() -> None:
    """Writes the file."""
    TARGET.write_text(render(collection(openapi())), encoding="utf-8")


def openapi() -> Json:
    """The application's OpenAPI document, without a database and without anybody's settings."""
    sys.path.insert(0, str(ROOT))
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
    folders: dict[str, Json] = {}
    for tag in spec["tags"]:
        folders[tag["name"]] = {"name": tag["name"], "description": tag["description"], "item": []}
    for path, entry in spec["paths"].items():
        shared = entry.get("parameters", [])
        for method in (m for m in METHODS if m in entry):
            operation = entry[method] | {"parameters": shared + entry[method].get("parameters", [])}
            folders[operation["tags"][0]]["item"] += _items(path, method, operation, schemas)
    for folder in folders.values():
        folder["item"].sort(key=_ends_something)
    info = {"_postman_id": _id("collection"), "name": spec["info"]["title"], "schema": FORMAT}
    return {
        "info": info | {"description": spec["info"]["description"]},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{access}}", "type": "string"}]},
        "variable": [{"key": key, "value": value, "type": "string"} for key, value in VARIABLES.items()],
        "item": list(folders.values()),
    }


def _ends_something(item: Json) -> bool:
    """Deleting and signing out come last, so that a folder can be run from top to bottom."""
    request = item["request"]
    return request["method"] == "DELETE" or "logout" in request["url"]["raw"]


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"chatbot/postman/{name}"))


def _items(path: str, method: str, operation: Json, schemas: Json) -> list[Json]:
    """The request of an operation, and further ones where it can be asked in another way."""
    name, summary = operation["operationId"], operation["summary"]
    content = operation.get("requestBody", {}).get("content", {})
    # Where a body may have several forms, the first is the usual one.
    forms = content[MEDIA_JSON]["schema"].get("oneOf", [content[MEDIA_JSON]["schema"]]) if MEDIA_JSON in content else []
    json_body = _json_body(forms[0], schemas) if forms else None
    made = [_item(name, summary, path, method, operation, schemas, _raw(json_body))]
    if MEDIA_FORM in content:
        body = _form(content[MEDIA_FORM]["schema"])
        made.append(_item(f"{name}:file", f"{summary} as a file", path, method, operation, schemas, body))
    for form in forms[1:]:
        body = _raw(_json_body(form, schemas))
        made.append(_item(f"{name}:url", f"{summary} by its URL", path, method, operation, schemas, body))
    if json_body and "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
        body = _raw(json_body | {"stream": True})
        made.append(_item(f"{name}:stream", f"{summary}, as a stream", path, method, operation, schemas, body))
    return made


def _item(
    key: str, name: str, path: str, method: str, operation: Json, schemas: Json, body: Json | None
) -> Json:  # fmt: skip
    request: Json = {"method": method.upper(), "header": [], "url": _url(path, operation["parameters"])}
    request["description"] = operation.get("description", operation["summary"])
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    if body is not None:
        request["body"] = body
        if body["mode"] == "raw":
            request["header"] = [{"key": "Content-Type", "value": MEDIA_JSON}]
    made: Json = {"id": _id(key), "name": name, "request": request}
    if key in STORES:
        made["event"] = [_test_script(key, STORES[key])]
    made["response"] = _answers(key, path, request, operation["responses"], schemas)
    return made


def _url(path: str, parameters: list[Json]) -> Json:
    """The address; path variables take the stored ids, optional query parameters are there but off."""
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    # Postman would drop a last slash; the API answers with and without it.
    parts += [""] if path.endswith("/") else []
    url: Json = {"raw": "{{baseUrl}}/" + "/".join(parts), "host": ["{{baseUrl}}"], "path": parts}
    of_path = [p["name"] for p in parameters if p["in"] == "path"]
    if of_path:
        url["variable"] = [{"key": name, "value": f"{{{{{name}}}}}"} for name in of_path]
    query = [_query(p) for p in parameters if p["in"] == "query"]
    if query:
        url["query"] = query
        needed = "&".join(f"{q['key']}={q['value']}" for q in query if not q["disabled"])
        url["raw"] += f"?{needed}" if needed else ""
    return url


def _query(parameter: Json) -> Json:
    schema = parameter["schema"]
    value = schema.get("example", schema.get("default", schema.get("enum", [""])[0]))
    return {
        "key": parameter["name"],
        "value": "" if value is None else str(value),
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False),
    }


def _json_body(schema: Json, schemas: Json) -> Json:
    """What a newcomer would send: the required fields and those with an example."""
    resolved = _resolved(schema, schemas)
    required = resolved.get("required", [])
    fields = {k: v for k, v in resolved["properties"].items() if k in required or "example" in v}
    body = {name: _example(field, schemas) for name, field in fields.items()}
    return body | {name: value for name, value in STORED_FIELDS.items() if name in body}


def _raw(body: Json | None) -> Json | None:
    if body is None:
        return None
    return {"mode": "raw", "raw": _pretty(body), "options": {"raw": {"language": "json"}}}


def _form(schema: Json) -> Json:
    fields = []
    for name, field in schema["properties"].items():
        if field.get("format") == "binary":
            fields.append({"key": name, "type": "file", "src": []})
        else:
            fields.append({"key": name, "type": "text", "value": "", "disabled": name not in schema["required"]})
    return {"mode": "formdata", "formdata": fields}


def _test_script(name: str, stores: dict[str, str]) -> Json:
    lines = ["if (pm.response.code < 300) {", "    const answer = pm.response.json();"]
    lines += [f'    pm.collectionVariables.set("{key}", answer.{path});' for key, path in stores.items()]
    return {"listen": "test", "script": {"id": _id(f"{name}:test"), "type": "text/javascript", "exec": [*lines, "}"]}}


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
        "status": HTTPStatus(status).phrase,
        "code": status,
        "_postman_previewlanguage": "json" if media and "json" in media else "text",
        "header": [{"key": "Content-Type", "value": media}] if media else [],
        "body": body,
    }
    return made


def _problem(status: int, path: str) -> Json:
    """The problem object the application would answer with."""
    from chatbot.auth.families import InvalidCredentials
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
