"""Why an answer says what it says: what its trace tells, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from chatbot.chat.models import MessageTrace
from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents.collections import create_collection
from chatbot.knowledge.documents.service import delete_document
from chatbot.knowledge.index.generations import active_generation
from chatbot.knowledge.models import Collection
from chatbot.rag.grounding import answerability
from tests.chat.asking import QUESTION, ask, stored, stream, with_model
from tests.conftest import HOURS, RETURNS, MakeApp, Person, add_and_ingest, sign_up
from tests.openai_server import OpenAIServer

MODEL = "gpt-3.5-turbo"


def answer_to(app: Flask, person: Person, message: str = QUESTION, **body: Any) -> dict[str, Any]:
    response = ask(app, person, message, **body)
    assert response.status_code == 200, response.json
    return dict(response.json["message"])  # type: ignore[index]


def trace_of(app: Flask, person: Person, message_id: str) -> dict[str, Any]:
    response = app.test_client().get(f"/api/chat/messages/{message_id}/trace/", headers=person.headers)
    assert response.status_code == 200, response.json
    return dict(response.json)  # type: ignore[arg-type]


def traces(app: Flask) -> int:
    with app.app_context(), services(app).sessions() as session:
        return session.scalar(select(func.count()).select_from(MessageTrace)) or 0


def test_a_trace_tells_every_candidate_with_its_scores_and_why_it_was_kept_or_dropped(app: Flask, ada: Person) -> None:
    hours, returns = add_and_ingest(app, HOURS, title="Hours"), add_and_ingest(app, RETURNS, title="Returns")

    message = answer_to(app, ada)
    trace = trace_of(app, ada, message["id"])

    by_document = {c["document_id"]: c for c in trace["candidates"]}
    kept, dropped = by_document[hours.id], by_document[returns.id]
    assert (kept["kept"], kept["reason"], kept["place"], kept["title"], kept["text"]) == (
        True,
        "best",
        1,
        "Hours",
        HOURS,
    )
    assert (dropped["kept"], dropped["reason"]) == (True, "best")
    assert set(kept["scores"]) == {"dense", "keyword", "fused", "evidence"}
    assert kept["scores"] == message["metadata"]["retrieved_docs"][0]["scores"]
    grounding = message["metadata"]["grounding"]
    names = {"near", "dense", "general", "words", "met", "known", "chunks"}
    assert set(trace["gate"].pop("features")) == names
    assert trace["gate"] == {
        "calibrated": False,
        "passed": True,
        "score": grounding["top_score"],
        "threshold": grounding["threshold"],
        "lower_threshold": grounding["lower_threshold"],
    }
    with app.app_context(), services(app).sessions() as session:
        generation = active_generation(session)
        assert generation is not None
        index = {"generation": generation.id, "revision": generation.revision, "embedder": generation.embedder}
    assert trace["index"] == index
    assert trace["question"] == {
        "asked": QUESTION,
        "searched": QUESTION,
        "beside": None,
        "history": {"messages": 0, "told": 0},
    }
    assert trace["collections"] == ["default"]
    assert trace["model"] == {"asked": "extractive", "answered": "extractive", "failures": [], "cached": False}
    for name in ("timings_ms", "citations", "prompt_version", "usage"):
        assert trace[name] == message["metadata"][name]
    assert (trace["prompts"], trace["removed_markers"], trace["error"], trace["status"]) == ([], [], None, "complete")


def test_a_passage_beyond_the_number_was_dropped_for_its_rank(make_app: MakeApp) -> None:
    app = make_app(retrieval_top_k=1)
    ada = sign_up(app, "ada")
    add_and_ingest(app, HOURS, title="Hours")
    add_and_ingest(app, "On Saturdays the shop opens its second door at noon.", title="Deliveries")

    trace = trace_of(app, ada, answer_to(app, ada)["id"])

    assert [(c["kept"], c["reason"]) for c in trace["candidates"]] == [(True, "best"), (False, "rank")]


def test_a_calibrated_gate_tells_what_it_has_seen(app: Flask, ada: Person) -> None:
    add_and_ingest(app, HOURS)
    never = answerability.Gate((0.0,) * 8, (1.0,) * 8, (0.0,) * 8, 0.0, 0.0, 0.9)
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        generation = active_generation(session)
        assert generation is not None
        generation.gate = never.as_json()
        session.commit()

    trace = trace_of(app, ada, answer_to(app, ada)["id"])

    assert (trace["gate"]["calibrated"], trace["gate"]["passed"]) == (True, False)
    assert list(trace["gate"]["features"]) == list(answerability.FEATURES)
    assert (trace["gate"]["score"], trace["gate"]["threshold"]) == (0.5, 0.9)
    assert [(c["kept"], c["reason"]) for c in trace["candidates"]] == [(False, "gate")]


def test_a_question_before_the_first_document_has_a_trace_without_an_index(app: Flask, ada: Person) -> None:
    trace = trace_of(app, ada, answer_to(app, ada)["id"])

    assert (trace["index"], trace["candidates"], trace["gate"]["passed"]) == (None, [], False)


def test_a_models_answer_tells_its_prompt_the_models_that_failed_and_the_markers_that_went(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    """J2"""
    app = with_model(make_app, openai_server, chat_models="gpt-4o-mini", chat_fallbacks="gpt-4o-mini")
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.behave(MODEL, "http-401")
    openai_server.say("gpt-4o-mini", "On Saturdays it opens at ten [1]. It has nine floors [1]. So it is [7].")

    first, second = (stream(app, ada)[-1][1]["message"] for _ in range(2))
    told, again = (trace_of(app, ada, message["id"]) for message in (first, second))

    assert told["model"]["asked"] == MODEL
    assert (told["model"]["answered"], [f["model"] for f in told["model"]["failures"]]) == ("gpt-4o-mini", [MODEL])
    assert [prompt["model"] for prompt in told["prompts"]] == [MODEL, "gpt-4o-mini"]
    (system, human) = told["prompts"][1]["messages"]
    assert (system["role"], human["role"]) == ("system", "human")
    assert told["prompts"][1]["tokens"] == system["tokens"] + human["tokens"] > 100
    # The same passages make the same prompt, whatever is drawn to fence them.
    assert again["prompts"][1]["messages"][0] == system
    assert [(m["marker"], m["reason"]) for m in told["removed_markers"]] == [
        (1, "not_supported"),
        (7, "no_such_passage"),
    ]
    assert all(0 < m["at"] <= len(first["content"]) for m in told["removed_markers"])
    assert first["metadata"]["removed_markers"] == 2


def test_an_answer_that_failed_tells_what_ended_it(make_app: MakeApp, openai_server: OpenAIServer) -> None:
    app = with_model(make_app, openai_server)
    add_and_ingest(app, HOURS)
    ada = sign_up(app, "ada")
    openai_server.behave(MODEL, "http-401")

    code = ask(app, ada).json["code"]  # type: ignore[index]
    trace = trace_of(app, ada, stored(app)[-1].id)

    assert (trace["status"], trace["error"]) == ("failed", code)
    assert len(trace["candidates"]) == 1


def test_a_follow_up_tells_both_ways_it_was_searched(app: Flask, ada: Person) -> None:
    """J10"""
    add_and_ingest(app, HOURS)
    session_id = answer_to(app, ada)["chat_session_id"]
    question = "And what about the workshop counter on Sunday mornings?"

    message = answer_to(app, ada, question, chat_session_id=session_id)

    assert trace_of(app, ada, message["id"])["question"] == {
        "asked": question,
        "searched": f"{QUESTION} {question}",
        "beside": question,
        "history": {"messages": 2, "told": 0},
    }


def test_a_kept_answer_says_that_it_is_one_and_how_it_was_found(make_app: MakeApp) -> None:
    app = make_app(answer_cache_seconds=60)
    add_and_ingest(app, HOURS)
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")

    first, second = (trace_of(app, who, answer_to(app, who)["id"]) for who in (ada, bob))

    assert (first["model"]["cached"], second["model"]["cached"]) == (False, True)
    assert first["candidates"] == second["candidates"] != []


def hidden(candidates: Sequence[dict[str, Any]]) -> list[bool]:
    names = ("document_id", "title", "source", "version", "chunk_id", "page", "text")
    return [all(c[name] is None for name in names) and not c["readable"] for c in candidates]


def test_what_the_reader_may_no_longer_read_is_told_without_text_and_place(app: Flask, ada: Person) -> None:
    """G9"""
    add_and_ingest(app, HOURS, title="Hours")
    message = answer_to(app, ada)
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        collection = session.scalars(select(Collection).where(Collection.name == "default")).one()
        collection.visibility = "members"
        session.commit()

    trace = trace_of(app, ada, message["id"])

    assert (hidden(trace["candidates"]), trace["collections"]) == ([True], [])
    assert (trace["candidates"][0]["kept"], trace["candidates"][0]["reason"]) == (True, "best")


def test_a_deleted_document_is_in_no_trace(app: Flask, ada: Person) -> None:
    document = add_and_ingest(app, HOURS, title="Hours")
    message = answer_to(app, ada)
    with app.app_context(), services(app).sessions() as session:
        delete_document(session, document.id)
        assert "Saturdays it opens" not in str(session.scalars(select(MessageTrace)).one().trace)

    assert hidden(trace_of(app, ada, message["id"])["candidates"]) == [True]


def test_a_member_sees_of_the_owners_candidates_what_they_may_read_themselves(
    app: Flask, client: FlaskClient, root: Person, ada: Person
) -> None:
    with app.app_context(), services(app).sessions() as session:
        create_collection(session, "inside", "members")
    add_and_ingest(app, HOURS, title="Hours", collection="inside")
    message = answer_to(app, root)
    members = f"/api/chat/sessions/{message['chat_session_id']}/members/"
    assert client.post(members, json={"username": "ada"}, headers=root.headers).status_code == 200

    theirs, own = (trace_of(app, who, message["id"]) for who in (ada, root))

    assert (hidden(theirs["candidates"]), hidden(own["candidates"])) == ([True], [False])
    assert (theirs["collections"], own["collections"]) == (["default"], ["default", "inside"])


def test_a_trace_is_its_owners_and_of_answers_only(
    app: Flask, client: FlaskClient, ada: Person, bob: Person, root: Person
) -> None:
    """G1"""
    reply = ask(app, ada).json
    assert reply is not None
    address = f"/api/chat/messages/{reply['message']['id']}/trace/"

    codes = [client.get(address, headers=who.headers).json["code"] for who in (bob, root)]  # type: ignore[index]
    question = client.get(f"/api/chat/messages/{reply['user_message']['id']}/trace/", headers=ada.headers)

    assert codes == ["message_not_found", "message_not_found"]
    assert (question.status_code, question.json["code"]) == (422, "not_an_answer")  # type: ignore[index]


def test_a_trace_goes_with_its_message_and_an_older_answer_has_none(
    app: Flask, client: FlaskClient, ada: Person
) -> None:
    first, second = answer_to(app, ada), answer_to(app, ada)
    assert traces(app) == 2
    client.delete(f"/api/chat/sessions/{first['chat_session_id']}/", headers=ada.headers)
    assert traces(app) == 1
    with app.app_context(), services(app).sessions() as session:
        begin_write(session)
        session.delete(session.scalars(select(MessageTrace)).one())
        session.commit()

    response = client.get(f"/api/chat/messages/{second['id']}/trace/", headers=ada.headers)

    assert (response.status_code, response.json["code"]) == (404, "trace_not_found")  # type: ignore[index]


def test_a_threshold_of_the_settings_tells_what_was_below_it(make_app: MakeApp) -> None:
    app = make_app(relevance_threshold=0.36)
    ada = sign_up(app, "ada")
    add_and_ingest(app, HOURS, title="Hours")
    returns = add_and_ingest(app, RETURNS, title="Returns")

    trace = trace_of(app, ada, answer_to(app, ada)["id"])

    reasons = {c["document_id"]: (c["kept"], c["reason"]) for c in trace["candidates"]}
    assert reasons[returns.id] == (False, "threshold")
    assert (trace["gate"]["features"], trace["gate"]["lower_threshold"]) == (None, None)
