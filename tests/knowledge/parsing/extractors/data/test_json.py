import json

import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.data.json import extract
from chatbot.knowledge.parsing.formats import JSON
from chatbot.knowledge.parsing.limits import DEFAULT, Limits


def text_of(source: str) -> str:
    return extract(source.encode(), DEFAULT).text


def code_of(data: bytes, limits: Limits = DEFAULT, name: str = "a.json") -> str:
    with pytest.raises(ParseError) as caught:
        parse(data, name, limits=limits)
    return caught.value.code


def test_each_value_stands_behind_its_path():
    document = {
        "title": "Opening hours",
        "shop": {"open": True, "days": ["Monday", "Tuesday"], "note": None, "e": ""},
        "people": [{"name": "Ada"}, {"name": "Bob", "full name": "B."}],
    }

    parsed = parse(json.dumps(document).encode(), "a.json")

    assert parsed.text == (
        "title: Opening hours\nshop.open: true\nshop.days[0]: Monday\nshop.days[1]: Tuesday\n\n"
        "people[0].name: Ada\n\npeople[1].name: Bob\npeople[1].full name: B."
    )
    assert (parsed.title, parsed.media_type, parsed.pages) == ("Opening hours", JSON, ())


def test_numbers_stay_as_they_are_written():
    assert text_of("[1.10, 1e3, 12345678901234567890, NaN]") == (
        "[0]: 1.10\n[1]: 1e3\n[2]: 12345678901234567890\n[3]: NaN"
    )
    assert text_of("9" * 5000) == "9" * 5000


def test_a_document_that_is_one_value_or_has_another_kind_of_title_is_read():
    assert text_of('"words"') == "words"
    assert extract(b'{"title": ["x"]}', DEFAULT) == ("title[0]: x", None, (), ())


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson"])
def test_json_lines_are_a_list_of_documents(name):
    lines = '{"q": "When?", "a": "Now\u2028or later"}\n\n{"q": "Who?"}\r\n"plain"\n'
    parsed = parse(lines.encode(), name)
    assert parsed.text == "[0].q: When?\n[0].a: Now\nor later\n\n[1].q: Who?\n[2]: plain"
    assert (parsed.title, parsed.media_type) == (None, "application/jsonl")


def test_what_is_no_json_is_damaged():
    assert code_of(b'{"a": 1') == "damaged"
    assert code_of(b'{"a": 1}\n{"a": 2}') == "damaged"
    assert code_of(b'{"a": 1}\n{"a"', name="a.jsonl") == "damaged"


@pytest.mark.parametrize("deep", [b"[" * 101 + b"1" + b"]" * 101, b"[" * 200_000, b'{"a":' * 150 + b"1" + b"}" * 150])
def test_deep_nesting_is_too_complex(deep):
    """H7"""
    assert code_of(deep) == "too_complex"
    assert json.loads(answer(deep, JSON, DEFAULT)) == {"error": "too_complex"}


def test_nesting_as_deep_as_allowed_is_read():
    """H7"""
    assert text_of("[" * 100 + "1" + "]" * 100) == "[0]" * 100 + ": 1"


def test_a_long_name_over_many_values_is_bounded():
    """H7"""
    data = json.dumps({"k" * 100_000: [1] * 10_000}).encode()
    assert code_of(data) == "too_complex"


@pytest.mark.parametrize("data", [b"{}", b"[]", b"null", b'{"a": [null, "", {}]}', b'"  "'])
def test_a_document_without_values_has_no_text(data):
    """H8"""
    assert code_of(data) == "no_text"


def test_half_a_character_and_hidden_ones_do_not_come_out():
    """J6"""
    assert text_of(r'{"a": "x\ud800\u0000y\u200b\udb40\udc41"}') == "a: xy"
