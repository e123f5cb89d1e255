"""A form with a file is read as strictly as JSON."""

from __future__ import annotations

import io

import pytest

from tests.conftest import HOURS
from tests.knowledge.conftest import ingest_now
from tests.knowledge.test_routes import DOCUMENTS, pointers, post


def send(client, person, *parts):
    """A form of these parts; the name of one may come twice. `file` stands for a file."""
    form: dict[str, list] = {}
    for name, value in parts:
        form.setdefault(name, []).append(file() if value is file else value)
    return client.post(DOCUMENTS, data=form, content_type="multipart/form-data", headers=person.headers)


def file():
    return io.BytesIO(HOURS.encode()), "hours.txt", "text/plain"


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ([("title", "One"), ("title", "Two")], "/title"),
        ([("file", file)], "/file"),
        ([("attachment", file)], "/attachment"),
        ([("colour", "red")], "/colour"),
        ([("is_active", "1")], "/is_active"),
        ([("is_active", "")], "/is_active"),
        ([("title", "")], "/title"),
        ([("metadata", "team:support")], "/metadata"),
        ([("metadata", "[1]")], "/metadata"),
        ([("metadata", '{"team": NaN}')], "/metadata"),
        ([("metadata", '{"team": ["\\u0000"]}')], "/metadata/team/0"),
    ],
    ids=[
        "field-twice",
        "file-twice",
        "other-file",
        "unknown-field",
        "one-for-true",
        "empty-flag",
        "empty-title",
        "no-json",
        "no-object",
        "nan",
        "nul",
    ],
)
def test_a_part_that_would_be_left_unread_is_refused(client, root, parts, pointer):
    """F5"""
    assert pointers(send(client, root, ("file", file), *parts)) == [pointer]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("false", False), ("False", False)])
def test_a_flag_in_a_form_is_a_word(client, root, text, value):
    answer = send(client, root, ("file", file), ("is_active", text))
    assert (answer.status_code, answer.json["is_active"]) == (202, value)


def test_metadata_comes_beside_a_file_as_json_and_can_be_filtered_by(app, client, root):
    answer = send(client, root, ("file", file), ("metadata", '{"team": "support", "level": 2}'))
    assert (answer.status_code, answer.json["metadata"]) == (202, {"team": "support", "level": 2})
    assert ingest_now(app, answer.json["id"]) == "ready"
    for team, count in (("support", 1), ("sales", 0)):
        search = {"q": "When is the shop open?", "filter": f"team:{team}"}
        assert (
            len(client.get("/api/knowledge/search/", query_string=search, headers=root.headers).json["items"]) == count
        )


@pytest.mark.parametrize("value", [1, 0, "true", "yes", "on"])
def test_a_flag_in_json_is_no_number_and_no_word(client, root, value):
    """F5"""
    assert pointers(post(client, root, is_active=value)) == ["/is_active"]


@pytest.mark.parametrize("wait", ["1_0", " 1", "nan", "inf", "1e", "١"])
def test_the_wait_is_a_number_as_json_writes_it(client, root, wait):
    """G4"""
    assert pointers(post(client, root, wait=wait)) == ["/wait"]
