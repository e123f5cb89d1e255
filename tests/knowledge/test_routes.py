"""The knowledge package over HTTP."""

from __future__ import annotations

import io
import json

import pytest

from chatbot.current import services
from chatbot.extensions import db
from chatbot.knowledge.ingestion import ingest
from tests.conftest import HOURS, RETURNS, add_and_ingest, sign_up
from tests.knowledge.conftest import ingest_now, visible
from tests.knowledge.parsing.epub_makers import make_epub
from tests.knowledge.parsing.makers import make_docx, make_pdf, make_pptx, make_xlsx
from tests.knowledge.parsing.msg_makers import make_msg
from tests.knowledge.parsing.open_document_makers import make_odp, make_ods, make_odt

DOCUMENTS = "/api/knowledge/documents/"
NOBODY = "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"
KEYS = {
    "id",
    "title",
    "source",
    "url",
    "document_type",
    "collection",
    "is_active",
    "status",
    "progress",
    "error",
    "version",
    "size_bytes",
    "chunk_count",
    "language",
    "instruction_score",
    "warnings",
    "content_hash",
    "uploaded_at",
    "updated_at",
    "metadata",
    "blocked_because",
    "queue_position",
}


def post(client, person, wait=0, **body):
    return client.post(f"{DOCUMENTS}?wait={wait}", json={"title": "A", "content": HOURS} | body, headers=person.headers)


def upload(client, person, data: bytes, name: str, mimetype="application/octet-stream", wait=0, **fields):
    form = {"file": (io.BytesIO(data), name, mimetype), **fields}
    return client.post(f"{DOCUMENTS}?wait={wait}", data=form, headers=person.headers)


def get(client, person, path: str, **query):
    return client.get(f"/api/knowledge/{path}", query_string=query, headers=person.headers)


def pointers(answer) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.mimetype == "application/problem+json"
    return [e["pointer"] for e in answer.json.get("errors", [])]


# Adding


def test_a_document_as_json_is_queued_and_described(client, root):
    answer = post(
        client, root, title="Hours", source="https://example.com", document_type="FAQ", metadata={"team": "support"}
    )
    assert answer.status_code == 202
    body = answer.json
    assert set(body) == KEYS
    assert (body["title"], body["source"], body["document_type"]) == ("Hours", "https://example.com", "FAQ")
    assert (body["status"], body["collection"], body["is_active"], body["version"]) == ("queued", "default", True, 1)
    assert (body["metadata"], body["error"], body["queue_position"]) == ({"team": "support"}, None, 1)
    assert body["uploaded_at"].endswith("Z")
    assert body["size_bytes"] == len(HOURS)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (HOURS.encode(), "hours.txt"),
        (f"# Hours\n\n{HOURS}".encode(), "hours.md"),
        (f"<html><body><p>{HOURS}</p></body></html>".encode(), "hours.html"),
        (make_pdf(HOURS), "hours.pdf"),
        (make_docx(HOURS), "hours.docx"),
        (make_pptx(HOURS), "hours.pptx"),
        (make_xlsx(s=[["Question", "Answer"], ["Hours", HOURS]]), "hours.xlsx"),
        (f"question;answer\nhours;{HOURS}\n".encode(), "hours.csv"),
        (f"question\tanswer\nhours\t{HOURS}\n".encode(), "hours.tsv"),
        (json.dumps({"hours": HOURS}).encode(), "hours.json"),
        (json.dumps([HOURS]).encode(), "hours.jsonl"),
        (f"Subject: Hours\n\n{HOURS}\n".encode(), "hours.eml"),
        (make_odt(HOURS), "hours.odt"),
        (make_ods(s=[["Question", "Answer"], ["Hours", HOURS]]), "hours.ods"),
        (make_odp(HOURS), "hours.odp"),
        (make_epub(HOURS), "hours.epub"),
        (make_msg(HOURS), "hours.msg"),
    ],
)
def test_a_file_of_each_kind_is_ready_within_the_wait_and_found(client, root, worker, data, name):
    answer = upload(client, root, data, name, wait=20)
    assert (answer.status_code, answer.json["status"]) == (201, "ready")
    assert answer.json["source"] == name
    assert answer.json["progress"] == {"chunks_done": 1, "chunks_total": 1}
    (hit,) = get(client, root, "search/", q="When is the shop open?").json["items"]
    assert "nine to five" in hit["text"]


