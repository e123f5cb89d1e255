"""flask-smorest's blueprint and API with our parser and our errors."""

from __future__ import annotations

import threading
from typing import Any

import flask_smorest
import marshmallow as ma
from flask import Flask, Request
from marshmallow import ValidationError
from webargs.flaskparser import FlaskParser

from chatbot.errors import FieldError, Invalid
from chatbot.web.http.problems import from_validation
from chatbot.web.http.requests import StrictRequest, check_text

PROBLEM = {"description": "A problem object (RFC 9457).", "content_type": "application/problem+json"}


class StrictParser(FlaskParser):
    """Reads JSON through the strict request; unknown fields and repeated query parameters are refused."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {
        "json": ma.RAISE,
        "query": ma.RAISE,
        "form": ma.RAISE,
        "files": ma.RAISE,
        "headers": ma.EXCLUDE,
    }

    def load_json_or_form(self, req: Request, schema: ma.Schema) -> object:
        """JSON, or the fields of the form on a link's page, whose address still holds the link's token."""
        if req.mimetype != "application/x-www-form-urlencoded":
            return self.load_json(req, schema)
        body = ({"token": req.args["token"]} if "token" in req.args else {}) | req.form.to_dict()
        for name, value in body.items():
            check_text(name, "/")
            check_text(value, f"/{name}")
        return body

    def load_json(self, req: Request, schema: ma.Schema) -> object:
        if isinstance(req, StrictRequest) and getattr(schema, "body_is_optional", False):
            body = req.get_json_or_nothing()
        else:
            body = req.get_json()
        if not isinstance(body, dict):
            raise Invalid("The body must be a JSON object.")
        return body

    def load_querystring(self, req: Request, schema: ma.Schema) -> object:
        for name, values in req.args.lists():
            field = schema.fields.get(name)
            if len(values) > 1 and not isinstance(field, ma.fields.List):
                raise Invalid(errors=[FieldError(f"/{name}", "Give this parameter once.")])
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, *_args: object, **_kwargs: object) -> Any:
        raise from_validation(error) from None


parser = StrictParser()


class Blueprint(flask_smorest.Blueprint):
    """The blueprint of every package."""

    ARGUMENTS_PARSER = parser


class Api(flask_smorest.Api):
    """The API whose document is served at /openapi.json; errors are the application's own.

    The document is written when it is first asked for: it takes longer than everything else of a start.
    """

    def __init__(self, app: Flask, **options: Any) -> None:
        self._blueprints: list[flask_smorest.Blueprint] = []
        self._lock = threading.Lock()
        super().__init__(app, **options)

    def register_blueprint(self, blp: flask_smorest.Blueprint, **options: object) -> None:
        """Serves what a blueprint has; its part of the document waits."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp, **options)
        self._blueprints.append(blp)

    def document(self) -> dict[str, object]:
        """The OpenAPI document."""
        with self._lock:
            while self._blueprints:
                blueprint = self._blueprints.pop(0)
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                if blueprint.description:
                    self.spec.tag({"name": blueprint.name, "description": blueprint.description})
            found: dict[str, object] = self.spec.to_dict()
            return found

    def _register_error_handlers(self) -> None:
        """Errors keep the one shape of chatbot.web.http.problems."""
