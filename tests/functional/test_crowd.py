"""Many clients at once, slow ones and half-open ones, at a real server with the project's own configuration."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.chat.talking import talking
from tests.functional.house import PASSWORD, ProcessFleet, wait_for
from tests.functional.test_streams import MODEL, messages, send
from tests.openai_server import OpenAIServer, running

PLACES = 100
WORDS = [f"word{n}" for n in range(20)]


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with running() as server:
        server.say(MODEL, " ".join(WORDS))
        yield server


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, models_path: Path, model: OpenAIServer) -> Iterator[ProcessFleet]:
    """One web process with places for a hundred answers."""
    house = ProcessFleet(
        tmp_path_factory.mktemp("hall"),
        models_path,
        WEB_STREAMS=PLACES,
        OPENAI_API_KEY="sk-test-0123456789abcdef",
        OPENAI_BASE_URL=model.base_url,
        CHAT_MODEL=MODEL,
        EMBEDDING_MODEL="all-MiniLM-L6-v2",
    )
    try:
        house.start("web")
        house.ready()
        house.sign_up("ada")
        yield house
    finally:
        house.close()


@pytest.fixture
def ada(hall: ProcessFleet) -> dict[str, str]:
    return hall.log_in("ada")


def connect(house: ProcessFleet) -> socket.socket:
    return socket.create_connection(("127.0.0.1", house.port), timeout=30)


def heard_all(client: socket.socket) -> bytes:
    """Everything until the server closes the connection, or ends its answer."""
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            heard += data
            if heard.endswith(b"0\r\n\r\n"):
                break
    return heard


def still_serves(house: ProcessFleet) -> None:
    """Health answers and somebody can sign in, while whatever is going on goes on."""
    assert requests.get(f"{house.url}/healthz", timeout=10).status_code == 200
    fields = {"email": "ada@example.com", "password": PASSWORD}
    assert requests.post(f"{house.url}/api/users/login/", json=fields, timeout=10).status_code == 200


def test_a_hundred_streams_at_once_are_all_whole_and_one_more_is_told_to_come_back(
    hall: ProcessFleet, model: OpenAIServer, ada: dict[str, str]
) -> None:
    """K15, Q4"""
    hold = threading.Event()

    def told(_body: object) -> str:
        hold.wait(60)
        return " ".join(WORDS)

    model.say(MODEL, told)
    try:
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(PLACES) as readers:
            clients = [stack.enter_context(connect(hall)) for _ in range(PLACES)]
            before = len(model.requests)
            answers = []
            for client in clients:
                client.sendall(send(hall, ada, "Count, please."))
                answers.append(readers.submit(heard_all, client))
            wait_for(lambda: len(model.requests) - before == PLACES, 60, "all are under way")

            url = f"{hall.url}/api/chat/send/"
            refused = requests.post(url, json={"message": "Me too."}, headers=ada, timeout=10)
            still_serves(hall)
            hold.set()
            heard = [answer.result(60) for answer in answers]
    finally:
        hold.set()
        model.say(MODEL, " ".join(WORDS))

    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert [answer for answer in heard if answer.count(b"event: done") != 1 or b"word19" not in answer] == []


def test_half_open_connections_starve_nobody_and_are_hung_up_on(hall: ProcessFleet) -> None:
    """Q1"""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(hall)) for _ in range(150)]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: lo")
        still_serves(hall)

        for client in clients:
            assert heard_all(client) == b""


def test_a_body_that_drips_is_given_up_and_a_websocket_that_is_silent_is_not(
    hall: ProcessFleet, ada: dict[str, str]
) -> None:
    """Q2"""
    head = b"POST /api/users/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    access = ada["Authorization"].removeprefix("Bearer ")
    with talking(f"ws://127.0.0.1:{hall.port}/api/chat/ws/", access) as silent, connect(hall) as client:
        client.sendall(head + b"Content-Length: 4000\r\n\r\n{")
        over = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not over.wait(0.5):
                    client.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        still_serves(hall)
        heard = heard_all(client)
        over.set()
        dripping.join()
        told = silent.ask("Count, please.")

    assert heard.startswith(b"HTTP/1.1 400") or heard == b""
    assert told[-1][0] == "done"


def test_a_client_who_stops_reading_keeps_nobody_from_an_answer(
    hall: ProcessFleet, model: OpenAIServer, ada: dict[str, str]
) -> None:
    """Q3"""
    model.say(MODEL, "word " * 200)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.settimeout(30)
            client.connect(("127.0.0.1", hall.port))
            client.sendall(send(hall, ada, "Tell me a long story."))
        still_serves(hall)
        answer = hall.ask(ada, "Count, please.", model=MODEL)
    model.say(MODEL, " ".join(WORDS))

    assert answer["message"]["status"] == "complete"


def test_answers_that_outlast_the_stop_are_stored_and_say_why_they_end(hall: ProcessFleet, model: OpenAIServer) -> None:
    """K12"""
    emmy = hall.sign_up("emmy")
    model.behave(MODEL, "slow")
    model.say(MODEL, "word " * 3000)
    other = hall.on_another_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "--graceful-timeout", "6", "wsgi:app"]
    server = subprocess.Popen(
        command, env=other.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    other._processes["web"] = server
    try:
        other.ready()
        with connect(other) as client:
            client.sendall(send(other, emmy, "Tell me a very long story."))
            heard = b""
            while heard.count(b"event: token") < 3:
                heard += client.recv(4096)
            begun = time.monotonic()
            server.send_signal(signal.SIGTERM)
            heard += heard_all(client)
        assert server.wait(20) == 0
        assert time.monotonic() - begun < 15
    finally:
        model.behave(MODEL, "answers")
        model.say(MODEL, " ".join(WORDS))
        other.close()

    error = json.loads(heard.partition(b"event: error")[2].partition(b"data: ")[2].partition(b"\n\n")[0])
    assert (error["status"], error["code"]) == (503, "server_shutdown")
    partial = messages(hall, emmy)[1]
    assert partial["status"] == "interrupted"
    assert partial["content"].count("word") >= 3
