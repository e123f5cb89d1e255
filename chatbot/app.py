"""The application factory: a table of contents. Nothing connects here; everything is bound."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from chatbot import __version__
from chatbot.auth import guard
from chatbot.auth.credentials import jwts, passwords
from chatbot.auth.routes import blp as users_blueprint
from chatbot.chat.api.messages import blp as chat_blueprint
from chatbot.chat.api.websocket import blp as socket_blueprint
from chatbot.chat.gaps.routes import blp as gaps_blueprint
from chatbot.chat.openai.routes import blp as openai_blueprint
from chatbot.commands import add_commands
from chatbot.config import Settings
from chatbot.core import bind_migrations, create_core
from chatbot.current import services
from chatbot.knowledge.routes import blp as knowledge_blueprint
from chatbot.web import health, metrics
from chatbot.web.fields import ProblemSchema
from chatbot.web.http import docs, headers, home, problems, requests
from chatbot.web.http.blueprint import Api
from chatbot.web.limits import rate_limits
from chatbot.web.streaming import websockets


def create_app(settings: Settings | None = None) -> Flask:
    """The application, from settings or from the environment.

    Raises:
        ConfigError: naming every setting that cannot be used.
    """
    app = create_core(settings)
    bind_migrations(app)
    _init_web(app, services(app).settings)
    services(app).build()
    _init_api(app)
    add_commands(app)
    return app


def _init_web(app: Flask, settings: Settings) -> None:
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    if settings.trusted_proxy_hops:
        hops = settings.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_prefix=0)  # type: ignore[method-assign]
    problems.init_app(app)
    requests.init_app(app, settings.max_upload_mb * 1024 * 1024)
    rate_limits.init_app(app)
    headers.init_app(app, settings.cors_origins)
    health.init_app(app)
    metrics.init_app(app)
    websockets.init_app(app)


def _init_api(app: Flask) -> None:
    settings = services(app).settings
    jwts.init_app(app)
    passwords.bound_hashing(settings.web_threads, settings.web_concurrency)
    guard.init_app(app, services(app).sessions, settings.require_verified_email)
    app.config.update(API_TITLE="Chatbot", API_VERSION=__version__, OPENAPI_VERSION="3.0.3")
    api = Api(app, spec_kwargs={"info": {"description": API_DESCRIPTION}})
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    api.spec.components.schema("Problem", schema=ProblemSchema)
    for blueprint in (users_blueprint, chat_blueprint, openai_blueprint, knowledge_blueprint, gaps_blueprint):
        api.register_blueprint(blueprint)
    app.register_blueprint(socket_blueprint)
    if settings.api_docs:
        docs.init_app(app, api)
    home.init_app(app, api_docs=settings.api_docs)


API_DESCRIPTION = (
    "Answers from your own documents, with citations that can be checked. Sign up, log in, and send the access token "
    "as `Authorization: Bearer`; programs send an API key in its place. Errors are problem objects (RFC 9457), a "
    "method that an address does not take is 405 with `Allow`, and lists come in pages with `next_cursor`."
)
