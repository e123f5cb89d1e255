"""The broker that needs no server: folders, renames, nothing lost between two workers."""

from __future__ import annotations

import base64
import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection, Queue
from structlog.testing import capture_logs

from chatbot.messaging import filesystem_broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def connection(folder: Path) -> Iterator[Connection]:
    filesystem_broker.register()
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }
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
    filesystem_broker.register()
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }
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


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def sweep(connection: Connection, task: str, **headers) -> None:
    with connection.Producer() as producer:
        producer.publish(
            {"id": task},
            routing_key="mail",
            headers={"task": task, filesystem_broker.UNIQUE: True, **headers},
            declare=[Queue("mail", routing_key="mail")],
        )


def test_sweep_replaces_the_one_of_its_task_that_waits(connection, folder):
    put(connection, "a")
    for _ in range(5):
        sweep(connection, "mail.sweep")
        sweep(connection, "chat.sweep")
    assert len(names(folder / "messages")) == 3
    assert sorted(taken(connection)) == ["a", "chat.sweep", "mail.sweep"]


def test_queue_beyond_its_bound_drops_the_oldest_and_says_so_once(connection, monkeypatch):
    monkeypatch.setattr(filesystem_broker, "MAX_WAITING", 3)
    monkeypatch.setattr(filesystem_broker, "_full_queues", set())
    put(connection, "other", queue="ingest")
    sweep(connection, "mail.sweep")
    with capture_logs() as logs:
        put(connection, *"abcdef")
    assert taken(connection) == ["mail.sweep", "d", "e", "f"]
    assert taken(connection, "ingest") == ["other"]
    assert [event["event"] for event in logs] == ["queue_full"]


@pytest.mark.parametrize(("expires", "left"), [("2020-01-01T00:00:00+00:00", []), ("2999-01-01T00:00:00+00:00", ["s"])])
def test_message_that_has_expired_is_removed(connection, folder, expires, left):
    sweep(connection, "s", expires=expires)
    assert taken(connection) == left
    assert names(folder / "messages") == []


def test_what_killed_processes_left_is_deleted_after_an_hour(connection, folder):
    for name in ("1_a.mail.taken", "b.tmp", "2_c.mail.taken"):
        (folder / "messages" / name).write_text("{}")
    for name in ("1_a.mail.taken", "b.tmp"):
        os.utime(folder / "messages" / name, (0, 0))
    put(connection, "a")
    assert taken(connection) == ["a"]
    assert names(folder / "messages") == ["2_c.mail.taken"]


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("x")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_folder, "not_a_file"),
        (make_pipe, "not_a_file"),
        (lambda path: path.symlink_to("gone"), "not_a_file"),
        (Path.touch, "not_json"),
        (lambda path: path.write_text("[1]"), "not_a_message"),
        (lambda path: path.write_text("{}"), "not_a_message"),
        (lambda path: path.write_bytes(b"x" * 300_000), "too_large"),
    ],
)
def test_what_is_no_message_is_set_aside_and_the_next_one_taken(connection, folder, make, reason):
    make(folder / "messages" / "1_x.mail.msg")
    put(connection, "good")
    assert taken(connection) == ["good"]
    assert names(folder / "messages") == []
    (kept,) = names(folder / "dead")
    assert kept.endswith(f".mail.{reason}")


def test_message_that_may_not_be_read_is_set_aside(connection, folder, monkeypatch):
    put(connection, "a")

    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert taken(connection) == []
    assert names(folder / "dead")[0].endswith(".mail.unreadable")


@pytest.mark.parametrize(("bound", "value", "left"), [("MAX_DEAD", 2, 2), ("MAX_DEAD_BYTES", 35, 3)])
def test_messages_set_aside_are_bounded_by_count_and_bytes(connection, folder, monkeypatch, bound, value, left):
    monkeypatch.setattr(filesystem_broker, bound, value)
    for number in range(6):
        (folder / "messages" / f"{number}_x.mail.msg").write_text(f"no JSON {number} ")
    assert taken(connection) == []
    kept = names(folder / "dead")
    assert [(folder / "dead" / name).read_text()[-2] for name in kept] == list("012345")[-left:]


def test_folders_that_were_removed_are_made_again(connection, folder):
    put(connection, "a")
    for name in ("messages", "control"):
        for path in (folder / name).iterdir():
            path.unlink()
        (folder / name).rmdir()
    assert taken(connection) == []
    with connection.Producer() as producer:
        producer.publish({"id": "b"}, exchange="mail", routing_key="mail")
    assert taken(connection) == ["b"]
