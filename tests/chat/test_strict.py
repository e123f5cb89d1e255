"""A question is read as strictly as the OpenAPI document says."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stream", 1),
        ("stream", 0),
        ("stream", "true"),
        ("stream", "no"),
        ("stream", []),
        ("chat_session_id", uuid4().hex),
        ("chat_session_id", f"urn:uuid:{uuid4()}"),
        ("chat_session_id", 7),
    ],
    ids=["one", "zero", "word-true", "word-no", "list", "uuid-without-hyphens", "uuid-as-urn", "number"],
)
def test_a_value_of_another_kind_or_spelling_is_refused(client, ada, field, value):
    """F5"""
    answer = client.post("/api/chat/send/", json={"message": "When?", field: value}, headers=ada.headers)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{field}"]
