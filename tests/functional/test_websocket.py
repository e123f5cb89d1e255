"""A WebSocket through gunicorn, and readers who stop reading."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.talking import talking
from tests.functional.house import ProcessFleet, wait_for
from tests.functional.test_streams import messages, send
from tests.openai_server import ANSWER, OpenAIServer

MODEL = "gpt-3.5-turbo"


@pytest.fixture(scope="module")
def other(house: ProcessFleet) -> Iterator[ProcessFleet]:
    """A web process of its own on the house's folder, which is patient with nobody."""
    other = house.on_another_port()
    other.environment |= {
        "STALLED_READER_SECONDS": "1",
        "MODEL_ANSWER_TOKENS": "1000000",
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "4",
    }
    try:
        other.start("web")
        other.ready()
        yield other
    finally:
        other.close()


def address(house: ProcessFleet) -> str:
    return f"ws://127.0.0.1:{house.port}/api/chat/ws/"


def test_a_reader_who_stops_reading_is_closed_and_what_was_said_is_kept(
    house: ProcessFleet, other: ProcessFleet, provider: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K5, Q3"""
    vera = house.sign_up("vera")
    provider.behave(MODEL, "slow")
    provider.say(MODEL, "word " * 20_000)
    monkeypatch.setattr(provider, "token_seconds", 0.002)
    before = len(provider.requests)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", other.port))
        client.sendall(send(other, vera, "Tell me a story of lighthouses without an end."))
        client.recv(1024)

        call = provider.requests
        wait_for(lambda: len(call) > before and call[before].left_at, 20, "the provider's call is cancelled")
        wait_for(lambda: len(messages(house, vera)) == 2, 10, "the partial answer is stored")

    assert messages(house, vera)[1]["status"] == "interrupted"
    assert "word" in messages(house, vera)[1]["content"]
    # It was not the model that has ended it.
    assert "reply_stopped" in other.log("web")
    assert "model_failed" not in other.log("web")
    # Place and thread are free again.
    provider.behave(MODEL, "answers")
    provider.say(MODEL, ANSWER)
    for _ in range(3):
        assert other.ask(vera, "Another question?")["message"]["status"] == "complete"


def test_a_conversation_over_a_websocket_and_the_end_of_its_server(
    house: ProcessFleet, other: ProcessFleet, provider: OpenAIServer
) -> None:
    """K12, K13: a token is never logged, wherever it came."""
    will = house.sign_up("will")
    access = will["Authorization"].removeprefix("Bearer ")
    provider.behave(MODEL, "answers")
    provider.say(MODEL, "word " * 1_000)
    with talking(f"{address(other)}?access={access}") as ws:
        assert ws.closing() == (1008, "The address takes no parameters.")
    with talking(address(other), access) as ws:
        long = ws.ask("Tell me a very long story.", model=MODEL)
        assert long[-1][2]["message"]["content"].count("word") == 1_000
        again = ws.ask("And a short one?", chat_session_id=long[-1][2]["chat_session_id"], model="extractive")
        assert again[-1][2]["message"]["status"] == "complete"

        master = other.signal("web", signal.SIGTERM)

        assert ws.closing()[0] == 1001
    assert master.wait(20) == 0
    log = Path(other.folder / "web.log").read_text(encoding="utf-8")
    assert "socket_closed" in log
    assert access.rpartition(".")[2] not in log
    assert "socket_failed" not in log
