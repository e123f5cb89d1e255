"""/openapi.json and /swagger/: the API's document, and Swagger UI with its files served from here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, make_response, render_template, send_from_directory
from flask.typing import ResponseReturnValue

from chatbot.web.http.blueprint import Api
from chatbot.web.http.openapi import finish

# The package is a folder of files; it is not imported.
_FOLDER = Path(str(getattr(find_spec("flask_swagger_ui"), "origin", ""))).parent / "dist"
_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
# Swagger UI sets styles on elements; everything else comes from here.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def init_app(app: Flask, api: Api) -> None:
    """Registers the document and the page; both are public."""

    def openapi() -> ResponseReturnValue:
        return finish(app, api.document())

    views: dict[tuple[str, str], Any] = {
        ("/openapi.json", "openapi"): openapi,
        ("/swagger/", "swagger"): _page,
        ("/swagger/<path:name>", "swagger_file"): _file,
    }
    for (rule, name), view in views.items():
        view.guard = "public"
        app.add_url_rule(rule, name, view, methods=["GET"])


def _page() -> Response:
    response = make_response(render_template("swagger.html"))
    response.headers["Content-Security-Policy"] = _CSP
    return response


def _file(name: str) -> Response:
    if name not in _FILES:
        abort(404)
    return send_from_directory(_FOLDER, name, max_age=3600)
