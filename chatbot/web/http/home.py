"""/: where to go from here, as a page for people and as JSON for programs."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue

from chatbot import __version__
from chatbot.current import settings

_CSP = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def init_app(app: Flask, *, api_docs: bool) -> None:
    """Registers the page; it is public."""
    view: Any = partial(_home, _links(api_docs))
    view.guard = "public"
    app.add_url_rule("/", "home", view, methods=["GET"])


def _links(api_docs: bool) -> dict[str, str]:
    links = {
        "health": "/healthz",
        "signup": "/api/users/signup/",
        "login": "/api/users/login/",
        "ask": "/api/chat/send/",
    }
    return {"documentation": "/swagger/", "openapi": "/openapi.json"} | links if api_docs else links


def _home(links: dict[str, str]) -> ResponseReturnValue:
    kinds = ["application/json", "text/html"]
    if request.accept_mimetypes.best_match(kinds) != "text/html":
        response = jsonify(name="Chatbot", version=__version__, links=links)
    else:
        response = _page(links)
    response.vary.add("Accept")
    return response


def _page(links: dict[str, str]) -> Response:
    response = make_response(render_template("home.html", links=links, url=settings().public_url.rstrip("/")))
    response.headers["Content-Security-Policy"] = _CSP
    return response
