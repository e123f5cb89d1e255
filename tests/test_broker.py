"""The broker that needs no server: folders, renames, nothing lost between two workers."""

from __future__ import annotations

import base64
import errno
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Queue

from chatbot import broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def connection(folder: Path) -> Iterator[Connection]:
    broker.register()
    options = {
        "data_folder_in": str(folder / "messages"), "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }  # fmt: skip
    with Connection("folder://localhost", transport_options=options) as connection:
        yield connection


def put(connection: Connection, *ids: str, queue: str = "mail") -> None:
    for id_ in ids:
        with connection.Producer() as producer:
            producer.publish({"id": id_}, routing_key=queue, declare=[Queue(queue, routing_key=queue)])


def taken(connection: Connection, queue: str = "mail") -> list[str]:
    """The ids of all that waits in a queue, in the order in which it is given out."""
    channel, ids = connection.channel(), []
    while True:
        try:
            ids.append(json.loads(_body(channel._get(queue)))["id"])
        except Empty:
            return ids


def _body(message: dict) -> bytes:

    return base64.b64decode(message["body"])


def test_messages_come_out_once_in_their_order_and_leave_no_file(connection, folder):
    put(connection, "a", "b", "c")
    assert taken(connection) == ["a", "b", "c"]
    assert taken(connection) == []
    assert list((folder / "messages").iterdir()) == []


def test_queues_are_kept_apart_even_when_one_name_ends_like_another(connection):
    put(connection, "letter", queue="mail")
    put(connection, "other", queue="fanmail")
    assert taken(connection, "mail") == ["letter"]
    assert taken(connection, "fanmail") == ["other"]


def test_a_message_that_is_still_being_written_is_not_taken(connection, folder):
    (folder / "messages" / "1_x.mail.msg.tmp").write_text('{"half')
    assert taken(connection) == []


def test_of_many_workers_exactly_one_gets_a_message(connection):
    """N6"""
    put(connection, *(str(n) for n in range(60)))
    got: list[list[str]] = []
    threads = [threading.Thread(target=lambda: got.append(taken(connection))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((id_ for ids in got for id_ in ids), key=int) == [str(n) for n in range(60)]


@pytest.mark.parametrize("damage", ["", "[[", "{}"])
def test_a_list_of_queues_that_was_cut_off_is_written_anew(folder, damage):
    """M8: by a full disk, or a power cut."""
    (folder / "control" / "mail.exchange").write_text(damage)
    broker.register()
    options = {
        "data_folder_in": str(folder / "messages"), "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }  # fmt: skip
    with Connection("folder://localhost", transport_options=options) as connection:
        channel = connection.channel()
        channel._queue_bind("mail", "mail", "", "mail")
        channel._queue_bind("mail", "other", "", "other")
        assert {row.queue for row in channel.get_table("mail")} == {"mail", "other"}


def test_a_message_that_finds_no_room_leaves_nothing(connection, folder, monkeypatch):
    """M8"""

    def no_room(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", no_room)
    with pytest.raises(OSError, match="No space"):
        put(connection, "a")
    assert list((folder / "messages").iterdir()) == []
