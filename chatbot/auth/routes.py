"""/api/users/"""

from __future__ import annotations

from typing import Any

from flask import current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from chatbot.auth import schemas, service
from chatbot.auth.addresses import canonical_email
from chatbot.auth.guard import caller, public, signed_in
from chatbot.background import wake
from chatbot.config import Settings
from chatbot.errors import ChatbotError, Invalid
from chatbot.extensions import db, limiter
from chatbot.mail.tasks import deliver_mail
from chatbot.web.blueprint import Blueprint, parser

blp = Blueprint("users", __name__, url_prefix="/api/users", description="Accounts, tokens and profiles.")


_JSON_OR_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schemas.TokenSchema},
            "application/x-www-form-urlencoded": {"schema": schemas.TokenSchema},
        },
    }
}


def settings() -> Settings:
    """The application's settings."""
    found: Settings = current_app.extensions["settings"]
    return found


def _account_key() -> str:
    """Wrong passwords are counted for an account, however its address is written, as well as for a caller's address.

    It never raises: the limiter would take that for a storage that is away, and stop counting together.
    """
    try:
        email = str(request.get_json()["email"])
    except (ChatbotError, HTTPException, TypeError, KeyError):
        return "account:"
    try:
        return f"account:{canonical_email(email)}"
    except Invalid:
        return f"account:{email.strip().lower()[:320]}"


def _failed(response: Any) -> bool:
    return bool(response.status_code == 401)


@blp.route("/signup/", methods=["POST"])
@public
@limiter.limit("100 per hour")
@blp.arguments(schemas.SignupSchema)
@blp.response(201, schemas.SignupAnswerSchema)
def signup(body: dict[str, Any]) -> Any:
    """Sign up

    Creates an account and queues the verification mail.
    """
    user, mail_id = service.sign_up(db.session(), settings(), body)
    wake(deliver_mail, mail_id)
    return {"user": user}


@blp.route("/login/", methods=["POST"])
@public
@limiter.limit("10 per 5 minutes", key_func=_account_key, deduct_when=_failed)
@limiter.limit("10 per 5 minutes", deduct_when=_failed)
@blp.arguments(schemas.LoginSchema)
@blp.response(200, schemas.LoginAnswerSchema)
def login(body: dict[str, Any]) -> Any:
    """Sign in

    Wrong passwords are limited for each account and for each address.
    """
    user, pair = service.log_in(db.session(), settings(), body["email"], body["password"])
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.expires_in, "user": user}


@blp.route("/token/refresh/", methods=["POST"])
@public
@blp.arguments(schemas.RefreshSchema)
@blp.response(200, schemas.TokenPairSchema)
def refresh(body: dict[str, Any]) -> Any:
    """Refresh

    Spends the refresh token and gives a new pair. Using a spent one again ends the whole session.
    """
    return service.refresh(db.session(), settings(), body["refresh"])


@blp.route("/logout/", methods=["POST"])
@signed_in
@blp.arguments(schemas.RefreshSchema)
@blp.response(204)
def logout(body: dict[str, Any]) -> None:
    """Sign out

    Ends the session the refresh token belongs to; its access tokens fail at once.
    """
    service.log_out(db.session(), caller().user_id, body["refresh"])


@blp.route("/logout/all/", methods=["POST"])
@signed_in
@blp.response(204)
def logout_all() -> None:
    """Sign out everywhere

    Ends every session of the caller.
    """
    service.log_out_everywhere(db.session(), caller().user_id)


@blp.route("/profile/", methods=["GET"])
@signed_in
@blp.response(200, schemas.UserSchema)
def profile() -> Any:
    """Read the own profile"""
    return service.get_user(db.session(), caller().user_id)


@blp.route("/profile/", methods=["PATCH"])
@signed_in
@blp.arguments(schemas.ProfileChangeSchema)
@blp.response(200, schemas.UserSchema)
def change_profile(body: dict[str, Any]) -> Any:
    """Change the own profile"""
    return service.change_profile(db.session(), caller().user_id, body)


@blp.route("/profile/", methods=["DELETE"])
@signed_in
@limiter.limit("10 per 5 minutes", deduct_when=_failed)
@blp.arguments(schemas.PasswordSchema)
@blp.response(204)
def delete_profile(body: dict[str, Any]) -> None:
    """Delete the own account

    Everything of the caller's is gone: sessions, messages, tokens.
    """
    service.delete_account(db.session(), settings(), caller().user_id, body["password"])


@blp.route("/verify-email/", methods=["POST"])
@public
@blp.response(200, schemas.UserSchema)
@blp.doc(**_JSON_OR_FORM)
def verify_email() -> Any:
    """Confirm an e-mail address

    Takes the token of the mail as JSON, or from the page's form, which is answered with a page.
    """
    body = parser.parse(schemas.TokenSchema(), request, location="json_or_form")
    user = service.verify_email(db.session(), settings(), body["token"])
    return _page(verified=True) if request.form else user


@blp.route("/verify-email/", methods=["GET"])
@public
@blp.doc(responses={200: {"description": "A page.", "content": {"text/html": {}}}})
def verify_page() -> ResponseReturnValue:
    """Show the page behind the link of the mail

    The page asks for a click: mail scanners open links, and must not confirm anything by it.
    """
    return _page(verified=False)


def _page(verified: bool) -> ResponseReturnValue:
    token = request.args.get("token", "")[:1024]
    response = make_response(render_template("verify_email.html", token=token, verified=verified))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    return response


@blp.route("/verify-email/resend/", methods=["POST"])
@public
@limiter.limit("3 per 6 hours", key_func=_account_key)
@limiter.limit("20 per hour")
@blp.arguments(schemas.EmailSchema)
@blp.response(202)
def resend(body: dict[str, Any]) -> Any:
    """Send the verification mail again

    The answer is the same whether or not there is such an account.
    """
    mail_id = service.resend_verification(db.session(), body["email"])
    if mail_id:
        wake(deliver_mail, mail_id)
    return {}
