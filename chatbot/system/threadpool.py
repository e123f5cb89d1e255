"""What computes goes to a native thread, where greenlets serve the requests; elsewhere it is simply called.

Under gunicorn one thread serves every stream of a process (gunicorn.conf.py), and a call that does not return for
some milliseconds stops all of them. So the calls that compute, or wait for a disk, are made from here:

    vectors = in_native_thread(session.run, None, inputs)

Only leaves may be: a call into C that gives Python's lock away, and that takes none of Python's own locks, since a
greenlet may hold one of those meanwhile. Nothing but this module and gunicorn.conf.py knows of gevent.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function gives, or raises. Other greenlets go on meanwhile.

    Who is told to end while waiting ends after the function has: what it works with is not touched before.
    """
    hub = _hub()
    if hub is None:
        return function(*args, **kwargs)
    outcome: list[Any] = []

    def call() -> None:
        # The pool would print what is raised, before anybody could catch it.
        try:
            outcome.append((function(*args, **kwargs), None))
        except BaseException as error:
            outcome.append((None, error))

    told: BaseException | None = None
    work = hub.threadpool.spawn(call)
    while not outcome:
        try:
            work.wait()
        except BaseException as error:
            told = error
    value, raised = outcome[0]
    if told or raised:
        raise told or raised
    return value  # type: ignore[no-any-return]


def in_background(function: Callable[[], None], name: str) -> None:
    """Lets a function run beside the caller: in a greenlet where requests are greenlets, otherwise in a thread.

    A process that ends waits for the thread; it has to look whether `threading.main_thread()` still lives.
    """
    if _hub() is not None:
        sys.modules["gevent"].spawn(function)
    else:
        threading.Thread(target=function, name=name).start()


def _hub() -> Any:
    """The hub of the thread that serves requests; None in every other, and where there is no gevent at all."""
    gevent = sys.modules.get("gevent")
    hub = gevent._hub_local.get_hub_if_exists() if gevent is not None else None
    return hub if hub is not None and hub.main_hub else None
