"""A reply as OpenAI's clients read it: one completion, or the chunks of a stream."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from chatbot.chat.api.sse_events import reply_of
from chatbot.chat.replies.reply import Done, Event, Failed, Start, Token
from chatbot.web.http.openai_errors import body_of

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


def chunks(
    events: Generator[Event, None, None], public_url: str, include_usage: bool, skipped: int = 0
) -> Generator[tuple[str, Chunk], None, None]:
    """The (name, payload) of each chunk of a reply as it is made; the names are for the log of a stream only."""
    with closing(events):
        base: Chunk = {}
        for event in events:
            if isinstance(event, Start):
                base = _base(event.turn.answer_id, int(event.turn.question.created_at.timestamp()), event.model)
                yield "chunk", _delta(base, {"role": "assistant", "content": ""})
            elif isinstance(event, Token):
                yield "chunk", _delta(base, {"content": event.text})
            elif isinstance(event, Failed):
                yield "error", body_of(event.error)
            elif isinstance(event, Done):
                yield from _last(base, reply_of(event), public_url, include_usage, skipped)


def chunks_again(
    reply: Reply, public_url: str, include_usage: bool, skipped: int = 0
) -> Generator[tuple[str, Chunk], None, None]:
    """The chunks of a stored reply; its whole text is one of them."""
    answer = reply["message"]
    base = _base(answer["id"], _seconds(answer), answer["metadata"]["model"])
    yield "chunk", _delta(base, {"role": "assistant", "content": answer["content"]})
    yield from _last(base, reply, public_url, include_usage, skipped)


def _last(
    base: Chunk, reply: Reply, public_url: str, include_usage: bool, skipped: int
) -> Generator[tuple[str, Chunk], None, None]:
    metadata = reply["message"]["metadata"]
    base = base | {"model": metadata["model"]}
    delta: Chunk = {"annotations": annotations_of(metadata, public_url)}
    if metadata.get("refused"):
        delta["refusal"] = reply["message"]["content"]
    yield "chunk", _delta(base, delta, _finish_reason(reply["message"])) | _ours(reply, skipped)
    if include_usage:
        yield "chunk", base | {"choices": [], "usage": _usage(metadata)}
    yield END, {}


def _base(answer_id: str, created: int, model: str) -> Chunk:
    return {"id": f"chatcmpl-{answer_id}", "object": "chat.completion.chunk", "created": created, "model": model}


def _delta(base: Chunk, delta: dict[str, object], finish: str | None = None) -> Chunk:
    return base | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def _seconds(answer: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(answer["created_at"]).timestamp())


def _usage(metadata: dict[str, Any]) -> dict[str, int]:
    return {name: metadata["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def as_data_lines(frames: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The bytes of a stream (chatbot/web/streaming/sse.py) without names and numbers of events, which OpenAI's streams
    have not.

    Each item is some frames, or comments, which stay.
    """
    try:
        for some in frames:
            yield b"".join(_as_data_line(frame) for frame in some.split(b"\n\n") if frame)
    finally:
        if isinstance(frames, Generator):
            frames.close()


def _as_data_line(frame: bytes) -> bytes:
    if frame.startswith(b":"):
        return frame + b"\n\n"
    name, _number, data = frame.split(b"\n", 2)
    return b"data: [DONE]\n\n" if name == f"event: {END}".encode() else data + b"\n\n"
