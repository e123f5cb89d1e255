"""Readers who stop reading: what is sent to them waits in the kernel, and a thread waits to send more."""

from __future__ import annotations

import socket


def close_stalled(listener: socket.socket, seconds: int) -> bool:
    """Lets the kernel close connections whose client has taken nothing of what waits for it for so long.

    Every connection that this listening socket accepts has it from there, so whoever writes to a stalled one gets an
    error within that time, in whichever kind of server. False where the system cannot do it (it is Linux's own), or
    where the connections do not come over TCP.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    listener.setsockopt(socket.IPPROTO_TCP, option, seconds * 1000)
    return True
