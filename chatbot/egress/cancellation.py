"""Stopping a call of the model provider from outside, also while it waits for its first byte.

A thread that reads from a socket hears nothing else. So inside `cancellable` a read waits in short slices, and asks
between them whether it is still wanted; if not, `Cancelled` goes up through the provider's client, which closes the
connection on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOOK_SECONDS = 0.2

Asked = Callable[[], bool]
_asked: ContextVar[Asked | None] = ContextVar("asked_to_stop", default=None)


class Cancelled(BaseException):
    """Nobody wants the rest. Not an `Exception`: no client may take it for a fault of the network and try again."""


@contextmanager
def cancellable(asked: Asked) -> Iterator[None]:
    """Whatever is read from the provider inside may be stopped: `asked` is called several times a second.

    One inside another is stopped by either.
    """
    outer = _asked.get()
    _asked.set(asked if outer is None else lambda: asked() or outer())
    try:
        yield
    finally:
        # Not by its token: a generator may be closed in another context than the one it began in.
        _asked.set(outer)


def raise_if_cancelled() -> None:
    """Raises:
    Stopped: somebody has asked for it.
    """
    asked = _asked.get()
    if asked is not None and asked():
        raise Cancelled()


def may_be_cancelled() -> bool:
    """Whether this is inside `cancellable`."""
    return _asked.get() is not None
