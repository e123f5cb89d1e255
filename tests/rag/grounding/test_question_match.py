"""Which questions are one, so that the answer to one of them answers the other."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.question_match import same_question

WRITTEN = "Do you ship parcels to Iceland?"


@pytest.mark.parametrize(
    ("asked", "cosine", "same"),
    [
        (WRITTEN, 1.0, True),
        ("do you ship parcels to iceland", 0.98, True),
        ("Can you ship parcels to Iceland?", 0.96, True),
        ("parcels to Iceland, ship?", 0.76, True),
        ("parcels to Iceland, ship?", 0.74, False),
        ("Will you deliver packages to Iceland?", 0.86, False),
        ("Will you deliver packages to Iceland?", 0.91, True),
        ("Do you ship parcels to Norway?", 0.95, False),
        ("do you ship parcels to norway", 0.95, False),
        ("Do you ship 3 parcels to Iceland?", 0.97, False),
        ("Don't you ship parcels to Iceland?", 0.97, False),
        ("When do you ship parcels to Iceland?", 0.95, False),
        ("Who ships parcels to Iceland?", 0.93, False),
    ],
    ids=lambda value: str(value).replace(" ", "_"),
)
def test_another_name_number_or_asking_word_makes_another_question(asked: str, cosine: float, same: bool) -> None:
    assert same_question(asked, WRITTEN, cosine) is same


def test_a_name_that_only_the_question_has_makes_another_question() -> None:
    assert not same_question("Do you ship to Norway?", "do you ship abroad?", 0.95)
    assert same_question("¿Cómo cambio mi contraseña?", "¿Cómo puedo cambiar mi contraseña?", 0.95)
    assert not same_question("Can I return it without a receipt?", "Can I return it with a receipt?", 0.97)
    assert not same_question("Kann ich ohne Bon umtauschen?", "Kann ich mit Bon umtauschen?", 0.97)
    assert not same_question("¿Cuándo cambio mi contraseña?", "¿Cómo cambio mi contraseña?", 0.95)
