"""Redis as the broker: kombu's transport, with a bounded queue, that bad messages do not stop."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import structlog
from kombu.transport import redis as transport
from redis import ConnectionError as RedisConnectionError
from redis import Redis, ResponseError

from chatbot.db import utcnow
from chatbot.messaging.filesystem_broker import (
    MAX_DEAD,
    MAX_WAITING,
    BadMessage,
    TolerantChannel,
    note_dropped,
    unique_name,
)

log = structlog.get_logger(__name__)

# The messages that were set aside, and what replaces what.
DEAD_KEY, UNIQUE_KEY = "chatbot.dead", "chatbot.unique"
_KEPT_CHARACTERS = 4_096
# Puts a message in the place of the one that the same task has waiting.
_REPLACE = """
local old = redis.call('HGET', KEYS[2], ARGV[1])
if old then redis.call('LREM', KEYS[1], 0, old) end
redis.call('LPUSH', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
"""


class _Client(Redis):
    """Redis, from which only messages come that can be read."""

    def __init__(self, *args: Any, channel: Channel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._channel = channel

    def parse_response(self, connection: object, command_name: object, **options: object) -> object:
        """A reply; that of BRPOP is None, as after a time without a message, when the message was set aside."""
        if command_name != "BRPOP":
            return super().parse_response(connection, command_name, **options)
        try:
            reply = super().parse_response(connection, command_name, **options)
        except ResponseError as error:
            if not self._channel.keys_moved(error):
                raise
            return None
        if reply:
            queue, raw = reply
            try:
                self._channel.message_of(raw)
            except BadMessage as error:
                self._channel.set_aside(raw, queue.decode(errors="replace"), str(error))
                return None
        return reply


class QoS(transport.QoS):
    """The messages that were delivered and are not acknowledged."""

    def restore_by_tag(self, tag: object, client: object = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client, leftmost)
        except (ValueError, TypeError):
            self._remove_from_indices(tag).execute()
            log.error("message_dead_lettered", queue=self.unacked_key, reason="not_a_message")


class Channel(TolerantChannel, transport.Channel):
    """kombu's Redis channel, which a bad message or a key of another type does not stop."""

    QoS = QoS

    def _get_client(self) -> object:
        super()._get_client()  # Complains about a client library that is too old.
        return partial(_Client, channel=self)

    def _connparams(self, asynchronous: bool = False) -> object:
        """How to connect.

        Raises:
            ConnectionError: the channel or its connection is closed. kombu raises an AttributeError, which ends a
                worker that is busy while Redis goes away; of a lost connection it knows what to do.
        """
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the channel is closed")
        return super()._connparams(asynchronous=asynchronous)

    def basic_ack(self, delivery_tag: object, multiple: bool = False) -> None:
        """Acknowledges a message. Without a connection it comes again, and a task may run twice.

        kombu would log a critical error with its traceback for each task that was in hand.
        """
        try:
            super().basic_ack(delivery_tag, multiple=multiple)
        except (OSError, RedisConnectionError) as error:
            log.debug("message_not_acknowledged", tag=delivery_tag, error=type(error).__name__)

    def _put(self, queue: str, message: dict[str, object], **kwargs: object) -> None:
        if "_publish_batch" in kwargs or queue in self._expires:
            super()._put(queue, message, **kwargs)
            return
        key = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        unique, content = unique_name(message), json.dumps(message)
        with self.conn_or_acquire() as client:
            if unique:
                client.eval(_REPLACE, 2, key, UNIQUE_KEY, unique, content)
                return
            length, _ = client.pipeline().lpush(key, content).ltrim(key, 0, MAX_WAITING - 1).execute()
        note_dropped(queue, max(0, length - MAX_WAITING))

    def _deliver_fanout_message(self, message: object, exchange: str) -> bool:
        try:
            self.checked(message)
        except BadMessage as error:
            log.error("message_dead_lettered", queue=exchange, reason=str(error))
            return True
        return bool(super()._deliver_fanout_message(message, exchange))

    def set_aside(self, raw: bytes, queue: str, reason: str) -> None:
        """Keeps the beginning of a message that cannot be handled, among the newest of its kind."""
        kept = {"at": utcnow().isoformat(), "queue": queue, "reason": reason}
        text = raw[:_KEPT_CHARACTERS].decode(errors="replace")
        with self.conn_or_acquire() as client:
            if client.type(DEAD_KEY) not in (b"list", b"none"):
                client.delete(DEAD_KEY)
            content = json.dumps({**kept, "message": text})
            client.pipeline().lpush(DEAD_KEY, content).ltrim(DEAD_KEY, 0, MAX_DEAD - 1).execute()
        log.error("message_dead_lettered", queue=queue, reason=reason, size=len(raw), kept=DEAD_KEY)

    def _new_queue(self, queue: str, auto_delete: bool = False, **kwargs: object) -> None:
        self._move_keys(queue)
        super()._new_queue(queue, auto_delete, **kwargs)

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None) -> None:
        with self.conn_or_acquire() as client:
            for key in (self.keyprefix_queue, self.keyprefix_binding_permanent):
                self._move(client, key % (exchange,), b"set")
        super()._queue_bind(exchange, routing_key, pattern, queue)

    def get_table(self, exchange: str) -> list[tuple[str, ...]]:
        return [row for row in super().get_table(exchange) if len(row) == 3]

    def keys_moved(self, error: ResponseError) -> bool:
        """Whether the error was that of a key of another type, which is now out of the way."""
        if not str(error).startswith("WRONGTYPE"):
            return False
        for queue in self.active_queues:
            self._move_keys(queue)
        return True

    def _move_keys(self, queue: str) -> None:
        expected = {self._q_for_pri(queue, step): b"list" for step in self.priority_steps} | {
            self.unacked_key: b"hash",
            self.unacked_index_key: b"zset",
            UNIQUE_KEY: b"hash",
        }
        with self.conn_or_acquire() as client:
            for key, kind in expected.items():
                self._move(client, key, kind)

    def _move(self, client: Any, key: str, kind: bytes) -> None:
        """Gives a key that is not of its type another name. The last one that had to is kept."""
        found = client.type(key)
        if found in (kind, b"none"):
            return
        kept = f"{DEAD_KEY}.{key}"
        client.rename(key, kept)
        log.error("message_dead_lettered", queue=key, reason="key_of_wrong_type", kept=kept)


class Transport(transport.Transport):
    """kombu's Redis transport with the channel above."""

    Channel = Channel