def test_a_wait_that_is_too_short_answers_202(client, root):
    answer = post(client, root, wait=0.1)
    assert (answer.status_code, answer.json["status"]) == (202, "queued")


def test_a_file_that_cannot_be_read_ends_the_wait_with_its_reason(client, root, worker):
    """H8"""
    answer = upload(client, root, make_pdf(""), "scan.pdf", wait=20)
    assert (answer.status_code, answer.json["status"]) == (202, "failed")
    assert answer.json["error"]["code"] == "no_text"
    assert "OCR" in answer.json["error"]["detail"]


def test_the_same_content_is_the_same_document(client, root):
    """H10"""
    first = post(client, root, title="One")
    again = post(client, root, title="Two")
    assert (again.status_code, again.json["id"], again.json["title"]) == (200, first.json["id"], "One")
    assert upload(client, root, HOURS.encode(), "h.txt").json["id"] == first.json["id"]


def test_the_same_content_in_another_collection_is_another_document(client, root):
    first = post(client, root)
    other = post(client, root, collection="internal")
    assert other.status_code == 202
    assert (other.json["id"] != first.json["id"], other.json["collection"]) == (True, "internal")


def test_the_same_content_after_a_deletion_is_a_new_document(client, root):
    first = post(client, root)
    client.delete(f"{DOCUMENTS}{first.json['id']}/", headers=root.headers)
    again = post(client, root)
    assert (again.status_code, again.json["id"] != first.json["id"]) == (202, True)


def test_the_fields_of_a_form_are_kept(client, root):
    answer = upload(
        client,
        root,
        HOURS.encode(),
        "h.txt",
        title="T",
        source="S",
        document_type="D",
        collection="C",
        is_active="false",
    )
    body = answer.json
    assert [body[k] for k in ("title", "source", "document_type", "collection", "is_active")] == [
        "T",
        "S",
        "D",
        "C",
        False,
    ]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("../../etc/x.txt", "x.txt"),
        ("/abs/x.txt", "x.txt"),
        ("C:\\\\Users\\\\me\\\\x.txt", "x.txt"),
        ("C:/Users/x.txt", "x.txt"),
        ("CON.txt", "CON.txt"),
        ("日本語.txt", "日本語.txt"),
        ("a\u202etxt.md", "atxt.md"),
        ("a\n\tb.txt", "a b.txt"),
        ("..txt", "..txt"),
        ("x" * 400 + ".txt", "x" * 196 + ".txt"),
    ],
)
def test_a_name_with_tricks_is_only_a_label(client, root, name, title):
    """H1"""
    answer = upload(client, root, HOURS.encode(), name)
    assert answer.status_code == 202, answer.text
    assert answer.json["title"] == title


@pytest.mark.parametrize("name", [".", "..", "a/", "   "])
def test_a_name_without_a_name_is_untitled_or_said_to_be_missing(client, root, name):
    """H1"""
    answer = upload(client, root, HOURS.encode(), name, mimetype="text/plain")
    assert answer.status_code in (202, 422), answer.text


def test_a_name_with_nul_is_refused_or_cut_and_never_an_error(client, root):
    """H1"""
    answer = upload(client, root, HOURS.encode(), "a\0.txt")
    assert answer.status_code in (202, 422), answer.text
    assert "\0" not in answer.json.get("title", "")


# What is refused


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"content": ""}, "/content"),
        ({"content": 1}, "/content"),
        ({"unknown": 1}, "/unknown"),
        ({"source": "x" * 501}, "/source"),
        ({"document_type": ""}, "/document_type"),
        ({"collection": ""}, "/collection"),
        ({"collection": "\u200b"}, "/collection"),
        ({"metadata": []}, "/metadata"),
        ({"is_active": "perhaps"}, "/is_active"),
        ({"content": "a\0b"}, "/content"),
        ({"metadata": {"a": "\0"}}, "/metadata/a"),
    ],
)
def test_a_bad_field_is_pointed_at(client, root, body, pointer):
    assert pointers(post(client, root, **body)) == [pointer]


