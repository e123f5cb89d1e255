"""A "not" on one side only, in many languages."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.claim_support import support
from chatbot.rag.types import Passage


def supported(claim: str, text: str) -> bool:
    return support(claim, Passage(1, "d", "-", "s", 1, 1, None, 0, len(text), text, {})) is not None


# What is said, and its denial; of some the second pair tells that "without" denies nothing.
DENIALS = [
    ("Returns without a receipt are accepted.", "Returns without a receipt are not accepted."),
    ("Guests with a pass can use room No. 12 at the back.", "Guests with a pass cannot use room No. 12 at the back."),
    ("Parken ohne Ausweis ist erlaubt.", "Parken ohne Ausweis ist nicht erlaubt."),
    ("Das Freibad ist im Mai geöffnet.", "Das Freibad ist im Mai nicht geöffnet."),
    ("Une personne peut entrer dans la salle.", "Une personne ne peut pas entrer dans la salle."),
    ("Les retours sans ticket sont acceptés.", "Les retours sans ticket ne sont pas acceptés."),
    (
        "Las devoluciones sin recibo se aceptan en la tienda.",
        "Las devoluciones sin recibo no se aceptan en la tienda.",
    ),
    ("I resi senza scontrino sono accettati.", "I resi senza scontrino non sono accettati."),
    ("As devoluções sem recibo são aceites na loja.", "As devoluções sem recibo não são aceites na loja."),
    ("Retouren zonder bon worden geaccepteerd.", "Retouren zonder bon worden niet geaccepteerd."),
    ("Zwroty bez paragonu są przyjmowane.", "Zwroty bez paragonu nie są przyjmowane."),
    ("Возврат без чека принимается.", "Возврат без чека не принимается."),
    ("Парковка во дворе разрешена, въезд возможен.", "Парковка во дворе не разрешена, въезд возможен."),
    ("Курить в номере можно.", "Курить в номере нельзя."),
    ("Возврат билета доступен.", "Возврат билета недоступен."),
    ("Psi v hotelu jsou povoleni.", "Psi v hotelu nejsou povoleni."),
    ("Vstupenka platí o víkendu.", "Vstupenka neplatí o víkendu."),
    ("Köpekler otele kabul edilir.", "Köpekler otele kabul edilmez."),
    ("Köpekler otele kabul ediliyor.", "Köpekler otele kabul edilmiyor."),
    ("Koirat saavat tulla hotelliin.", "Koirat eivät saa tulla hotelliin."),
    ("Uima-allas on auki talvella.", "Uima-allas ei ole auki talvella."),
    ("A kutyák bejöhetnek a szállodába.", "A kutyák nem jöhetnek be a szállodába."),
    ("Câinii sunt permiși în hotel.", "Câinii nu sunt permiși în hotel."),
    ("Anjing boleh masuk ke hotel.", "Anjing tidak boleh masuk ke hotel."),
    ("Chó được phép vào khách sạn.", "Chó không được phép vào khách sạn."),
    ("อนุญาตให้นำสุนัขเข้าโรงแรม", "ไม่อนุญาตให้นำสุนัขเข้าโรงแรม"),
    ("होटल में कुत्ते लाने की अनुमति है।", "होटल में कुत्ते लाने की अनुमति नहीं है।"),
    ("영수증 없이 반품할 수 있습니다.", "영수증 없이 반품할 수 없습니다."),
    ("領収書なしの返品は受け付けます。", "領収書なしの返品は受け付けません。"),
    ("可以在房间里吸烟。", "不可以在房间里吸烟。"),
]


@pytest.mark.parametrize(("said", "denied"), DENIALS)
def test_denial_on_one_side_only_has_no_support(said, denied):
    assert not supported(said, denied)
    assert not supported(denied, said)


@pytest.mark.parametrize(("said", "denied"), DENIALS)
def test_statement_and_its_denial_are_supported_by_themselves(said, denied):
    assert supported(said.rstrip(".。।"), said)
    assert supported(denied.rstrip(".。।"), denied)


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("Returns without a receipt are accepted.", "Returns with a receipt are accepted."),
        ("Parken mit Ausweis ist erlaubt.", "Parken ohne Ausweis ist erlaubt."),
        ("Retouren zonder bon worden geaccepteerd.", "Retouren met bon worden geaccepteerd."),
    ],
)
def test_without_where_the_passage_says_with_has_no_support(claim, text):
    assert not supported(claim, text)


def test_the_number_of_a_room_is_no_denial():
    text = "The meeting on Friday is held upstairs in room No. 12 of the annex."
    assert supported("The meeting on Friday is held upstairs in room 12 of the annex.", text)


def test_what_must_be_done_is_no_denial_in_japanese():
    assert supported("鍵を返却しなければなりません", "鍵は返却しなければならない。鍵を返却しなければなりません。")
