"""The filter of a search: every form of it, on both databases, and what people try to smuggle in."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from chatbot.errors import Invalid
from chatbot.knowledge.documents.filters import conditions
from chatbot.knowledge.models import Document
from tests.conftest import add_and_ingest
from tests.knowledge.test_routes import get, pointers

QUESTION = "Which tower keeps the light?"
# What each document says about itself. All say the same otherwise, so that any of them is found for the question.
SAID = {
    "a": {"document_type": "FAQ", "extra": {"team": "support", "year": 2024, "done": True, "share": 0.5}},
    "b": {"document_type": "FAQ", "extra": {"team": "sales", "year": 2025, "done": False, "share": 1.5}},
    "c": {"document_type": "guide", "extra": {"team": "Support", "year": "2024", "big": 12345678901234567}},
    "d": {"source": "https://example.com/x:1?a=b", "extra": {"team": None, "a.b": "dot", "two words": "x"}},
    "e": {"extra": {"team": ["support"], "a": {"b": "deep"}, "0": "zero", "none": ""}},
    "f": {"document_type": "50%_off '\"\\", "extra": {"team": "support, or sales", "emoji": "🐴", "-no": "minus"}},
}


@pytest.fixture
def search(app, client, ada):
    """The names of the documents that a filter leaves."""
    for name, said in SAID.items():
        add_and_ingest(app, f"The tower named {name} keeps the light over the harbour.", title=f"Tower {name}", **said)

    def search(filter_: str, mode: str = "hybrid") -> str:
        answer = get(client, ada, "search/", q=QUESTION, k=50, filter=filter_, mode=mode)
        assert answer.status_code == 200, answer.text
        return "".join(sorted(item["title"][-1] for item in answer.json["items"]))

    return search


def test_every_form_of_the_syntax(search):
    """On a document's own fields and on its metadata, with one value or several, and turned round."""
    for written, left in {
        "document_type:FAQ": "ab",
        "document_type:FAQ|guide": "abc",
        " document_type : FAQ | guide ": "abc",
        "-document_type:FAQ": "cdef",
        "-document_type:FAQ|guide": "def",
        "document_type:FAQ,team:sales": "b",
        "document_type:FAQ,-team:sales": "a",
        "team:support": "a",
        "team:Support": "c",
        "team:support|sales": "ab",
        "-team:support|sales": "cdef",
        "team:support,team:sales": "",
        "language:en": "abcdef",
        "-language:en": "",
        "language:de": "",
        "title:Tower d": "d",
        "source:https://example.com/x:1?a=b": "d",
        "a.b:dot": "d",
        "two words:x": "d",
        "a.b:deep": "",
        "0:zero": "e",
        "emoji:🐴": "f",
        "document_type:50%_off '\"\\": "f",
        "document_type:50%": "",
        "nothing:there": "",
        "-nothing:there": "abcdef",
        "-team:None": "abcdef",
        "team:null": "",
    }.items():
        for mode in ("hybrid", "dense", "keyword"):
            assert (written, search(written, mode)) == (written, left)


def test_numbers_and_truths_are_compared_as_they_are_written(search):
    for written, left in {
        "year:2024": "ac",
        "year:2024|2025": "abc",
        "-year:2024": "bdef",
        "year:2024.0": "",
        "year:202": "",
        "share:0.5": "a",
        "share:1.5|0.5": "ab",
        "big:12345678901234567": "c",
        "done:true": "a",
        "done:false": "b",
        "done:true|false": "ab",
        "-done:true": "bcdef",
        "-done:false": "acdef",
        "done:True": "",
        "done:yes": "",
    }.items():
        assert (written, search(written)) == (written, left)


