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
        self._progress, self._reads, self._begun = stream_progress(response), 0, 0

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
        pieces, parser = self._response.iter_bytes(), _EventParser(self._response.request)
        try:
            for piece in pieces:
                begun = parser.feed(piece)
                if parser.over:
                    break
                if not self._more_is_there(begun):
                    rests = parser.ends_in_text
                    yield from parser.take()
                    if rests:
                        time.sleep(min(LONGEST_REST, REST_EACH * (len(self._under_way) - 1)))
            parser.end()
        except Exception:
            yield from parser.take()
            raise
        yield from parser.take()
        if parser.over:
            _read_to_the_end(pieces)

    def _more_is_there(self, begun: int) -> bool:
        """Whether the last read has brought more events than the pieces so far, the newest with so many of them."""
        if self._reads != self._progress.reads:
            self._reads, self._begun = self._progress.reads, 0
        self._begun += begun
        return self._begun < self._progress.events


class _EventParser:
    """The events of a stream's bytes, as LangChain takes them. What is no stream of events is one event: some services
    answer with all of it at once."""

    def __init__(self, request: Any) -> None:
        self._request, self._lines = request, _Lines()
        self._name, self._data, self._others = "", list[bytes](), list[bytes]()
        self._ready: list[dict[str, Any]] = []
        self._any = self._finished = False
        # Whether the last event is text alone, and whether the service has said that there is no other.
        self.ends_in_text = self.over = False

    def feed(self, piece: bytes) -> int:
        """Reads a piece, and returns how many events begin in it.

        Raises:
            APIError: the provider tells an error.
            ValueError: what it sends is no JSON.
        """
        begun = 0
        for line in self._lines.feed(piece):
            begun += line.startswith(_DATA)
            self._read(line)
            if self.over:
                break
        return begun

    def end(self) -> None:
        """Reads what is left when nothing more comes, and adds the end that some services leave out."""
        if not self.over:
            for line in self._lines.end():
                self._read(line)
        if self.over:
            if not self._finished:
                self._add({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            return
        self._add(_whole(self._data))
        if not self._any and self._others[:1] and self._others[0].lstrip().startswith(b"{"):
            self._add(_whole(self._others))

    def take(self) -> list[dict[str, Any]]:
        """The events so far, once."""
        ready, self._ready, self.ends_in_text = self._ready, [], False
        return ready

    def _read(self, line: bytes) -> None:
        if line.startswith(_DATA):
            self._data.append(line[len(_DATA) :])
            self.over = self._data[0].lstrip().startswith(_END)
            # Some services send no empty line behind an event.
            event = _object(self._data[0]) if len(self._data) == 1 and not self.over else None
            if event is not None:
                self._add(event)
                self._data, self._others = [], []
        elif line.startswith(_EVENT):
            self._name = line[len(_EVENT) :].decode("utf-8", "replace").strip()
        elif line:
            self._others.append(line)
        else:
            self._add(_whole(self._data))
            self._name, self._data = "", []

    def _add(self, event: dict[str, Any]) -> None:
        """Adds an event, a text to the text before it. One that says nothing is left out.

        Raises:
            APIError: it tells an error.
        """
        if not event:
            return
        if error := _error_of(event, self._name):
            raise openai.APIError(_message(error), self._request, body=error)
        self._any, event = True, _complete(event)
        self._finished = self._finished or any(choice["finish_reason"] for choice in event["choices"])
        text = _text_of(event)
        if text is not None and self.ends_in_text:
            self._ready[-1]["choices"][0]["delta"]["content"] += text
            return
        self._ready.append(event)
        self.ends_in_text = text is not None


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


class _Lines:
    """Cuts a stream into lines."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._before = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that a piece completes."""
        if self._before.endswith(b"\r") and piece.startswith(b"\n"):
            # The second half of an end of a line.
            piece = piece[1:]
        elif not self._before:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        self._before = piece or self._before
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        lines = b"".join((*self._held, piece[:end])).splitlines() if end else []
        self._held = [piece[end:]] if end else [*self._held, piece]
        return lines

    def end(self) -> list[bytes]:
        """The last line, where nothing ends it."""
        return b"".join(self._held).splitlines()


def _message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) and message else "An error occurred during streaming"
