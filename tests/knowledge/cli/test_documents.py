"""`flask knowledge ...`"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from chatbot.current import services
from chatbot.knowledge.cli import documents as knowledge_commands
from chatbot.knowledge.documents import service
from chatbot.knowledge.ingestion import claims, ingest
from chatbot.knowledge.parsing.warnings import SENTENCES
from chatbot.knowledge.tasks import ingest_document, purge, sweep_documents
from chatbot.rag.errors import BadEmbeddings, EmbedderUnavailable
from tests.broker_files import messages
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import add, collections_of, counting, found, visible
from tests.knowledge.parsing.makers import make_pdf, pdf_of_streams
from tests.knowledge.parsing.test_warnings import RED_SQUARE, WORDS
from tests.web_server import serving


@pytest.fixture
def run(sqlite_app, monkeypatch):
    """Runs a command; gives its exit status, what it prints and what it complains about."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: object):
        result = sqlite_app.test_cli_runner().invoke(args=["knowledge", *map(str, args)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    level = logging.getLogger("chatbot").level
    yield run
    logging.getLogger("chatbot").setLevel(level)


@pytest.fixture
def docs(tmp_path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "hours.md").write_text(HOURS)
    (folder / "deep" / "returns.txt").write_text(RETURNS)
    (folder / "scan.pdf").write_bytes(make_pdf("A page about ducks."))
    (folder / ".hidden.md").write_text("hidden one")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.txt").write_text("hidden two")
    return folder


def test_a_folder_is_ingested_and_a_second_run_changes_nothing(run, docs, sqlite_app):
    first = run("ingest", docs, "--wait")
    assert (first.exit_code, first.stdout) == (0, "3 added, 0 changed, 0 unchanged, 0 failed\n")
    before = [(c.id, c.text) for c in visible(sqlite_app)]
    assert sorted(text for _, text in before) == sorted([HOURS, RETURNS, "A page about ducks."])

    second = run("ingest", docs, "--wait")

    assert (second.exit_code, second.stdout) == (0, "0 added, 0 changed, 3 unchanged, 0 failed\n")
    assert [(c.id, c.text) for c in visible(sqlite_app)] == before


def test_a_changed_file_becomes_a_new_version(run, docs, sqlite_app):
    run("ingest", docs, "--wait")
    (docs / "hours.md").write_text("The shop is always open.")
    assert run("ingest", docs, "--wait").stdout == "0 added, 1 changed, 2 unchanged, 0 failed\n"
    assert found(sqlite_app, "When is the shop open?", 1) == ["The shop is always open."]
    assert HOURS not in [c.text for c in visible(sqlite_app)]


def test_a_folder_moved_as_a_whole_is_the_same_documents(run, docs, tmp_path):
    run("ingest", docs, "--wait")
    (tmp_path / "elsewhere").mkdir()
    docs.rename(tmp_path / "elsewhere" / "docs")
    assert "3 unchanged" in run("ingest", tmp_path / "elsewhere" / "docs", "--wait").stdout


def test_failures_are_listed_with_reasons_and_told_by_the_exit_status(run, docs):
    (docs / "a.bin").write_bytes(bytes(range(256)) * 4)
    (docs / "empty.md").write_text(" ")
    (docs / "locked.pdf").write_bytes(make_pdf("x", password="pw"))
    result = run("ingest", docs, "--wait")
    assert result.exit_code == 1
    assert result.stdout == "4 added, 0 changed, 0 unchanged, 3 failed\n"
    assert "failed: docs/a.bin: unsupported: This kind of file cannot be read." in result.stderr
    assert "failed: docs/empty.md: no_text: No text was found" in result.stderr
    assert "failed: docs/locked.pdf: encrypted: This file is protected" in result.stderr


def test_a_file_that_failed_is_tried_again_by_the_next_run(run, docs, sqlite_app):
    embedder = counting(sqlite_app)
    embedder.error = BadEmbeddings()
    assert run("ingest", docs / "hours.md", "--wait").exit_code == 1
    embedder.error = None
    result = run("ingest", docs / "hours.md", "--wait")
    assert (result.exit_code, result.stdout) == (0, "0 added, 0 changed, 1 unchanged, 0 failed\n")
    assert found(sqlite_app, "When is the shop open?") == [HOURS]


def test_a_document_that_has_to_wait_is_a_failure_of_a_run_that_waits(run, docs, sqlite_app):
    counting(sqlite_app).error = EmbedderUnavailable()
    result = run("ingest", docs / "hours.md", "--wait")
    assert result.exit_code == 1
    assert "queued: The embedding service does not answer" in result.stderr


def test_without_wait_the_documents_are_left_to_a_worker(run, docs, sqlite_app):
    result = run("ingest", docs)
    assert (result.exit_code, visible(sqlite_app)) == (0, [])
    assert "3 added" in result.stdout
    assert "3 wait for a worker" in result.stdout
    assert len(messages(services(sqlite_app).settings.instance_path)) == 3


def test_a_run_that_waits_ingests_what_an_earlier_one_left_in_the_queue(run, docs, sqlite_app):
    run("ingest", docs)
    result = run("ingest", docs, "--wait")
    assert (result.exit_code, result.stdout) == (0, "0 added, 0 changed, 3 unchanged, 0 failed\n")
    assert len(visible(sqlite_app)) == 3


def test_a_run_that_waits_takes_over_from_a_worker_that_died(run, docs, sqlite_app):
    run("ingest", docs / "hours.md")
    with services(sqlite_app).sessions() as session:
        (id_,) = ingest.due_documents(session)
        session.rollback()
        assert claims.claim_document(session, id_, timedelta(seconds=0.5))
    assert run("ingest", docs / "hours.md", "--wait").exit_code == 0
    assert found(sqlite_app, "When is the shop open?") == [HOURS]


def test_a_document_deleted_while_a_run_waits_is_a_failure_with_its_reason(run, docs, sqlite_app, monkeypatch):
    def deleted(session, _embedders, document_id, _lease, _limits):
        service.delete_document(session, document_id)

    monkeypatch.setattr(ingest, "ingest", deleted)
    result = run("ingest", docs / "hours.md", "--wait")
    assert result.exit_code == 1
    assert "document_not_found" in result.stderr


def test_duplicates_in_one_run_are_one_document(run, docs, sqlite_app):
    (docs / "copy.md").write_text(HOURS)
    assert run("ingest", docs, "--wait").stdout == "3 added, 0 changed, 1 unchanged, 0 failed\n"
    assert len(visible(sqlite_app)) == 3


def test_a_collection_may_be_named(run, docs, sqlite_app):
    run("ingest", docs / "hours.md", "--wait", "--collection", "internal")
    assert found(sqlite_app, "shop", collections=collections_of(sqlite_app, "internal")) == [HOURS]


def test_a_file_larger_than_the_limit_is_refused_unread(run, tmp_path, sqlite_app):
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(26 * 1024 * 1024)
    result = run("ingest", large)
    assert result.exit_code == 1
    assert "too_large: The file is larger than MAX_UPLOAD_MB." in result.stderr


def test_a_file_that_cannot_be_opened_is_told(run, docs, monkeypatch):
    real = Path.read_bytes

    def denied(self):
        if self.name == "hours.md":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", denied)
    result = run("ingest", docs)
    assert result.exit_code == 1
    assert "failed: docs/hours.md: unreadable: Permission denied" in result.stderr


def test_a_path_that_is_not_there_is_a_mistake_of_the_caller(run, tmp_path):
    assert run("ingest", tmp_path / "nowhere").exit_code == 2


def test_documents_are_listed_with_their_reasons(run, sqlite_app):
    add_and_ingest(sqlite_app, HOURS, source="hours.md")
    embedder = counting(sqlite_app)
    embedder.error = BadEmbeddings()
    add_and_ingest(sqlite_app, RETURNS, source="returns.md")
    everything, failed = run("list").stdout, run("list", "--status", "failed").stdout
    assert "hours.md" in everything
    assert "returns.md" in everything
    assert "hours.md" not in failed
    assert "vectors that cannot be used" in failed


@pytest.mark.parametrize("trick", ["[/b] closes nothing", "[bold]x", "[link=evil]", ":smile:"])
def test_a_text_that_looks_like_markup_is_printed_as_it_is(run, sqlite_app, trick):
    add_and_ingest(sqlite_app, f"The shop is open. {trick}", source=f"{trick}.md")
    assert f"{trick}.md" in run("list").stdout
    assert trick in run("search", "When is the shop open?").stdout


def test_a_document_is_removed_with_a_receipt(run, sqlite_app):
    id_ = add_and_ingest(sqlite_app, HOURS, title="Hours").id
    assert run("remove", id_).stdout == "removed Hours: 1 version(s), 1 chunk(s)\n"
    again = run("remove", id_)
    assert (again.exit_code, again.stderr) == (1, "Error: There is no such document.\n")
    assert run("remove", "x").exit_code == 2


def test_a_search_shows_scores_and_what_an_answer_asks(run, sqlite_app):
    add_and_ingest(sqlite_app, HOURS, source="hours.md")
    shown = run("search", "When is the shop open?", "-k", "1").stdout
    assert "an answer asks for evidence of 0.36" in shown
    assert "hours.md" in shown
    assert "open from nine to five" in shown


def test_stats_are_printed(run, sqlite_app):
    add_and_ingest(sqlite_app, HOURS)
    shown = run("stats").stdout
    assert "documents: {'ready': 1}" in shown
    assert "embedder: all-MiniLM-L6-v2" in shown


class TestTasks:
    def test_a_task_ingests_one_document(self, sqlite_app):
        id_ = add(sqlite_app, HOURS)
        with sqlite_app.app_context():
            ingest_document.run(id_)
        assert found(sqlite_app, "When is the shop open?") == [HOURS]

    def test_the_sweep_ingests_what_is_due_and_leaves_no_message_behind(self, sqlite_app):
        """N3"""
        ids = [add(sqlite_app, HOURS), add(sqlite_app, RETURNS)]
        add_and_ingest(sqlite_app, "This one is ready.")
        with sqlite_app.app_context():
            sweep_documents.run()
        assert messages(services(sqlite_app).settings.instance_path) == []
        with services(sqlite_app).sessions() as session:
            assert [service.get_document(session, id_).status for id_ in ids] == ["ready", "ready"]

    def test_the_purge_deletes_what_was_removed(self, sqlite_app):
        id_ = add_and_ingest(sqlite_app, HOURS).id
        with services(sqlite_app).sessions() as session:
            service.delete_document(session, id_)
        with sqlite_app.app_context():
            purge.run()
            with services(sqlite_app).sessions() as session:
                assert service.list_documents(session, {"status": "deleted"}, 10, None).items == []


def test_a_file_that_would_overwrite_another_of_the_run_fails_and_says_so(sqlite_app, tmp_path):
    for side, text in (("a", HOURS), ("b", RETURNS)):
        (tmp_path / side / "docs").mkdir(parents=True)
        (tmp_path / side / "docs" / "index.md").write_text(text)
    folders = [str(tmp_path / side / "docs") for side in ("a", "b")]
    result = sqlite_app.test_cli_runner().invoke(args=["knowledge", "ingest", *folders, "--wait"])
    assert result.exit_code == 1
    assert "1 added, 0 changed, 0 unchanged, 1 failed" in result.output
    assert "same_source" in result.output


def test_a_file_below_the_current_folder_is_one_document_however_its_path_is_written(sqlite_app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hours.md").write_text(HOURS)
    runner = sqlite_app.test_cli_runner()
    outcomes = [
        runner.invoke(args=["knowledge", "ingest", path, "--wait"]).output
        for path in ("hours.md", "./hours.md", str(tmp_path / "hours.md"))
    ]
    assert ["1 added" in outcomes[0], "1 unchanged" in outcomes[1], "1 unchanged" in outcomes[2]] == [True] * 3


class TestPrune:
    """Only what lies under the folders that are given, and whose file is gone, is removed."""

    def names(self, app, **filters) -> list[str]:
        with services(app).sessions() as session:
            return sorted(d.source for d in service.list_documents(session, filters, 100, None).items)

    def test_a_file_that_is_gone_is_removed_and_a_second_run_does_nothing(self, run, docs, sqlite_app):
        run("ingest", docs, "--wait")
        (docs / "deep" / "returns.txt").unlink()
        first = run("ingest", docs, "--wait", "--prune")
        assert first.stdout.splitlines() == [
            "0 added, 0 changed, 2 unchanged, 0 failed",
            "  removed: docs/deep/returns.txt",
            "removed 1",
        ]
        assert self.names(sqlite_app) == ["docs/hours.md", "docs/scan.pdf"]
        assert RETURNS not in [c.text for c in visible(sqlite_app)]
        second = run("ingest", docs, "--wait", "--prune")
        assert second.stdout.splitlines() == ["0 added, 0 changed, 2 unchanged, 0 failed", "removed 0"]

    def test_nothing_but_the_given_folders_of_the_collection_is_looked_at(self, run, docs, sqlite_app):
        run("ingest", docs, "--wait")
        run("ingest", docs, "--wait", "--collection", "internal")
        for source in ("docs2/gone.md", "Docs/gone.md", "docs", "gone.md", "https://example.com/docs/gone.md"):
            add_and_ingest(sqlite_app, f"This came from {source}.", source=source)
        (docs / "hours.md").unlink()
        (docs / "deep" / "returns.txt").unlink()
        before = self.names(sqlite_app, collection="default")
        internal = self.names(sqlite_app, collection="internal")
        assert run("ingest", docs, "--prune", "--wait").stdout.splitlines()[-1] == "removed 2"
        left = self.names(sqlite_app, collection="default")
        assert set(before) - set(left) == {"docs/hours.md", "docs/deep/returns.txt"}
        assert self.names(sqlite_app, collection="internal") == internal

    def test_a_file_that_failed_or_may_not_be_looked_at_is_not_gone(self, run, docs, sqlite_app, monkeypatch):
        run("ingest", docs, "--wait")
        (docs / "hours.md").write_text(" ")
        real = Path.stat

        def denied(self, **kwargs):
            if self.name == "returns.txt":
                raise PermissionError(13, "Permission denied")
            return real(self, **kwargs)

        monkeypatch.setattr(Path, "stat", denied)
        monkeypatch.setattr(knowledge_commands, "_files", lambda _paths: [(docs / "hours.md", "docs/hours.md")])
        result = run("ingest", docs, "--prune")
        assert result.exit_code == 1
        assert "removed 0" in result.stdout

    def test_a_document_whose_content_is_in_another_file_stays(self, run, docs, sqlite_app):
        """A file that was moved is the same document."""
        run("ingest", docs, "--wait")
        (docs / "hours.md").rename(docs / "opening.md")
        for _ in range(2):
            assert "removed 0" in run("ingest", docs, "--wait", "--prune").stdout
        assert found(sqlite_app, "When is the shop open?", 1) == [HOURS]

    @pytest.mark.parametrize("where", [".", ".."])
    def test_the_current_folder_itself_is_refused(self, run, docs, sqlite_app, monkeypatch, where):
        """A bare name may be that of an upload."""
        add_and_ingest(sqlite_app, HOURS, source="hours.pdf")
        monkeypatch.chdir(docs)
        result = run("ingest", where, "--prune")
        assert result.exit_code == 2
        assert "--prune takes folders below the current one" in result.stderr
        assert self.names(sqlite_app) == ["hours.pdf"]

    def test_files_alone_prune_nothing(self, run, docs, sqlite_app):
        run("ingest", docs, "--wait")
        (docs / "deep" / "returns.txt").unlink()
        assert "removed 0" in run("ingest", docs / "hours.md", "--prune").stdout


def test_everything_about_a_document_is_shown(run, sqlite_app):
    id_ = add_and_ingest(sqlite_app, HOURS, title="Hours [/b]", source="hours.md").id
    shown = run("show", id_).stdout
    for line in ("title: Hours [/b]", "status: ready", "version: 1", "queue_position: \n", "collection: default"):
        assert line in shown
    assert "text/markdown" in shown
    again = run("show", "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a")
    assert (again.exit_code, again.stderr) == (1, "Error: There is no such document.\n")


def test_warnings_are_printed_after_an_ingest_and_shown(run, docs):
    (docs / "scan.pdf").write_bytes(pdf_of_streams(WORDS, RED_SQUARE))
    said = run("ingest", docs, "--wait")
    assert (said.exit_code, said.stdout) == (0, "3 added, 0 changed, 0 unchanged, 0 failed\n")
    assert [line for line in said.stderr.splitlines() if line] == [
        f"  warning: docs/scan.pdf: pages_not_read: 1 (page 2): {SENTENCES['pages_not_read']}"
    ]
    assert "warning" not in run("ingest", docs, "--wait").stderr
    row = next(line for line in run("list").stdout.splitlines() if "scan.pdf" in line)
    assert "pages_not_read" in row
    shown = run("show", row.split()[1]).stdout
    assert f"warning: pages_not_read: 1 (page 2): {SENTENCES['pages_not_read']}\n" in shown


def test_the_list_shows_places_and_why_nothing_moves(run, docs):
    run("ingest", docs / "hours.md")
    shown = run("list", "--status", "queued").stdout
    assert "No worker has ever been seen." in shown


# Pages


@pytest.fixture
def page(sqlite_app):
    """A page on a server that the operator has allowed; changed by its `text`."""
    with serving() as server:
        limits = services(sqlite_app).fetch_limits
        services(sqlite_app).fetch_limits = replace(
            limits, ports=frozenset({server.port}), allowed_networks=(ip_network("127.0.0.1"),)
        )
        server.page("/hours", HOURS, media_type="text/plain")
        yield server


def test_a_page_is_ingested_by_its_address_and_fetched_again_by_the_next_run(run, docs, page, sqlite_app):
    url = page.url("/hours")
    first = run("ingest", url, docs / "deep", "--wait")
    assert (first.exit_code, first.stdout) == (0, "2 added, 0 changed, 0 unchanged, 0 failed\n")
    assert {chunk.text for chunk in visible(sqlite_app)} == {HOURS, RETURNS}

    page.page("/hours", "Closed for good.", media_type="text/plain")
    second = run("ingest", url, "--wait")

    assert (second.exit_code, second.stdout) == (0, "0 added, 0 changed, 0 unchanged, 1 fetched again, 0 failed\n")
    assert {chunk.text for chunk in visible(sqlite_app)} == {"Closed for good.", RETURNS}


def test_a_page_that_does_not_come_fails_with_its_reason(run, page):
    """I1"""
    missing = run("ingest", page.url("/nothing"), "--wait")
    assert (missing.exit_code, "fetch_failed: The server answered 404." in missing.stderr) == (1, True)
    inside = run("ingest", "http://10.0.0.1/", "--wait")
    assert (inside.exit_code, "url_not_allowed" in inside.stderr) == (1, True)
    assert run("ingest", "ftp://example.com/").exit_code == 2


def test_a_page_without_wait_is_left_to_a_worker(run, page):
    result = run("ingest", page.url("/hours"))
    assert (result.exit_code, page.connections) == (0, 0)
    assert "1 wait for a worker" in result.stdout


def test_a_document_is_tried_again(run, page, sqlite_app):
    run("ingest", page.url("/nothing"), "--wait")
    with services(sqlite_app).sessions() as session:
        (document,) = service.list_documents(session, {"status": "failed"}, 1, None).items
    page.page("/nothing", RETURNS, media_type="text/plain")
    assert run("retry", document.id).stdout.startswith("queued: ")
    run("ingest", page.url("/nothing"), "--wait")
    assert [chunk.text for chunk in visible(sqlite_app)] == [RETURNS]


def test_a_document_that_has_nothing_to_be_tried_again_says_so(run, sqlite_app):
    document = add_and_ingest(sqlite_app, HOURS)
    result = run("retry", document.id)
    assert (result.exit_code, "no address to fetch it from" in result.stderr) == (1, True)
    assert run("retry", "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a").exit_code == 1
