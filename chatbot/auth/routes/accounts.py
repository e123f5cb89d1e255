"""Signing up, and the own account."""

from __future__ import annotations

import json
import tempfile
import zipfile
from typing import IO, Any

from flask import request, send_file
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from chatbot.auth import accounts, export, schemas
from chatbot.auth.guard import caller, public, signed_in
from chatbot.auth.login_throttle import attempt
from chatbot.auth.routes.blueprint import blp, origin
from chatbot.background import enqueue
from chatbot.current import services, settings
from chatbot.db import utcnow
from chatbot.extensions import db
from chatbot.mail.tasks import deliver_mail
from chatbot.system.threadpool import run_in_thread
from chatbot.web.limits import rate_limits

SPOOLED_BYTES = 4 * 1024 * 1024
# The same bytes; generated clients know the second one only.
ZIP_TYPES = ("application/zip", "application/octet-stream")
BINARY = {"schema": {"type": "string", "format": "binary"}}


@blp.route("/signup/", methods=["POST"])
@public
@rate_limits.signup
@blp.arguments(schemas.SignupSchema)
@blp.response(201, schemas.SignupAnswerSchema)
def signup(body: dict[str, object]) -> object:
    """Sign up

    Creates an account and queues the confirmation e-mail.
    """
    user, mail_id = accounts.sign_up(db.session(), settings(), body, origin())
    enqueue(deliver_mail, mail_id)
    return {"user": user}


@blp.route("/profile/", methods=["GET"])
@signed_in
@blp.response(200, schemas.UserSchema)
def profile() -> object:
    """Read the own profile"""
    return accounts.get_user(db.session(), caller().user_id)


@blp.route("/profile/", methods=["PATCH"])
@signed_in
@blp.arguments(schemas.ProfileChangeSchema)
@blp.response(200, schemas.UserSchema)
def change_profile(body: dict[str, Any]) -> object:
    """Change the own profile"""
    return accounts.change_profile(db.session(), caller().user_id, body, origin())


@blp.route("/profile/", methods=["DELETE"])
@signed_in
@rate_limits.counts_inside
@blp.arguments(schemas.PasswordSchema)
@blp.response(204)
def delete_profile(body: dict[str, Any]) -> None:
    """Delete the own account

    Everything of the caller's is gone: sessions, conversations, keys, e-mails. In conversations of others their
    questions and the answers to them become empty; ids and order stay. What the record of security events tells
    stays, without saying whose it was.
    """
    user_id = caller().user_id
    with attempt(user_id):
        accounts.delete_account(db.session(), settings(), user_id, body["password"], origin())


@blp.route("/export/", methods=["GET"])
@signed_in
@rate_limits.export
@blp.doc(responses={200: {"description": "A zip of JSON files.", "content": dict.fromkeys(ZIP_TYPES, BINARY)}})
def export_account() -> ResponseReturnValue:
    """Download everything stored about the caller

    A zip of JSON files: the profile, sessions, API keys without the keys, e-mails without their text, security
    events, usage, and every conversation.
    """
    export.note(db.session(), caller().user_id, origin())
    file = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - the response closes it.
    _write_zip(file, db.session(), caller().user_id)
    file.seek(0)
    name = f"chatbot-export-{utcnow():%Y-%m-%d}.zip"
    media_type = request.accept_mimetypes.best_match(ZIP_TYPES, ZIP_TYPES[0])
    response = send_file(file, media_type, as_attachment=True, download_name=name)
    response.headers["Cache-Control"] = "no-store"
    return response


def _write_zip(file: IO[bytes], session: Session, user_id: str) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in services().account_exports:
            for name, content in part(session, user_id):
                text = run_in_thread(json.dumps, content, ensure_ascii=False, indent=2, allow_nan=False)
                archive.writestr(name, text)
