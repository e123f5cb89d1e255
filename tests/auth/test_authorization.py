"""What the matrix cannot show: other people's things, fields nobody may set, and roles that change."""

from __future__ import annotations

import re
import threading
import uuid
from datetime import timedelta
from io import BytesIO

import jwt as pyjwt
import pytest
from flask import Flask
from sqlalchemy import select, update

from chatbot.auth import accounts
from chatbot.auth.credentials import jwts
from chatbot.auth.models import ApiKey, TokenFamily, User
from chatbot.chat.models import ChatSession
from chatbot.current import services
from chatbot.db import begin_write, utcnow
from chatbot.errors import ChatbotError
from tests.auth.calls import CALLS
from tests.auth.test_matrix import LINES, address, name_of, request_of
from tests.auth.world import HOUR, AuthActors, dump, empty, family_of, key_of, shown
from tests.conftest import PASSWORD, Person, sign_up

PROFILE, DOCUMENTS, HISTORY = "/api/users/profile/", "/api/knowledge/documents/", "/api/chat/history/"
# A collection and a document are nobody's own; test_collections.py and test_reading.py in tests/knowledge/ show who
# reads which.
OWNED = [
    line
    for line in LINES
    if "<uuid:" in line["route"] and line["guard"] != "admin" and "/knowledge/" not in line["route"]
]


@pytest.fixture(scope="module")
def shared(module_app):
    return module_app(max_sessions=1000)


@pytest.fixture
def world(shared):
    empty(shared)
    return AuthActors(shared)


def get(app: Flask, where: str, headers: dict[str, str], **query: str):
    return app.test_client().get(where, headers=headers, query_string=query, buffered=True)


def same(one, other) -> bool:
    """Whether two answers are the same but for the address that was asked and the request's id."""
    bodies = [{k: v for k, v in answer.json.items() if k not in ("instance", "request_id")} for answer in (one, other)]
    kept = [{k: v for k, v in answer.headers if k not in ("X-Request-ID", "Content-Length")} for answer in (one, other)]
    return one.status_code == other.status_code and bodies[0] == bodies[1] and kept[0] == kept[1]


# Other people's things ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", OWNED, ids=name_of)
@pytest.mark.parametrize("role", ["other", "admin", "key_all", "visitor", "other_visitor"])
def test_somebody_elses_thing_is_like_one_that_is_not_there(world, line, role):
    """F2 F3 A7: by its id in the address, whoever asks, an administrator and a visitor of the owner included."""
    chats = line["route"].startswith("/api/chat/")
    if role == "key_all":
        # The key is the owner's: to it the other person's things are foreign, and a visitor's are as well.
        family, (key, _) = family_of(world.other), key_of(world.other, ["chat"])
        world.add(family, key)
        theirs = [world.conversation(world.other).id, world.conversation(world.owner, "anna").id]
        ids = theirs if chats else [{"session_id": family.id, "key_id": key.id}[name] for name in argument(line)]
    elif role == "other_visitor" and chats:
        ids = [world.conversation(world.owner, "anna").id, world.conversation(world.other, "otto").id]
    else:
        ids = list(CALLS[line["method"], line["route"]](world, world.who["owner"])["ids"].values())
    call = request_of(world, line, role)
    refused = world.who[role].visitor and line["visitor"] == "403"
    before = dump(world.app)
    for thing in ids:
        (name,) = argument(line)
        asked, missing = (
            world.app.test_client().open(**call | {"path": address(line["route"], {name: which})})
            for which in (thing, str(uuid.uuid4()))
        )
        assert asked.status_code == (403 if refused else 404)
        assert same(asked, missing)
        assert thing not in asked.text.replace(asked.json["instance"], "")
    assert dump(world.app) == before