def test_what_looks_like_something_else_is_a_name_and_a_value(search):
    """G10: it finds nothing, it breaks nothing, and turned round it leaves everything."""
    for written in (
        "status:ready",
        "is_active:1",
        "content_hash:x",
        "collection_id:x",
        "id:1",
        "metadata:{}",
        "extra:x",
        "__class__:x",
        "team:' OR 1=1 --",
        "team:support') OR ('1'='1",
        "team:%",
        "team:*",
        "team:_upport",
        "team:support; DROP TABLE documents",
        "team:$.team",
        'team:"support"',
        "team:\\",
        "team:\\x00",
        "team:NULL",
        "team:\u202esupport",
        "team:ｓｕｐｐｏｒｔ",
        "team:support\u0301",
        "x:" + "y" * 498,
        "team.support:x",
        "a.b.c.d:x",
        "0.0:zero",
        "t-e-a-m:support",
        "team --:support",
    ):
        assert (written, search(written), search(f"-{written}"[:500])) == (written, "", "abcdef")


def test_what_is_not_written_that_way_is_refused(client, ada):
    """G10 G11: before anything is searched."""
    for written in (
        "team",
        "team:",
        ":support",
        "team: ",
        "team:support|",
        "team:|support",
        "team:a||b",
        ",",
        "team:a,",
        ",team:a",
        "--team:a",
        "- team:a",
        "-:a",
        " ",
        "(team:a)",
        "team':a",
        'team":a',
        "$.team:a",
        "te$am:a",
        "team[0]:a",
        "tëam:a",
        "team\x1f:a",
        "x" * 65 + ":a",
        ",".join(["team:a"] * 11),
    ):
        assert (written, pointers(get(client, ada, "search/", q=QUESTION, filter=written))) == (written, ["/filter"])


def test_what_no_text_may_hold_is_refused(client, ada):
    """G8 G9: nothing, too much, NUL, and half a character."""
    for written in (b"", b"x" * 501, b"team:\0", b"team:\xed\xa0\x80"):
        assert (written, get(client, ada, "search/", q=QUESTION, filter=written).status_code) == (written, 422)


def test_ten_conditions_and_many_values_are_taken(search):
    assert search(",".join(["-team:a"] * 10)) == "abcdef"
    assert search("team:" + "|".join(f"v{n}" for n in range(90)) + "|sales") == "b"


def test_a_filter_widens_nothing(app, client, ada, root):
    """J1: whatever it says, it is one more condition on what the reader may read."""
    add_and_ingest(app, "The tower named x keeps the light over the harbour.", title="Tower x", collection="closed")
    (closed,) = [c for c in get(client, root, "collections/").json["items"] if c["name"] == "closed"]
    where = f"/api/knowledge/collections/{closed['id']}/"
    assert client.patch(where, json={"visibility": "members"}, headers=root.headers).status_code == 200
    for written in ("title:Tower x", "-title:y", "-team:a", "language:en", "collection:closed", "title:Tower x|y"):
        for mode in ("hybrid", "dense", "keyword"):
            assert get(client, ada, "search/", q=QUESTION, filter=written, mode=mode).json["items"] == []


def test_no_word_of_a_filter_becomes_sql():
    """G10: field and value are bound, even where the dialect writes a path."""
    (condition,) = conditions("te-am.x y:'; DROP TABLE documents")
    assert "DROP" not in str(select(Document.id).where(condition))
    assert conditions(None) == ()
    with pytest.raises(Invalid):
        conditions("")


def test_at_the_edges_numbers_are_found_as_their_database_writes_them(app, session):
    """As docs/knowledge.md tells."""
    values = {"true": True, "false": False, "large": 1e20, "list": ["support"]}
    for name, value in values.items():
        add_and_ingest(app, f"It is {name}.", title=name, extra={"v": value})
    found = {
        asked: sorted(session.scalars(select(Document.title).where(*conditions(f"v:{asked}"))))
        for asked in ("1", "0", "1.0e+20", "1e+20", "support")
    }
    sqlite = {"1": ["true"], "0": ["false"], "1.0e+20": ["large"], "1e+20": [], "support": []}
    postgresql = {"1": [], "0": [], "1.0e+20": [], "1e+20": ["large"], "support": []}
    assert found == (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql)
