"""What a listening socket hands on to its connections; tests/functional/test_websocket.py lets one stall."""

from __future__ import annotations

import socket
from pathlib import Path

from chatbot.web.streaming.tcp_user_timeout import close_stalled


def test_every_connection_that_is_accepted_has_the_limit() -> None:
    """K5"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert close_stalled(listener, 30) is True
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_a_local_socket_has_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        assert close_stalled(listener, 30) is False
