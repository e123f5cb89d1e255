"""What would become of a document, and which documents say nearly the same."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from sqlalchemy import func, select, update

from chatbot.current import services
from chatbot.db import Base, begin_write
from chatbot.knowledge.models import DocumentVersion
from chatbot.knowledge.parsing.near_duplicates import BITS, NEAR, distances, simhash, similarity
from tests.broker_files import messages
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import long_text
from tests.knowledge.parsing.makers import make_docx, make_pdf

TEXT = long_text(3)


def preview(client: Any, person: Any, dry_run: str = "1", **body: Any) -> Any:
    path = f"/api/knowledge/documents/?dry_run={dry_run}"
    return client.post(path, json={"title": "T", "content": TEXT} | body, headers=person.headers)


def preview_file(client: Any, person: Any, data: bytes, name: str, **fields: Any) -> Any:
    form = {"file": (io.BytesIO(data), name), **fields}
    return client.post("/api/knowledge/documents/?dry_run=true", data=form, headers=person.headers)


def counts(app) -> dict[str, int]:
    with services(app).sessions() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: session.scalars(select(func.count()).select_from(table)).one() for table in tables}


def test_a_dry_run_tells_what_would_be_stored_and_stores_nothing(client, app, root):
    before = counts(app)
    answer = preview(client, root)
    assert answer.status_code == 200
    assert counts(app) == before
    assert messages(services(app).settings.instance_path) == []
    body = answer.json
    assert body.pop("tokens") > 200
    assert body == {
        "encoding": "utf-8",
        "language": "en",
        "media_type": "text/markdown",
        "title": "T",
        "pages": None,
        "pages_without_text": None,
        "characters": len(TEXT),
        "chunk_count": 3,
        "price_usd": None,
        "exact_duplicate": None,
        "near_duplicates": [],
        "instruction_score": 0.0,
        "instruction_signs": [],
        "warnings": [],
    }


def test_the_counts_are_those_of_the_document_that_is_added_afterwards(client, app, root):
    told = preview(client, root).json
    add_and_ingest(app, TEXT)
    stats = client.get("/api/knowledge/stats/", headers=root.headers).json
    assert (told["chunk_count"], told["tokens"]) == (stats["chunks"], stats["tokens"])


def test_pages_without_text_are_counted(client, app, root):
    body = preview_file(client, root, make_pdf("The first page.", "", "The third page."), "scan.pdf").json
    assert (body["pages"], body["pages_without_text"], body["encoding"]) == (3, 1, None)
    assert (body["media_type"], body["title"]) == ("application/pdf", "scan.pdf")


@pytest.mark.parametrize(
    ("data", "name", "encoding"),
    [
        ("Größe und Maß der Bänke.".encode("cp1252"), "a.txt", "cp1252"),
        ("Größe".encode(), "a.txt", "utf-8"),
        ("Größe und Maß".encode("utf-16"), "a.txt", "utf-16-le"),
        (b"<html><meta charset=iso-8859-2><p>" + "Žluťoučký kůň".encode("iso-8859-2"), "a.html", "iso8859-2"),
        (make_docx(HOURS), "a.docx", None),
    ],
    ids=["cp1252", "utf-8", "utf-16", "declared", "docx"],
)
def test_the_encoding_of_a_text_is_told(client, root, data, name, encoding):
    body = preview_file(client, root, data, name).json
    assert body["encoding"] == encoding


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (make_pdf(""), "scan.pdf", "no_text"),
        (make_pdf("x", password="pw"), "a.pdf", "encrypted"),
        (b"%PDF-1.7 nothing", "a.pdf", "damaged"),
        (b"\x7fELF" + bytes(60), "a.bin", "unsupported"),
        (b" ", "a.txt", "no_text"),
    ],
    ids=["scan", "encrypted", "damaged", "unsupported", "blank"],
)
def test_a_file_that_cannot_be_read_is_told_with_the_code_it_would_fail_with(client, app, root, data, name, code):
    """H8"""
    before = counts(app)
    answer = preview_file(client, root, data, name)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert counts(app) == before


@pytest.mark.parametrize("dry_run", ["yes", "2", ""])
def test_what_is_no_yes_and_no_no_is_refused(client, app, root, dry_run):
    assert preview(client, root, dry_run).status_code == 422


def test_a_dry_run_that_says_no_adds_the_document(client, root):
    assert preview(client, root, "0").status_code == 202


def test_the_same_content_and_nearly_the_same_are_named(client, app, root):
    """H10"""
    same = add_and_ingest(app, TEXT).id
    near = add_and_ingest(app, TEXT.replace("number 1", "number eleven"), title="Nearly").id
    elsewhere = add_and_ingest(app, TEXT, title="Elsewhere", collection="internal").id
    add_and_ingest(app, RETURNS * 5, title="Different")
    body = preview(client, root).json
    assert body["exact_duplicate"] == same
    assert [d["document_id"] for d in body["near_duplicates"]] == [elsewhere, near]
    assert body["near_duplicates"][0] == {"document_id": elsewhere, "title": "Elsewhere", "similarity": 1.0}
    assert 0.8 < body["near_duplicates"][1]["similarity"] < 1


def test_a_deleted_document_and_an_earlier_version_are_no_duplicates(client, app, root):
    gone = add_and_ingest(app, TEXT).id
    client.delete(f"/api/knowledge/documents/{gone}/", headers=root.headers)
    changed = add_and_ingest(app, TEXT, title="Changed").id
    client.put(f"/api/knowledge/documents/{changed}/content/", json={"content": RETURNS}, headers=root.headers)
    body = preview(client, root).json
    assert (body["exact_duplicate"], body["near_duplicates"]) == (None, [])


def test_a_document_from_before_there_were_hashes_is_passed_over(client, app, root):
    add_and_ingest(app, TEXT, collection="internal")
    with services(app).sessions() as session:
        begin_write(session)
        session.execute(update(DocumentVersion).values(simhash=None))
        session.commit()
    assert preview(client, root).json["near_duplicates"] == []


# The hash


def words(seed: int, count: int = 300) -> list[str]:
    chosen = random.Random(seed)
    return [f"word{chosen.randrange(2000)}" for _ in range(count)]


def test_texts_with_a_word_in_a_hundred_changed_are_near_and_others_are_not():
    texts = [words(seed) for seed in range(60)]
    hashes = [simhash(" ".join(text)) or 0 for text in texts]
    changed = [simhash(" ".join("other" if n % 100 == 50 else w for n, w in enumerate(text))) or 0 for text in texts]
    assert all(distances(one, [two])[0] <= NEAR for one, two in zip(hashes, changed, strict=True))
    apart = [d for n, one in enumerate(hashes) for d in distances(one, hashes[n + 1 :] or [one ^ -1])]
    assert min(apart) > NEAR


def test_a_hash_is_the_same_on_every_machine_and_fits_a_signed_column():
    assert simhash("The shop is open from nine to five.") == simhash("the  SHOP is open, from nine to five!")
    assert all(-(2**63) <= (simhash(" ".join(words(seed))) or 0) < 2**63 for seed in range(50))
    assert [simhash(text) for text in ("", " ...", "\n")] == [None, None, None]
    assert simhash("one") != simhash("two")


def test_scripts_without_spaces_are_compared_by_their_signs():
    text = "今日は天気がとても良いので公園まで散歩に行きました。" * 3 + "犬も一緒でした。"
    near, far = simhash(text.replace("犬", "猫")), simhash("株式市場は昨日の取引で大きく値下がりしました。")
    assert distances(simhash(text) or 0, [near or 0])[0] <= NEAR < distances(simhash(text) or 0, [far or 0])[0]


@pytest.mark.parametrize(("distance", "share"), [(0, 1.0), (NEAR, 0.882), (BITS // 2, 0.0), (BITS, 0.0)])
def test_few_different_bits_are_much_the_same(distance, share):
    assert similarity(distance) == share
