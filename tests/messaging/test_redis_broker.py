"""Redis as the broker: bounded queues, sweeps that replace each other, and keys that are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from queue import Empty

import pytest
from kombu import Connection, Exchange, Queue
from redis import Redis
from structlog.testing import capture_logs

from chatbot.messaging import filesystem_broker, redis_broker

MAIL = Queue("mail", Exchange("mail"), routing_key="mail")


@pytest.fixture
def redis(redis_server: str) -> Iterator[Redis]:
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
        yield redis
        redis.flushall()


@pytest.fixture
def connection(redis: Redis, redis_server: str) -> Iterator[Connection]:
    filesystem_broker.register()
    with Connection(redis_server) as connection:
        yield connection


def put(connection: Connection, id_: str, **headers) -> None:
    with connection.Producer() as producer:
        producer.publish({"id": id_}, exchange="mail", routing_key="mail", declare=[MAIL], headers=headers)


def received(connection: Connection) -> list[str]:
    """The ids of all that a consumer gets."""
    ids = []

    def note(body, message) -> None:
        ids.append(body["id"])
        message.ack()

    with connection.Consumer([MAIL], callbacks=[note], accept=["json"]):
        while True:
            try:
                connection.drain_events(timeout=1.2)
            except (TimeoutError, Empty):
                return ids


def test_sweep_replaces_the_one_of_its_task_that_waits(connection, redis):
    put(connection, "a")
    for number in range(5):
        put(connection, f"mail{number}", task="mail.sweep", unique=True)
        put(connection, f"chat{number}", task="chat.sweep", unique=True)
    assert redis.llen("mail") == 3
    assert received(connection) == ["a", "mail4", "chat4"]
    put(connection, "again", task="mail.sweep", unique=True)
    assert received(connection) == ["again"]


def test_queue_beyond_its_bound_drops_the_oldest_and_says_so_once(connection, redis, monkeypatch):
    monkeypatch.setattr(redis_broker, "MAX_WAITING", 3)
    monkeypatch.setattr(filesystem_broker, "_full_queues", set())
    with capture_logs() as logs:
        for id_ in "abcdef":
            put(connection, id_)
    assert redis.llen("mail") == 3
    assert received(connection) == ["d", "e", "f"]
    assert [event["event"] for event in logs] == ["queue_full"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[1]", "not_a_message"),
        (b"{}", "not_a_message"),
        (b"\xff", "not_json"),
        (b"x" * 300_000, "too_large"),
    ],
)
def test_entry_that_is_no_message_is_set_aside_and_the_next_one_taken(connection, redis, raw, reason):
    put(connection, "first")
    redis.lpush("mail", raw)
    put(connection, "good")
    assert received(connection) == ["first", "good"]
    kept = [json.loads(entry) for entry in redis.lrange(redis_broker.DEAD_KEY, 0, -1)]
    assert [(entry["queue"], entry["reason"]) for entry in kept] == [("mail", reason)]
    assert len(kept[0]["message"]) <= 4_096


def test_entries_set_aside_are_bounded(connection, redis, monkeypatch):
    monkeypatch.setattr(redis_broker, "MAX_DEAD", 2)
    put(connection, "first")
    redis.lpush("mail", b"a", b"b", b"c")
    assert received(connection) == ["first"]
    assert [json.loads(entry)["message"] for entry in redis.lrange(redis_broker.DEAD_KEY, 0, -1)] == ["c", "b"]


@pytest.mark.parametrize("key", ["mail", "_kombu.binding.mail", "unacked", "unacked_index", redis_broker.UNIQUE_KEY])
def test_key_of_another_type_is_renamed_and_work_goes_on(connection, redis, key):
    redis.set(key, "in the way")
    with connection.Consumer([MAIL], accept=["json"]):
        pass
    put(connection, "good", task="mail.sweep", unique=True)
    assert received(connection) == ["good"]
    assert redis.get(f"{redis_broker.DEAD_KEY}.{key}") == b"in the way"


def test_key_of_another_type_while_a_consumer_waits_is_renamed(connection, redis):
    ids: list[str] = []
    with connection.Consumer([MAIL], callbacks=[lambda body, _message: ids.append(body["id"])], accept=["json"]):
        redis.set("mail", "in the way")
        with pytest.raises((TimeoutError, Empty)):
            connection.drain_events(timeout=2.5)
        put(connection, "good")
        connection.drain_events(timeout=2.5)
    assert ids == ["good"]


def test_server_that_was_emptied_gets_messages_again(connection, redis):
    put(connection, "a")
    redis.flushall()
    put(connection, "b")
    assert received(connection) == ["b"]


def test_binding_that_is_no_row_is_left_out(connection, redis):
    put(connection, "a")
    redis.sadd("_kombu.binding.mail", "nonsense")
    put(connection, "b")
    assert received(connection) == ["a", "b"]


def test_unacknowledged_entry_that_is_no_message_is_dropped(connection, redis):
    redis.hset("unacked", "tag", "nonsense")
    redis.zadd("unacked_index", {"tag": 1})
    put(connection, "a")
    assert received(connection) == ["a"]
    channel = connection.default_channel
    channel.qos.restore_visible(num=10, interval=1)
    assert (redis.hlen("unacked"), redis.zcard("unacked_index")) == (0, 0)


def test_use_of_a_closed_channel_counts_as_a_lost_connection(connection, redis):
    put(connection, "a")
    lost = connection.channel()
    lost.close()
    for use in (lambda: lost.qos.ack("tag"), lambda: lost.qos.restore_visible(num=10, interval=1)):
        with pytest.raises(connection.connection_errors, match="closed"):
            use()


def test_use_of_a_channel_of_a_closed_connection_counts_as_a_lost_connection(connection, redis):
    put(connection, "a")
    lost = connection.channel()
    lost._pool = lost._client = None
    lost.connection.client = None
    with pytest.raises(connection.connection_errors, match="closed"):
        lost.qos.ack("tag")


def test_acknowledgement_over_lost_connection_raises_nothing_and_message_comes_again(connection, redis):
    put(connection, "a")
    channel = connection.default_channel
    message = channel.basic_get("mail")
    channel._pool = channel._client = None
    client, channel.connection.client = channel.connection.client, None
    channel.basic_ack(message.delivery_tag)
    channel.connection.client = client
    assert redis.hlen("unacked") == 1
