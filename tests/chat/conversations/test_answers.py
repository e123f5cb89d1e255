"""What an answer says of how it stands on documents."""

from __future__ import annotations

import pytest

from chatbot.chat.conversations.answers import Answer
from chatbot.rag.types import Checked, Citation, Found

CITED = Citation(1, 0, 3, "d", 1, 1, None, 0, 3, "Yes", verified=True)


@pytest.mark.parametrize(
    ("citations", "claims", "unsupported", "status"),
    [
        ([], 0, 0, "fallback"),
        ([], 2, 2, "fallback"),
        ([], 2, 1, "partial"),
        ([CITED], 1, 0, "grounded"),
        ([CITED], 2, 1, "partial"),
    ],
)
def test_what_a_model_cites_decides_where_the_passages_may_not_answer(citations, claims, unsupported, status):
    answer = Answer("m", found=Found((), 0.4, 0.6, unsure=True, lower_threshold=0.2), grounding="partial")
    answer.citations = citations
    answer.check(Checked(removed_markers=0, claims=claims, unsupported=unsupported))
    assert answer.grounding == status
    assert answer.metadata()["grounding"]["lower_threshold"] == 0.2
