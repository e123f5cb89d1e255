"""Claims about rows of tables: each value under the name that the row gives it."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.claim_support import support
from chatbot.rag.grounding.records import fields
from chatbot.rag.grounding.statements import read_claim
from chatbot.rag.types import Passage

BRANCH = "Branch: Pirna; Start: 2025-03-09; Opens: 07:30:00; Rent: 1234.5 EUR"
TICKET = "Ticket: Dog; Winter price: 10 crowns; Summer price: 20 crowns"
MUSEUM = "Museum: Stadtmuseum; Eintritt: 6 Euro; Öffnet: 10 Uhr; Schließt: 17 Uhr"


def found(claim: str, text: str):
    return support(claim, Passage(1, "d", "-", "s", 1, 1, None, 0, len(text), text, {}))


@pytest.mark.parametrize(
    ("claim", "row"),
    [
        ("The branch in Pirna starts on 9 March 2025.", BRANCH),
        ("The branch in Pirna starts on March 9, 2025.", BRANCH),
        ("The branch in Pirna opens at half past seven.", BRANCH),
        ("The rent in Pirna is 1,234.50 euros.", BRANCH),
        ("Pirna opens at 7:30 and its rent is 1,234.50 euros.", BRANCH),
        ("A dog ticket costs 10 crowns in winter.", TICKET),
        ("The summer price of a dog ticket is 20 crowns.", TICKET),
        ("Das Stadtmuseum öffnet um 10 Uhr.", MUSEUM),
        ("Der Eintritt im Stadtmuseum kostet 6 Euro.", MUSEUM),
    ],
)
def test_value_under_its_name_is_verified(claim, row):
    assert found(claim, row).verified


@pytest.mark.parametrize(
    ("claim", "row"),
    [
        ("The rent in Pirna starts at 7:30.", BRANCH),
        ("The rent in Pirna is 7:30.", BRANCH),
        ("Pirna opens on 9 March 2025.", BRANCH),
        ("Dogs pay 20 crowns.", TICKET),
        ("The winter price of a dog ticket is 20 crowns.", TICKET),
        ("A dog ticket costs 10 crowns in summer.", TICKET),
        ("Das Stadtmuseum öffnet um 17 Uhr.", MUSEUM),
    ],
)
def test_value_under_another_name_is_not_verified(claim, row):
    support = found(claim, row)
    assert support is None or not support.verified


@pytest.mark.parametrize("text", ["Opens: 07:30", "We open at 7:30; the rent is due on Monday.", "Note: a; b; c", ""])
def test_other_text_has_no_fields(text):
    assert fields(read_claim(text)) == []
