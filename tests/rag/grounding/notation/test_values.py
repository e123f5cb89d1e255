"""Values of a text, whatever notation they are in."""

from __future__ import annotations

import pytest

from chatbot.rag.grounding.notation.value_scanner import values
from chatbot.rag.grounding.notation.values import same


def agrees(claim: str, passage: str, language: str = "en") -> bool:
    """Whether each value of a claim is in the passage."""
    there = values(passage, language)
    hard = [value for value in values(claim, language) if not value.soft]
    assert hard
    return all(any(same(value, other) for other in there) for value in hard)


@pytest.mark.parametrize(
    ("language", "claim", "passage"),
    [
        ("en", "1,234.50", "1234.5"),
        ("en", "1200 crowns", "1 200 crowns"),
        ("en", "400k characters", "400,000 characters"),
        ("en", "500,000 crowns", "0.5 million crowns"),
        ("en", "ten times", "10 times"),
        ("en", "one hundred and five", "105"),
        ("en", "5 seconds", "5000 ms"),
        ("en", "24 months", "two years"),
        ("en", "€0.20", "20 cents"),
        ("en", "€1,200", "1,200 euros"),
        ("en", "17:30", "half past five in the afternoon"),
        ("en", "17:45", "a quarter to six in the evening"),
        ("en", "6:00 to 23:00", "from 6 am to 11 pm"),
        ("en", "6-11 pm", "18:00 to 23:00"),
        ("en", "9 March 2025", "2025-03-09"),
        ("en", "in March 2025", "2025-03-09"),
        ("en", "over three years", "37 months"),
        ("de", "31.12.2025", "31. Dezember 2025"),
        ("de", "18:00 Uhr", "um 18 Uhr"),
        ("de", "einundzwanzig Tage", "3 Wochen"),
        ("de", "halb sechs", "5:30"),
        ("fr", "le 01/10/2025", "le 1er octobre 2025"),
        ("fr", "quatre-vingt-dix-sept euros", "97 €"),
        ("fr", "14:30", "à 14 h 30"),
        ("es", "17:30", "las cinco y media de la tarde"),
        ("it", "ventuno giorni", "3 settimane"),
        ("pt", "dez dias", "10 dias"),
        ("nl", "tweeëntwintig dagen", "22 dagen"),
        ("pl", "pięć dni", "5 dni"),
        ("ru", "девять утра", "9:00"),
        ("tr", "yirmi beş gün", "25 gün"),
        ("zh", "17:00", "下午五点"),
        ("ja", "2025年3月9日", "2025-03-09"),
        ("ko", "아침 아홉 시", "9:00"),
        ("hi", "२५ दिन", "पच्चीस दिन"),
        ("hi", "9:00 से 18:00", "सुबह ९ बजे से शाम ६ बजे"),
        ("hi", "5:30", "साढ़े पाँच बजे"),
        ("hi", "105 रुपये", "एक सौ पाँच रुपये"),
        ("hi", "निन्यानवे", "99"),
        ("hi", "₹1,00,000", "एक लाख रुपये"),
        ("ar", "25", "٢٥"),
        ("ar", "1234.5", "١٬٢٣٤٫٥"),
        ("fa", "25", "۲۵"),
        ("bn", "25", "২৫"),
        ("th", "9:30", "๙:๓๐"),
        ("en", "3:00", "three at night"),
        ("fr", "sept jours", "7 jours"),
        ("fr", "8:30", "à 8h30"),
        ("fr", "le 3 mai", "du 3 au 9 mai"),
        ("fr", "cent euros", "100 €"),
        ("es", "once días", "11 días"),
        ("it", "due giorni", "2 giorni"),
        ("it", "sei giorni", "6 giorni"),
        ("pt", "doze dias", "12 dias"),
        ("ru", "15:00", "в 3 часа дня"),
        ("nl", "18:00", "tot 18.00 uur"),
    ],
)
def test_same_value_in_another_notation_is_the_same(language, claim, passage):
    assert agrees(claim, passage, language)


@pytest.mark.parametrize(
    ("language", "claim", "passage"),
    [
        ("en", "12345", "1234.5"),
        ("en", "three weeks", "three months"),
        ("en", "thirty days", "21 days"),
        ("en", "2.4 billion", "2.4 million"),
        ("en", "19:00", "nine o'clock"),
        ("en", "3 September 2025", "2025-03-09"),
        ("en", "office@example.com", "hall@example.com"),
        ("en", "the first day", "the third day"),
        ("en", "€12", "£12"),
        ("de", "1234,05 Euro", "1.234,50 Euro"),
        ("de", "0351 555 0143", "0351 555 0142"),
        ("de", "31.12.2026", "31. Dezember 2025"),
        ("fr", "1250,57 €", "1 250,75 €"),
        ("es", "a las nueve de la noche", "a las nueve de la mañana"),
        ("ru", "шесть недель", "четыре недели"),
        ("zh", "上午五点", "下午五点"),
        ("hi", "२६ दिन", "पच्चीस दिन"),
        ("hi", "शाम ९ बजे", "सुबह ९ बजे"),
        ("ar", "٢٥", "٢٦"),
        ("en", "15:00", "€15 a night"),
        ("en", "2 May", "Option 2 may be chosen"),
        ("en", "in May", "in June"),
        ("ru", "15:00", "3 дня"),
        ("es", "24:00", "24 horas antes"),
        ("nl", "3:00", "drie uur lang"),
    ],
)
def test_another_value_is_not_the_same(language, claim, passage):
    assert not agrees(claim, passage, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The due date"),
        ("en", "They doze"),
        ("en", "dos and don'ts"),
        ("en", "They march on and may return"),
        ("en", "May guests stay?"),
        ("en", "a second guest"),
        ("en", "ein Sept of the clan, ein Ort"),
        ("de", "Nach dem Fest ist vor dem Fest"),
        ("pt", "os livros dos alunos"),
        ("it", "sei libero"),
        ("fr", "un livre neuf"),
        (None, "due doze once"),
    ],
)
def test_word_of_another_language_is_no_value(language, text):
    assert values(text, language) == ()


@pytest.mark.parametrize("text", ["a 3 night stay", "3 a night", "Option 3 may be", "3 nights in May"])
def test_number_of_nights_is_no_time(text):
    assert values(text, "en")[0].kind == "number"


def test_number_of_guests_behind_may_is_no_day():
    assert [value.kind for value in values("May 5 guests stay?", "en")] == ["number"]
    assert [value.kind for value in values("May 5 is a holiday.", "en")] == ["date"]
