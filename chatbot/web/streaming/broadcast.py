"""A feed: the events of a work that runs in a thread of its own, kept as long as it runs, for everybody who reads them.

A reader who lost the connection comes back with the number of the last event that arrived and gets the others. When
the last reader has left, the work goes on for `linger` seconds in case one comes back, and is stopped then. What is
kept is no more than the work itself holds, and there are no more feeds than a process has slots.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from chatbot.egress import cancellable

# The name and the payload of an event, as a client reads it.
Frame = tuple[str, dict[str, Any]]
Frames = Generator[Frame, None, None]


class EventBuffer:
    """The frames of one work, numbered from `first`. `on_end` is called when it is over, or when it never began.

    Where the work yields events of its own, `as_frames` makes frames of each; some have none.
    """

    def __init__(
        self,
        work: Generator[Any, None, None],
        on_end: Callable[[], None] = lambda: None,
        linger: float = 0.0,
        first: int = 1,
        as_frames: Callable[[Any], Sequence[Frame]] = lambda frame: [frame],
    ) -> None:
        self._work, self._as_frames = work, as_frames
        self._on_end = on_end
        self._linger = linger
        self._lock = threading.Lock()
        # One for each reader who waits: set when there is more, or when it is over.
        self._news: set[threading.Event] = set()
        self._frames: list[Frame] = []
        self._before = first - 1
        self._began = self._over = False
        self._readers = 0
        self._stop_at = float("inf")

    def join(self) -> None:
        """Adds a reader; with the first one the work begins, in this context's log fields."""
        with self._lock:
            self._readers += 1
            self._stop_at = float("inf")
            begins, self._began = not self._began, True
        if begins:
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._pump,), name="reply", daemon=True).start()

    def leave(self, linger: bool = True) -> None:
        """Takes a reader away. Without `linger` nobody who comes back is waited for."""
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._stop_at = time.monotonic() + (self._linger if linger else 0.0)

    def never_began(self) -> None:
        """Ends a work whose response was closed before its first byte."""
        with self._lock:
            begins, self._began = not self._began, True
        if begins:
            self._work.close()
            self._on_end()

    def next(self, after: int, until: float) -> tuple[list[Frame], bool]:
        """The frames behind the number `after`, and whether there will be none; neither when the time is up first."""
        place = max(0, after - self._before)
        if not self._waits(place):
            return self._frames[place:], self._over and len(self._frames) <= place
        news = threading.Event()
        self._news.add(news)
        try:
            # What came before the reader was known here has set nothing.
            if self._waits(place):
                news.wait(max(0.0, until - time.monotonic()))
        finally:
            self._news.discard(news)
        over = self._over
        return self._frames[place:], over and len(self._frames) <= place

    def _waits(self, place: int) -> bool:
        return len(self._frames) <= place and not self._over

    def _tell(self) -> None:
        for news in tuple(self._news):
            news.set()

    def _unwanted(self) -> bool:
        return time.monotonic() >= self._stop_at

    def _pump(self) -> None:
        try:
            with closing(self._work), cancellable(self._unwanted):
                for event in self._work:
                    if frames := self._as_frames(event):
                        self._frames += frames
                        self._tell()
                    if self._unwanted():
                        return
        finally:
            try:
                self._on_end()
            finally:
                self._over = True
                self._tell()


class Broadcast:
    """The feeds of this process by the id of what they tell."""

    def __init__(self) -> None:
        self._feeds: dict[str, EventBuffer] = {}

    def keep(self, name: str, feed: EventBuffer) -> Callable[[], None]:
        """Keeps a feed, and gives what is called when it is over."""
        self._feeds[name] = feed
        return lambda: self.forget(name)

    def forget(self, name: str) -> None:
        """Keeps it no longer."""
        self._feeds.pop(name, None)

    def get(self, name: str) -> EventBuffer | None:
        """The feed of that name, if this process has it."""
        return self._feeds.get(name)
