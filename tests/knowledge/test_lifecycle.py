"""The whole life of a document over HTTP: changed, replaced, compared, restored, taken apart and downloaded."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from sqlalchemy import select

from chatbot.current import services
from chatbot.knowledge.documents import service, updates, versions
from chatbot.knowledge.documents.service import NewDocument
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import ChunkRow, DocumentVersion, Generation
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import add, collections_of, counting, found, ingest_now, long_text, visible
from tests.knowledge.parsing.makers import make_pdf

NOBODY = "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"
LATER = "The shop is open from ten to six, Monday to Friday."
QUESTION = "When is the shop open?"


def call(client: Any, person: Any, method: str, path: str, **more: Any) -> Any:
    return client.open(f"/api/knowledge/documents/{path}", method=method, headers=person.headers, **more)


def patch(client: Any, person: Any, id_: str, **body: Any) -> Any:
    return call(client, person, "PATCH", f"{id_}/", json=body)


def put(client: Any, person: Any, id_: str, content: str, **query: Any) -> Any:
    return call(client, person, "PUT", f"{id_}/content/", json={"content": content}, query_string=query)


def revision(app: Any) -> int:
    with services(app).sessions() as session:
        return session.scalars(select(Generation.revision)).one()


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json.get("errors", [])]


# What is said about a document


def test_what_is_said_about_a_document_can_be_changed_field_by_field(client, app, root):
    id_ = add_and_ingest(app, HOURS, title="Hours", source="a.md", extra={"team": "support", "year": 1}).id
    body = patch(client, root, id_, title=" Opening\n hours ", metadata={"team": "shop"}).json
    assert (body["title"], body["metadata"], body["source"]) == ("Opening hours", {"team": "shop"}, "a.md")
    body = patch(client, root, id_, source="", document_type="FAQ").json
    assert (body["title"], body["source"], body["document_type"]) == ("Opening hours", "", "FAQ")
    assert (body["version"], body["status"]) == (1, "ready")


def test_a_change_of_words_only_makes_no_process_read_the_chunks_again(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    before = revision(app)
    patch(client, root, id_, title="Another", is_active=True, collection="default")
    assert revision(app) == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"content": "x"}, "/content"),
        ({"status": "ready"}, "/status"),
        ({"title": ""}, "/title"),
        ({"title": "\u200b"}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"is_active": "yes"}, "/is_active"),
        ({"collection": "\u200b"}, "/collection"),
        ({"metadata": []}, "/metadata"),
        ({"source": "x" * 501}, "/source"),
        ({"title": None}, "/title"),
    ],
    ids=["content", "status", "untitled", "invisible", "long", "flag", "collection", "list", "source", "null"],
)
def test_a_change_that_is_not_valid_is_refused_and_changes_nothing(client, app, root, body, pointer):
    """F5 G9"""
    id_ = add_and_ingest(app, HOURS, title="Hours").id
    answer = patch(client, root, id_, document_type="FAQ", **body)
    assert pointers(answer) == [pointer]
    assert call(client, root, "GET", f"{id_}/").json["document_type"] == "article"


def test_an_inactive_document_is_in_no_search_from_the_next_one_on(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    assert found(app, QUESTION) == [HOURS]
    assert patch(client, root, id_, is_active=False).json["is_active"] is False
    assert found(app, QUESTION) == []


def test_another_process_sees_each_change_with_its_next_search(client, app, root, make_app, database_url):
    """J3: its index is warm, and a document is never found twice."""
    other = make_app(database_url=database_url)
    id_ = add_and_ingest(app, HOURS).id
    add_and_ingest(app, RETURNS, collection="internal")
    default, internal = (collections_of(app, name) for name in ("default", "internal"))
    assert found(other, QUESTION, collections=default) == [HOURS]
    patch(client, root, id_, is_active=False)
    assert found(other, QUESTION, collections=default) == []
    patch(client, root, id_, is_active=True)
    assert found(other, QUESTION, collections=default) == [HOURS]
    patch(client, root, id_, collection="internal")
    assert found(other, QUESTION, collections=default) == []
    assert sorted(found(other, QUESTION, collections=internal)) == sorted([HOURS, RETURNS])


@pytest.mark.parametrize("change", [{"is_active": False}, {"collection": "internal"}], ids=["is_active", "collection"])
def test_a_change_of_who_finds_it_is_a_revision_that_every_process_pulls(client, app, root, change):
    """The chunks that answer carry the new revision; those of other documents do not."""
    other = add_and_ingest(app, RETURNS).id
    id_ = add_and_ingest(app, long_text(3)).id
    before = revision(app)
    patch(client, root, id_, **change)
    with services(app).sessions() as session:
        rows = session.execute(select(ChunkRow.document_id, ChunkRow.added_revision, ChunkRow.removed_revision)).all()
    assert revision(app) == before + 1
    assert {row.added_revision for row in rows if row.document_id == id_} == {before + 1}
    assert {row.removed_revision for row in rows} == {None}
    assert all(row.added_revision <= before for row in rows if row.document_id == other)


def test_a_document_that_was_ingested_inactive_answers_once_it_is_active(client, app, root):
    id_ = add_and_ingest(app, HOURS, is_active=False).id
    assert found(app, QUESTION) == []
    patch(client, root, id_, is_active=True)
    assert found(app, QUESTION) == [HOURS]


def test_chunks_of_a_version_that_is_not_ready_do_not_become_visible_by_a_change(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    embedder = counting(app)
    put(client, root, id_, long_text(40))
    wanted = iter(range(10))

    def stop(vectors):
        if next(wanted) == 1:
            raise RuntimeError("the worker dies")
        return vectors

    embedder.spoil = stop
    with pytest.raises(RuntimeError):
        ingest_now(app, id_)
    patch(client, root, id_, is_active=False)
    assert {chunk.version for chunk in visible(app)} == {1}


def test_moving_makes_the_collection_and_the_search_of_it_finds_the_document(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    assert patch(client, root, id_, collection="internal").json["collection"] == "internal"
    listed = call(client, root, "GET", "", query_string={"collection": "internal"}).json["items"]
    assert [item["id"] for item in listed] == [id_]


def test_a_collection_that_has_the_content_already_is_told_with_the_other_document(client, app, root):
    """H10"""
    id_, other = add_and_ingest(app, HOURS).id, add_and_ingest(app, HOURS, collection="internal").id
    answer = patch(client, root, id_, title="New", collection="internal")
    assert (answer.status_code, answer.json["code"]) == (409, "same_content")
    assert other in answer.json["detail"]
    body = call(client, root, "GET", f"{id_}/").json
    assert (body["collection"], body["title"]) == ("default", "A document")


# Content


def test_new_content_is_the_next_version_and_the_one_before_answers_until_it_is_ready(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    answer = put(client, root, id_, LATER)
    assert (answer.status_code, answer.json["version"], answer.json["status"]) == (202, 2, "queued")
    assert found(app, QUESTION) == [HOURS]
    ingest_now(app, id_)
    assert found(app, QUESTION) == [LATER]


def test_a_wait_tells_when_the_new_version_is_ready(client, app, root, worker):
    id_ = add_and_ingest(app, HOURS).id
    answer = put(client, root, id_, LATER, wait=20)
    assert (answer.status_code, answer.json["version"], answer.json["status"]) == (200, 2, "ready")


def test_the_same_content_again_changes_nothing(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    answer = put(client, root, id_, HOURS)
    assert (answer.status_code, answer.json["version"], answer.json["status"]) == (200, 1, "ready")


def test_the_content_of_another_document_of_the_collection_is_refused(client, app, root):
    """H10"""
    id_, other = add_and_ingest(app, HOURS).id, add_and_ingest(app, RETURNS).id
    answer = put(client, root, id_, RETURNS)
    assert (answer.status_code, answer.json["code"]) == (409, "same_content")
    assert other in answer.json["detail"]


def test_a_file_may_be_the_next_content(client, app, root):
    id_ = add_and_ingest(app, HOURS, title="Hours").id
    form = {"file": (io.BytesIO(make_pdf(LATER)), "later.pdf")}
    assert call(client, root, "PUT", f"{id_}/content/", data=form).status_code == 202
    ingest_now(app, id_)
    assert found(app, QUESTION) == [LATER]
    assert call(client, root, "GET", f"{id_}/").json["title"] == "Hours"


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"json": {"content": " "}}, 422, "no_text"),
        ({"json": {"content": ""}}, 422, "invalid"),
        ({"json": {"content": "x", "title": "T"}}, 422, "invalid"),
        ({"json": {}}, 422, "invalid"),
        ({"data": {"title": "T", "file": (b"x", "a.md")}}, 422, "invalid"),
        ({"data": {"title": "T"}}, 422, "invalid"),
        ({"data": {"file": (b"\x7fELF" + bytes(60), "a.bin")}}, 422, "unsupported"),
        ({"data": b"x", "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"data": b"{", "content_type": "application/json"}, 400, "malformed_json"),
    ],
    ids=["blank", "empty", "stray-json", "nothing", "stray-field", "no-file", "binary", "plain", "broken"],
)
def test_a_content_that_cannot_be_read_is_refused_and_makes_no_version(client, app, root, more, status, code):
    """H8 G1"""
    id_ = add_and_ingest(app, HOURS).id
    if isinstance(more.get("data"), dict):
        files = {k: (io.BytesIO(v[0]), v[1]) if isinstance(v, tuple) else v for k, v in more["data"].items()}
        more = {"data": files, "content_type": "multipart/form-data"}
    answer = call(client, root, "PUT", f"{id_}/content/", **more)
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert call(client, root, "GET", f"{id_}/").json["version"] == 1


# Versions


@pytest.fixture
def history(app) -> str:
    """A document of three versions; the third is not ready."""
    id_ = add_and_ingest(app, HOURS).id
    for text in (LATER, RETURNS):
        with services(app).sessions() as session:
            updates.replace_content(session, id_, NewDocument(text.encode(), filename=f"{len(text)}.md"))
        if text == LATER:
            ingest_now(app, id_)
    return id_


def test_the_versions_are_listed_newest_first_and_in_pages(client, root, history):
    body = call(client, root, "GET", f"{history}/versions/", query_string={"limit": 2}).json
    assert [(v["version"], v["is_current"], v["characters"]) for v in body["items"]] == [
        (3, True, None),
        (2, False, len(LATER)),
    ]
    rest = call(client, root, "GET", f"{history}/versions/", query_string={"cursor": body["next_cursor"]}).json
    (first,) = rest["items"]
    assert (first["version"], first["size_bytes"], first["filename"], rest["next_cursor"]) == (1, len(HOURS), "", None)
    assert set(first) == {
        "version",
        "content_hash",
        "size_bytes",
        "filename",
        "media_type",
        "created_at",
        "is_current",
        "characters",
        "warnings",
    }


def test_a_version_is_read_with_its_text(client, root, history):
    assert call(client, root, "GET", f"{history}/versions/1/").json["text"] == HOURS
    third = call(client, root, "GET", f"{history}/versions/3/").json
    assert (third["text"], third["characters"], third["media_type"]) == (None, None, None)


def test_two_versions_are_compared_line_by_line(client, root, history):
    body = call(client, root, "GET", f"{history}/versions/1/diff/", query_string={"to": 2}).json
    assert body == {
        "from": 1,
        "to": 2,
        "diff": f"--- version 1\n+++ version 2\n@@ -1 +1 @@\n-{HOURS}\n+{LATER}",
    }
    assert call(client, root, "GET", f"{history}/versions/2/diff/", query_string={"to": 2}).json["diff"] == ""


def test_a_version_without_text_is_not_compared(client, root, history):
    answer = call(client, root, "GET", f"{history}/versions/1/diff/")
    assert (answer.status_code, answer.json["code"]) == (409, "text_not_ready")


@pytest.mark.parametrize(
    "texts",
    [
        ("x" * 5_000_001, "y"),
        ("\n".join(f"a{n}" for n in range(9000)), "\n".join(f"b{n}" for n in range(9000))),
        ("\n".join(f"{n % 199}" for n in range(9000)), "\n".join(f"{n * 7 % 199}" for n in range(9000))),
    ],
    ids=["long", "different", "repetitive"],
)
def test_texts_that_would_take_too_long_are_not_compared(texts):
    with pytest.raises(versions.TooLargeToCompare) as refused:
        versions.difference(*texts)
    assert (refused.value.status, refused.value.code) == (422, "too_large_to_compare")


def test_a_large_text_with_a_small_change_is_compared():
    lines = [f"line {n}" for n in range(50_000)]
    changed = [*lines[:100], "another", *lines[101:]]
    shown = versions.difference("\n".join(lines), "\n".join(changed))
    assert "-line 100\n+another" in shown


def test_an_earlier_version_is_restored_as_a_new_one_and_nothing_is_embedded_again(client, app, root):
    id_ = add_and_ingest(app, long_text(3)).id
    put(client, root, id_, LATER)
    ingest_now(app, id_)
    embedder = counting(app)

    answer = call(client, root, "POST", f"{id_}/versions/1/restore/")

    assert (answer.status_code, answer.json["version"], answer.json["status"]) == (202, 3, "queued")
    assert ingest_now(app, id_) == "ready"
    assert embedder.texts == []
    assert {chunk.version for chunk in visible(app)} == {3}
    assert "".join(chunk.text for chunk in visible(app)).count("# Section") == 3


def test_vectors_of_a_deleted_document_are_not_taken_for_the_same_text(client, app, root):
    call(client, root, "DELETE", f"{add_and_ingest(app, HOURS).id}/")
    embedder = counting(app)
    add_and_ingest(app, HOURS)
    assert len(embedder.texts) == 1
    assert found(app, QUESTION) == [HOURS]


def test_the_newest_version_need_not_be_restored(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    answer = call(client, root, "POST", f"{id_}/versions/1/restore/")
    assert (answer.status_code, answer.json["version"]) == (200, 1)


def test_a_content_that_another_document_has_by_now_is_not_restored(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    put(client, root, id_, LATER)
    add_and_ingest(app, HOURS)
    answer = call(client, root, "POST", f"{id_}/versions/1/restore/")
    assert (answer.status_code, answer.json["code"]) == (409, "same_content")


def test_the_text_that_citations_quote_outlives_the_nightly_purge(client, app, root):
    id_ = add_and_ingest(app, HOURS).id
    put(client, root, id_, LATER)
    ingest_now(app, id_)
    with services(app).sessions() as session:
        assert service.purge(session) == 1
    assert call(client, root, "GET", f"{id_}/versions/1/").json["text"] == HOURS
    assert call(client, root, "GET", f"{id_}/content/", query_string={"version": 1}).data == HOURS.encode()


@pytest.mark.parametrize("number", ["0", "7", "2147483648", "9" * 40])
@pytest.mark.parametrize(
    "path", ["versions/{}/", "versions/{}/diff/", "versions/{}/restore/"], ids=["read", "diff", "restore"]
)
def test_a_version_that_is_not_there_is_told(client, app, root, path, number):
    """G11"""
    id_ = add_and_ingest(app, HOURS).id
    answer = call(client, root, "POST" if "restore" in path else "GET", f"{id_}/{path.format(number)}")
    assert (answer.status_code, answer.json["code"]) == (404, "version_not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ""),
        ("PUT", "content/"),
        ("GET", "content/"),
        ("GET", "versions/"),
        ("GET", "versions/1/"),
        ("GET", "versions/1/diff/"),
        ("POST", "versions/1/restore/"),
        ("GET", "chunks/"),
    ],
    ids=lambda part: part.strip("/").replace("/", "-") or "document",
)
def test_of_a_deleted_document_nothing_is_left_to_read_or_change(client, app, root, method, path):
    id_ = add_and_ingest(app, HOURS).id
    call(client, root, "DELETE", f"{id_}/")
    body = {"PATCH": {"title": "T"}, "PUT": {"content": "A text."}}.get(method)
    for gone in (id_, NOBODY):
        answer = call(client, root, method, f"{gone}/{path}", **({"json": body} if body else {}))
        assert (answer.status_code, answer.json["code"]) == (404, "document_not_found")


# Chunks and the original


def test_the_chunks_that_answer_are_listed_in_order_and_in_pages(client, app, root):
    text = long_text(5)
    id_ = add_and_ingest(app, text).id
    put(client, root, id_, LATER)
    seen, cursor = [], None
    while cursor or not seen:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = call(client, root, "GET", f"{id_}/chunks/", query_string=query).json
        seen, cursor = seen + body["items"], body["next_cursor"]
    assert [chunk["ordinal"] for chunk in seen] == [0, 1, 2, 3, 4]
    assert all(text[chunk["char_start"] : chunk["char_end"]] == chunk["text"] for chunk in seen)
    assert [chunk["headings"] for chunk in seen] == [[f"Section {n}"] for n in range(5)]
    assert {chunk["version"] for chunk in seen} == {1}
    assert set(seen[0]) == {
        "chunk_id",
        "version",
        "ordinal",
        "char_start",
        "char_end",
        "page",
        "headings",
        "tokens",
        "text",
    }


def test_a_document_that_is_not_ready_has_no_chunks_and_an_inactive_one_has(client, app, root):
    assert call(client, root, "GET", f"{add(app, HOURS)}/chunks/").json["items"] == []
    inactive = add_and_ingest(app, RETURNS, is_active=False).id
    assert [c["text"] for c in call(client, root, "GET", f"{inactive}/chunks/").json["items"]] == [RETURNS]


@pytest.mark.parametrize(
    ("filename", "mimetype", "shown"),
    [
        ("日本語.pdf", "application/pdf", "%E6%97%A5%E6%9C%AC%E8%AA%9E.pdf"),
        ("a\"b;c'.html", "text/html", "a%22b%3Bc%27.html"),
        ("x.svg.txt", "text/plain", "x.svg.txt"),
    ],
    ids=["unicode", "quotes", "svg"],
)
def test_the_original_is_an_attachment_that_can_do_nothing(client, app, root, filename, mimetype, shown):
    """H12 H1"""
    html = f"<html><body><script>alert(1)</script><p>{HOURS}</p></body></html>".encode()
    data = {"application/pdf": make_pdf(HOURS), "text/html": html, "text/plain": b"<svg onload=alert(1)> text"}[
        mimetype
    ]
    id_ = add(app, data, filename, media_type=mimetype)
    answer = call(client, root, "GET", f"{id_}/content/")
    assert answer.data == data
    assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{shown}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == mimetype


@pytest.mark.parametrize("said", ["text/x-evil\u0394", "image/svg+xml", "text/html; charset=x", ""])
def test_a_kind_that_only_the_sender_says_is_not_repeated(client, app, root, said):
    """H2 H12"""
    id_ = add(app, HOURS, "a.md", media_type=said)
    answer = call(client, root, "GET", f"{id_}/content/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/octet-stream")


def test_each_version_can_be_downloaded(client, app, root):
    id_ = add_and_ingest(app, HOURS, title="Opening hours").id
    put(client, root, id_, LATER)
    newest, first = (call(client, root, "GET", f"{id_}/content/{query}") for query in ("", "?version=1"))
    assert (newest.data, first.data) == (LATER.encode(), HOURS.encode())
    assert first.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Opening%20hours.md"
    assert call(client, root, "GET", f"{id_}/content/?version=3").status_code == 404
    assert pointers(call(client, root, "GET", f"{id_}/content/?version=0")) == ["/version"]


# Many at once


def both(*works: Any) -> list[BaseException]:
    """Runs works at the same time; gives what they raised."""
    raised: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_adding_changing_moving_and_deleting_at_once_never_lock_each_other_out(app):
    """M9: the only refusals are those of the rules."""

    def work(step: Any) -> Any:
        def run() -> None:
            with services(app).sessions() as session:
                step(session)

        return run

    for n in range(8):
        id_ = add_and_ingest(app, f"{HOURS} {n}").id
        raised = both(
            work(lambda s, n=n: service.add_document(s, NewDocument(f"{LATER} {n}".encode()))),
            work(lambda s, n=n, i=id_: updates.replace_content(s, i, NewDocument(f"{LATER} {n}".encode()))),
            work(lambda s, i=id_: updates.edit_document(s, i, {"collection": "internal", "is_active": False})),
            work(lambda s, i=id_: ingest.ingest(s, services(app).embedders, i, 60)),
            work(lambda s, i=id_: service.delete_document(s, i)),
        )
        assert {type(error) for error in raised} <= {updates.SameContent, service.DocumentNotFound}
        with services(app).sessions() as session:
            left = select(ChunkRow.id).where(ChunkRow.document_id == id_, ChunkRow.removed_revision.is_(None))
            assert session.scalars(left).all() == []
            texts = select(DocumentVersion.text).where(DocumentVersion.document_id == id_)
            assert set(session.scalars(texts)) <= {""}
