"""A reply as OpenAI's clients read it: one completion, or the chunks of a stream."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from chatbot.chat.api.sse_events import reply_of
from chatbot.chat.replies.reply import Done, Failed, ReplyEvent, Start
from chatbot.rag.events import Token
from chatbot.web.http.openai_errors import body_of
from chatbot.web.streaming.broadcast import Frame, Frames

Reply = dict[str, Any]
Chunk = dict[str, Any]
END = "end"


def completion(reply: Reply, public_url: str, skipped: int = 0) -> dict[str, object]:
    """The whole answer."""
    answer, metadata = reply["message"], reply["message"]["metadata"]
    refusal = answer["content"] if metadata.get("refused") else None
    message = {"role": "assistant", "content": answer["content"], "refusal": refusal}
    choice = {"index": 0, "message": message | {"annotations": annotations_of(metadata, public_url)}, "logprobs": None}
    return {
        "id": f"chatcmpl-{answer['id']}",
        "object": "chat.completion",
        "created": _seconds(answer),
        "model": metadata["model"],
        "choices": [choice | {"finish_reason": _finish_reason(answer)}],
        "usage": _usage(metadata),
        "system_fingerprint": metadata["prompt_version"],
        **_ours(reply, skipped),
    }


def _finish_reason(answer: dict[str, Any]) -> str:
    """Why the answer has ended, in OpenAI's words, which have none for an answer that somebody stopped."""
    return answer["metadata"].get("finish_reason") or "stop"


def _ours(reply: Reply, skipped: int) -> dict[str, object]:
    answer = reply["message"]
    ids = {"chat_session_id": reply["chat_session_id"], "message_id": answer["id"]}
    return {**ids, "metadata": answer["metadata"], "skipped_parts": skipped}


def annotations_of(metadata: dict[str, Any], public_url: str) -> list[dict[str, Any]]:
    """The citations: places of the answer, each with the address of what it rests on, and our own fields."""
    docs = {doc["document_id"]: doc for doc in metadata["retrieved_docs"]}
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": citation["answer_start"],
                "end_index": citation["answer_end"],
                "title": docs.get(citation["document_id"], {}).get("title", ""),
                "url": _address(citation, docs.get(citation["document_id"], {}), public_url),
            },
            "citation": citation,
        }
        for citation in metadata["citations"]
    ]


def _address(citation: dict[str, Any], doc: dict[str, Any], public_url: str) -> str:
    """Where the document came from, if that is a page; otherwise the version of it that this server has."""
    source = doc.get("source") or ""
    if urlsplit(source).scheme in ("http", "https"):
        return str(source)
    return f"{public_url}/api/knowledge/documents/{citation['document_id']}/versions/{citation['version']}/"


class Chunks:
    """What of a reply goes into which chunk, as (name, payload); the names are for the log of a stream only."""

    def __init__(self, public_url: str, include_usage: bool, skipped: int = 0) -> None:
        self._public_url, self._include_usage, self._skipped = public_url, include_usage, skipped
        self._base: Chunk = {}

    def of(self, event: ReplyEvent) -> list[Frame]:
        """The chunks of an event of a reply that is made."""
        match event:
            case Token():
                return [("chunk", _delta(self._base, {"content": event.text}))]
            case Start():
                created = int(event.turn.question.created_at.timestamp())
                self._base = _base(event.turn.answer_id, created, event.model)
                return [("chunk", _delta(self._base, {"role": "assistant", "content": ""}))]
            case Done():
                return self._last(reply_of(event))
            case Failed():
                return [("error", body_of(event.error))]
            case _:
                # What else there is a client learns from the last chunk.
                return []

    def again(self, reply: Reply) -> Frames:
        """The chunks of a stored reply; its whole text is one of them."""
        answer = reply["message"]
        self._base = _base(answer["id"], _seconds(answer), answer["metadata"]["model"])
        yield "chunk", _delta(self._base, {"role": "assistant", "content": answer["content"]})
        yield from self._last(reply)

    def _last(self, reply: Reply) -> list[Frame]:
        metadata = reply["message"]["metadata"]
        base = self._base | {"model": metadata["model"]}
        delta: Chunk = {"annotations": annotations_of(metadata, self._public_url)}
        if metadata.get("refused"):
            delta["refusal"] = reply["message"]["content"]
        last = _delta(base, delta, _finish_reason(reply["message"])) | _ours(reply, self._skipped)
        usage = [("chunk", base | {"choices": [], "usage": _usage(metadata)})] if self._include_usage else []
        return [("chunk", last), *usage, (END, {})]


def _base(answer_id: str, created: int, model: str) -> Chunk:
    return {"id": f"chatcmpl-{answer_id}", "object": "chat.completion.chunk", "created": created, "model": model}


def _delta(base: Chunk, delta: dict[str, object], finish: str | None = None) -> Chunk:
    return base | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def _seconds(answer: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(answer["created_at"]).timestamp())


def _usage(metadata: dict[str, Any]) -> dict[str, int]:
    return {name: metadata["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def data_line(_number: int, name: str, payload: Chunk) -> bytes:
    """A chunk as bytes: the events of OpenAI's streams have no names and no numbers."""
    return b"data: [DONE]\n\n" if name == END else f"data: {json.dumps(payload, allow_nan=False)}\n\n".encode()
