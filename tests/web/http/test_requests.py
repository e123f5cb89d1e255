"""Hostile bodies and addresses end as a plain 4xx problem, the same on every database."""

from __future__ import annotations

import io
from urllib.parse import quote_from_bytes

import pytest

from chatbot.auth.models import User
from chatbot.web.http.requests import JSON_LIMIT, MAX_DEPTH

SIGNUP = "/api/users/signup/"
FIELDS = {"username": "ada", "email": "ada@example.com", "password": "correct horse 9", "password2": "correct horse 9"}


def sent(client, body: bytes, content_type: str = "application/json"):
    return client.post(SIGNUP, data=body, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"username": "\xe9"}',
        b'{"a": 1} x',
        b"nul",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=[
        "cut",
        "empty",
        "quotes",
        "comma",
        "bom",
        "latin1-bytes",
        "rest",
        "word",
        "nan",
        "infinity",
        "minus-infinity",
        "1e999",
        "minus-1e999",
        "5000-digits",
        "100k-open",
        "100k-arrays",
        "100k-objects",
    ],
)
def test_a_body_that_is_not_strict_json_is_malformed(sqlite_app, body):
    """G1 G3 G4"""
    answer = sent(sqlite_app.test_client(), body)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"', b"true", b"1.5e3"])
def test_json_that_is_not_an_object_is_not_valid(sqlite_app, body):
    """G1"""
    answer = sent(sqlite_app.test_client(), body)
    assert (answer.status_code, answer.json["detail"]) == (422, "The body must be a JSON object.")


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/xml", "application/json; charset=latin-1", "application/x-www-form-urlencoded"],
)
def test_a_body_of_another_type_is_unsupported(sqlite_app, content_type):
    """G1"""
    answer = sent(sqlite_app.test_client(), b'{"username": "ada"}', content_type)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "application/x+json"])
def test_json_in_utf8_is_read(sqlite_app, content_type):
    """G1"""
    answer = sent(sqlite_app.test_client(), b'{"username": "\xc3\xa9va"}', content_type)
    assert {e["pointer"] for e in answer.json["errors"]} == {"/email", "/password", "/password2"}


@pytest.mark.parametrize(("depth", "status"), [(MAX_DEPTH - 1, 422), (MAX_DEPTH, 422), (MAX_DEPTH + 1, 400)])
def test_json_nests_as_deep_as_the_limit(sqlite_app, depth, status):
    """G3 G9"""
    answer = sent(sqlite_app.test_client(), b"[" * depth + b"0" + b"]" * depth)
    assert answer.status_code == status


def padded(size: int) -> bytes:
    body = b'{"username": ""}'
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(("size", "status"), [(JSON_LIMIT - 1, 422), (JSON_LIMIT, 422), (JSON_LIMIT + 1, 413)])
def test_a_body_may_be_as_large_as_the_limit(sqlite_app, size, status):
    """G2 G9"""
    assert sent(sqlite_app.test_client(), padded(size)).status_code == status


def test_a_body_without_a_length_is_read_no_further_than_the_limit(sqlite_app):
    """G2"""
    stream = io.BytesIO(padded(4 * JSON_LIMIT))
    answer = sqlite_app.test_client().post(
        SIGNUP, input_stream=stream, content_type="application/json", environ_overrides={"wsgi.input_terminated": True}
    )
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert stream.tell() <= JSON_LIMIT + 64 * 1024


