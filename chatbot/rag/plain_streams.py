"""Streams of the OpenAI client as plain JSON.

The client makes an object of checked types of every event, which takes longer than all the rest that is done with a
token. langchain-openai takes plain dictionaries as well; so the client still sends the request and tells errors of
the first answer, and the events are read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
from langchain_openai import ChatOpenAI

_DATA, _END = "data:", "[DONE]"


def with_plain_streams(model: ChatOpenAI) -> ChatOpenAI:
    """The model, whose streams are read as plain JSON from now on."""
    model.client = _Completions(model.client)
    return model


class _Completions:
    """The client's completions. Everything but a stream is as it was."""

    def __init__(self, completions: Any) -> None:
        self._completions = completions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._completions, name)

    def create(self, **payload: Any) -> Any:
        if not payload.get("stream"):
            return self._completions.create(**payload)
        return _Events(self._completions.with_raw_response.create(**payload).http_response)


class _Events:
    """The events of a stream, each a dictionary. Leaving the `with` hangs up on the provider."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __enter__(self) -> _Events:
        return self

    def __exit__(self, *_error: object) -> None:
        self._response.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The events until the last one.

        Raises:
            APIError: the provider tells an error in its stream.
            ValueError: what it sends is no JSON.
        """
        for line in self._response.iter_lines():
            if not line.startswith(_DATA):
                continue
            told = line[len(_DATA) :].strip()
            if told.startswith(_END):
                return
            event = json.loads(told)
            if not isinstance(event, dict):
                raise ValueError("an event of the provider is no object")
            if error := event.get("error"):
                raise openai.APIError(_message(error), self._response.request, body=error)
            yield event


def _message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) and message else "An error occurred during streaming"
