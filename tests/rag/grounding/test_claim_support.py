"""Whether a passage supports a claim."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.claim_support import claims, support
from chatbot.rag.types import Passage

TEXT = (
    "Passwords are stored as salted hashes. A reset link is valid for one hour. It can be used once.\n\n"
    "- Tokens live 7 days.\n- Sessions do not expire.\n"
)


def passage(text: str = TEXT, title: str = "Security") -> Passage:
    return Passage(1, "d", title, "s", 1, 1, None, 10, 10 + len(text), text, {})


def quote(claim: str) -> str | None:
    found = support(claim, passage())
    return TEXT[found.start : found.end] if found else None


@pytest.mark.parametrize(
    ("claim", "quoted"),
    [
        ("Passwords are stored as salted hashes.", "Passwords are stored as salted hashes."),
        ("The reset link stays valid for an hour", "A reset link is valid for one hour."),
        ("Tokens live seven days.", "- Tokens live 7 days."),
        ("The reset link is valid for one hour and is used once.",
         "A reset link is valid for one hour. It can be used once."),
        ("Sessions never expire.", "- Sessions do not expire."),
    ],
)  # fmt: skip
def test_the_smallest_stretch_that_has_the_words_is_quoted(claim, quoted):
    assert quote(claim) == quoted


@pytest.mark.parametrize(
    "claim",
    [
        "",
        "And so on.",
        "Tokens live 8 days.",
        "Sessions expire.",
        "Passwords are not stored as salted hashes.",
        "Passwords are stored as salted SHA256 hashes.",
        'It says "passwords are stored as plain text" about salted hashes.',
        "The kitchen is closed in winter.",
    ],
)
def test_what_the_passage_does_not_say_has_no_support(claim):
    assert support(claim, passage()) is None


def test_a_number_may_stand_in_the_title():
    assert support("Release 2.1 keeps tokens.", passage("The release keeps tokens.", "Release 2.1"))


def test_an_embedder_is_asked_only_where_the_words_do_not_tell():
    asked: list[str] = []

    def embed(texts):
        asked.extend(texts)
        raise AssertionError("not needed")

    assert support("Tokens live 7 days.", passage(), embed)
    assert support("Tokens live 9 days.", passage(), embed) is None
    assert asked == []


def test_sentences_that_claim_something_are_told_from_others():
    text = "Hello! The shop opens at nine. Shall I go on? These are the rules:\n\n```\ncode = 1\n```\n"
    assert [text[slice(*span)] for span in claims(text)] == ["The shop opens at nine."]
