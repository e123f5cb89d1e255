"""Streams of the OpenAI client as plain JSON.

The client makes an object of checked types of every event, which takes longer than all the rest that is done with a
token. langchain-openai takes plain dictionaries as well; so the client still sends the request and tells errors of
the first answer, and the events are read here. Where many streams are under way, each rests between two reads, and
what has come meanwhile is one piece: the rest of its way is gone once for several tokens.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from chatbot.egress import HttpError, ReadDeadline, read_deadline, stream_progress
from chatbot.rag.compatibility import Compatibility

# What each stream that is under way beside it lets a stream rest after a piece of text, and the longest rest, in
# seconds: nobody sees so short a one.
REST_EACH, LONGEST_REST = 0.002, 0.05
# So long is waited for the end of a body behind its last event, in seconds, and so much of it is read.
END_SECONDS, END_BYTES = 0.05, 65_536

_DATA, _EVENT, _END = b"data:", b"event:", b"[DONE]"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What some services send as data to keep the line open.
_NO_NEWS = ("", "null", "ping", "keepalive", "keep-alive", "heartbeat", ":")
_NO_MESSAGE = AIMessageChunk(content="", response_metadata={"model_provider": "openai"})
_NO_TEXT = ChatGenerationChunk(message=_NO_MESSAGE)


def plain_streams(**options: Any) -> ChatOpenAI:
    """A model whose streams are read as plain JSON."""
    model = _PlainStreams(**options)
    model.client = _Completions(model.client)
    return model


class _PlainStreams(ChatOpenAI):
    """What ChatOpenAI is, with less work for each piece of text."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        """LangChain's chunk. For a piece of text it is a copy of an empty one: nothing in it is to be checked."""
        text = None if base_generation_info else _text_of(chunk)
        if text is not None:
            message = _NO_MESSAGE.model_copy(update={"content": text})
            return _NO_TEXT.model_copy(update={"message": message, "text": text})
        try:
            made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError("an event of the provider is none of OpenAI's protocol") from error
        delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
        if made is not None:
            # LangChain leaves these out.
            made.message.additional_kwargs |= {name: delta[name] for name in ("refusal", "thinks") if delta.get(name)}
        return made

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        """LangChain's result of a call that is not streamed."""
        try:
            result = super()._create_chat_result(response, generation_info)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError("an answer of the provider is none of OpenAI's protocol") from error
        if not result.generations:
            raise ValueError("an answer of the provider has no choices")
        return result


def _text_of(event: dict[str, Any]) -> str | None:
    """The text of an event that has nothing else."""
    choices = event.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict) or event.get("usage"):
        return None
    choice, delta = choices[0], choices[0].get("delta")
    if choice.get("finish_reason") or choice.get("logprobs") or not isinstance(delta, dict) or delta.keys() - _TEXT:
        return None
    text = delta.get("content")
    return text if isinstance(text, str) and text and delta.get("role") in (None, "assistant") else None


_TEXT = {"role", "content"}
# Where services write what a model thinks, and what they write as a reason to end while there is none.
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking")
_NO_REASON = ("", "null", "none")


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Events of text as one."""
    if len(events) == 1:
        return events[0]
    choice = events[0]["choices"][0]
    text = "".join(event["choices"][0]["delta"]["content"] for event in events)
    return {**events[0], "choices": [{**choice, "delta": {**choice["delta"], "content": text}}]}


class _Completions:
    """The client's completions, without the fields that the server refuses."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions
        self._compatibility = Compatibility()
        self.under_way: set[_Events] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._completions, name)

    @property
    def with_raw_response(self) -> Any:
        """Calls that are not streamed."""
        return SimpleNamespace(create=lambda **payload: self._compatibility.send(self._send, payload))

    def create(self, **payload: Any) -> Any:
        response = self._compatibility.send(self._send, payload)
        return _Events(response.http_response, self.under_way) if payload.get("stream") else response.parse()

    def _send(self, **payload: Any) -> Any:
        # The client looks at the type of every part of every message; what is in `extra_body` it sends as it is.
        as_it_is = {**(payload.get("extra_body") or {}), "messages": payload["messages"]}
        return self._completions.with_raw_response.create(**payload | {"messages": [], "extra_body": as_it_is})


