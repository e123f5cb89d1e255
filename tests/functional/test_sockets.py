"""What only a raw socket can say to a server."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
import requests

from tests.functional.house import ProcessFleet

BODY = b'{"email": "a@example.com", "password": "x"}'
HEAD = b"POST /api/users/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = b"2b\r\n" + BODY + b"\r\n0\r\n\r\n"


def exchange(house: ProcessFleet, data: bytes) -> bytes:
    """Everything the server says until it closes the connection."""
    heard = b""
    with socket.create_connection(("127.0.0.1", house.port), timeout=10) as client:
        client.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65536):
                heard += part
    return heard


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 43\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        HEAD + b"Content-Length: 43\r\nContent-Length: 4\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 43, 43\r\n\r\n" + BODY,
        HEAD + b"Content-Length: +43\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2b\r\n" + BODY + b"0\r\n\r\n",
    ],
    ids=[
        "both-lengths",
        "two-lengths",
        "a-list-of-lengths",
        "a-signed-length",
        "an-unknown-coding",
        "a-space-in-a-name",
        "a-size-that-is-none",
        "a-chunk-without-its-end",
    ],
)
def test_a_request_that_two_servers_would_read_differently_is_refused_and_the_connection_closed(
    house: ProcessFleet, request_bytes: bytes
) -> None:
    """G14"""
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    heard = exchange(house, request_bytes + smuggled)

    assert heard.split(b" ", 2)[1] in (b"400", b"501")
    assert heard.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("length", [b"2000000", b"1000000000000"])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(house: ProcessFleet, length: bytes) -> None:
    """G2"""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", house.port), timeout=10) as client:
        client.sendall(HEAD + b"Content-Length: " + length + b"\r\n\r\n" + b'{"email": "')
        heard = client.recv(65536)

    assert heard.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - begun < 20


def test_a_chunked_body_that_grows_too_large_is_refused_on_the_way(house: ProcessFleet) -> None:
    """G2"""
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent, heard = 0, b""
    with socket.create_connection(("127.0.0.1", house.port), timeout=5) as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        client.settimeout(0.05)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            while sent < 1024 and not heard.startswith(b"HTTP"):
                client.sendall(chunk)
                sent += 1
                with contextlib.suppress(TimeoutError, BlockingIOError):
                    client.setblocking(False)
                    heard += client.recv(65536)
                client.settimeout(5)
        client.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            heard = heard or client.recv(65536)

    assert heard.startswith(b"HTTP/1.1 413")
    assert sent < 1024


def test_the_server_goes_on_after_all_that(house: ProcessFleet) -> None:
    assert requests.get(f"{house.url}/healthz", timeout=5).status_code == 200
