"""The language of a text."""

from __future__ import annotations

import json

import pytest

from chatbot.rag.text.language_detection import language_of, likely_language
from tests.conftest import SHARED

SENTENCES = {
    "en": "The shop is open from nine to five, and on Saturdays it opens at ten.",
    "de": "Der Laden ist von neun bis fünf Uhr geöffnet, und am Samstag öffnet er um zehn.",
    "fr": "Le magasin est ouvert de neuf heures à cinq heures, et le samedi il ouvre à dix heures.",
    "es": "La tienda está abierta de nueve a cinco, y los sábados abre a las diez de la mañana.",
    "it": "Il negozio è aperto dalle nove alle cinque, e il sabato apre alle dieci con la cassa.",
    "pt": "A loja está aberta das nove às cinco, e aos sábados abre às dez, mas não no verão.",
    "nl": "De winkel is open van negen tot vijf, en op zaterdag gaat hij om tien uur open.",
    "sv": "Butiken är öppen från nio till fem, och på lördagar öppnar den klockan tio.",
    "pl": "Sklep jest otwarty od dziewiątej do piątej, a w soboty nie otwiera się przed dziesiątą.",
    "tr": "Dükkan dokuzdan beşe kadar açık ve cumartesi günleri çok geç olarak onda açılır, daha erken değil.",
    "ru": "Магазин открыт с девяти до пяти, а по субботам с десяти.",
    "ar": "المتجر مفتوح من التاسعة إلى الخامسة، ويوم السبت من العاشرة.",
    "zh": "商店九点到五点营业，星期六十点开门。",
    "ja": "お店は九時から五時まで開いています。土曜日は十時からです。",
    "ko": "가게는 아홉 시부터 다섯 시까지 엽니다.",
    "th": "ร้านเปิดตั้งแต่เก้าโมงถึงห้าโมงเย็น",
    "el": "Το κατάστημα είναι ανοιχτό από τις εννέα έως τις πέντε.",
    "he": "החנות פתוחה מתשע עד חמש.",
    "cs": "Obchod je otevřen od devíti do pěti a v sobotu od deseti, ale ne v neděli.",
    "sk": "Obchod je otvorený od deviatej do piatej a v sobotu od desiatej, ale nie v nedeľu.",
    "ca": "La botiga està oberta de nou a cinc, i els dissabtes a les deu, però no els diumenges.",
    "lt": "Parduotuvė dirba nuo devynių iki penkių, o šeštadieniais nuo dešimtos, bet ne visada.",
    "vi": "Cửa hàng mở cửa từ chín giờ đến năm giờ và không mở vào chủ nhật.",
    "uk": "Крамниця відчинена з дев'ятої до п'ятої, а в суботу з десятої.",
    "bg": "Магазинът е отворен от девет до пет, а в събота от десет.",
    "sr": "Продавница је отворена од девет до пет.",
    "fa": "فروشگاه از ساعت نه تا پنج باز است.",
    "ur": "دکان نو بجے سے پانچ بجے تک کھلی ہے۔",
    "ne": "पसल नौ बजे खुल्छ र पाँच बजे बन्द हुन्छ । यो राम्रो छ ।",
    "yi": "דער קראָם איז אָפן פֿון נײַן ביז פֿינף.",
    "hy": "Խանութը բաց է ժամը իննից հինգը։",
    "bn": "দোকান নয়টায় খোলে।",
    "hi": "दुकान नौ बजे से पाँच बजे तक खुली है।",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language):
    assert language_of(SENTENCES[language]) == language


@pytest.mark.parametrize("text", ["", "   ", "12345", "OK", "foo bar baz", "x = y + 1"])
def test_a_text_that_does_not_tell_has_none(text):
    assert language_of(text) is None


def test_a_text_without_little_words_is_told_by_letters_of_its_own():
    assert language_of("IŞIK SOKAĞI KAPALIDIR.") == language_of("İstanbul şubesi açıktır.") == "tr"
    assert language_of("Żółta łódź") == "pl"
    assert language_of("The offices in Łódź, İstanbul and Győr") == "en"
    assert language_of("Łódź and İstanbul") is None


def test_letters_that_a_language_has_now_and_then_do_not_decide():
    assert language_of("Объект открыт, съезд закрыт, подъезд открыт.") == "ru"


def test_a_word_of_another_script_does_not_decide():
    assert language_of(SENTENCES["en"] * 3 + " 東京") == "en"
    assert language_of(SENTENCES["zh"] + " FastAPI JSON") == "zh"


@pytest.mark.parametrize("language", ["en", "de", "es", "zh", "ar"])
def test_paragraphs_of_real_texts_are_told_apart(language):
    corpus = SHARED / "data" / "xquad" / language / "corpus.jsonl"
    if not corpus.exists():
        pytest.skip("the corpus of questions in five languages is not beside this clone")
    with corpus.open() as lines:
        found = [language_of(json.loads(line)["text"]) for line in lines]
    assert found.count(language) >= 0.98 * len(found)


def test_a_list_of_addresses_is_of_no_language():
    links = "\n".join(f"* [Page {n}](https://cloud.example.com/docs/eu-de?topic=os-da-{n})" for n in range(30))
    assert language_of(links) is None


def test_a_few_little_words_among_many_others_are_no_language():
    assert language_of("com e " + "alpha beta gamma delta epsilon zeta eta theta " * 10 + "os") is None


def test_a_technical_text_in_english_is_english():
    text = 'Set the flag a do no. Use it as in {"e": 1, "os": "linux", "com": 3} and then run the command on a host.'
    assert language_of(text) == "en"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Parking costs €5."),
        ("de", "Das Kind zahlt nichts."),
        ("de", "Hunde dürfen rein."),
        ("fr", "Les chiens sont acceptés."),
        ("es", "Las tiendas abren cada lunes."),
        ("it", "Chi prenota prima può scegliere."),
        ("nl", "Honden mogen niet naar binnen."),
        ("pl", "Na parkingu można zostawiać rowery."),
        ("pt", "Você pode cancelar sem custo."),
        ("de", "Das Stadtmuseum öffnet um 10 Uhr."),
        ("de", "Was kostet das?"),
        ("de", "Öffnungszeiten"),
        ("en", "opening hours"),
        ("es", "¿Precio?"),
        ("sv", "Vad kostar det?"),
        ("pl", "Ile to kosztuje?"),
        (None, "Zephyr 400"),
        (None, "RTX 4090 / XQ-12 \ud800 \x00"),
        (None, "x" * 10_000),
        (None, "123 456"),
        (None, ""),
    ],
)
def test_a_single_short_sentence_has_a_likely_language(language, text):
    assert likely_language(text) == language