def argument(line: dict[str, str]) -> list[str]:
    return re.findall(r"<\w+:(\w+)>", line["route"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("role", "of"),
    [("other", ""), ("admin", ""), ("visitor", ""), ("other_visitor", "anna"), ("owner", "anna"), ("key_chat", "anna")],
)
def test_nobody_asks_in_somebody_elses_conversation(world, role, of, stream):
    """F2 F3: by its id in the body; nothing is stored and no stream begins."""
    chat = world.conversation(world.owner, of)
    before = dump(world.app)
    asked, missing = (
        world.app.test_client().post(
            "/api/chat/send/",
            headers=world.who[role].headers,
            json={"message": "And now?", "chat_session_id": which, "stream": stream},
        )
        for which in (chat.id, str(uuid.uuid4()))
    )
    assert (asked.status_code, asked.json["code"]) == (404, "chat_session_not_found")
    assert same(asked, missing)
    assert dump(world.app) == before


def _things(world: AuthActors, user: User, where: str, visitor: str = "") -> set[str]:
    """Three more things of somebody in a list, and all their ids in it."""
    made = {
        HISTORY: lambda: ChatSession(id=str(uuid.uuid4()), user_id=user.id, visitor=visitor, title="Mine"),
        "/api/users/sessions/": lambda: family_of(user, last_used_at=utcnow() - HOUR),
        "/api/users/api-keys/": lambda: key_of(user, ["chat"])[0],
    }[where]
    rows = [made() for _ in range(3)]
    world.add(*rows)
    return {row.id for row in rows}


@pytest.mark.parametrize("where", [HISTORY, "/api/users/sessions/", "/api/users/api-keys/"])
def test_with_somebody_elses_cursor_one_reads_ones_own_list(world, where):
    """F2: a cursor is a place in time, and no key."""
    _things(world, world.owner, where)
    mine = _things(world, world.other, where)
    theirs = get(world.app, where, world.who["owner"].headers, limit="1").json
    assert theirs["next_cursor"]
    answer = get(world.app, where, world.who["other"].headers, cursor=theirs["next_cursor"], limit="100")
    whole = get(world.app, where, world.who["other"].headers, limit="100")
    assert answer.status_code == 200
    assert mine <= {item["id"] for item in whole.json["items"]}
    assert {item["id"] for item in answer.json["items"]} <= {item["id"] for item in whole.json["items"]}
    assert not {item["id"] for item in theirs["items"]} & {item["id"] for item in whole.json["items"]}


def test_a_cursor_does_not_lead_from_an_owner_to_a_visitor(world):
    """F2: nor back, nor to another visitor."""
    mine = {
        role: _things(world, world.owner, HISTORY, name)
        for role, name in (("owner", ""), ("visitor", "anna"), ("other_visitor", "otto"))
    }
    for role in mine:
        cursor = get(world.app, HISTORY, world.who[role].headers, limit="1").json["next_cursor"]
        for reader in mine:
            answer = get(world.app, HISTORY, world.who[reader].headers, cursor=cursor, limit="100").json["items"]
            assert {item["id"] for item in answer} <= mine[reader]


def test_the_ids_on_the_wire_cannot_be_counted_up(world):
    """A7: 122 bits of chance."""
    chat, owner = world.conversation(world.owner), world.who["owner"].headers
    found = [get(world.app, where, owner).json for where in (PROFILE, f"/api/chat/sessions/{chat.id}/")]
    for where in (f"/api/chat/sessions/{chat.id}/messages/", "/api/users/sessions/", "/api/users/api-keys/"):
        found += get(world.app, where, owner).json["items"]
    assert len(found) > 10
    assert {uuid.UUID(item["id"]).version for item in found} == {4}


# Fields nobody may set ------------------------------------------------------------------------------------------------

FORBIDDEN = (
    "role",
    "roles",
    "is_admin",
    "admin",
    "is_verified",
    "verified",
    "is_active",
    "id",
    "user_id",
    "owner",
    "created_at",
    "updated_at",
    "quota",
    "daily_tokens",
    "visitor",
    "sub",
    "scopes",
    "password_hash",
    "username_key",
    "key",
    "key_hash",
    "family",
    "via",
    "is_user",
    "author",
    "next_position",
    "__class__",
    "_sa_instance_state",
)


def allowed(line: dict[str, str]) -> str:
    return next(role for role in ("nobody", "owner", "admin", "key_visitors") if line[role].startswith("2"))


def body_schema(spec, line) -> dict:
    where = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", line["route"])
    content = spec["paths"][where][line["method"].lower()].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    names = [each.get("$ref", "").rpartition("/")[2] for each in schema.get("oneOf", [schema])]
    found = [spec["components"]["schemas"].get(name, {}) for name in names]
    return {"properties": {key: value for each in found for key, value in each.get("properties", {}).items()}}


@pytest.mark.parametrize("line", [x for x in LINES if "/api/" in x["route"] and x["method"] != "GET"], ids=name_of)
def test_nobody_sets_what_is_not_theirs_to_set(world, line):
    """F5: each such field in each body is refused by name, and nothing changes."""
    call = request_of(world, line, allowed(line))
    known = body_schema(world.app.test_client().get("/openapi.json").json, line).get("properties", {})
    if "json" not in call:
        assert known == {}
        return
    before = dump(world.app)
    for field in sorted(set(FORBIDDEN) - set(known)):
        answer = world.app.test_client().open(**call | {"json": call["json"] | {field: True}})
        pointers = [error["pointer"] for error in answer.json["errors"]]
        assert (field, answer.status_code, pointers) == (field, 422, [f"/{field}"])
    assert dump(world.app) == before


def test_a_form_sets_nothing_more_than_json(world):
    """F5: a field beside a file is refused by name as well."""
    for field in set(FORBIDDEN) - {"is_active"}:  # One may say of a document whether it is used.
        form = {"file": (BytesIO(b"Open at nine."), "a.md"), field: "true"}
        answer = world.app.test_client().post(DOCUMENTS, data=form, headers=world.who["admin"].headers)
        assert (field, answer.status_code, answer.json["errors"][0]["pointer"]) == (field, 422, f"/{field}")


# Roles that change ----------------------------------------------------------------------------------------------------


def change(app: Flask, act, *args) -> None:
    with app.app_context(), services(app).sessions() as session:
        act(session, *args)


def test_a_role_that_is_withdrawn_counts_from_the_next_request(app, root):
    """F8: for the session and for the keys, in another process as well."""
    sign_up(app, "second", admin=True)
    made = app.test_client().post("/api/users/api-keys/", json={"name": "k", "scopes": ["admin"]}, headers=root.headers)
    key = {"Authorization": f"Bearer {made.json['key']}"}
    assert [get(app, DOCUMENTS, headers).status_code for headers in (root.headers, key)] == [200, 200]
    change(app, accounts.set_admin, root.email, False)
    assert [get(app, DOCUMENTS, headers).status_code for headers in (root.headers, key)] == [403, 403]
    assert get(app, PROFILE, root.headers).json["is_admin"] is False
    change(app, accounts.set_admin, root.email, True)
    assert [get(app, DOCUMENTS, headers).status_code for headers in (root.headers, key)] == [200, 200]


def test_a_disabled_account_is_refused_from_the_next_request(app, ada):
    """F8 E8: enabled again, its keys work and its sessions do not."""
    body = {"name": "k", "scopes": ["visitors", "admin"]}
    key = app.test_client().post("/api/users/api-keys/", json=body, headers=ada.headers).json["key"]
    by_key = {"Authorization": f"Bearer {key}"}
    signed = app.test_client().post("/api/users/visitor-tokens/", json={"sub": "anna"}, headers=by_key).json["access"]
    ways = (ada.headers, by_key, {"Authorization": f"Bearer {signed}"})
    assert [get(app, HISTORY, headers).status_code for headers in ways] == [200, 200, 200]
    change(app, accounts.set_active, ada.email, False)
    refused = [get(app, HISTORY, headers) for headers in ways]
    assert [answer.status_code for answer in refused] == [401, 401, 401]
    assert len({answer.json["detail"] for answer in refused}) == 1
    change(app, accounts.set_active, ada.email, True)
    assert [get(app, HISTORY, headers).status_code for headers in ways] == [401, 200, 200]


def signed(app: Flask, **claims) -> dict[str, str]:
    """A token that this application has signed, with other claims than it would."""
    secrets = services(app).jwt_secrets
    now = utcnow().timestamp()
    fixed = {
        "iat": int(now) - 5,
        "exp": int(now) + 600,
        "iss": "chatbot",
        "aud": "chatbot",
        "jti": str(uuid.uuid4()),
        "type": "access",
        "fresh": False,
    }
    token = pyjwt.encode(fixed | claims, secrets.current, "HS256", {"kid": jwts.kid_of(secrets.current)})
    return {"Authorization": f"Bearer {token}"}


def ids_of(world: AuthActors, role: str) -> dict[str, str]:
    claims = pyjwt.decode(world.who[role].shows, options={"verify_signature": False})
    return {"sub": claims["sub"], "family": claims["family"]}


def test_what_a_token_says_of_roles_is_not_believed(world):
    """D13"""
    wish = {"is_admin": True, "role": "admin", "roles": ["admin"], "scopes": ["admin"], "admin": True, "via": "session"}
    mine = signed(world.app, **ids_of(world, "owner"), **wish)
    assert get(world.app, PROFILE, mine).status_code == 200
    assert get(world.app, DOCUMENTS, mine).status_code == 403
    assert get(world.app, PROFILE, mine).json["is_admin"] is False


@pytest.mark.parametrize("kind", ["access", "visitor"])
def test_a_token_is_of_one_account_and_one_session(world, kind):
    """D7 D13: somebody's id with somebody else's session or key opens nothing, nor does a session in a key's place."""
    with services(world.app).sessions() as session:
        # Keys that may sign for visitors, so that only the mixing can be what is wrong.
        rows = session.scalars(select(ApiKey).where(ApiKey.user_id.in_([world.owner.id, world.boss.id]))).all()
        key_ids = {row.user_id: row.id for row in rows if "admin" in row.scopes and row.expires_at is None}
    owner, boss = ids_of(world, "owner"), ids_of(world, "admin")
    mixed = [
        {"sub": boss["sub"], "family": owner["family"]},
        {"sub": owner["sub"], "family": boss["family"]},
        {"sub": boss["sub"], "family": key_ids[world.owner.id]},
        {"sub": owner["sub"], "family": key_ids[world.boss.id]},
        {"sub": owner["sub"], "family": str(uuid.uuid4())},
        {"sub": owner["sub"], "family": owner["family"] if kind == "visitor" else key_ids[world.owner.id]},
    ]
    for claims in mixed:
        headers = signed(world.app, type=kind, visitor="anna", **claims)
        assert [get(world.app, where, headers).status_code for where in (HISTORY, PROFILE, DOCUMENTS)] == [401] * 3


# The last administrator -----------------------------------------------------------------------------------------------


def leave(app: Flask, person: Person, how: str) -> str:
    """An administrator leaves, one way or another: `done`, or the code of the refusal."""
    if how == "delete":
        answer = app.test_client().delete(PROFILE, json={"password": PASSWORD}, headers=person.headers)
        return "done" if answer.status_code == 204 else answer.json["code"]
    act = {"demote": accounts.set_admin, "disable": accounts.set_active}[how]
    try:
        change(app, act, person.email, False)
    except ChatbotError as error:
        return error.code
    return "done"


@pytest.mark.parametrize("how", ["delete", "demote", "disable"])
def test_the_last_administrator_stays(app, root, how):
    """F9: and an administrator who is disabled is none."""
    gone = sign_up(app, "gone", admin=True)
    change(app, accounts.set_active, gone.email, False)
    before = dump(app)
    assert leave(app, root, how) == "last_admin"
    assert dump(app) == before
    assert get(app, DOCUMENTS, root.headers).status_code == 200
    sign_up(app, "heir", admin=True)
    assert leave(app, root, how) == "done"


@pytest.mark.parametrize(
    "ways",
    [("delete", "delete"), ("demote", "demote"), ("disable", "disable"), ("delete", "demote"), ("demote", "disable")],
)
def test_of_the_last_two_administrators_who_leave_at_once_one_stays(app, ways):
    """F9"""
    people = [sign_up(app, name, admin=True) for name in ("one", "two")]
    said, start = [], threading.Barrier(2)

    def run(person, how):
        start.wait()
        said.append(leave(app, person, how))

    threads = [threading.Thread(target=run, args=pair) for pair in zip(people, ways, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with services(app).sessions() as session:
        left = session.scalars(select(User).where(User.is_admin, User.is_active)).all()
    assert (sorted(said), len(left)) == (["done", "last_admin"], 1)


def test_a_new_administrator_who_is_deleted_meanwhile_was_the_last_one(app):
    """F9: what is decided is decided on the rows as they are, not as they were when they were read."""
    one, two = sign_up(app, "one", admin=True), sign_up(app, "two")
    said = []
    with services(app).sessions() as slow, app.app_context():
        begin_write(slow)
        slow.execute(update(User).where(User.id == two.id).values(is_admin=True))
        slow.execute(update(User).where(User.id == one.id).values(is_admin=False))
        thread = threading.Thread(target=lambda: said.append(leave(app, two, "delete")))
        thread.start()
        thread.join(0.5)
        slow.commit()
    thread.join(10)
    assert said == ["last_admin"]


# One form of an address and a name ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ADA@example.com", " ada@example.com", "ada@EXAMPLE.com", "ADA", "\uff21da", "ada"])
def test_the_command_line_finds_an_account_however_it_is_written(app, ada, name):
    """A6"""
    with app.app_context(), services(app).sessions() as session:
        assert accounts.find_user(session, name).id == ada.id


def test_a_name_that_is_like_another_is_taken_in_the_profile_as_well(app, ada, bob):
    """A2 A6"""
    for name in ("ADA", "\uff21da", "aDa"):
        answer = app.test_client().patch(PROFILE, json={"username": name}, headers=bob.headers)
        assert (answer.status_code, answer.json["code"]) == (409, "username_taken")
        assert ada.email not in answer.text
        assert ada.id not in answer.text
    mine = app.test_client().patch(PROFILE, json={"username": "ADA"}, headers=ada.headers)
    assert (mine.status_code, mine.json["username"]) == (200, "ADA")


def test_an_unconfirmed_administrator_of_a_strict_house_administers_nothing(make_app):
    """C16"""
    app = make_app(require_verified_email=True)
    root = sign_up(app, "root", admin=True)
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(User).values(is_verified=False))
        session.commit()
    for where in (DOCUMENTS, "/api/users/security-events/", HISTORY, "/api/users/api-keys/"):
        answer = get(app, where, root.headers)
        assert (answer.status_code, answer.json["code"]) == (403, "email_not_verified")
    assert get(app, PROFILE, root.headers).status_code == 200


def test_a_session_that_ran_out_while_its_token_lives_is_over(world):
    """D7: the row decides, not the token."""
    family = family_of(world.owner)
    world.add(family)
    with world.app.app_context():
        mine = shown(world.owner, jwts.issue_access(world.owner.id, family.id, timedelta(days=30)))
    assert get(world.app, PROFILE, mine.headers).status_code == 200
    with services(world.app).sessions() as session:
        begin_write(session)
        session.execute(update(TokenFamily).where(TokenFamily.id == family.id).values(expires_at=utcnow()))
        session.commit()
    assert get(world.app, PROFILE, mine.headers).status_code == 401
