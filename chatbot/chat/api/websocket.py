"""GET /api/chat/ws/: questions and answers over a WebSocket.

The first frame is `{"access": "..."}`, every other one the body of send/, or `{"stop": message_id}`. Each question
passes what it passes there: the guard, the limits, the budget and the conversation's turn. Its answer comes as the
events of a stream. What is refused is an `error` event, and the socket stays open for the next question.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint
from marshmallow import ValidationError
from simple_websocket import ConnectionClosed, Server

from chatbot.auth.callers import Caller, still_allowed
from chatbot.auth.guard import authorize_chat_token, public
from chatbot.chat import schemas
from chatbot.chat.api.sessions import as_problem, new_turn, titled_later
from chatbot.chat.api.sse_events import frames_of
from chatbot.chat.conversations.leases import ReplyInProgress
from chatbot.chat.conversations.members import still_takes_part
from chatbot.chat.models import Owner
from chatbot.chat.replies import active_replies
from chatbot.chat.replies.turns import Turn
from chatbot.current import services, settings
from chatbot.errors import ChatbotError, FieldError, Invalid
from chatbot.extensions import db
from chatbot.rag.llm.answerers import Answerer
from chatbot.web.http.content_language import language
from chatbot.web.http.problems import from_validation, translated
from chatbot.web.http.request_resources import release, request_resources
from chatbot.web.idempotency.service import Held
from chatbot.web.limits import rate_limits
from chatbot.web.streaming import websockets
from chatbot.web.streaming.broadcast import EventBuffer
from chatbot.web.streaming.websockets import CloseRequested, WebSocketSession

blp = Blueprint("chat_socket", __name__, url_prefix="/api/chat")
blp.teardown_request(release)

# Until the token; between two looks whether it still counts; and until a socket without questions is closed.
FIRST_SECONDS = 5.0
CHECK_SECONDS = 10.0
IDLE_SECONDS = 600.0
# How often an answer is interrupted for a look at what the client sends meanwhile.
LISTEN_SECONDS = 0.2

_send = schemas.SendSchema()


class Answering(ReplyInProgress):
    detail = "This socket is answering a question; wait for it, or stop it."


@blp.before_request
def take_place() -> None:
    """A socket holds a place from its handshake on: with all of them taken, that is refused."""
    services().sockets.take(request_resources())


# Anybody may open it; who does not say who they are in the first frame is sent away.
@websockets.sock.route("/ws/", bp=blp)
@public
def talk(server: Server) -> None:
    """Ask and listen over a WebSocket."""
    with websockets.talking(server) as socket:
        socket.check_handshake(settings())
        conversation = _Conversation(socket, _token(socket))
        while True:
            conversation.go_on()


def _token(socket: WebSocketSession) -> str:
    """The token of the first frame.

    Raises:
        CloseRequested: it did not come, or is none.
    """
    try:
        first = socket.frame(FIRST_SECONDS)
    except ChatbotError:
        first = {}
    if first is None:
        raise CloseRequested(websockets.POLICY, "No token came in time.")
    token = first.get("access")
    if not isinstance(token, str) or set(first) != {"access"}:
        raise CloseRequested(websockets.POLICY, 'The first frame is {"access": "..."}.')
    return token


class _Conversation:
    """What is said over one socket, by whoever its token stands for."""

    def __init__(self, socket: WebSocketSession, token: str) -> None:
        self._socket, self._token = socket, token
        self._sessions = services().sessions
        self._who = self._let_in()
        self._check_due = time.monotonic() + CHECK_SECONDS
        self._idle_at = time.monotonic() + IDLE_SECONDS

    def _let_in(self) -> Caller:
        """Asks anew who is there: before each question, as each request would."""
        try:
            return authorize_chat_token(self._sessions, self._token, settings().require_verified_email)
        except ChatbotError as error:
            self._socket.send("error", as_problem()(error))
            raise CloseRequested(websockets.POLICY, "The token does not open this.") from None

    def _check(self, chat_id: str | None = None) -> None:
        """Asks now and then whether the caller is still who they were.

        Raises:
            CloseRequested: they are not.
            ChatSessionNotFound: they no longer take part in the conversation whose answer is under way.
        """
        if time.monotonic() < self._check_due:
            return
        if error := still_allowed(self._sessions, self._who):
            self._socket.send("error", as_problem()(error))
            raise CloseRequested(websockets.POLICY, "The token counts no more.")
        self._check_due = time.monotonic() + CHECK_SECONDS
        if chat_id is not None and (error := still_takes_part(self._sessions, self._who, chat_id)):
            raise error

    def go_on(self) -> None:
        """Waits for the next frame, and does what it asks for."""
        try:
            frame = self._socket.frame(CHECK_SECONDS)
            self._check()
            if frame is not None:
                self._who = self._let_in()
                self._do(frame)
                self._idle_at = time.monotonic() + IDLE_SECONDS
        except (CloseRequested, ConnectionClosed):
            raise
        except Exception as error:
            known = from_validation(error) if isinstance(error, ValidationError) else translated(error)
            self._socket.send("error", as_problem()(known))
        if time.monotonic() >= self._idle_at:
            raise CloseRequested(websockets.GOING_AWAY, "Nothing was asked for a long time.")

    def _do(self, frame: dict[str, object]) -> None:
        if "stop" in frame:
            self._stop(frame)
            return
        try:
            feed, chat_id = self._begin(_send.load(frame))
        finally:
            # No connection is held while a model speaks.
            db.session.remove()
        feed.join()
        try:
            self._tell(feed, chat_id)
        finally:
            feed.leave(linger=False)

    @rate_limits.send
    def _begin(self, body: dict[str, Any]) -> tuple[EventBuffer, str]:
        answerer = services().replies.models.get(body["model"])
        turn = new_turn(body, Held(self._sessions, None))
        turn = replace(turn, ask=replace(turn.ask, language=language()))
        return _feed(turn, answerer), turn.session_id

    def _tell(self, feed: EventBuffer, chat_id: str) -> None:
        """Sends the events of an answer, and listens meanwhile."""
        number = 0
        while True:
            events, over = feed.next(number, time.monotonic() + LISTEN_SECONDS)
            if over:
                return
            for event in events:
                number += 1
                self._socket.send(*event, number)
                if event[0] in ("done", "error"):
                    # What comes now is the next question already.
                    return
            self._check(chat_id)
            self._listen()

    def _listen(self) -> None:
        """While it answers, a socket can be told to stop, and nothing else."""
        try:
            frame = self._socket.waiting_frame()
            if frame is not None and "stop" not in frame:
                raise Answering(retry_after=1)
            if frame is not None:
                self._stop(frame)
        except ChatbotError as error:
            self._socket.send("error", as_problem()(error))

    def _stop(self, frame: dict[str, object]) -> None:
        message_id = _id(frame)
        try:
            active_replies.ask_to_stop(db.session(), Owner.of(self._who), message_id)
        finally:
            db.session.remove()
        services().replies.running.stop(message_id)


def _id(frame: dict[str, Any]) -> str:
    try:
        if set(frame) == {"stop"}:
            return str(UUID(frame["stop"]))
    except (ValueError, AttributeError, TypeError):
        pass
    raise Invalid(errors=[FieldError("/stop", "Not a valid UUID.")])


def _feed(turn: Turn, answerer: Answerer) -> EventBuffer:
    """An answer that others may join while it is made, and that ends with the socket."""
    over = ExitStack()
    over.callback(titled_later(turn, answerer.name))
    over.callback(services().broadcast.forget, turn.answer_id)
    events = services().replies.reply(turn, answerer)
    feed = EventBuffer(events, over.close, as_frames=partial(frames_of, as_problem=as_problem()))
    services().broadcast.keep(turn.answer_id, feed)
    return feed
