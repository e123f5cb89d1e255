"""Switching between generations: in one transaction, seen by every process, and never at the cost of an answer."""

from __future__ import annotations

import threading

import pytest
import structlog
from sqlalchemy import select

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents import service
from chatbot.knowledge.index import activation
from chatbot.knowledge.index.activation import GenerationRefused
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import Document, Generation
from chatbot.rag.errors import BadEmbeddings, EmbedderUnavailable
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import add, counting, found, ingest_now, long_text
from tests.knowledge.ingestion.test_reindex import (
    Killed,
    OtherEmbedder,
    begun,
    built,
    delete,
    generation,
    missing,
    put_content,
    rows,
    with_other,
)

QUESTION = "When is the shop open?"


@pytest.fixture
def other(make_app, app, database_url):
    """Another process on the same database."""
    return make_app(database_url=database_url, instance_path=services(app).settings.instance_path)


def activate(app, number: int) -> None:
    with services(app).sessions() as session:
        activation.activate(session, services(app).embedders, number)


def rollback(app) -> tuple[int, int]:
    with services(app).sessions() as session:
        return activation.rollback(session)


def drop(app, number: int) -> int:
    with services(app).sessions() as session:
        return activation.drop(session, number)


def active(app) -> list[int]:
    with services(app).sessions() as session:
        return list(session.scalars(select(Generation.id).where(Generation.active == 1)))


def statuses(app) -> dict[str, str]:
    with services(app).sessions() as session:
        return {row[0]: row[1] for row in session.execute(select(Document.id, Document.status))}


def chunk_count(app, document_id: str) -> int:
    with services(app).sessions() as session:
        return session.get_one(Document, document_id).chunk_count


def test_every_process_follows_an_activation_and_a_rollback_from_its_next_search_on(app, other):
    """M11"""
    id_ = add_and_ingest(app, long_text(2)).id
    whole = found(other, "alpha number 1", 1)
    assert found(app, "alpha number 1", 1) == whole
    number = built(app)
    activate(app, number)
    small = found(app, "alpha number 1", 1)
    assert len(small[0]) < len(whole[0])
    assert found(other, "alpha number 1", 1) == small
    assert chunk_count(app, id_) == len(rows(app, number))

    assert rollback(other) == (1, 0)

    assert found(app, "alpha number 1", 1) == found(other, "alpha number 1", 1) == whole
    assert chunk_count(app, id_) == 2
    assert active(app) == [1]


def test_another_embedders_generation_answers_with_its_own_vectors(app, embedder):
    add_and_ingest(app, HOURS)
    add_and_ingest(app, RETURNS)
    theirs = with_other(app)
    activate(app, built(app, OtherEmbedder.name))
    theirs.texts.clear()
    assert found(app, QUESTION, 1) == [HOURS]
    assert theirs.texts == [QUESTION]


def test_a_generation_that_is_not_finished_is_refused_with_what_is_missing(app, embedder):
    add_and_ingest(app, HOURS)
    add_and_ingest(app, RETURNS)
    begun(app)
    with pytest.raises(GenerationRefused, match="not finished; 2 document") as refused:
        activate(app, 2)
    assert "`flask index build --generation 2`" in str(refused.value)
    assert active(app) == [1]


def test_a_generation_that_lacks_a_document_is_refused_until_it_is_caught_up(app, embedder):
    add_and_ingest(app, HOURS)
    number = built(app)
    id_ = add_and_ingest(app, RETURNS).id
    with pytest.raises(GenerationRefused, match="1 document"):
        activate(app, number)
    delete(app, id_)
    activate(app, number)
    assert active(app) == [number]


def test_what_cannot_be_activated_is_refused(app, embedder):
    add_and_ingest(app, HOURS)
    with pytest.raises(GenerationRefused, match="already"):
        activate(app, 1)
    with pytest.raises(GenerationRefused, match="no generation 9"):
        activate(app, 9)
    with pytest.raises(GenerationRefused, match="no generation to go back"):
        rollback(app)


