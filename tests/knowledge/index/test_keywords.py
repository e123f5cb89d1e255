"""The keyword index finds chunks by their words, ranks them alike on both databases, and goes with its chunks."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from chatbot.current import services
from chatbot.db import begin_write
from chatbot.knowledge.documents import service, updates
from chatbot.knowledge.index import keyword_counts, keywords
from chatbot.knowledge.index.keywords import Scope
from chatbot.knowledge.ingestion import chunks
from chatbot.knowledge.maintenance import keyword_backfill
from chatbot.knowledge.models import ChunkRow, Document, Generation
from chatbot.knowledge.tasks import sweep_documents
from chatbot.rag.text.stemming import TERMS_VERSION, terms_of
from tests.conftest import HOURS, RETURNS, add_and_ingest
from tests.knowledge.conftest import add, found, ingest_now, visible

ALL = ["en", "de", ""]
FRUIT = [
    "Apples grow on trees. An apple a day is said to help.",
    "Pears grow on trees, and pears are soft.",
    "Bananas grow in the south, where it is warm.",
    "Cherries are red and small, and birds like cherries.",
    "Plums are blue.",
    "Grapes become wine in the cellar of the monastery.",
    "Figs are eaten dry.",
    "Lemons are sour. Nobody eats lemons like apples.",
    "Melons are heavy.",
    "Dates come from palms.",
]


def search(session: Session, question: str, **scope) -> list[tuple[int, float]]:
    generation = session.scalars(select(Generation)).one()
    hits = keywords.search(session, question, ALL, Scope(generation.id, **scope), 10).hits
    session.rollback()
    return hits


def texts(session: Session, hits: list[tuple[int, float]]) -> list[str]:
    rows = dict(session.execute(select(ChunkRow.id, ChunkRow.text)).all())
    session.rollback()
    return [rows[chunk_id] for chunk_id, _ in hits]


def indexed(session: Session) -> set[int]:
    """The ids the keyword index holds."""
    column = "rowid" if session.get_bind().dialect.name == "sqlite" else "chunk_id"
    ids = set(session.scalars(text(f"SELECT {column} FROM chunk_terms")))
    session.rollback()
    return ids


def test_chunks_are_found_by_any_form_of_their_words_best_first(app, session):
    for fruit in FRUIT:
        add_and_ingest(app, fruit, title="Fruit")
    assert texts(session, search(session, "apples?")) == [FRUIT[0], FRUIT[7]]
    assert texts(session, search(session, "Which bird likes a cherry?")) == [FRUIT[3], FRUIT[7]]
    assert search(session, "xylophone") == []


def textbook(said: list[list[str]], terms: tuple[str, ...]) -> list[float]:
    """BM25 with k1 1.2, b 0.75 and an idf that is never below 0."""
    mean, scores = sum(map(len, said)) / len(said), []
    for words in said:
        counts, score = Counter(words), 0.0
        for term in terms:
            df = sum(term in other for other in said)
            idf = math.log(1 + (len(said) - df + 0.5) / (df + 0.5))
            score += idf * counts[term] * 2.2 / (counts[term] + 1.2 * (0.25 + 0.75 * len(words) / mean))
        scores.append(score)
    return scores


def terms_of_all(session: Session) -> dict[str, list[str]]:
    """The terms of each chunk, by its text."""
    rows = session.execute(
        select(Document.title, Document.source, Document.language, ChunkRow.headings, ChunkRow.text)
        .join(ChunkRow, ChunkRow.document_id == Document.id)
        .order_by(ChunkRow.id)
    ).all()
    session.rollback()
    return {row.text: keywords.terms_of_chunk(*row) for row in rows}


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_scores_of_any_base_equal_textbook_bm25(app, session, count):
    """Within 1 %, on both databases; FTS5 itself gives a word of half of all rows no weight."""
    for fruit in FRUIT[:count]:
        add_and_ingest(app, fruit, title="Fruit")
    said = terms_of_all(session)
    hits = search(session, "apple trees soft")
    scores = textbook(list(said.values()), ("appl", "tree", "soft"))
    expected = {fruit: score for fruit, score in zip(said, scores, strict=True) if score}
    found = dict(zip(texts(session, hits), [score for _, score in hits], strict=True))
    assert found == {fruit: pytest.approx(score, rel=0.01) for fruit, score in expected.items()}


def test_scores_of_terms_that_only_raise_equal_textbook_bm25(app, session, monkeypatch):
    monkeypatch.setattr(keywords, "MOST_RANKED", 2)
    for fruit in FRUIT:
        add_and_ingest(app, fruit, title="Fruit")
    said = terms_of_all(session)
    hits = search(session, "cellar soft fruit trees apples")
    expected = dict(zip(said, textbook(list(said.values()), ("cellar", "soft", "fruit", "tree", "appl")), strict=True))
    assert hits
    for fruit, (_, score) in zip(texts(session, hits), hits, strict=True):
        assert score == pytest.approx(expected[fruit], rel=0.01)


def test_scores_with_rows_of_another_generation_hardly_differ(app, session):
    """The table has the rows of both; what a generation's scores rest on is its share of them."""
    for fruit in FRUIT:
        add_and_ingest(app, fruit, title="Fruit")
    scope = Scope(session.scalars(select(Generation)).one().id, chunks=len(FRUIT))
    before = keywords.search(session, "apple trees soft", ALL, scope, 10).hits
    session.rollback()
    begin_write(session)
    columns = [column.key for column in ChunkRow.__table__.columns if column.key not in {"id", "ordinal"}]
    for row in session.scalars(select(ChunkRow)).all():
        copy = ChunkRow(**{name: getattr(row, name) for name in columns}, ordinal=row.ordinal + 100)
        copy.added_revision = None
        session.add(copy)
        session.flush()
        keywords.index_chunks(session, [copy.id])
    session.commit()
    keyword_counts.counts._kept.clear()
    after = keywords.search(session, "apple trees soft", ALL, scope, 10).hits
    assert after == [(chunk_id, pytest.approx(score, rel=0.01)) for chunk_id, score in before]