def test_a_title_of_200_characters_is_accepted(client, root):
    """G9"""
    assert post(client, root, title="ü" * 200).json["title"] == "ü" * 200


def test_a_form_without_a_file_is_told_so(client, root):
    answer = client.post(DOCUMENTS, data={"title": "x"}, headers=root.headers, content_type="multipart/form-data")
    assert pointers(answer) == ["/file"]


@pytest.mark.parametrize(
    ("fields", "pointer"), [({"nope": "x"}, "/nope"), ({"title": ""}, "/title"), ({"source": "a\0"}, "/source")]
)
def test_a_bad_field_of_a_form_is_pointed_at(client, root, fields, pointer):
    assert pointers(upload(client, root, HOURS.encode(), "a.txt", **fields)) == [pointer]


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.txt", "no_text"),
        (b" \n\t", "a.md", "no_text"),
        (b"MZ\x90\0" + bytes(200), "a.pdf", "unsupported"),
        (b"\x89PNG\r\n\x1a\n", "a.txt", "unsupported"),
        (b"words", "a.exe", "unsupported"),
        (b"words", "a.pdf", "damaged"),
        (b"PK\x03\x04 nothing", "a.docx", "unsupported"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_the_door(client, root, data, name, code):
    """H2, H8"""
    answer = upload(client, root, data, name)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert get(client, root, "documents/").json["items"] == []


def test_white_space_as_content_is_no_text(client, root):
    answer = post(client, root, content=" \n ")
    assert (answer.status_code, answer.json["code"]) == (422, "no_text")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_a_body_of_another_kind_is_415(client, root, kind):
    answer = client.post(DOCUMENTS, data="a=b", content_type=kind, headers=root.headers)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def send_large(client, person, data: bytes):
    """A form made by hand: the test client's own leaves a temporary file open when it is refused."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    body = head + data + b"\r\n--x--\r\n"
    return client.post(DOCUMENTS, data=body, content_type="multipart/form-data; boundary=x", headers=person.headers)


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_more_than_max_upload_mb_is_413_and_that_much_is_not(make_app, size):
    app = make_app(max_upload_mb=1)
    root, client = sign_up(app, "root", admin=True), app.test_client()
    assert send_large(client, root, b"a" * 1024 * 1024).status_code == 202
    assert post(client, root, content="b" * 1024 * 1024).status_code == 202

    answer = send_large(client, root, b"a" * size)

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert post(client, root, content="a" * size).status_code == 413
    assert len(get(client, root, "documents/").json["items"]) == 2


@pytest.mark.parametrize("wait", ["-1", "31", "nan", "x", "inf"])
def test_a_wait_out_of_range_is_refused(client, root, wait):
    assert pointers(post(client, root, wait=wait)) == ["/wait"]


# Who may


CALLS = [
    ("get", "documents/"),
    ("post", "documents/"),
    ("delete", f"documents/{NOBODY}/"),
    ("get", "stats/"),
    ("get", f"documents/{NOBODY}/versions/"),
    ("get", f"documents/{NOBODY}/content/"),
    ("get", f"documents/{NOBODY}/versions/1/diff/"),
    ("get", "search/?q=x"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_without_a_token_everything_is_401(client, method, path):
    answer = getattr(client, method)(f"/api/knowledge/{path}")
    assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)


@pytest.mark.parametrize(("method", "path"), CALLS[:-1])
def test_a_user_may_not_touch_documents(client, ada, method, path):
    answer = getattr(client, method)(f"/api/knowledge/{path}", headers=ada.headers)
    assert (answer.status_code, answer.json["code"]) == (403, "admin_required")


def test_a_user_may_search(app, client, ada):
    add_and_ingest(app, HOURS)
    assert get(client, ada, "search/", q="When is the shop open?").status_code == 200


# Reading


def test_a_list_is_newest_first_and_comes_in_pages(client, root):
    ids = [post(client, root, title=f"T{n}", content=f"Content {n}").json["id"] for n in range(5)]
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = get(client, root, "documents/", limit=2, **({"cursor": cursor} if cursor else {})).json
        seen += [d["id"] for d in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]


def test_a_list_is_filtered(app, client, root):
    add_and_ingest(app, HOURS, title="50% off_hours", source="https://example.com/hours")
    post(client, root, title="Returns", content=RETURNS, document_type="FAQ", collection="internal")

    def titles(**query):
        return [d["title"] for d in get(client, root, "documents/", **query).json["items"]]

    assert titles(status="ready") == titles(q="example.com") == titles(q="50% OFF_") == ["50% off_hours"]
    assert titles(status="queued") == titles(collection="internal") == titles(document_type="FAQ") == ["Returns"]
    assert titles(q="%") == titles(q="_") == ["50% off_hours"]
    assert titles(q="nothing") == titles(collection="nowhere") == titles(status="deleted") == []
    assert titles(status="queued", q="50") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": 0}, "/limit"),
        ({"limit": 101}, "/limit"),
        ({"limit": "1e9"}, "/limit"),
        ({"status": "lost"}, "/status"),
        ({"cursor": "x"}, "/cursor"),
        ({"nope": 1}, "/nope"),
        ({"q": ""}, "/q"),
    ],
)
def test_a_bad_filter_is_pointed_at(client, root, query, pointer):
    """G11"""
    assert pointers(get(client, root, "documents/", **query)) == [pointer]


def test_one_document_is_read(client, root):
    made = post(client, root).json
    assert get(client, root, f"documents/{made['id']}/").json == made


@pytest.mark.parametrize("path", [NOBODY, "x", "1", NOBODY + "0"])
@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_unknown_document_is_404(client, root, path, method):
    answer = getattr(client, method)(f"{DOCUMENTS}{path}/", headers=root.headers)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


# Deleting


def test_a_deletion_gives_a_receipt_and_the_document_is_gone(app, client, root):
    """J3"""
    id_ = add_and_ingest(app, HOURS, title="Hours").id
    assert len(get(client, root, "search/", q="opening hours").json["items"]) == 1

    answer = client.delete(f"{DOCUMENTS}{id_}/", headers=root.headers)

    assert answer.json == {"id": id_, "title": "Hours", "versions": 1, "chunks": 1, "size_bytes": len(HOURS)}
    assert get(client, root, "search/", q="opening hours").json["items"] == []
    assert get(client, root, f"documents/{id_}/").status_code == 404
    assert client.delete(f"{DOCUMENTS}{id_}/", headers=root.headers).status_code == 404
    assert get(client, root, "documents/").json["items"] == []
    (left,) = get(client, root, "documents/", status="deleted").json["items"]
    assert (left["id"], left["title"], left["source"], left["metadata"]) == (id_, "", "", {})


def test_a_document_that_still_waits_can_be_deleted(app, client, root):
    id_ = post(client, root).json["id"]
    assert client.delete(f"{DOCUMENTS}{id_}/", headers=root.headers).json["chunks"] == 0
    assert ingest_now(app, id_) is None
    assert visible(app) == []


# Searching


def test_a_search_gives_passages_with_scores_best_first(app, client, ada):
    add_and_ingest(app, HOURS, title="Hours", source="hours.md")
    add_and_ingest(app, RETURNS, title="Returns")
    body = get(client, ada, "search/", q="When is the shop open?").json
    scores = [p["scores"]["fused"] for p in body["items"]]
    assert [p["title"] for p in body["items"]] == ["Hours", "Returns"]
    assert scores == sorted(scores, reverse=True)
    assert [p["rank"] for p in body["items"]] == [1, 2]
    assert body["items"][0]["text"] == HOURS[body["items"][0]["char_start"] : body["items"][0]["char_end"]]
    assert body["threshold"] == pytest.approx(0.36)
    assert len(get(client, ada, "search/", q="When is the shop open?", k=1).json["items"]) == 1


def test_a_search_in_one_collection_finds_nothing_of_another(app, client, ada):
    add_and_ingest(app, HOURS, collection="public")
    add_and_ingest(app, RETURNS, collection="internal")
    hits = get(client, ada, "search/", q="When is the shop open?", collection="internal").json["items"]
    assert [h["text"] for h in hits] == [RETURNS]
    answer = get(client, ada, "search/", q="When is the shop open?", collection="nowhere")
    assert (answer.status_code, answer.json["code"]) == (404, "collection_not_found")


def test_an_inactive_document_is_never_found(app, client, ada):
    add_and_ingest(app, HOURS, is_active=False)
    assert get(client, ada, "search/", q="When is the shop open?").json["items"] == []


def test_before_the_first_document_a_search_finds_nothing(client, ada):
    assert get(client, ada, "search/", q="anything").json["items"] == []


def test_while_the_first_document_is_ingested_a_search_finds_nothing(app, client, ada, monkeypatch):
    answers = []
    real = ingest.publish

    def publish(*args):
        answers.append(get(client, ada, "search/", q="When is the shop open?"))
        return real(*args)

    monkeypatch.setattr(ingest, "publish", publish)
    add_and_ingest(app, HOURS)
    assert [(a.status_code, a.json["items"]) for a in answers] == [(200, [])]
    assert len(get(client, ada, "search/", q="When is the shop open?").json["items"]) == 1


@pytest.mark.parametrize("q", ['"', "*", "NEAR(", "-", "'; DROP TABLE documents; --", "%", "\\", "👋", "x" * 1000])
def test_a_question_is_only_words(app, client, ada, q):
    """G10"""
    add_and_ingest(app, HOURS)
    assert get(client, ada, "search/", q=q).status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/q"),
        ({"q": ""}, "/q"),
        ({"q": "x" * 1001}, "/q"),
        ({"q": "x", "k": 0}, "/k"),
        ({"q": "x", "k": 51}, "/k"),
        ({"q": "x", "mode": "magic"}, "/mode"),
        ({"q": "x", "nope": 1}, "/nope"),
        ({"q": "a\0b"}, "/query"),
    ],
)
def test_a_bad_question_is_pointed_at(client, ada, query, pointer):
    assert pointers(get(client, ada, "search/", **query)) == [pointer]


# Figures


def test_stats_count_what_is_stored(app, client, root):
    empty = get(client, root, "stats/").json
    assert (empty["documents"], empty["chunks"], empty["embedder"], empty["revision"]) == ({}, 0, None, 0)
    kind = services(app).retriever.kind
    assert empty["index"] == {
        "kind": "flat" if kind == "faiss" else kind,
        "vectors": 0,
        "memory_bytes": 0,
        "revision": None,
    }
    gone = add_and_ingest(app, "This one goes.").id
    add_and_ingest(app, HOURS)
    post(client, root, content=RETURNS)
    client.delete(f"{DOCUMENTS}{gone}/", headers=root.headers)
    get(client, root, "search/", q="x")

    full = get(client, root, "stats/").json

    assert full["documents"] == {"ready": 1, "queued": 1}
    assert (full["chunks"], full["embedder"], full["dimension"], full["revision"]) == (1, "all-MiniLM-L6-v2", 384, 3)
    assert full["tokens"] > 10
    assert full["bytes"] == len(HOURS) + len(RETURNS)
    in_memory = {"kind": "flat", "vectors": 1, "memory_bytes": 384 * 4, "revision": 3}
    in_the_database = {"kind": "pgvector", "vectors": 1, "memory_bytes": 0, "revision": 3}
    assert full["index"] == (in_memory if kind == "faiss" else in_the_database)
    assert 0 <= full["queue_age_seconds"] < 60


def test_no_request_leaves_a_connection_behind(app, client, root, worker):
    post(client, root, wait=10)
    get(client, root, "search/", q="x")
    get(client, root, "stats/")
    with app.app_context():
        assert db.engine.pool.checkedout() <= 1  # The worker may hold one.


def test_a_collection_is_found_by_the_name_it_was_given(app, client, ada):
    add_and_ingest(app, HOURS, collection="two words")
    assert len(get(client, ada, "search/", q="When is the shop open?", collection="two  words").json["items"]) == 1
