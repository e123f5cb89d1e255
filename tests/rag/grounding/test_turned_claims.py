"""Claims that say almost what a passage says: with another unit, rate, order or condition, or without its "not"."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.claim_support import support
from chatbot.rag.types import Passage


def found(claim: str, text: str):
    return support(claim, Passage(1, "d", "-", "s", 1, 1, None, 0, len(text), text, {}))


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("Parking is free.", "Parking is not free."),
        ("Das Parken ist kostenlos.", "Das Parken ist nicht kostenlos."),
        ("Le parking est gratuit.", "Le parking n'est pas gratuit."),
        ("El aparcamiento es gratuito.", "El aparcamiento no es gratuito."),
        ("Il parcheggio è gratuito.", "Il parcheggio non è gratuito."),
        ("It is on Monday.", "It is not on Monday."),
        ("月曜日は営業しています。", "月曜日は営業していません。"),
        ("Es kostet 20 Euro im Monat.", "Es kostet 20 Euro im Jahr."),
        ("Es kostet 20 Euro im Monat.", "Es kostet 20 Euro in der Woche."),
        ("Costa 50 euro al mese.", "Costa 50 euro all'anno."),
        ("शुल्क 500 रुपये प्रति माह है।", "शुल्क 500 रुपये प्रति दिन है।"),
        ("The pump moves 40 litres per minute.", "The pump moves 40 litres per hour."),
        ("Die Pumpe fördert 40 Liter pro Minute.", "Die Pumpe fördert 40 Liter pro Stunde."),
        ("Staff have 5 days off per month.", "Staff have 5 days off per year."),
        ("The parcel may weigh 2.5 kg.", "The parcel may weigh 2.5 lb."),
        ("The rope is 3 m long.", "The rope is 3 ft long."),
        ("Add 3 g of salt.", "Add 3 oz of salt."),
        ("Add 200 ml of milk.", "Add 200 cl of milk."),
        ("O bilhete custa 20 dólares.", "O bilhete custa R$ 20."),
        ("La boutique accepte les chèques.", "La boutique n'accepte guère les chèques."),
        ("Parken ist erlaubt.", "Parken ist nirgends erlaubt."),
    ],
)
def test_claim_with_another_unit_or_rate_or_without_the_not_has_no_support(claim, text):
    assert found(claim, text) is None
    assert found(text, claim) is None


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("El autobús va de Sevilla a Cádiz.", "El autobús va de Cádiz a Sevilla."),
        ("Il treno va da Roma a Napoli.", "Il treno va da Napoli a Roma."),
        ("Le train va de Lyon à Nice.", "Le train va de Nice à Lyon."),
        ("O comboio vai do Porto para Lisboa.", "O comboio vai de Lisboa para o Porto."),
        ("The tenant pays the agent.", "The agent pays the tenant."),
        ("Der Mieter bezahlt den Makler.", "Der Makler bezahlt den Mieter."),
        ("Dogs are allowed in the garden.", "Dogs are allowed in the garden if you have a permit."),
        ("Der Eintritt ist am Abend frei.", "Der Eintritt ist am Abend frei, sofern Plätze da sind."),
    ],
)
def test_claim_in_another_order_or_without_the_condition_is_not_verified(claim, text):
    support = found(claim, text)
    assert support is None or not support.verified


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("O bilhete custa 20 reais.", "O bilhete custa R$ 20."),
        ("The shop is closed on Mondays.", "On Mondays the shop is closed."),
        ("The pump moves 40 litres per minute.", "The pump moves 40 l a minute."),
        ("It costs 20 euros a month.", "The price: 20 euros per month."),
        ("Dogs are allowed if you have a permit.", "Dogs are allowed in the garden if you have a permit."),
        ("Members may borrow five books.", "Members may borrow five books for a month."),
        ("The office is open from nine to five.", "The office is open 9 am to 5 pm."),
        ("It is on Monday.", "The meeting is on Monday."),
        ("The train goes from Lyon to Nice.", "The train goes from Lyon to Nice."),
        ("Der Bus fährt von Bonn nach Köln.", "Der Bus fährt täglich von Bonn nach Köln."),
    ],
)
def test_claim_that_says_the_same_is_verified(claim, text):
    support = found(claim, text)
    assert support is not None
    assert support.verified