def test_a_length_without_a_body_is_a_bad_request(sqlite_app):
    """G2"""
    answer = sqlite_app.test_client().post(
        SIGNUP, data=b"{}", content_type="application/json", environ_overrides={"CONTENT_LENGTH": "500"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("field", ["username", "email", "password", "password2", "first_name", "last_name"])
@pytest.mark.parametrize("char", ["\0", "\ud800"])
def test_no_field_takes_a_nul_or_a_lone_surrogate(app, session, field, char):
    """G6 G7: the same on SQLite and PostgreSQL."""
    answer = app.test_client().post(SIGNUP, json=FIELDS | {field: f"abc{char}def ghi"})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"/{field}")
    assert session.query(User).count() == 0


def test_a_key_with_a_nul_is_refused(sqlite_app):
    """G7"""
    assert sqlite_app.test_client().post(SIGNUP, json=FIELDS | {"a\0": 1}).status_code == 422


def test_strings_deep_inside_are_pointed_at(sqlite_app):
    """G6"""
    answer = sqlite_app.test_client().post(SIGNUP, json={"a": [{"b": "\0"}]})
    assert answer.json["errors"][0]["pointer"] == "/a/0/b"


@pytest.mark.parametrize("raw", [b"\0", b"\xed\xa0\x80", b"\xff", b"a\xc3"])
def test_an_address_that_is_not_clean_text_is_refused(sqlite_app, raw):
    """G6 G7"""
    client = sqlite_app.test_client()
    in_path = client.get("/", environ_overrides={"PATH_INFO": "/static/" + raw.decode("latin-1")})
    in_query = client.get(f"/healthz?x={quote_from_bytes(raw)}")
    assert (in_path.status_code, in_path.json["errors"][0]["pointer"]) == (422, "/path")
    assert (in_query.status_code, in_query.json["errors"][0]["pointer"]) == (422, "/query")


@pytest.mark.parametrize("name", ["a\0.txt", "a\ud800.txt"])
def test_a_file_name_that_is_not_clean_text_is_refused(app, root, name):
    """G6 G7"""
    raw = name.encode("utf-8", "surrogatepass")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\nHello.\r\n--x--\r\n' % raw
    answer = app.test_client().post(
        "/api/knowledge/documents/", data=body, content_type="multipart/form-data; boundary=x", headers=root.headers
    )
    assert answer.status_code in (202, 422)
    assert b"\\u0000" not in answer.data
    assert b"\\ud800" not in answer.data


@pytest.mark.parametrize(
    ("field", "low", "high"), [("username", 3, 150), ("first_name", 0, 150), ("last_name", 0, 150)]
)
def test_names_have_limits_in_characters(app, field, low, high):
    """G8 G9: accepted at the limits and refused beyond."""
    client = app.test_client()
    seen = {}
    for number, length in enumerate({low, high - 1, high, high + 1, max(0, low - 1)}):
        fields = FIELDS | {"username": f"name{number}", "email": f"a{number}@example.com", field: "é" * length}
        seen[length] = client.post(SIGNUP, json=fields).status_code
    assert {length for length, status in seen.items() if status == 201} == {
        length for length in seen if low <= length <= high
    }
    assert set(seen.values()) <= {201, 422}


def test_a_megabyte_in_a_field_is_refused(sqlite_app):
    """G8"""
    answer = sqlite_app.test_client().post(SIGNUP, json=FIELDS | {"first_name": "x" * 1_000_000})
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["x' OR '1'='1", "'; DROP TABLE users; --", "%_\\", "‮abc", "👩‍🚀é"])
def test_odd_text_is_kept_as_it_was_sent(app, name):
    """G8 G10"""
    answer = app.test_client().post(SIGNUP, json=FIELDS | {"first_name": name})
    assert answer.json["user"]["first_name"] == name


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=1e9",
        "limit=999999999999999999999",
        "limit=",
        "limit=x",
        "limit=1&limit=2",
        "unknown=1",
        "cursor=",
        "limit=1.5",
        "limit=%F0%9F%98%80",
    ],
)
def test_a_query_that_makes_no_sense_is_refused_or_ignored_by_rule(app, ada, query):
    """G11"""
    answer = app.test_client().get(f"/api/chat/history/?{query}", headers=ada.headers)
    assert answer.status_code == (200 if query == "cursor=" else 422)


@pytest.mark.parametrize(("limit", "status"), [(1, 200), (100, 200)])
def test_a_limit_inside_its_bounds_is_taken(app, ada, limit, status):
    """G9"""
    assert app.test_client().get(f"/api/chat/history/?limit={limit}", headers=ada.headers).status_code == status
