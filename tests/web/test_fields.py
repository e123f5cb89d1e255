"""A value has the one spelling that the OpenAPI document gives it."""

from __future__ import annotations

from uuid import UUID

import marshmallow as ma
import pytest

from chatbot.web.fields import Id, StrictBool, StrictFloat, StrictInt

NAME = "6d0f1f8e-8f57-4b0e-9d5b-0f4f1f6c1f0a"


@pytest.mark.parametrize("value", [1, 0, "true", "yes", "on", "", [], 1.0], ids=repr)
def test_a_flag_is_true_or_false_and_nothing_else(value):
    """F5"""
    with pytest.raises(ma.ValidationError):
        StrictBool().deserialize(value)
    assert (StrictBool().deserialize(True), StrictBool().deserialize(False)) == (True, False)
    assert StrictBool(allow_none=True).deserialize(None) is None


@pytest.mark.parametrize("text", ["1_0", " 1", "1 ", "+1", "١", "1.0", "1e1", "", "-", "0x1", "9" * 30])
def test_a_whole_number_in_a_query_is_plain_digits(text):
    """G4"""
    with pytest.raises(ma.ValidationError):
        StrictInt().deserialize(text)
    assert [StrictInt().deserialize(good) for good in ("0", "-7", "100")] == [0, -7, 100]


@pytest.mark.parametrize("value", [True, False, "1", 1.5])
def test_a_whole_number_in_json_is_a_number(value):
    """G4"""
    with pytest.raises(ma.ValidationError):
        StrictInt(strict=True).deserialize(value)
    assert StrictInt(strict=True).deserialize(7) == 7


@pytest.mark.parametrize("value", ["1_0", " 1", "+1", "١", ".5", "5.", "inf", "nan", "1e9999", "", True, "0x1p3"])
def test_a_number_in_a_query_is_written_as_in_json(value):
    """G4"""
    with pytest.raises(ma.ValidationError):
        StrictFloat().deserialize(value)
    assert [StrictFloat().deserialize(good) for good in ("0", "1.5", "1e1", "-2.5E-1", 3)] == [0, 1.5, 10, -0.25, 3]


@pytest.mark.parametrize("value", [NAME.replace("-", ""), "{" + NAME + "}", "urn:uuid:" + NAME, "x", "", 5, None])
def test_an_id_has_its_usual_spelling(value):
    with pytest.raises(ma.ValidationError):
        Id().deserialize(value)
    assert Id().deserialize(NAME.upper()) == Id().deserialize(NAME) == UUID(NAME)
