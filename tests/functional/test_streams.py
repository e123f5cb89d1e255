"""Streams over real sockets: clients who leave, and servers that are told to stop."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import Any

import requests

from tests.functional.house import ProcessFleet, wait_for
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"


def send(house: ProcessFleet, person: dict[str, str], message: str) -> bytes:
    """The bytes of a request for a streamed answer."""
    body = json.dumps({"message": message, "stream": True, "model": MODEL}).encode()
    lines = ["POST /api/chat/send/ HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Authorization: {person['Authorization']}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def messages(house: ProcessFleet, person: dict[str, str]) -> list[dict[str, Any]]:
    """The messages of the person's only conversation."""
    (chat,) = requests.get(f"{house.url}/api/chat/history/", headers=person, timeout=20).json()["items"]
    url = f"{house.url}/api/chat/sessions/{chat['id']}/messages/"
    return list(requests.get(url, headers=person, timeout=20).json()["items"])


def test_a_client_who_leaves_leaves_what_was_said_and_costs_no_more(
    house: ProcessFleet, provider: OpenAIServer
) -> None:
    """K4"""
    ida = house.sign_up("ida")
    provider.behave(MODEL, "slow")
    provider.say(MODEL, "word " * 2000)
    before = len(provider.requests)
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as client:
        client.sendall(send(house, ida, "Tell me a very long story about lighthouses."))
        heard = b""
        while heard.count(b"event: token") < 5:
            heard += client.recv(4096)
    left = time.monotonic()

    call = provider.requests[before]
    wait_for(lambda: call.left_at, 2, "the provider's call is cancelled")
    wait_for(lambda: len(messages(house, ida)) == 2, 2, "the partial answer is stored")

    assert (call.left_at or 0) - left < 1.5
    partial = messages(house, ida)[1]
    assert partial["status"] == "interrupted"
    assert partial["content"].count("word") >= 3
    assert partial["content"].count("word") < 100


def test_a_server_that_is_told_to_stop_finishes_its_streams(house: ProcessFleet, provider: OpenAIServer) -> None:
    """K12"""
    emmy = house.sign_up("emmy")
    provider.behave(MODEL, "slow")
    provider.say(MODEL, " ".join(f"word{n}" for n in range(40)))
    other = house.on_another_port()
    try:
        other.start("web")
        other.ready()
        with socket.create_connection(("127.0.0.1", other.port), timeout=20) as client:
            client.sendall(send(other, emmy, "Count, please, from one lighthouse to the next."))
            heard = b""
            while heard.count(b"event: token") < 3:
                heard += client.recv(4096)
            master = other.signal("web", signal.SIGTERM)
            while data := client.recv(65536):
                heard += data
        assert b"word39" in heard
        assert b"event: done" in heard
        assert master.wait(15) == 0
    finally:
        other.close()
    assert messages(house, emmy)[1]["status"] == "complete"
