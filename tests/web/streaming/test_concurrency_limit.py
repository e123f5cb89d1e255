"""How many answers may be under way at once."""

from __future__ import annotations

import pytest

from chatbot.web.streaming.concurrency_limit import ConcurrencyLimit, TooManyStreams


def test_one_more_than_there_are_places_is_told_when_to_come_back():
    """K15"""
    slots = ConcurrencyLimit(4)
    taken = [slots.take() for _ in range(slots.count)]
    with pytest.raises(TooManyStreams) as refused:
        slots.take()
    assert (refused.value.status, refused.value.retry_after) == (503, 2)
    taken[0].release()
    assert slots.take()


def test_giving_a_place_back_twice_does_not_make_another():
    slots = ConcurrencyLimit(4)
    slot = slots.take()
    slot.release()
    slot.release()
    for _ in range(slots.count):
        slots.take()
    with pytest.raises(TooManyStreams):
        slots.take()
