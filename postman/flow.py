"""The order in which the collection's requests run green from nothing, and what each takes from those before it.

Every operation of the API stands here once, and some a second time with other values (`login:admin`). A new operation
is refused by build.py until it has its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The variables of the collection. Requests fill in the empty ones; what has a value may be changed by hand.
VARIABLES = {
    "baseUrl": "http://127.0.0.1:8000",
    "admin_email": "boss@example.com",
    "admin_password": "a sentence only I know",
    "password": "correct horse battery 9",
    "new_password": "a lighthouse in the fog",
    "model": "extractive",
    "number": "1",
    "token": "",
    "page_url": "",
    **dict.fromkeys(
        (
            "username",
            "email",
            "other_username",
            "other_email",
            "access",
            "refresh",
            "admin_access",
            "other_access",
            "collection",
            "api_key",
            "key_id",
            "sign_in_id",
            "session_id",
            "message_id",
            "collection_id",
            "user_id",
            "document_id",
            "file_document_id",
            "url_document_id",
            "answer_document_id",
        ),
        "",
    ),
}
USER, ADMIN, OTHER, KEY = "access", "admin_access", "other_access", "api_key"


@dataclass(frozen=True)
class Step:
    """A request: an operation, and where its values come from."""

    key: str
    """The operation, and behind a colon what is different here."""
    name: str = ""
    """Another name than the operation's summary."""
    token: str = USER
    """The variable with the token that it sends, unless it is public."""
    body: dict[str, Any] = field(default_factory=dict)
    """Fields of the body in place of the document's examples."""
    path: dict[str, str] = field(default_factory=dict)
    """Variables of the path that another variable than the one of the same name fills in."""
    query: dict[str, str] = field(default_factory=dict)
    """Query parameters that are sent."""
    stores: dict[str, str] = field(default_factory=dict)
    """Variables of the collection, and where in the answer their values stand."""
    names: dict[str, str] = field(default_factory=dict)
    """Variables that get a new name before the request, and what the name begins with."""
    file: str = "hours.txt"
    """What a form sends as its file, from the collection's folder."""
    needs: str = ""
    """A variable that has to be filled in by hand; the request is skipped until it is."""

    @property
    def operation(self) -> str:
        return self.key.partition(":")[0]


def login(key: str, name: str, email: str, password: str, **stores: str) -> Step:
    """A sign-in, as one or another account."""
    body = {"email": f"{{{{{email}}}}}", "password": f"{{{{{password}}}}}"}
    return Step(key, name, body=body, stores=stores)


SIGN_UP = {"password": "{{password}}", "password2": "{{password}}"}
OTHER_SIGN_UP = {"username": "{{other_username}}", "email": "{{other_email}}"} | SIGN_UP
TOKENS = {"access": "access", "refresh": "refresh"}
NEW_PASSWORD = {"password": "{{new_password}}", "password2": "{{new_password}}"}

