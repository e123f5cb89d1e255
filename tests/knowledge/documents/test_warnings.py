"""Warnings of documents: stored with the text of a version, shown by the API, kept until another text is read."""

from __future__ import annotations

import io
from typing import Any

from sqlalchemy import select

from chatbot.current import services
from chatbot.knowledge.documents import service
from chatbot.knowledge.ingestion import ingest, reindex
from chatbot.knowledge.models import DocumentVersion
from chatbot.knowledge.parsing.warnings import SENTENCES
from tests.conftest import HOURS, sign_up
from tests.knowledge.conftest import add, ingest_now
from tests.knowledge.parsing.makers import make_pdf, make_xlsx, pdf_of_streams
from tests.knowledge.parsing.test_warnings import RED_SQUARE, WORDS

DOCUMENTS = "/api/knowledge/documents/"
SCAN = pdf_of_streams(WORDS, RED_SQUARE)
FORMULAS = make_xlsx(Sums=[["a", "b"], [1, "=A2*2"]])
PAGE_2: dict[str, Any] = {
    "code": "pages_not_read",
    "count": 1,
    "pages": [2],
    "names": [],
    "detail": SENTENCES["pages_not_read"],
}
SUMS = PAGE_2 | {
    "code": "formulas_not_read",
    "pages": [],
    "names": ["Sums"],
    "detail": SENTENCES["formulas_not_read"],
}


def get(client, person, path: str) -> Any:
    return client.get(DOCUMENTS + path, headers=person.headers).json


def stored(app, id_: str) -> list[tuple[int, list[str], bool]]:
    """Number, codes, and whether there is a text, of each version."""
    with services(app).sessions() as session:
        query = select(DocumentVersion).where(DocumentVersion.document_id == id_).order_by(DocumentVersion.version)
        return [(v.version, [w["code"] for w in v.warnings], bool(v.text)) for v in session.scalars(query)]


def test_warnings_are_shown_with_the_document_and_its_versions(client, app, root):
    id_ = add(app, SCAN, "scan.pdf")
    assert get(client, root, f"{id_}/")["warnings"] == []

    ingest_now(app, id_)

    shown = get(client, root, f"{id_}/")
    assert (shown["status"], shown["warnings"]) == ("ready", [PAGE_2])
    assert get(client, root, "")["items"][0]["warnings"] == [PAGE_2]
    assert get(client, root, f"{id_}/versions/")["items"][0]["warnings"] == [PAGE_2]
    assert get(client, root, f"{id_}/versions/1/")["warnings"] == [PAGE_2]


def test_warnings_are_not_for_readers(client, app, root):
    id_ = add(app, SCAN, "scan.pdf")
    ingest_now(app, id_)
    ada = sign_up(app, "ada")
    assert "warnings" not in get(client, ada, f"{id_}/")
    assert "warnings" not in get(client, ada, f"{id_}/versions/1/")


def test_upload_answers_with_the_warnings_when_it_waited(client, app, root, worker):
    form = {"file": (io.BytesIO(FORMULAS), "a.xlsx")}
    answer = client.post(f"{DOCUMENTS}?wait=30", data=form, headers=root.headers)
    assert (answer.status_code, answer.json["warnings"]) == (201, [SUMS])


def test_next_version_has_its_own_warnings(client, app, root):
    id_ = add(app, SCAN, "scan.pdf")
    ingest_now(app, id_)
    form = {"file": (io.BytesIO(FORMULAS), "a.xlsx")}
    waiting = client.put(f"{DOCUMENTS}{id_}/content/", data=form, headers=root.headers).json
    assert (waiting["status"], waiting["warnings"]) == ("queued", [])
    ingest_now(app, id_)
    assert get(client, root, f"{id_}/")["warnings"] == [SUMS]
    client.put(f"{DOCUMENTS}{id_}/content/", json={"content": HOURS}, headers=root.headers)
    ingest_now(app, id_)
    assert get(client, root, f"{id_}/")["warnings"] == []
    client.post(f"{DOCUMENTS}{id_}/versions/1/restore/", headers=root.headers)
    ingest_now(app, id_)
    assert get(client, root, f"{id_}/")["warnings"] == [PAGE_2]
    assert stored(app, id_) == [
        (1, ["pages_not_read"], True),
        (2, ["formulas_not_read"], True),
        (3, [], True),
        (4, ["pages_not_read"], True),
    ]


def test_document_that_fails_has_no_warnings(client, app, root):
    id_ = add(app, pdf_of_streams(RED_SQUARE), "scan.pdf")
    ingest_now(app, id_)
    shown = get(client, root, f"{id_}/")
    assert (shown["status"], shown["error"]["code"], shown["warnings"]) == ("failed", "no_text", [])


def test_texts_ingested_in_a_batch_have_warnings(app):
    ids = [add(app, f"Text {n}".encode(), f"{n}.txt") for n in range(9)]
    bad = add(app, b"\xef\xbb\xbfgr\xfc\xdfe", "bad.txt")
    with services(app).sessions() as session:
        assert ingest.ingest_batch(session, services(app).embedders, 60) == 10
    assert [stored(app, id_)[0][1] for id_ in (*ids, bad)] == [*[[]] * 9, ["characters_replaced"]]


def test_reindex_keeps_the_warnings(app):
    id_ = add(app, SCAN, "scan.pdf")
    ingest_now(app, id_)
    with services(app).sessions() as session:
        generation, owner = reindex.begin(session, services(app).embedders, None, 60)
    reindex.build(services(app).sessions, services(app).embedders, generation, owner, threads=1)
    assert stored(app, id_) == [(1, ["pages_not_read"], True)]


def test_deletion_empties_the_warnings(app):
    id_ = add(app, FORMULAS, "a.xlsx")
    ingest_now(app, id_)
    with services(app).sessions() as session:
        service.delete_document(session, id_)
    assert stored(app, id_) == [(1, [], False)]


def test_dry_run_tells_the_warnings(client, app, root):
    for data, name, expected in ((SCAN, "a.pdf", [PAGE_2]), (FORMULAS, "a.xlsx", [SUMS]), (make_pdf("x"), "b.pdf", [])):
        form = {"file": (io.BytesIO(data), name)}
        answer = client.post(f"{DOCUMENTS}?dry_run=1", data=form, headers=root.headers)
        assert (answer.json["warnings"], answer.json["instruction_signs"]) == (expected, [])
