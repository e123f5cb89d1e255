"""An answer made once more: with what it had, and what is different now."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from chatbot.chat.models import Message, MessageTrace
from chatbot.chat.replies.replay import moves
from chatbot.current import services
from chatbot.db import begin_write, new_id
from chatbot.knowledge.documents.collections import create_collection
from chatbot.knowledge.models import Generation
from tests.auth.world import dump
from tests.chat.asking import QUESTION, ask, with_model
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"


def run(app: Flask, *args: object) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=[str(arg) for arg in args])
    return result.exit_code, result.output


def replayed(app: Flask, message_id: str, *args: object) -> dict[str, Any]:
    status, output = run(app, "chat", "replay", message_id, "--json", *args)
    assert status == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def message_of(app: Flask, person: Person, question: str = QUESTION, **body: Any) -> dict[str, Any]:
    return dict(ask(app, person, question, **body).json["message"])  # type: ignore[index]


def test_what_has_not_changed_is_answered_the_same_and_nothing_is_written(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS, title="Hours")
    message = message_of(app, ada)
    before = dump(app)

    found = replayed(app, message["id"])

    assert dump(app) == before
    assert found["text"] == {"same": True, "before": message["content"], "after": message["content"], "diff": ""}
    assert found["passages"] == {"kept": 1, "moved": [], "lost": [], "gained": []}
    assert found["grounding"][0] == found["grounding"][1] == message["metadata"]["grounding"]
    assert found["generation"][0] == found["generation"][1]
    assert found["model"] == ["extractive", "extractive"]
    assert (found["same_prompt"], found["notes"], found["citations"]) == (None, [], [1, 1])
    assert set(found["timings_ms"][1]) == {"condense", "retrieve", "first_token", "total"}


def test_what_has_changed_is_shown_as_passages_grounding_and_a_diff(app: Flask, ada: Person) -> None:
    message = message_of(app, ada)
    add_and_ingest(app, HOURS, title="Hours")

    found = replayed(app, message["id"])
    status, output = run(app, "chat", "replay", message["id"])

    assert [one["status"] for one in found["grounding"]] == ["fallback", "grounded"]
    assert [passage["title"] for passage in found["passages"]["gained"]] == ["Hours"]
    assert "text" not in found["passages"]["gained"][0]
    assert found["text"]["diff"].splitlines()[3:] == [
        "-I found nothing about this in the documents.",
        f"+{HOURS} [1]",
    ]
    assert status == 0
    for said in (
        "fallback",
        "grounded",
        "Hours",
        f"+{HOURS} [1]",
        "0 passage(s) in the same place",
    ):
        assert said in output


def test_another_generation_answers_and_says_what_it_lacks(app: Flask, ada: Person) -> None:
    add_and_ingest(
        app, f"# Hours\n\n{HOURS}\n\n# Returns\n\n{RETURNS} " + "Nothing else is said of it here. " * 30, title="Shop"
    )
    message = message_of(app, ada)
    assert run(app, "index", "build", "--chunk-size", 40)[0] == 0
    add_and_ingest(app, "At noon the shop has a break.", title="Break")

    found = replayed(app, message["id"], "--generation", 2)

    assert [one["generation"] for one in found["generation"]] == [1, 2]
    assert found["notes"] == ["The generation lacks 1 document(s) of those that answer now."]
    assert found["passages"]["lost"] == []
    assert "On Saturdays it opens at ten." in found["text"]["after"]


def test_a_follow_up_is_asked_with_what_was_said_before_it_and_not_after(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS, title="Hours")
    ada = sign_up(app, "ada")
    first = message_of(app, ada)
    second = message_of(app, ada, "Is it open for deliveries on Mondays?", chat_session_id=first["chat_session_id"])
    message_of(app, ada, "And on Sundays, is it open then?", chat_session_id=first["chat_session_id"])
    asked = openai_server.streams()[1].messages

    found = replayed(app, second["id"])

    again = openai_server.streams()[-1].messages
    assert (
        [message[0] for message in again]
        == [message[0] for message in asked]
        == ["system", "user", "assistant", "user"]
    )
    assert again[1:] == asked[1:]
    assert (found["same_prompt"], found["text"]["same"]) == (True, True)
    assert found["usage"][1]["total_tokens"] > 0


def test_another_model_may_be_asked_and_an_unknown_one_is_refused(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    app = with_model(make_app, openai_server, chat_models="extractive")
    add_and_ingest(app, HOURS, title="Hours")
    message = message_of(app, sign_up(app, "ada"))

    found = replayed(app, message["id"], "--model", "extractive")

    assert found["model"] == [MODEL, "extractive"]
    assert found["text"]["after"] == f"{HOURS} [1]"
    status, output = run(app, "chat", "replay", message["id"], "--model", "gpt-9")
    assert (status, output) == (1, f"Error: model: Choose one of: {MODEL}, extractive.\n")
    without = make_app(instance_path=services(app).settings.instance_path)
    status, output = run(without, "chat", "replay", message["id"])
    assert (status, output) == (
        1,
        f"Error: The model {MODEL} may not be named any more; choose with --model: extractive.\n",
    )
    openai_server.behave(MODEL, "http-401")
    assert run(app, "chat", "replay", message["id"])[0] == 1


def test_the_collections_are_those_that_could_be_searched_then(app: Flask, ada: Person) -> None:
    """G9: what the asker could not read is not found for them afterwards either."""
    add_and_ingest(app, RETURNS, title="Returns")
    message = message_of(app, ada)
    with app.app_context(), services(app).sessions() as session:
        create_collection(session, "inside", "members")
    add_and_ingest(app, HOURS, title="Hours", collection="inside")

    found = replayed(app, message["id"])
    assert found["passages"]["gained"] == []
    assert HOURS not in found["text"]["after"]


def test_what_a_client_told_before_is_named_as_missing(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS, title="Hours")
    told = [{"role": "user", "content": "Hello!"}, {"role": "user", "content": QUESTION}]
    body = {"model": "extractive", "messages": told}
    message_id = app.test_client().post("/v1/chat/completions", json=body, headers=ada.headers).json["message_id"]  # type: ignore[index]

    (note,) = replayed(app, message_id)["notes"]

    assert note.startswith("The client told 1 message(s)")


def test_what_cannot_be_made_again_says_why(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS, title="Hours")
    reply: Any = ask(app, ada).json
    message_id = reply["message"]["id"]
    with services(app).sessions() as session:
        begin_write(session)
        session.add(Generation(embedder="all-MiniLM-L6-v2", dimension=384, chunk_tokens=60, threshold=0.3))
        session.commit()

    def sentence(*args: object) -> tuple[int, str]:
        return run(app, "chat", "replay", *args)

    assert sentence(new_id()) == (1, "Error: There is no such message.\n")
    assert sentence(reply["user_message"]["id"]) == (1, "Error: This is for answers; the message is a question.\n")
    assert sentence(message_id, "--generation", 9) == (
        1,
        "Error: There is no generation 9; `flask index list` shows them.\n",
    )
    assert sentence(message_id, "--generation", 2) == (
        1,
        "Error: Generation 2 is not finished, so it cannot be searched; `flask index build --generation 2` goes on.\n",
    )
    assert sentence("no-id")[0] == 2
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(Message).where(Message.id == message_id).values(parent_id=None))
        session.commit()
    assert sentence(message_id) == (1, "Error: The question of this answer was deleted.\n")
    with services(app).sessions() as session:
        begin_write(session)
        session.delete(session.scalars(select(MessageTrace)).one())
        session.commit()
    assert sentence(message_id) == (1, "Error: How this answer was made was not noted.\n")


def passage(rank: int, document_id: str, start: int, end: int, version: int = 1) -> dict[str, Any]:
    return {
        "rank": rank,
        "document_id": document_id,
        "title": "T",
        "version": version,
        "chunk_id": rank,
        "page": None,
        "char_start": start,
        "char_end": end,
        "scores": {},
    }


@pytest.mark.parametrize(
    ("after", "kept", "moved", "lost", "gained"),
    [
        ([passage(1, "a", 0, 100)], 1, [], [2], []),
        ([passage(1, "b", 40, 60), passage(2, "a", 0, 50)], 0, [[1, 2], [2, 1]], [], []),
        ([passage(1, "a", 80, 200), passage(2, "b", 0, 100)], 1, [], [1], [1]),
        ([passage(1, "a", 0, 100, 2), passage(2, "b", 0, 100)], 1, [], [1], [1]),
    ],
    ids=["lost", "moved_and_cut_otherwise", "elsewhere_in_it", "another_version"],
)
def test_a_passage_is_the_same_where_half_of_it_is(
    after: list[dict[str, Any]], kept: int, moved: list[list[int]], lost: list[int], gained: list[int]
) -> None:
    found = moves([passage(1, "a", 0, 100), passage(2, "b", 0, 100)], after)
    places = {name: [p["rank"] for p in found[name]] for name in ("moved", "lost", "gained")}
    assert (found["kept"], places) == (kept, {"moved": moved, "lost": lost, "gained": gained})