FLOW: dict[str, tuple[str, list[Step]]] = {
    "Sign in": (
        "Sign up under a new name, and sign in. The administrator of `admin_email` and `admin_password` has to be "
        "there: `flask users create-admin boss@example.com --username boss`.",
        [
            Step(
                "signup", names={"username": "ada"}, body={"username": "{{username}}", "email": "{{email}}"} | SIGN_UP
            ),
            Step("signup:other", "Sign up as somebody else", names={"other_username": "bob"}, body=OTHER_SIGN_UP),
            login("login", "", "email", "password", **TOKENS),
            login("login:other", "Sign in as somebody else", "other_email", "password", other_access="access"),
            login("login:admin", "Sign in as an administrator", "admin_email", "admin_password", admin_access="access"),
            Step("refresh", body={"refresh": "{{refresh}}"}, stores=TOKENS),
        ],
    ),
    "Account": (
        "The own account: profile, sessions, API keys.",
        [
            Step("profile"),
            Step("change_profile", body={"username": "{{username}}"}),
            Step("create_key", body={"scopes": ["chat", "visitors"]}, stores={"key_id": "id", "api_key": "key"}),
            Step("list_keys"),
            Step("sign_visitor", token=KEY),
            login("login:again", "Sign in somewhere else", "email", "password"),
            Step("list_sessions", stores={"sign_in_id": "items[is_current=false].id"}),
            Step("export_account"),
            Step("verify_page"),
            Step("resend", body={"email": "{{email}}"}),
            Step("forgot_password", body={"email": "{{email}}"}),
            Step("reset_page"),
            Step("security_events", token=ADMIN),
        ],
    ),
    "Knowledge": (
        "Collections, documents and search. Sent as an administrator.",
        [
            Step(
                "create_collection",
                token=ADMIN,
                names={"collection": "handbooks-"},
                body={"name": "{{collection}}"},
                stores={"collection_id": "id"},
            ),
            Step("list_collections", token=ADMIN),
            Step("get_collection", token=ADMIN),
            Step("change_collection", token=ADMIN, body={"name": "{{collection}}"}),
            Step("add_member", token=ADMIN, body={"username": "{{username}}"}, stores={"user_id": "user_id"}),
            Step("list_members", token=ADMIN),
            Step(
                "add_document",
                token=ADMIN,
                query={"wait": "10"},
                body={"collection": "{{collection}}"},
                stores={"document_id": "id"},
            ),
            Step(
                "add_document:file",
                "Add a document as a file",
                token=ADMIN,
                query={"wait": "10"},
                body={"collection": "{{collection}}"},
                stores={"file_document_id": "id"},
            ),
            Step("list_documents", token=ADMIN),
            Step("get_document", token=ADMIN),
            Step("change_document", token=ADMIN, body={"collection": "{{collection}}"}),
            Step("replace_content", token=ADMIN),
            Step("replace_content:file", "Replace a document's content as a file", token=ADMIN, file="holidays.txt"),
            Step("list_versions", token=ADMIN),
            Step("get_version", token=ADMIN),
            Step("compare_versions", token=ADMIN),
            Step("list_chunks", token=ADMIN),
            Step("download", token=ADMIN),
            Step("restore_version", token=ADMIN),
            Step("search", token=ADMIN),
            Step("stats", token=ADMIN),
        ],
    ),
    "Chat": (
        "Questions and conversations.",
        [
            Step("models"),
            Step("send", stores={"session_id": "chat_session_id", "message_id": "message.id"}),
            Step("send:stream", "Ask, as a stream"),
            Step("usage_today"),
            Step("history"),
            Step("get_session"),
            Step("rename_session"),
            Step("messages"),
            Step("export_session"),
            Step("give_feedback"),
            Step("trace"),
            Step("stop"),
            Step("pick_up"),
            Step("regenerate", stores={"message_id": "message.id"}),
            Step("regenerate:stream", "Answer a question once more, as a stream"),
            Step("add_chat_member", body={"username": "{{other_username}}"}),
            Step("chat_members"),
            Step("remove_chat_member", query={"username": "{{other_username}}"}),
            Step("gaps", token=ADMIN),
            Step(
                "resolve_gap",
                token=ADMIN,
                body={"collection": "{{collection}}"},
                stores={"answer_document_id": "document.id"},
            ),
        ],
    ),
    "OpenAI": (
        "What OpenAI's clients call.",
        [
            Step("list_models"),
            Step("retrieve_model"),
            Step("create_completion"),
            Step("create_completion:stream", "Ask, as OpenAI's clients do, as a stream"),
        ],
    ),
    "Clean-up": (
        "Deletes what the other folders have made, and signs out. Run it last.",
        [
            Step("delete_session"),
            Step("remove_member", token=ADMIN),
            Step("delete_document", token=ADMIN),
            Step(
                "delete_document:file",
                "Delete the other document",
                token=ADMIN,
                path={"document_id": "file_document_id"},
            ),
            Step(
                "delete_document:answer",
                "Delete the answer that closed the gap",
                token=ADMIN,
                path={"document_id": "answer_document_id"},
            ),
            Step("delete_collection", token=ADMIN),
            Step("revoke_key"),
            Step("end_session", path={"session_id": "sign_in_id"}),
            Step("change_password", body={"current_password": "{{password}}"} | NEW_PASSWORD),
            Step("logout", body={"refresh": "{{refresh}}"}),
            login("login:new", "Sign in with the new password", "email", "new_password", **TOKENS),
            Step("logout_all"),
            login("login:last", "Sign in once more", "email", "new_password", **TOKENS),
            Step("delete_profile", body={"password": "{{new_password}}"}),
            Step("delete_profile:other", "Delete the other account", token=OTHER, body={"password": "{{password}}"}),
        ],
    ),
    "By hand": (
        "What a fresh installation does not have: fill in `token` with the token of a link in an e-mail (without a "
        "mail server the e-mails are files in instance/outbox/), or `page_url` with a page on the internet. Until then "
        "these requests are skipped.",
        [
            Step("verify_email", needs="token", body={"token": "{{token}}"}),
            Step("reset_password", needs="token", body={"token": "{{token}}"} | SIGN_UP),
            Step(
                "add_document:url",
                "Add a document by its URL",
                token=ADMIN,
                needs="page_url",
                body={"url": "{{page_url}}"},
                stores={"url_document_id": "id"},
            ),
            Step(
                "retry_document",
                "Try a document again, once it is there or has failed",
                token=ADMIN,
                needs="url_document_id",
                path={"document_id": "url_document_id"},
            ),
        ],
    ),
}
