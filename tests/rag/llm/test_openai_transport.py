"""Streams of a provider that writes as this file tells it, byte by byte."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from openai import APIError

from chatbot.egress import ReadDeadline, provider_client, read_deadline
from chatbot.rag.llm import openai_transport
from chatbot.rag.llm.openai_transport import plain_streams as model_with

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(told: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(told), told)


def event(**choice: Any) -> bytes:
    told = {"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, **choice}]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def token(text: str) -> bytes:
    return chunk(event(delta={"content": text}))


STOP = chunk(event(delta={}, finish_reason="stop"))
DONE = chunk(b"data: [DONE]\n\n") + END


class Provider:
    """Answers each request with the writes it was given; each waits until the client has taken the one before."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.writes: list[bytes] = []
        self.sent, self.taken, self.closed = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.connections = 0
        self.hangs_up = False
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        yield
        self.closed.release()

    def _answer(self, connection: socket.socket) -> None:
        with self._noted(), closing(connection), connection.makefile("rb") as requests, suppress(OSError):
            while requests.readline():
                length = 0
                while (line := requests.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                requests.read(length)
                for written in self.writes:
                    connection.sendall(written)
                    self.sent.release()
                    if not self.taken.acquire(timeout=10):
                        return
                if self.hangs_up:
                    return

    def close(self) -> None:
        self._listener.close()
        self.taken.release(100)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.close()


@pytest.fixture
def model(provider: Provider) -> ChatOpenAI:
    return model_with(model="m", api_key="sk-test", base_url=provider.url, max_retries=0, http_client=provider_client())


def texts(model: ChatOpenAI, taken: Callable[[], object]) -> Iterator[str]:
    """The pieces of text. After each the provider may write on; what ends a stream is written with its last text."""
    stream = model.stream("Hello")
    with closing(stream):
        while True:
            with read_deadline(ReadDeadline(5, 5, 20, 1_000_000)):
                piece = next(stream, None)
            if piece is None:
                return
            if piece.text:
                yield piece.text
                taken()


def test_tokens_that_come_one_by_one_are_pieces_of_their_own(provider: Provider, model: ChatOpenAI) -> None:
    provider.writes = [HEAD + token("The"), token(" shop"), token(" opens") + STOP + DONE]

    assert list(texts(model, provider.taken.release)) == ["The", " shop", " opens"]


def test_tokens_that_have_come_together_are_one_piece(provider: Provider, model: ChatOpenAI) -> None:
    provider.writes = [
        HEAD + token("The"),
        token(" shop") + token(" opens") + token(" at"),
        token(" nine") + STOP + DONE,
    ]

    assert list(texts(model, provider.taken.release)) == ["The", " shop opens at", " nine"]


def test_tokens_that_come_with_the_headers_are_not_lost(provider: Provider, model: ChatOpenAI) -> None:
    provider.writes = [HEAD + token("The") + token(" shop") + token(" opens") + STOP + DONE]

    assert "".join(texts(model, provider.taken.release)) == "The shop opens"


def test_an_event_in_two_halves_is_one(provider: Provider, model: ChatOpenAI) -> None:
    whole = token(" shop") + token(" opens")
    provider.writes = [HEAD + token("The"), whole[:-40], whole[-40:] + STOP + DONE]
    provider.taken.release(2)

    assert "".join(texts(model, provider.taken.release)) == "The shop opens"


def test_a_token_does_not_wait_for_one_of_which_only_a_half_has_come(provider: Provider, model: ChatOpenAI) -> None:
    whole = token(" shop") + token(" opens")
    provider.writes = [HEAD + token("The"), whole[:-40], whole[-40:] + STOP + DONE]

    assert list(texts(model, provider.taken.release)) == ["The", " shop", " opens"]


FILTER = chunk(event(content_filter_offsets={"check_offset": 44}, content_filter_results={}, finish_reason=None))
ODD = {
    "a filter's word without a text": [token("The"), FILTER, token(" shop"), STOP],
    "an end without a text": [token("The"), token(" shop"), chunk(event(finish_reason="stop"))],
    "a text that is null": [token("The"), chunk(event(delta=None)), token(" shop"), STOP],
    "no choices": [token("The"), chunk(b'data: {"choices": null}\n\ndata: {"usage": [1]}\n\n'), token(" shop"), STOP],
    "parts instead of a text": [
        chunk(event(delta={"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]})),
        chunk(event(delta={"content": [{"type": "text", "text": "The"}, {"type": "text", "text": " shop"}]})),
        STOP,
    ],
    "thoughts in fields of their own": [
        chunk(event(delta={"role": "assistant", "content": None, "reasoning_content": "Hm"})),
        chunk(event(delta={"content": "", "reasoning": "Hm", "reasoning_details": []})),
        chunk(event(delta={"content": "The", "reasoning_content": None})),
        token(" shop"),
        STOP,
    ],
    "data of several lines": [
        chunk(b'data: {"choices": [\ndata: {"index": 0, "delta": {"content": "The shop"}}\ndata: ]}\n\n'),
        STOP,
    ],
    "data of several lines with CRLF in two halves": [
        chunk(b'data: {"choices": [\r'),
        chunk(b'\ndata: {"index": 0, "delta": {"content": "The shop"}}]}\r\n\r\n'),
        STOP,
    ],
    "no empty lines between events": [
        chunk(
            b'data: {"choices": [{"delta": {"content": "The"}}]}\n'
            b'data: {"choices": [{"delta": {"content": " shop"}}]}\n'
        ),
        STOP,
    ],
    "signs of life": [
        chunk(b": comment\n\ndata:\n\ndata: \n\nevent: ping\ndata: {}\n\ndata: null\n\ndata: ping\n\nretry: 5\n\n"),
        token("The shop"),
        STOP,
    ],
    "a byte order mark": [chunk(b"\xef\xbb\xbf" + event(delta={"content": "The shop"})), STOP],
    "ids and roles that are null": [
        chunk(b'data: {"id": null, "model": null, "choices": [{"delta": {"role": null, "content": "The"}}]}\n\n'),
        chunk(event(delta={"role": "", "content": " shop"}, finish_reason="null")),
        STOP,
    ],
    "usage that is none": [
        token("The shop"),
        chunk(b'data: {"choices": [], "usage": {"prompt_tokens": null, "completion_tokens": "many"}}\n\n'),
        STOP,
    ],
    "no reason to end": [token("The shop")],
    "a message instead of a delta": [chunk(event(message={"role": "assistant", "content": "The shop"})), STOP],
    "a choice that is none": [token("The"), chunk(b'data: {"choices": [null]}\n\n'), token(" shop"), STOP],
}


@pytest.mark.parametrize("events", ODD.values(), ids=ODD)
def test_what_services_leave_out_is_no_error(provider: Provider, model: ChatOpenAI, events: list[bytes]) -> None:
    """Azure's filter, for one, tells of texts in events of its own."""
    provider.writes = [HEAD + b"".join(events) + DONE]
    chunks = []
    with read_deadline(ReadDeadline(5, 5, 20, 1_000_000)), closing(model.stream("Hello")) as stream:
        chunks.extend(stream)

    assert "".join(piece.text for piece in chunks) == "The shop"
    assert [reason for piece in chunks if (reason := piece.response_metadata.get("finish_reason"))] == ["stop"]


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9}


@pytest.mark.parametrize(
    "event_", [{"usage": USAGE}, {"x_groq": {"usage": USAGE}}, {"choices": [{"delta": {}, "usage": USAGE}]}], ids=str
)
def test_usage_is_found_wherever_it_stands(provider: Provider, model: ChatOpenAI, event_: dict[str, Any]) -> None:
    told = {"choices": [], **event_}
    provider.writes = [HEAD + token("The shop") + chunk(b"data: " + json.dumps(told).encode() + b"\n\n") + STOP + DONE]
    with read_deadline(ReadDeadline(5, 5, 20, 1_000_000)), closing(model.stream("Hello")) as stream:
        (usage,) = [piece.usage_metadata for piece in stream if piece.usage_metadata]

    assert (usage["input_tokens"], usage["output_tokens"]) == (3, 2)


@pytest.mark.parametrize(
    "told",
    [
        b'event: error\ndata: {"message": "overloaded"}\n\n',
        b'data: {"object": "error", "message": "overloaded", "code": 400}\n\n',
        b'data: {"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "away"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}\n\n',
        b'{"error": {"message": "Insufficient credits.", "code": 402}}',
        b'{\n  "detail": "no such route"\n}\n',
    ],
)
def test_an_error_is_one_wherever_it_is_told(provider: Provider, model: ChatOpenAI, told: bytes) -> None:
    provider.writes = [HEAD + chunk(told) + DONE.removeprefix(chunk(b"data: [DONE]\n\n"))]

    with pytest.raises(APIError):
        list(texts(model, provider.taken.release))


def test_a_refusal_and_thoughts_are_told_beside_the_text(provider: Provider, model: ChatOpenAI) -> None:
    refused = chunk(event(delta={"content": None, "refusal": "I cannot"}))
    parts = chunk(event(delta={"content": [{"type": "refusal", "refusal": " help"}]}))
    provider.writes = [HEAD + chunk(event(delta={"reasoning_content": "Hm"})) + refused + parts + STOP + DONE]
    with read_deadline(ReadDeadline(5, 5, 20, 1_000_000)), closing(model.stream("Hello")) as stream:
        told = [piece.additional_kwargs for piece in stream]

    assert "".join(one.get("refusal", "") for one in told) == "I cannot help"
    assert sum(one.get("thinks", False) for one in told) == 1


def test_what_comes_beside_a_text_is_not_lost(provider: Provider, model: ChatOpenAI) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    provider.writes = [HEAD + chunk(event(delta={"content": "The", "tool_calls": [call]})) + STOP + DONE]
    with read_deadline(ReadDeadline(5, 5, 20, 1_000_000)), closing(model.stream("Hello")) as stream:
        found = [(piece.text, [one["name"] for one in piece.tool_call_chunks]) for piece in stream]

    assert ("The", ["look"]) in found


@pytest.mark.parametrize("told", [b'{"choices": [{"delta": {"tool_calls": [{"function": null}]}}]}', b"[" * 100_000])
def test_an_event_that_cannot_be_understood_is_an_error_of_the_provider(
    provider: Provider, model: ChatOpenAI, told: bytes
) -> None:
    provider.writes = [HEAD + chunk(b"data: " + told + b"\n\n") + DONE]

    with pytest.raises((ValueError, APIError)):
        list(texts(model, provider.taken.release))


def test_a_text_is_read_as_utf_8_whatever_is_said_of_it(provider: Provider, model: ChatOpenAI) -> None:
    head = HEAD.replace(b"event-stream", b"event-stream; charset=iso-8859-1")
    said = b'data: {"choices": [{"index": 0, "delta": {"content": "K\xc3\xb6ln"}}]}\n\n'
    provider.writes = [head + chunk(said) + STOP + DONE]

    assert list(texts(model, provider.taken.release)) == ["K\u00f6ln"]


@pytest.mark.parametrize("broken", [b"data: {oops\n\n", b'data: {"error": {"message": "overloaded"}}\n\n'])
def test_what_came_before_an_error_in_one_piece_with_it_is_told(
    provider: Provider, model: ChatOpenAI, broken: bytes
) -> None:
    provider.writes = [HEAD + token("The") + token(" shop") + chunk(broken) + END]
    heard: list[str] = []

    with pytest.raises((ValueError, APIError)):
        heard.extend(texts(model, provider.taken.release))

    assert "".join(heard) == "The shop"


def test_the_connection_of_an_answer_serves_the_next_one(provider: Provider, model: ChatOpenAI) -> None:
    provider.writes = [HEAD + token("The shop") + STOP + DONE]

    for _ in range(3):
        assert list(texts(model, provider.taken.release)) == ["The shop"]

    assert provider.connections == 1


def test_a_connection_that_the_provider_has_closed_meanwhile_is_not_used_again(
    provider: Provider, model: ChatOpenAI
) -> None:
    provider.writes, provider.hangs_up = [HEAD + token("The shop") + STOP + DONE], True

    for answered in range(1, 4):
        assert list(texts(model, provider.taken.release)) == ["The shop"]
        assert provider.connections == answered
        assert provider.closed.acquire(timeout=10)


def test_what_comes_unasked_is_not_the_next_answer(provider: Provider, model: ChatOpenAI) -> None:
    def answer(text: str) -> bytes:
        return HEAD + token(text) + STOP + DONE

    provider.writes = [answer("The shop"), answer("Something else")]
    assert list(texts(model, lambda: None)) == ["The shop"]
    assert provider.sent.acquire(timeout=10)
    provider.taken.release()
    assert provider.sent.acquire(timeout=10)

    provider.writes = [answer("The door")]
    assert list(texts(model, lambda: None)) == ["The door"]
    assert provider.connections == 2


def test_an_answer_whose_provider_does_not_end_it_is_over_all_the_same(provider: Provider, model: ChatOpenAI) -> None:
    provider.writes = [HEAD + token("The shop") + STOP + DONE.removesuffix(END)]

    assert list(texts(model, provider.taken.release)) == ["The shop"]


def test_a_stream_rests_after_a_piece_the_longer_the_more_there_are_beside_it(
    provider: Provider, model: ChatOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(openai_transport.time, "sleep", rests.append)
    provider.writes = [HEAD + token("The"), token(" shop") + STOP + DONE]

    for beside in (0, 10, 1_000):
        model.client.under_way = {object() for _ in range(beside)}
        assert list(texts(model, provider.taken.release)) == ["The", " shop"]

    assert sorted(set(rests)) == [0.0, 10 * openai_transport.REST_EACH, openai_transport.LONGEST_REST]
    assert len(model.client.under_way) == 1_000
