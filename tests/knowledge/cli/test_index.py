"""`flask index ...`, `flask knowledge verify` and `flask eval ...`"""

from __future__ import annotations

import json
import logging

import pytest
from sqlalchemy import delete, select, text, update

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.models import ChunkRow, Document, DocumentVersion
from chatbot.rag.errors import EmbedderUnavailable
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import counting, found, long_text, visible
from tests.knowledge.evaluation.test_retrieval_eval import WITH_HEADER, write_set
from tests.knowledge.ingestion.test_reindex import begun, put_content, rows


@pytest.fixture
def run(sqlite_app, monkeypatch):
    """Runs a command; gives its exit status, what it prints and what it complains about."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: object):
        result = sqlite_app.test_cli_runner().invoke(args=[*map(str, args)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    level = logging.getLogger("chatbot").level
    yield run
    logging.getLogger("chatbot").setLevel(level)


def test_a_generation_goes_through_its_life(run, sqlite_app):
    id_ = add_and_ingest(sqlite_app, HOURS, source="hours.md").id
    built = run("index", "build", "--chunk-size", 60)
    assert built.exit_code == 0
    assert built.stdout == (
        "Generation 2 is built: 1 document(s) put in, all-MiniLM-L6-v2, chunks of 60 tokens. "
        "`flask index activate 2` makes it answer.\n"
    )
    listed = [line.split("│")[1:-1] for line in run("index", "list").stdout.splitlines() if "MiniLM" in line]
    assert [[cell.strip() for cell in line[:6]] for line in listed] == [
        ["1", "all-MiniLM-L6-v2", "230", "1", "yes", "yes"],
        ["2", "all-MiniLM-L6-v2", "60", "1", "yes", ""],
    ]
    assert run("index", "activate", 2).stdout.startswith("Generation 2 answers now.")
    put_content(sqlite_app, id_, RETURNS)
    add_and_ingest(sqlite_app, "Ducks eat grass.")
    back = run("index", "rollback")
    assert back.stdout.splitlines() == [
        "Generation 1 answers again.",
        "1 document(s) changed meanwhile and wait for a worker to bring them into it.",
    ]
    assert run("index", "drop", 2).stdout == "Generation 2 is gone: 2 chunk(s).\n"
    assert "2" not in run("index", "list").stdout.replace("all-MiniLM-L6-v2", "").replace("230", "").split()


def test_what_is_refused_ends_with_its_sentence(run, sqlite_app):
    add_and_ingest(sqlite_app, HOURS)
    for command, sentence in (
        (("activate", 1), "already"),
        (("activate", 5), "no generation 5"),
        (("drop", 1), "active one"),
        (("rollback",), "no generation to go back to"),
        (("build", "--chunk-size", 500), "40 to 232 tokens"),
    ):
        result = run("index", *command)
        assert (result.exit_code, sentence in result.stderr) == (1, True), result.stderr
    assert run("index", "build", "--generation", 1, "--chunk-size", 60).exit_code == 2


def test_a_second_build_says_that_another_works_on_it(run, sqlite_app):
    add_and_ingest(sqlite_app, HOURS)
    begun(sqlite_app)
    result = run("index", "build", "--chunk-size", 60)
    assert (result.exit_code, "is being built by another process" in result.stderr) == (1, True)


def test_an_embedder_that_is_away_ends_a_build_which_goes_on_later(run, sqlite_app):
    embedder = counting(sqlite_app)
    add_and_ingest(sqlite_app, long_text(2))
    add_and_ingest(sqlite_app, HOURS)

    def away(vectors):
        if len(vectors) > 1:
            raise EmbedderUnavailable
        return vectors

    embedder.spoil = away
    result = run("index", "build", "--chunk-size", 60)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        "Error: The embedding service does not answer; try again.",
    )
    embedder.spoil = lambda vectors: vectors
    assert run("index", "build", "--chunk-size", 60).exit_code == 0
    assert len({row[0] for row in rows(sqlite_app, 2)}) == 2


@pytest.mark.parametrize("command", ["knowledge", "index"])
def test_verifying_tells_by_its_exit_status_and_mends_when_asked(run, sqlite_app, command):
    assert run(command, "verify").exit_code == 0
    add_and_ingest(sqlite_app, long_text(2))
    clean = run(command, "verify")
    assert (clean.exit_code, clean.stderr) == (0, "")
    with services(sqlite_app).sessions() as session:
        begin_write(session)
        session.execute(delete(ChunkRow).where(ChunkRow.ordinal == 0))
        id_ = session.scalars(select(Document.id)).one()
        session.commit()
    assert run(command, "verify").exit_code == 1
    mended = run(command, "verify", "--fix")
    assert (mended.exit_code, "1 document(s) wait for a worker" in mended.stdout) == (0, True)
    assert f"document {id_}: ready documents have the chunks they count" in mended.stderr
    assert run(command, "verify").exit_code == 0


def test_what_cannot_be_mended_keeps_the_exit_status(run, sqlite_app):
    add_and_ingest(sqlite_app, HOURS)
    with services(sqlite_app).sessions() as session:
        begin_write(session)
        session.execute(update(DocumentVersion).values(content=b"other"))
        session.commit()
    assert run("knowledge", "verify", "--fix").exit_code == 1


def test_a_set_with_a_corpus_is_measured_beside_the_knowledge_base(run, sqlite_app, tmp_path):
    add_and_ingest(sqlite_app, "Something that lives.")
    folder, written = write_set(tmp_path / "set", WITH_HEADER, corpus=True), tmp_path / "figures.json"
    result = run("eval", "run", folder, "--json", written)
    assert result.exit_code == 0, result.output
    report = json.loads(written.read_text())
    assert list(report["modes"]) == ["dense", "keyword", "hybrid"]
    assert report["modes"]["hybrid"]["recall@100"] == 1
    assert report["modes"]["hybrid"]["mrr@10"] >= 0.75  # The twin of "hours" may stand before it.
    assert (report["set"], report["questions"], report["embedder"]) == ("set", 2, "all-MiniLM-L6-v2")
    assert {"set_hash", "generation", "versions", "seconds", "chunk_tokens"} <= set(report)
    assert "ndcg@10" in result.stdout
    assert "█" in result.stdout
    assert [c.text for c in visible(sqlite_app)] == ["Something that lives."]
    assert found(sqlite_app, "When is the shop open?") == ["Something that lives."]


def test_a_second_run_of_a_set_embeds_its_corpus_no_more_unless_it_is_told_to(run, sqlite_app, tmp_path):
    folder = write_set(tmp_path / "set", WITH_HEADER, corpus=True)
    embedder = counting(sqlite_app)
    questions = {"When is the shop open?", "Can goods be returned?"}
    run("eval", "run", folder, "--mode", "dense")
    assert len(set(embedder.texts) - questions) > 3
    embedder.texts.clear()
    run("eval", "run", folder, "--mode", "dense,hybrid")
    assert set(embedder.texts) == questions
    run("eval", "run", folder, "--mode", "dense", "--fresh")
    assert len(set(embedder.texts) - questions) > 3
    embedder.texts.clear()
    run("eval", "run", folder, "--mode", "dense", "--chunk-size", 60)
    assert len(set(embedder.texts) - questions) > 3


def test_a_run_that_was_broken_off_is_continued(run, sqlite_app, tmp_path):
    folder = write_set(tmp_path / "set", WITH_HEADER, corpus=True)
    embedder = counting(sqlite_app)
    embedder.error = EmbedderUnavailable()
    assert run("eval", "run", folder).exit_code == 1
    embedder.error = None
    assert run("eval", "run", folder).exit_code == 0


@pytest.mark.parametrize(
    ("goal", "status"),
    [("recall@100=1", 0), ("ndcg@10=0.1", 0), ("dense:recall@10=1.0", 0), ("mrr@10=1.1", 1), ("ndcg@7=0.1", 1)],
)
def test_a_goal_that_is_missed_decides_the_exit_status(run, tmp_path, goal, status):
    folder = write_set(tmp_path / "set", WITH_HEADER, corpus=True)
    result = run("eval", "run", folder, "--fail-under", goal)
    assert (result.exit_code, goal.partition("=")[0].split(":")[-1] in result.stderr) == (status, bool(status))


@pytest.mark.parametrize(
    "options", [("--fail-under", "good"), ("--fail-under", "other:ndcg@10=1"), ("--mode", "dense,best")]
)
def test_options_that_mean_nothing_are_a_mistake_of_the_caller(run, tmp_path, options):
    assert run("eval", "run", write_set(tmp_path / "set", WITH_HEADER), *options).exit_code == 2


def test_a_set_without_a_corpus_is_asked_of_the_knowledge_base(run, sqlite_app, tmp_path):
    folder = write_set(tmp_path / "set", "q1\thours.md\t1\nq2\tThe returns\t1\n")
    empty = run("eval", "run", folder)
    assert (empty.exit_code, "knowledge base is empty" in empty.stderr) == (1, True)
    add_and_ingest(sqlite_app, "Ducks eat grass.")
    unknown = run("eval", "run", folder)
    assert (unknown.exit_code, "None of the documents" in unknown.stderr) == (1, True)
    add_and_ingest(sqlite_app, HOURS, source="docs/hours.md")
    add_and_ingest(sqlite_app, RETURNS, title="The returns")
    assert run("eval", "run", folder, "--fail-under", "ndcg@10=1").exit_code == 0


def test_a_folder_that_is_no_set_is_told(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("eval", "run", tmp_path / "empty")
    assert (result.exit_code, "needs queries.jsonl" in result.stderr) == (1, True)


def test_two_generations_are_compared_side_by_side(run, sqlite_app, tmp_path):
    add_and_ingest(sqlite_app, HOURS, source="docs/hours.md")
    add_and_ingest(sqlite_app, RETURNS, title="The returns")
    run("index", "build", "--chunk-size", 60)
    folder, written = write_set(tmp_path / "set", "q1\thours.md\t1\nq2\tThe returns\t1\n"), tmp_path / "c.json"
    result = run("eval", "compare", 1, 2, "--set", folder, "--json", written)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "hybrid ndcg@10" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["hybrid ndcg@10", "1.0000", "1.0000", "+0.0000"]
    report = json.loads(written.read_text())
    assert [g["generation"] for g in report["generations"]] == [1, 2]
    assert report["difference"]["dense recall@100"] == 0
    assert run("eval", "compare", 1, 9, "--set", folder).exit_code == 1


def test_two_generations_are_compared_with_a_stored_set(run, sqlite_app):
    id_ = add_and_ingest(sqlite_app, HOURS).id
    run("gaps", "resolve", "When is the shop open?", "--relevant", id_)
    run("index", "build", "--chunk-size", 60)
    result = run("eval", "compare", 1, 2, "--set", "gaps")
    assert (result.exit_code, "hybrid ndcg@10" in result.stdout) == (0, True), result.stderr
    unknown = run("eval", "compare", 1, 2, "--set", "no-such-set")
    assert (unknown.exit_code, "the stored sets are gaps" in unknown.stderr) == (1, True)


def test_vectors_are_put_into_pgvector_before_it_is_the_setting(app, make_app, database_url):
    add_and_ingest(app, HOURS)
    before = make_app(database_url=database_url, vector_store="faiss")
    result = before.test_cli_runner().invoke(args=["index", "migrate-to-pgvector"])
    if database_url is None:
        needs = "Error: pgvector is a part of PostgreSQL, and DATABASE_URL names none.\n"
        assert (result.exit_code, result.output) == (1, needs)
        return
    assert (result.exit_code, result.output) == (0, "1 vector(s) of generation 1 in pgvector.\n")
    with services(before).sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM chunk_vectors")) == 1