def test_a_chunk_needs_a_rare_term_of_the_question_and_common_ones_raise_its_score(app, session, monkeypatch):
    """A common word does not have half of all chunks ranked; it still decides between those that are."""
    monkeypatch.setattr(keywords, "MOST_RANKED", 3)
    for n in range(4):
        add_and_ingest(app, f"The valve of pump {n} leaks.", title="T")
        add_and_ingest(app, f"Somebody paints wall {n} white and red.", title="T")
        add_and_ingest(app, f"Nobody sings song {n} at night.", title="T")
    add_and_ingest(app, "The gasket of pump nine leaks.", title="T")
    add_and_ingest(app, "The gasket of a boat.", title="T")
    add_and_ingest(app, "The harbour has a crane.", title="T")
    hits = texts(session, search(session, "gasket harbour pump leak"))
    assert set(hits) == {"The gasket of pump nine leaks.", "The gasket of a boat.", "The harbour has a crane."}
    assert hits.index("The gasket of pump nine leaks.") < hits.index("The gasket of a boat.")


def test_the_rarest_terms_are_needed_and_at_least_two():
    counts = {"rare": 10, "odd": 900, "common": 5_000, "everywhere": 90_000}
    assert keywords.rare(counts) == ["rare", "odd"]
    assert keywords.rare({"c": 70_000, "a": 50_000, "b": 60_000}) == ["a", "b"]
    assert keywords.rare({"a": 5}) == ["a"]
    assert keywords.rare({}) == []
    assert keywords.less_rare(counts) == ["rare", "odd", "common", "everywhere"]
    assert keywords.less_rare(counts | {"everywhere": 95_000}) == ["rare", "odd", "common"]
    assert keywords.less_rare({"a": 5}) == []


def test_words_that_only_others_documents_have_take_nothing_away(app, session, monkeypatch):
    """J2: what a reader finds does not hang on what they may not read."""
    monkeypatch.setattr(keywords, "MOST_RANKED", 3)
    for n in range(4):
        add_and_ingest(app, f"Policy {n} of the harbour.", title="T", collection="mine")
    mine = frozenset([add_and_ingest(app, "Somebody sings.", title="T", collection="mine").collection_id])
    before = texts(session, search(session, "zebra quokka policy", collections=mine))
    add_and_ingest(app, "A zebra and a quokka.", title="T", collection="others")
    add_and_ingest(app, "A policy of others.", title="T", collection="others")
    keyword_counts.counts._kept.clear()
    assert texts(session, search(session, "zebra quokka policy", collections=mine)) == before
    assert len(before) == 4