def test_an_embedder_that_changed_its_dimension_or_is_away_is_not_activated(app, embedder):
    """J11"""
    add_and_ingest(app, HOURS)
    other = with_other(app)
    number = built(app, OtherEmbedder.name)
    other.error = EmbedderUnavailable()
    with pytest.raises(EmbedderUnavailable):
        activate(app, number)
    other.error = None
    generation_dimension = generation(app, number).dimension
    with services(app).sessions() as session:
        begin_write(session)
        session.get_one(Generation, number).dimension = generation_dimension + 1
        session.commit()
    with pytest.raises(BadEmbeddings):
        activate(app, number)
    assert found(app, QUESTION) == [HOURS]


def test_documents_that_changed_since_are_queued_by_the_rollback_and_the_old_ones_answer_until_then(app, embedder):
    """J3"""
    changed, stays = add_and_ingest(app, "The shop opens at nine.").id, add_and_ingest(app, RETURNS).id
    activate(app, built(app))
    put_content(app, changed, "The shop opens at eleven.")
    ingest_now(app, changed)
    new = add_and_ingest(app, "Ducks eat grass.").id
    gone = add_and_ingest(app, "Geese eat corn.").id
    delete(app, gone)

    assert rollback(app) == (1, 2)

    assert statuses(app) == {changed: "queued", stays: "ready", new: "queued", gone: "deleted"}
    assert "The shop opens at nine." in found(app, "When does the shop open?")
    assert [ingest_now(app, changed), ingest_now(app, new)] == ["ready", "ready"]
    assert sorted(found(app, "shop ducks")) == sorted(["The shop opens at eleven.", RETURNS, "Ducks eat grass."])
    assert missing(app, 1) == 0


def test_after_a_rollback_the_way_forward_is_an_activation(app, embedder):
    add_and_ingest(app, HOURS)
    number = built(app)
    activate(app, number)
    rollback(app)
    activate(app, number)
    assert (active(app), rollback(app)) == ([number], (1, 0))