class _Events:
    """The events of a stream, each a dictionary. Leaving the `with` hangs up on the provider."""

    def __init__(self, response: Any, under_way: set[_Events]) -> None:
        self._response, self._under_way = response, under_way
        self._heard, self._reads, self._taken = stream_progress(response), 0, 0
        self._begun = self._ended = False

    def __enter__(self) -> _Events:
        self._under_way.add(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._under_way.discard(self)
        self._response.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The events until the last one; texts that have come together are one event.

        Raises:
            APIError: the provider tells an error in its stream.
            ValueError: what it sends is no JSON.
        """
        texts: list[dict[str, Any]] = []
        try:
            for event in self._told():
                if _text_of(event) is not None:
                    texts.append(event)
                    if not self._more_is_there():
                        yield _joined(texts)
                        texts = []
                        time.sleep(min(LONGEST_REST, REST_EACH * (len(self._under_way) - 1)))
                    continue
                if texts:
                    yield _joined(texts)
                    texts = []
                yield event
        except Exception:
            if texts:
                yield _joined(texts)
            raise
        if texts:
            yield _joined(texts)

    def _told(self) -> Iterator[dict[str, Any]]:
        """The events, one by one. What is no stream of events is one: some services answer with all of it at once."""
        pieces = self._response.iter_bytes()
        name, data, others = "", list[bytes](), list[bytes]()
        for lines in _lines(pieces):
            for line in lines:
                if line.startswith(_DATA):
                    self._take()
                    data.append(line[len(_DATA) :])
                    if data[0].lstrip().startswith(_END):
                        _read_to_the_end(pieces)
                        yield from self._end()
                        return
                    # Some services send no empty line behind an event.
                    event = _object(data[0]) if len(data) == 1 else None
                    if event is not None:
                        yield from self._event(event, name)
                        data, others = [], []
                elif line.startswith(_EVENT):
                    name = line[len(_EVENT) :].decode("utf-8", "replace").strip()
                elif line:
                    others.append(line)
                else:
                    yield from self._event(_whole(data), name)
                    name, data = "", []
        yield from self._event(_whole(data), name)
        if not self._begun and others[:1] and others[0].lstrip().startswith(b"{"):
            yield from self._event(_whole(others), name)

    def _end(self) -> Iterator[dict[str, Any]]:
        """What a service leaves out that ends its stream and tells no reason."""
        if not self._ended:
            yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}

    def _take(self) -> None:
        """Counts an event among those of the last read."""
        if self._reads != self._heard.reads:
            self._reads, self._taken = self._heard.reads, 0
        self._taken += 1

    def _more_is_there(self) -> bool:
        return self._taken < self._heard.events

    def _event(self, event: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """An event as LangChain takes it; of one that says nothing, nothing.

        Raises:
            APIError: it tells an error.
        """
        if not event:
            return
        if error := _error_of(event, name):
            raise openai.APIError(_message(error), self._response.request, body=error)
        self._begun = True
        event = _complete(event)
        self._ended = self._ended or any(choice["finish_reason"] for choice in event["choices"])
        yield event


def _whole(lines: list[bytes]) -> dict[str, Any]:
    """The event of all its lines; empty where they say nothing.

    Raises:
        ValueError: it is no JSON.
    """
    event = _object(b"\n".join(lines))
    if event is None:
        raise ValueError("an event of the provider is no JSON")
    return event


def _object(told: bytes) -> dict[str, Any] | None:
    """The object of an event, empty for what only keeps the line open; None for what is no JSON, or not all of it."""
    text = told.decode("utf-8", "replace").strip()
    if text.lower() in _NO_NEWS:
        return {}
    try:
        event = json.loads(text)
    except RecursionError:
        raise ValueError("an event of the provider is too deep") from None
    except ValueError:
        return None
    if not isinstance(event, dict):
        raise ValueError("an event of the provider is no object")
    return event


def _error_of(event: dict[str, Any], name: str) -> Any:
    """What an event tells of an error: in a field, by its name, by its kind, or as the end of its text."""
    if error := event.get("error"):
        return error
    choices = event.get("choices")
    if name == "error" or "error" in (event.get("object"), event.get("type")):
        return event
    if not isinstance(choices, list):
        # An error of a gateway, with the status 200.
        return event if choices is None and ("message" in event or "detail" in event) else None
    for choice in choices:
        if isinstance(choice, dict) and (choice.get("error") or choice.get("finish_reason") == "error"):
            return choice.get("error") or choice
    return None


def _complete(event: dict[str, Any]) -> dict[str, Any]:
    """An event with what some services leave out or write in another place or form."""
    told = event.get("choices")
    choices = [choice for choice in told if isinstance(choice, dict)] if isinstance(told, list) else []
    for choice in choices:
        # An answer that is whole has a message.
        delta = choice.get("delta") or choice.get("message")
        choice["delta"] = _plain(delta) if isinstance(delta, dict) else {}
        reason = choice.get("finish_reason")
        choice["finish_reason"] = reason if isinstance(reason, str) and reason.lower() not in _NO_REASON else None
    groq = event.get("x_groq")
    usages = (
        event.get("usage"),
        groq.get("usage") if isinstance(groq, dict) else None,
        *(c.get("usage") for c in choices),
    )
    event["choices"] = choices
    event["usage"] = next((usage for told in usages if (usage := _usage(told))), None)
    return event


def _plain(delta: dict[str, Any]) -> dict[str, Any]:
    """A piece of a message with its text as one string. Of what the model thinks only that it does is kept."""
    content = delta.get("content")
    if isinstance(content, str) and not delta.keys() - _TEXT and delta.get("role") in (None, "assistant"):
        return delta
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    text = content if isinstance(content, str) else "".join(_strings(parts, "text"))
    refusal = delta.get("refusal")
    plain = {name: delta[name] for name in ("tool_calls", "function_call") if delta.get(name)}
    plain |= {"role": "assistant", "content": text}
    plain["refusal"] = refusal if isinstance(refusal, str) else "".join(_strings(parts, "refusal"))
    plain["thinks"] = any(delta.get(name) for name in _THOUGHTS) or (bool(parts) and not (text or plain["refusal"]))
    return {name: value for name, value in plain.items() if value or name == "content"}


def _strings(parts: list[dict[str, Any]], name: str) -> Iterator[str]:
    for part in parts:
        if part.get("type", name) in (name, f"output_{name}") and isinstance(part.get(name), str):
            yield part[name]


def _usage(told: Any) -> dict[str, int] | None:
    """The tokens that a service has counted; None where it has not, or tells something else."""
    if not isinstance(told, dict):
        return None
    prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _read_to_the_end(pieces: Iterable[bytes]) -> None:
    """Takes the end of a body, which mostly has come as well: only then its connection serves the next answer."""
    with suppress(HttpError), read_deadline(ReadDeadline(END_SECONDS, END_SECONDS, END_SECONDS, END_BYTES)):
        for _ in pieces:
            pass


def _lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines that each piece completes, at the end also one without an end."""
    held: list[bytes] = []
    before = b""
    for piece in pieces:
        if before.endswith(b"\r") and piece.startswith(b"\n"):
            # The second half of an end of a line.
            piece = piece[1:]
        elif not before:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        before = piece or before
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if end:
            yield b"".join((*held, piece[:end])).splitlines()
            held = []
        held.append(piece[end:])
    yield b"".join(held).splitlines()


def _message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) and message else "An error occurred during streaming"