def test_of_the_terms_that_only_raise_a_score_the_rarest_are_asked_for():
    """To look at all rows that have one takes time."""
    counts = {"rare": 10, "odd": 40_000, "common": 70_000, "more": 90_000, "everywhere": 300_000}
    assert keywords.merely_raising(counts, ["rare"]) == ["odd"]
    assert keywords.merely_raising(counts | {"common": 60_000}, ["rare"]) == ["odd", "common"]
    assert keywords.merely_raising(counts, ["rare", "odd", "common"]) == ["more"]


def test_the_title_the_source_and_the_headings_count_as_words_of_a_chunk(app, session):
    add_and_ingest(app, "# Zebras\n\nThey have stripes.", title="Animals of the savannah", source="zoo/quagga.md")
    for word in ("zebra", "savannah", "quagga", "stripes"):
        assert len(search(session, word)) == 1


@pytest.mark.parametrize(
    "question",
    [
        '"',
        "'",
        "NEAR(a b)",
        "terms: shop",
        "shop*",
        "shop AND NOT nine",
        "a & | ! <-> b",
        "(",
        "\\",
        "^shop",
        "-shop",
        "shop:*",
        "{shop}",
        "'; DROP TABLE chunk_terms; --",
        "\x00",
        "%",
        ":t0",
        "shop' | 'nine",
    ],
    ids=repr,
)
def test_no_question_is_a_query(app, session, question):
    """Its words are looked for, and nothing else in it means anything."""
    add_and_ingest(app, HOURS)
    words = [term for term in terms_of(question, "en") if term in terms_of(HOURS, "en")]
    assert len(search(session, question)) == (1 if words else 0)


def test_a_question_of_a_thousand_words_is_answered(app, session):
    add_and_ingest(app, HOURS)
    assert len(search(session, "shop " + " ".join(f"word{n}" for n in range(1_000)))) == 1


def test_languages_are_stemmed_each_in_its_own_way(app, session):
    add_and_ingest(app, "Die Häuser der Stadt sind alt, und das ist nicht zu ändern, denn sie stehen unter Schutz.")
    add_and_ingest(app, "商店九点到五点营业，星期六十点开门。", title="商店")
    assert [d.language for d in session.scalars(select(Document).order_by(Document.uploaded_at))] == ["de", "zh"]
    session.rollback()
    assert len(search(session, "Haus")) == 1
    assert (
        len(
            keywords.search(
                session, "星期六几点开门", ["zh"], Scope(session.scalars(select(Generation.id)).one()), 5
            ).hits
        )
        == 1
    )


def test_the_generation_knows_the_languages_of_its_documents(app, session):
    add_and_ingest(app, HOURS)
    add_and_ingest(app, "Der Laden ist von neun bis fünf Uhr geöffnet, und am Samstag öffnet er um zehn.")
    add_and_ingest(app, "OK")
    assert session.scalars(select(Generation)).one().languages == ["", "de", "en"]
    session.rollback()
    assert found(app, "opens", mode="keyword") == [HOURS]


def test_deleting_a_document_takes_its_terms_along_at_once(app, session):
    """J3: emptied text has no words, whatever becomes of the row."""
    gone, stays = add_and_ingest(app, HOURS), add_and_ingest(app, RETURNS)
    with services(app).sessions() as other:
        service.delete_document(other, gone.id)
    (left,) = visible(app)
    assert indexed(session) == {left.id}
    assert left.document_id == stays.id


def test_deleting_a_chunks_row_takes_its_terms_along(app, session):
    add_and_ingest(app, HOURS)
    begin_write(session)
    session.execute(delete(ChunkRow))
    session.commit()
    assert indexed(session) == set()


def test_a_new_title_is_found_at_once(app, session):
    id_ = add_and_ingest(app, HOURS, title="Opening times").id
    assert len(search(session, "bakery opens")) == 1
    with services(app).sessions() as other:
        updates.edit_document(other, id_, {"title": "The bakery"})
    assert texts(session, search(session, "bakery")) == [HOURS]
    assert search(session, "times") == []


