"""A call of each address that is in order: with it, whoever is allowed reaches the 2xx."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from chatbot.auth import recovery
from chatbot.auth.credentials import jwts
from chatbot.auth.models import User
from chatbot.chat.models import ChatMember, Message, MessageTrace
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.knowledge.documents.collections import add_member, create_collection
from chatbot.knowledge.documents.service import NewDocument, add_document
from chatbot.knowledge.models import Document, DocumentVersion
from tests.auth.world import HOUR, AuthActors, Who, family_of, key_of
from tests.conftest import PASSWORD

ANOTHER = "a lighthouse in the fog"
NO_METADATA = {
    "question": "When?",
    "prompt_version": "",
    "timings_ms": {},
    "usage": {},
    "citations": [],
    "model": "extractive",
    "cached": False,
    "grounding": {"top_score": None, "threshold": None},
}
NO_TRACE = {
    "asked": "When?",
    "history": {},
    "language": "en",
    "collections": [],
    "search": None,
    "model": "extractive",
    "failures": [],
    "prompts": [],
    "removed_markers": [],
    "error": None,
}
Call = dict[str, Any]
Build = Callable[[AuthActors, Who], Call]


def _signup(world: AuthActors, who: Who) -> Call:
    name = f"new-{uuid.uuid4().hex[:12]}"
    fields = {"username": name, "email": f"{name}@mail.example.com", "password": ANOTHER, "password2": ANOTHER}
    return {"json": fields}


def _refresh(world: AuthActors, who: Who) -> Call:
    return _refresh_of(world, world.owner)


def _logout(world: AuthActors, who: Who) -> Call:
    return _refresh_of(world, who.user or world.owner)


def _refresh_of(world: AuthActors, user: User) -> Call:
    family = family_of(user)
    world.add(family)
    with world.app.app_context():
        return {
            "json": {"refresh": jwts.issue_refresh(user.id, family.id, family.current_jti, utcnow(), utcnow() + HOUR)}
        }


def _by_letter(world: AuthActors, token_for: Callable[..., str]) -> dict[str, str]:
    with world.app.app_context(), services(world.app).sessions() as session:
        user = session.scalars(select(User).where(User.id == world.owner.id)).one()
        return {"token": token_for(services(world.app).settings, user)}


def _verify(world: AuthActors, who: Who) -> Call:
    return {"json": _by_letter(world, recovery.verification_token)}


def _reset(world: AuthActors, who: Who) -> Call:
    # Another one each time: after the reset the link of the time before is dead.
    return {"json": {**_by_letter(world, recovery.reset_token), "password": ANOTHER, "password2": ANOTHER}}


def _a_session(world: AuthActors, who: Who) -> Call:
    family = family_of(world.owner)
    world.add(family)
    return {"ids": {"session_id": family.id}}


def _a_key(world: AuthActors, who: Who) -> Call:
    key, _ = key_of(world.owner, ["chat"])
    world.add(key)
    return {"ids": {"key_id": key.id}}


def _a_conversation(**more: Any) -> Build:
    def build(world: AuthActors, who: Who) -> Call:
        # A visitor's is anna's; everybody else is shown one of the owner's own.
        return {"ids": {"session_id": world.conversation(world.owner, "anna" if who.visitor else "").id}, **more}

    return build


def _with_a_member(*, in_body: bool) -> Build:
    def build(world: AuthActors, who: Who) -> Call:
        chat = world.conversation(world.owner, "anna" if who.visitor else "")
        name = {"username": world.disabled.username if not in_body else world.unverified.username}
        if not in_body:
            world.add(ChatMember(chat_session_id=chat.id, user_id=world.disabled.id))
        return {"ids": {"session_id": chat.id}, **({"json": name} if in_body else {"query_string": name})}

    return build


def _an_answer(**more: Any) -> Build:
    def build(world: AuthActors, who: Who) -> Call:
        chat = world.conversation(world.owner, "anna" if who.visitor else "")
        with services(world.app).sessions() as session:
            answers = select(Message.id).where(Message.chat_session_id == chat.id, ~Message.is_user)
            return {"ids": {"message_id": session.scalars(answers).one()}, **more}

    return build


def _a_traced_answer(world: AuthActors, who: Who) -> Call:
    call = _an_answer()(world, who)
    id_ = call["ids"]["message_id"]
    with services(world.app).sessions() as session:
        begin_write(session)
        session.get_one(Message, id_).extra = NO_METADATA
        session.add(MessageTrace(message_id=id_, trace=NO_TRACE))
        session.commit()
    return call


def _a_document(world: AuthActors, who: Who) -> Call:
    with world.app.app_context(), services(world.app).sessions() as session:
        document, _ = add_document(
            session, NewDocument(uuid.uuid4().hex.encode(), title="A", media_type="text/markdown")
        )
        return {"ids": {"document_id": document.id}}


def _a_changed_document(world: AuthActors, who: Who) -> Call:
    return _a_document(world, who) | {"json": {"title": "Another title"}}


def _its_version(world: AuthActors, who: Who) -> Call:
    """Of a document that was read."""
    call = _a_document(world, who)
    with services(world.app).sessions() as session:
        begin_write(session)
        mine = DocumentVersion.document_id == call["ids"]["document_id"]
        session.execute(update(DocumentVersion).where(mine).values(text="A text."))
        session.commit()
    return {"ids": call["ids"] | {"number": "1"}}


def _a_ready_version(world: AuthActors, who: Who) -> Call:
    """Of a document that answers."""
    call = _its_version(world, who)
    with services(world.app).sessions() as session:
        begin_write(session)
        session.get_one(Document, call["ids"]["document_id"]).status = "ready"
        session.commit()
    return call


def _new_content(world: AuthActors, who: Who) -> Call:
    return _a_document(world, who) | {"json": {"content": f"Open at {uuid.uuid4().hex}."}}


def _a_failed_document(world: AuthActors, who: Who) -> Call:
    call = _a_document(world, who)
    with world.app.app_context(), services(world.app).sessions() as session:
        begin_write(session)
        failed = Document.failed_values("damaged", "It is broken.")
        session.execute(update(Document).where(Document.id == call["ids"]["document_id"]).values(failed))
        session.commit()
    return call


def _new_document(world: AuthActors, who: Who) -> Call:
    return {"json": {"title": "Hours", "content": f"Open at {uuid.uuid4().hex}."}}


def _a_resolution(world: AuthActors, who: Who) -> Call:
    return {"json": {"question": f"What is {uuid.uuid4().hex}?", "answer": "A number."}}


def _a_collection(**more: Any) -> Build:
    def build(world: AuthActors, who: Who) -> Call:
        return {"ids": {"collection_id": _new_collection(world)}, **more}

    return build


def _new_collection(world: AuthActors) -> str:
    with world.app.app_context(), services(world.app).sessions() as session:
        return create_collection(session, uuid.uuid4().hex, "everyone").id


def _new_member(world: AuthActors, who: Who) -> Call:
    return {"ids": {"collection_id": _new_collection(world)}, "json": {"username": world.other.username}}


def _a_member(world: AuthActors, who: Who) -> Call:
    with world.app.app_context(), services(world.app).sessions() as session:
        made = _new_collection(world)
        member, _ = add_member(session, made, world.other.username)
        return {"ids": {"collection_id": made, "user_id": member.user_id}}


def _some_name(world: AuthActors, who: Who) -> Call:
    return {"json": {"name": uuid.uuid4().hex, "visibility": "members"}}


def _login(world: AuthActors, who: Who) -> Call:
    return {"json": {"email": world.other.email, "password": PASSWORD}}


def always(**call: Any) -> Build:
    """The same call, whoever makes it."""

    def build(world: AuthActors, who: Who) -> Call:
        return dict(call)

    return build


def body(**fields: Any) -> Build:
    return always(json=fields)


nothing = always()


CALLS: dict[tuple[str, str], Build] = {
    ("GET", "/"): nothing,
    ("GET", "/healthz"): nothing,
    ("GET", "/readyz"): nothing,
    ("GET", "/metrics"): nothing,
    ("GET", "/openapi.json"): nothing,
    ("GET", "/swagger/"): nothing,
    ("GET", "/swagger/<path:name>"): always(ids={"name": "swagger-ui.css"}),
    ("GET", "/static/<path:filename>"): always(ids={"filename": "page.css"}),
    ("POST", "/api/users/signup/"): _signup,
    ("POST", "/api/users/login/"): _login,
    ("POST", "/api/users/token/refresh/"): _refresh,
    ("POST", "/api/users/logout/"): _logout,
    ("POST", "/api/users/logout/all/"): nothing,
    ("GET", "/api/users/profile/"): nothing,
    ("PATCH", "/api/users/profile/"): body(first_name="Ada"),
    ("DELETE", "/api/users/profile/"): body(password=PASSWORD),
    ("GET", "/api/users/export/"): nothing,
    ("GET", "/api/users/verify-email/"): nothing,
    ("POST", "/api/users/verify-email/"): _verify,
    ("POST", "/api/users/verify-email/resend/"): body(email="nobody@example.com"),
    ("POST", "/api/users/password/forgot/"): body(email="nobody@example.com"),
    ("GET", "/api/users/password/reset/"): nothing,
    ("POST", "/api/users/password/reset/"): _reset,
    ("POST", "/api/users/password/change/"): body(current_password=PASSWORD, password=ANOTHER, password2=ANOTHER),
    ("GET", "/api/users/sessions/"): nothing,
    ("DELETE", "/api/users/sessions/<uuid:session_id>/"): _a_session,
    ("GET", "/api/users/api-keys/"): nothing,
    ("POST", "/api/users/api-keys/"): body(name="A key", scopes=["chat"]),
    ("DELETE", "/api/users/api-keys/<uuid:key_id>/"): _a_key,
    ("POST", "/api/users/visitor-tokens/"): body(sub="anna"),
    ("GET", "/api/users/security-events/"): nothing,
    ("POST", "/api/chat/send/"): body(message="When does the shop open?"),
    ("GET", "/api/chat/models/"): nothing,
    ("GET", "/api/chat/usage/"): nothing,
    ("GET", "/api/chat/history/"): nothing,
    ("GET", "/api/chat/sessions/<uuid:session_id>/"): _a_conversation(),
    ("PATCH", "/api/chat/sessions/<uuid:session_id>/"): _a_conversation(json={"title": "Another title"}),
    ("DELETE", "/api/chat/sessions/<uuid:session_id>/"): _a_conversation(),
    ("GET", "/api/chat/sessions/<uuid:session_id>/messages/"): _a_conversation(),
    ("GET", "/api/chat/sessions/<uuid:session_id>/export/"): _a_conversation(),
    ("GET", "/api/chat/sessions/<uuid:session_id>/members/"): _a_conversation(),
    ("POST", "/api/chat/sessions/<uuid:session_id>/members/"): _with_a_member(in_body=True),
    ("DELETE", "/api/chat/sessions/<uuid:session_id>/members/"): _with_a_member(in_body=False),
    ("POST", "/api/chat/messages/<uuid:message_id>/feedback/"): _an_answer(json={"rating": "up"}),
    ("GET", "/v1/models"): nothing,
    ("GET", "/v1/models/<path:model>"): lambda _world, _who: {"ids": {"model": "extractive"}},
    ("POST", "/v1/chat/completions"): body(
        model="extractive", messages=[{"role": "user", "content": "When does the shop open?"}]
    ),
    ("POST", "/api/chat/messages/<uuid:message_id>/stop/"): _an_answer(),
    ("POST", "/api/chat/messages/<uuid:message_id>/regenerate/"): _an_answer(json={}),
    ("GET", "/api/chat/messages/<uuid:message_id>/stream/"): _an_answer(),
    ("GET", "/api/chat/messages/<uuid:message_id>/trace/"): _a_traced_answer,
    ("POST", "/api/knowledge/documents/"): _new_document,
    ("GET", "/api/knowledge/documents/"): nothing,
    ("GET", "/api/knowledge/documents/<uuid:document_id>/"): _a_ready_version,
    ("DELETE", "/api/knowledge/documents/<uuid:document_id>/"): _a_document,
    ("PATCH", "/api/knowledge/documents/<uuid:document_id>/"): _a_changed_document,
    ("PUT", "/api/knowledge/documents/<uuid:document_id>/content/"): _new_content,
    ("GET", "/api/knowledge/documents/<uuid:document_id>/content/"): _a_document,
    ("GET", "/api/knowledge/documents/<uuid:document_id>/versions/"): _a_document,
    ("GET", "/api/knowledge/documents/<uuid:document_id>/versions/<int:number>/"): _a_ready_version,
    ("GET", "/api/knowledge/documents/<uuid:document_id>/versions/<int:number>/diff/"): _its_version,
    ("POST", "/api/knowledge/documents/<uuid:document_id>/versions/<int:number>/restore/"): _its_version,
    ("GET", "/api/knowledge/documents/<uuid:document_id>/chunks/"): _a_ready_version,
    ("POST", "/api/knowledge/documents/<uuid:document_id>/retry/"): _a_failed_document,
    ("GET", "/api/knowledge/search/"): always(query_string={"q": "When does the shop open?"}),
    ("GET", "/api/knowledge/stats/"): nothing,
    ("GET", "/api/knowledge/gaps/"): nothing,
    ("POST", "/api/knowledge/gaps/resolve/"): _a_resolution,
    ("GET", "/api/knowledge/collections/"): nothing,
    ("POST", "/api/knowledge/collections/"): _some_name,
    ("GET", "/api/knowledge/collections/<uuid:collection_id>/"): _a_collection(),
    ("PATCH", "/api/knowledge/collections/<uuid:collection_id>/"): _a_collection(json={"visibility": "members"}),
    ("DELETE", "/api/knowledge/collections/<uuid:collection_id>/"): _a_collection(),
    ("GET", "/api/knowledge/collections/<uuid:collection_id>/members/"): _a_collection(),
    ("POST", "/api/knowledge/collections/<uuid:collection_id>/members/"): _new_member,
    ("DELETE", "/api/knowledge/collections/<uuid:collection_id>/members/<uuid:user_id>/"): _a_member,
}

# After these an account, its password or its sessions are not what they were; each call gets people of its own.
ENDS = {
    ("POST", "/api/users/logout/all/"),
    ("DELETE", "/api/users/profile/"),
    ("POST", "/api/users/password/change/"),
    ("POST", "/api/users/password/reset/"),
}