@pytest.mark.parametrize("step", ["_lock", "lacking", "_switch", "_recount"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_switch_killed_at_any_step_has_not_happened(app, embedder, monkeypatch, step, when):
    """M6"""
    changed = add_and_ingest(app, long_text(2)).id
    number = built(app)
    real = getattr(activation, step)

    def dies(*args):
        if when == "after":
            real(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(activation, step, dies)
        with pytest.raises(Killed):
            activate(app, number)
    assert (active(app), chunk_count(app, changed)) == ([1], 2)
    activate(app, number)
    put_content(app, changed, HOURS)
    ingest_now(app, changed)
    with monkeypatch.context() as patch:
        patch.setattr(activation, step, dies)
        with pytest.raises(Killed):
            rollback(app)
    assert (active(app), statuses(app)) == ([number], {changed: "ready"})
    assert rollback(app) == (1, 1)


@pytest.mark.parametrize("step", ["embed", "publish"])
def test_a_document_that_is_ingested_while_a_generation_is_activated_ends_in_the_new_one(
    app, embedder, monkeypatch, step
):
    add_and_ingest(app, HOURS)
    number = built(app)
    id_ = add(app, RETURNS)
    real = getattr(ingest, step)

    def and_activate(*args):
        monkeypatch.setattr(ingest, step, real)
        if step == "embed":
            real(*args)
            activate(app, number)
            return None
        activate(app, number)
        return real(*args)

    monkeypatch.setattr(ingest, step, and_activate)
    assert ingest_now(app, id_) == "ready"
    assert sorted(found(app, QUESTION)) == sorted([HOURS, RETURNS])
    assert [row[8] for row in rows(app, number) if row[12] is not None] == [HOURS, RETURNS]
    assert [row[12] for row in rows(app, 1) if row[8] == RETURNS] == [None]
    assert rollback(app) == (1, 1)
    assert ingest_now(app, id_) == "ready"
    assert sorted(found(app, QUESTION)) == sorted([HOURS, RETURNS])


def test_ingestion_and_switches_at_once_leave_every_document_in_the_generation_that_answers(app, embedder):
    """The database orders them; whoever comes second sees what the first did."""
    add_and_ingest(app, HOURS)
    number = built(app)
    ids = [add(app, f"{RETURNS} Part {n}.") for n in range(12)]

    def work(mine: list[str]) -> None:
        for id_ in mine:
            assert ingest_now(app, id_) in ("ready", None)

    threads = [threading.Thread(target=work, args=(ids[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        try:
            activate(app, number) if active(app) == [1] else rollback(app)
        except GenerationRefused:
            built(app, chunk_tokens=None, number=number)
    for thread in threads:
        thread.join()
    for id_, status in statuses(app).items():
        if status == "queued":
            assert ingest_now(app, id_) == "ready"
    assert missing(app, active(app)[0]) == 0
    assert set(statuses(app).values()) == {"ready"}


def test_searches_in_the_moment_of_an_activation_neither_fail_nor_come_back_empty(app, embedder):
    """M11"""
    add_and_ingest(app, HOURS)
    number = built(app)
    stop, outcomes = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            try:
                outcomes.append(found(app, QUESTION))
            except Exception as error:
                outcomes.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        activate(app, number)
        rollback(app)
    stop.set()
    for thread in threads:
        thread.join()
    assert outcomes
    assert [outcome for outcome in outcomes if outcome != [HOURS]] == []


def test_a_dropped_generation_leaves_nothing_behind_and_the_active_one_stays(app, embedder, monkeypatch):
    monkeypatch.setattr(activation, "BATCH", 2)
    add_and_ingest(app, long_text(3))
    number = built(app)
    chunks = len(rows(app, number))
    with pytest.raises(GenerationRefused, match="active"):
        drop(app, 1)
    activate(app, number)
    assert drop(app, 1) == 3
    assert rows(app, 1) == []
    with pytest.raises(GenerationRefused, match="no generation to go back to"):
        rollback(app)
    with pytest.raises(GenerationRefused, match="does not exist"):
        drop(app, 99)
    assert len(rows(app, number)) == chunks
    assert len(found(app, "alpha number 1", 50)) == chunks


def test_the_number_of_a_dropped_generation_is_never_given_again(app, embedder):
    """Another process may still hold the vectors of the old one under it."""
    add_and_ingest(app, HOURS)
    number = built(app)
    drop(app, number)
    assert built(app) == number + 1


def test_a_drop_that_was_killed_can_be_repeated(app, embedder, monkeypatch):
    add_and_ingest(app, long_text(3))
    number = built(app)

    def dies(*_args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(activation, "_drop_batch", dies)
        with pytest.raises(Killed):
            drop(app, number)
    with pytest.raises(GenerationRefused):
        activate(app, number)
    assert drop(app, number) > 0
    assert rows(app, number) == []


def test_a_generation_that_is_being_built_is_not_dropped(app, embedder):
    add_and_ingest(app, HOURS)
    begun(app)
    with pytest.raises(GenerationRefused, match="being built"):
        drop(app, 2)


def test_a_start_with_another_model_says_so_and_stats_name_both(sqlite_app, make_app):
    """J11"""
    add_and_ingest(sqlite_app, HOURS)
    other = make_app(embedding_model="text-embedding-3-small", openai_api_key="sk-test")
    with structlog.testing.capture_logs() as logs:
        services(other).retriever.warm_up()
    (warning,) = [entry for entry in logs if entry["event"] == "embedding_model_kept"]
    assert (warning["configured"], warning["serving"]) == ("text-embedding-3-small", "all-MiniLM-L6-v2")
    shown = other.test_cli_runner().invoke(args=["knowledge", "stats"]).output
    assert "embedder: all-MiniLM-L6-v2" in shown
    assert "configured_embedder: text-embedding-3-small" in shown
    with services(sqlite_app).sessions() as session:
        assert service.stats(session, "x")["configured_embedder"] == "x"


def test_counting_leaves_the_model_alone(sqlite_app):
    embedder = counting(sqlite_app)
    add_and_ingest(sqlite_app, HOURS)
    number = built(sqlite_app)
    activate(sqlite_app, number)
    embedder.texts.clear()
    rollback(sqlite_app)
    assert embedder.texts == []
