"""Requests without the fields that a server does not take.

Servers that speak OpenAI's protocol know its fields in part, and refuse the others in many ways. What a refusal names
is left out or written otherwise and the request is repeated; once that is accepted it is done so from the start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import openai

from chatbot.rag.refusals import Reason, reason_of, words_of

# What cannot be left out.
_NEEDED = frozenset({"model", "messages", "input", "stream"})
_LIMIT, _OLD_LIMIT = "max_completion_tokens", "max_tokens"
# Roles that are written in another one: a prompt is one all the same.
_ROLES = ("developer", "system")
_STATUSES = frozenset({400, 404, 405, 415, 422, 501})
# A server may name its fields one by one.
_MAX_REPEATS = 6

Answer = TypeVar("Answer")
Payload = dict[str, Any]


class Compatibility:
    """What the server of one model does not take; used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: frozenset[str] = frozenset()

    def send(self, call: Callable[..., Answer], payload: Payload) -> Answer:
        """The answer to a request, repeated without what a refusal names.

        Raises:
            APIStatusError: the server refuses it for another reason.
        """
        refused = known = self._refused
        for _ in range(_MAX_REPEATS):
            written = rewritten(payload, refused)
            try:
                answer = call(**written)
            except openai.APIStatusError as error:
                more = _named(error, written, payload)
                if not more - refused:
                    raise
                refused |= more
                continue
            if refused != known:
                with self._lock:
                    self._refused |= refused
            return answer
        return call(**rewritten(payload, refused))


def rewritten(payload: Payload, refused: frozenset[str]) -> Payload:
    """A request without what a server refuses."""
    written = dict(payload)
    if _LIMIT in refused and _LIMIT in written:
        written[_OLD_LIMIT] = written.pop(_LIMIT)
    for name in refused - {_LIMIT}:
        written.pop(name, None)
    if "messages" in written:
        written["messages"] = _in_roles(written["messages"], refused)
    return written


def _in_roles(messages: list[Payload], refused: frozenset[str]) -> list[Payload]:
    """The messages without roles that are refused: `developer` is `system`, and that begins the first question."""
    if "developer" in refused:
        messages = [m | {"role": "system"} if m["role"] == "developer" else m for m in messages]
    if "system" not in refused:
        return messages
    orders = [m["content"] for m in messages if m["role"] in _ROLES]
    others = [m for m in messages if m["role"] not in _ROLES]
    if not orders or not others:
        return messages
    return [others[0] | {"content": "\n\n".join([*orders, others[0]["content"]])}, *others[1:]]


def _named(error: openai.APIStatusError, written: Payload, payload: Payload) -> frozenset[str]:
    """What of a request a refusal names: fields that can be left out, and roles."""
    if error.status_code not in _STATUSES or reason_of(error) is Reason.TOO_LONG:
        return frozenset()
    words = words_of(error)
    named = {name for name in written.keys() - _NEEDED if name in words}
    if written.get("encoding_format") == "base64" and "base64" in words:
        named.add("encoding_format")
    if _OLD_LIMIT in named and _OLD_LIMIT not in payload and _LIMIT in words and "unsupported" in words:
        # "Use 'max_completion_tokens' instead", where that one was refused as well: neither is taken.
        named.add(_LIMIT)
    roles = {m["role"] for m in written.get("messages", ())}
    named |= {role for role in _ROLES if role in roles and role in words and "role" in words}
    return frozenset(named)