def test_a_title_that_changes_while_a_long_text_goes_in_is_that_of_all_its_chunks(app, session, monkeypatch):
    body = "\n\n".join(f"# Part {n}\n\n" + " ".join(f"word{n}x{i}" for i in range(60)) for n in range(40))
    id_, real, batches = add(app, body, title="Oldname", filename="a.md"), chunks.fill_vectors, []

    def named_anew(*args):
        real(*args)
        batches.append(1)
        if len(batches) == 2:
            with services(app).sessions() as other:
                updates.edit_document(other, id_, {"title": "Newname"})

    monkeypatch.setattr(chunks, "fill_vectors", named_anew)
    monkeypatch.setattr(chunks, "CHECKPOINT", 16)
    ingest_now(app, id_)
    generation = session.scalars(select(Generation)).one()
    ids = [id_ for id_, _ in keywords.search(session, "newname", ALL, Scope(generation.id), 500).hits]
    assert sorted(ids) == sorted(chunk.id for chunk in visible(app))
    assert len(batches) > 2
    assert keywords.search(session, "oldname", ALL, Scope(generation.id), 500).hits == []


def test_a_new_version_is_found_by_its_own_words_only(app, session):
    """J3"""
    id_ = add_and_ingest(app, "Umbrellas are sold here.").id
    with services(app).sessions() as other:
        service.put_content(other, id_, service.NewDocument(b"Parasols are sold here.", filename="a.md"))
    ingest_now(app, id_)
    assert search(session, "umbrella") == []
    assert texts(session, search(session, "parasol")) == ["Parasols are sold here."]


def test_an_unfinished_version_is_not_found(app, session):
    add_and_ingest(app, HOURS)
    begin_write(session)
    session.execute(update(ChunkRow).values(added_revision=None))
    session.commit()
    assert search(session, "shop") == []


def test_a_document_that_is_switched_off_is_not_found(app, session):
    id_ = add_and_ingest(app, HOURS).id
    begin_write(session)
    session.get_one(Document, id_).is_active = False
    session.commit()
    assert search(session, "shop") == []


def test_the_best_in_scope_are_found_behind_any_number_of_better_ones_outside(app, session):
    """J2: more than the search looks at first."""
    mine = add_and_ingest(
        app, "A long text which mentions the shop once, among very many other things of the town.", collection="mine"
    )
    for n in range(45):
        add_and_ingest(app, f"shop shop shop {n}", collection="theirs")
    (hit,) = search(session, "shop", collections=frozenset([mine.collection_id]))
    assert texts(session, [hit]) == [
        "A long text which mentions the shop once, among very many other things of the town."
    ]
    assert search(session, "shop", collections=frozenset()) == []
    assert len(search(session, "shop")) == 10


def test_what_was_ingested_before_there_was_an_index_is_caught_up_with(app, session):
    """A knowledge base of an earlier release keeps its documents and gains their words."""
    add_and_ingest(app, HOURS)
    add_and_ingest(app, RETURNS)
    begin_write(session)
    session.execute(text("DELETE FROM chunk_terms"))
    session.execute(update(Generation).values(languages=[]))
    session.execute(update(Document).values(language=None))
    session.commit()
    assert search(session, "shop") == []
    with app.app_context():
        sweep_documents.run()
    assert indexed(session) == {chunk.id for chunk in visible(app)}
    assert texts(session, search(session, "shop")) == [HOURS]
    assert set(session.scalars(select(Document.language))) == {"en"}
    assert session.scalars(select(Generation)).one().languages == ["en"]
    session.rollback()
    assert keyword_backfill.catch_up(session) == 0


def test_terms_of_an_earlier_version_are_written_anew(app, session):
    """A question has terms of now, which an index of then does not have."""
    add_and_ingest(app, HOURS)
    begin_write(session)
    session.execute(text("DELETE FROM chunk_terms"))
    session.execute(update(Generation).values(terms_version=TERMS_VERSION - 1))
    session.commit()
    with app.app_context():
        sweep_documents.run()
    assert indexed(session) == {chunk.id for chunk in visible(app)}
    assert session.scalars(select(Generation.terms_version)).all() == [TERMS_VERSION]
    session.rollback()
    assert keyword_backfill.catch_up(session) == 0


def test_a_failed_document_leaves_no_words(app, session, monkeypatch):
    """The terms are written with their chunks or not at all."""

    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(keywords, "write_terms", broken)
    with pytest.raises(RuntimeError):
        ingest_now(app, add(app, HOURS))
    assert (indexed(session), visible(app)) == (set(), [])
