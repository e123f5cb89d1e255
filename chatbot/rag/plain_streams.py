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
from typing import Any

import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from chatbot.egress import HttpError, Patience, heard, waiting

# What each stream that is under way beside it lets a stream rest after a piece of text, and the longest rest, in
# seconds: nobody sees so short a one.
REST_EACH, LONGEST_REST = 0.002, 0.05
# So long is waited for the end of a body behind its last event, in seconds, and so much of it is read.
END_SECONDS, END_BYTES = 0.05, 65_536

_DATA, _END = b"data:", "[DONE]"
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
        if text is None:
            try:
                return super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
            except (AttributeError, LookupError, TypeError) as error:
                raise ValueError("an event of the provider is none of OpenAI's protocol") from error
        message = _NO_MESSAGE.model_copy(update={"content": text})
        return _NO_TEXT.model_copy(update={"message": message, "text": text})


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


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Events of text as one."""
    if len(events) == 1:
        return events[0]
    choice = events[0]["choices"][0]
    text = "".join(event["choices"][0]["delta"]["content"] for event in events)
    return {**events[0], "choices": [{**choice, "delta": {**choice["delta"], "content": text}}]}


class _Completions:
    """The client's completions. Everything but a stream is as it was."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions
        self.under_way: set[_Events] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._completions, name)

    def create(self, **payload: Any) -> Any:
        if not payload.get("stream"):
            return self._completions.create(**payload)
        # The client looks at the type of every part of every message; what is in `extra_body` it sends as it is.
        as_it_is = {**(payload.get("extra_body") or {}), "messages": payload["messages"]}
        response = self._completions.with_raw_response.create(**payload | {"messages": [], "extra_body": as_it_is})
        return _Events(response.http_response, self.under_way)


class _Events:
    """The events of a stream, each a dictionary. Leaving the `with` hangs up on the provider."""

    def __init__(self, response: Any, under_way: set[_Events]) -> None:
        self._response, self._under_way = response, under_way
        self._heard, self._reads, self._taken = heard(response), 0, 0

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
        pieces = self._response.iter_bytes()
        for lines in _lines(pieces):
            for line in lines:
                if not line.startswith(_DATA):
                    continue
                self._take()
                told = line[len(_DATA) :].decode("utf-8", "replace").strip()
                if told.startswith(_END):
                    _read_to_the_end(pieces)
                    return
                yield self._event(told)

    def _take(self) -> None:
        """Counts an event among those of the last read."""
        if self._reads != self._heard.reads:
            self._reads, self._taken = self._heard.reads, 0
        self._taken += 1

    def _more_is_there(self) -> bool:
        return self._taken < self._heard.events

    def _event(self, told: str) -> dict[str, Any]:
        try:
            event = json.loads(told)
        except RecursionError:
            raise ValueError("an event of the provider is too deep") from None
        if not isinstance(event, dict):
            raise ValueError("an event of the provider is no object")
        if error := event.get("error"):
            raise openai.APIError(_message(error), self._response.request, body=error)
        return _complete(event)


def _complete(event: dict[str, Any]) -> dict[str, Any]:
    """An event with what some services leave out: Azure's filter tells of a text without one, and some end without."""
    choices = event.get("choices")
    event["choices"] = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    for choice in event["choices"]:
        if not isinstance(choice.get("delta"), dict):
            choice["delta"] = {}
    if not isinstance(event.get("usage"), dict):
        event["usage"] = None
    return event


def _read_to_the_end(pieces: Iterable[bytes]) -> None:
    """Takes the end of a body, which mostly has come as well: only then its connection serves the next answer."""
    with suppress(HttpError), waiting(Patience(END_SECONDS, END_SECONDS, END_SECONDS, END_BYTES)):
        for _ in pieces:
            pass


def _lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines that each piece completes, at the end also one without an end."""
    held: list[bytes] = []
    for piece in pieces:
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if end:
            yield b"".join((*held, piece[:end])).splitlines()
            held = []
        held.append(piece[end:])
    yield b"".join(held).splitlines()


def _message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) and message else "An error occurred during streaming"
