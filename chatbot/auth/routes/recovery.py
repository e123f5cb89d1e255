"""Confirming an address, and getting a new password. The links of e-mails lead to small pages here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema

from chatbot import translations
from chatbot.auth import recovery, schemas
from chatbot.auth.guard import caller, public, signed_in
from chatbot.auth.login_throttle import attempt, by_account
from chatbot.auth.routes.blueprint import blp, origin
from chatbot.background import enqueue
from chatbot.current import settings
from chatbot.extensions import db
from chatbot.mail.tasks import deliver_mail
from chatbot.web.http.blueprint import parser
from chatbot.web.http.content_language import language, name_language
from chatbot.web.http.problems import respond, translated
from chatbot.web.limits import rate_limits

_PAGE = {"responses": {200: {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}}}
_TOKEN = {
    "in": "query",
    "name": "token",
    "schema": {"type": "string", "maxLength": 4096},
    "description": "With the form of the link's page only: the link's token, where the form has no field of that name.",
}
# The page's form is the link's own, so its address holds the token; nothing on it is loaded from elsewhere.
_PAGE_CSP = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def _json_or_form(schema: type[Schema]) -> dict[str, object]:
    kinds = ("application/json", "application/x-www-form-urlencoded")
    body = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
    return {"requestBody": body, "parameters": [_TOKEN]}


def _page(template: str, status: int = 200, **values: object) -> Response:
    spoken = language()
    page = render_template(template, language=spoken, say=partial(translations.translated, language=spoken), **values)
    response = make_response(page, status)
    response.headers["Content-Security-Policy"] = _PAGE_CSP
    name_language(response, spoken)
    return response


def _answered(template: str, act: Callable[[], object]) -> object:
    """What the act gives, for a program; for somebody at the page's form a page, also when it fails."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return act()
    try:
        act()
    except Exception as failure:  # Whatever it was, somebody at a form is told on a page.
        error = translated(failure)
        reasons = dict.fromkeys([e.detail for e in error.errors] or [str(error)])
        page = _page(template, error.status, done=False, reasons=reasons, usable=error.status != 401)
        # What the status asks for, a page has to carry too: WWW-Authenticate, Retry-After.
        asked_for = ("WWW-Authenticate", "Retry-After")
        page.headers.extend((name, value) for name, value in respond(error).headers if name in asked_for)
        return page
    return _page(template, done=True)


@blp.route("/verify-email/", methods=["GET"])
@public
@blp.doc(**_PAGE)
def verify_page() -> ResponseReturnValue:
    """Show the page behind the link of the e-mail

    The page asks for a click: mail scanners open links, and must not confirm anything by it.
    """
    return _page("verify_email.html", done=False, usable=bool(request.args.get("token")))


@blp.route("/verify-email/", methods=["POST"])
@public
@blp.response(200, schemas.UserSchema)
@blp.doc(**_json_or_form(schemas.TokenSchema))
def verify_email() -> object:
    """Confirm an e-mail address

    Takes the token of the e-mail as JSON, or from the page's form, which is answered with a page.
    """

    def act() -> object:
        body = parser.parse(schemas.TokenSchema(), request, location="json_or_form")
        return recovery.verify_email(db.session(), settings(), body["token"], origin())

    return _answered("verify_email.html", act)


@blp.route("/verify-email/resend/", methods=["POST"])
@public
@rate_limits.letters("resend", by_account)
@blp.arguments(schemas.EmailSchema)
@blp.response(202)
def resend(body: dict[str, Any]) -> object:
    """Send the confirmation e-mail again

    The answer is the same whether or not there is such an account.
    """
    enqueue(deliver_mail, recovery.resend_verification(db.session(), body["email"], origin()))
    return {}


@blp.route("/password/forgot/", methods=["POST"])
@public
@rate_limits.letters("forgot_password", by_account)
@blp.arguments(schemas.EmailSchema)
@blp.response(202)
def forgot_password(body: dict[str, Any]) -> object:
    """Ask for a reset e-mail

    Its link works for an hour and for one reset; a reset ends every other link as well. The answer is the same
    whether or not there is such an account.
    """
    enqueue(deliver_mail, recovery.forgot_password(db.session(), body["email"], origin()))
    return {}


@blp.route("/password/reset/", methods=["GET"])
@public
@blp.doc(**_PAGE)
def reset_page() -> ResponseReturnValue:
    """Show the page behind the link of the reset e-mail"""
    return _page("reset_password.html", done=False, usable=bool(request.args.get("token")))


@blp.route("/password/reset/", methods=["POST"])
@public
@rate_limits.counts_inside
@blp.response(200)
@blp.doc(**_json_or_form(schemas.ResetSchema))
def reset_password() -> object:
    """Set a new password by the token of an e-mail

    Ends every session of the account, and confirms its address. Takes JSON, or the page's form, which is answered
    with a page.
    """

    @rate_limits.password_reset
    def act() -> object:
        body = parser.parse(schemas.ResetSchema(), request, location="json_or_form")
        enqueue(deliver_mail, recovery.reset_password(db.session(), settings(), **body, origin=origin()))
        return {}

    return _answered("reset_password.html", act)


@blp.route("/password/change/", methods=["POST"])
@signed_in
@rate_limits.counts_inside
@blp.arguments(schemas.ChangePasswordSchema)
@blp.response(200)
def change_password(body: dict[str, Any]) -> object:
    """Change the own password

    Ends every other session of the account, and tells the owner by mail.
    """
    current, who = body.pop("current_password"), caller()
    with attempt(who.user_id):
        mail_id = recovery.change_password(
            db.session(), settings(), who.user_id, current, **body, keep=who.credential_id, origin=origin()
        )
    enqueue(deliver_mail, mail_id)
    return {}
