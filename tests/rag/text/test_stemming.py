"""What a text is indexed and asked by."""

from __future__ import annotations

import threading

import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from chatbot.rag.text.content_words import content_words
from chatbot.rag.text.language_detection import language_of
from chatbot.rag.text.stemming import _SNOWBALL, MAX_TERM, question_terms, terms_of


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "opening", "opened"),
        ("de", "Häuser", "Hauses"),
        ("es", "canciones", "canción"),
        ("fr", "continuer", "continué"),
        ("ru", "книги", "книга"),
        ("ar", "الكتاب", "كتاب"),
        ("fi", "talossa", "talon"),
    ],
)
def test_the_forms_of_a_word_are_one_term_in_its_language(language, one, other):
    assert terms_of(one, language) == terms_of(other, language)
    assert terms_of(one, "pl") != terms_of(other, "pl")


def test_where_the_language_is_not_known_words_are_stemmed_as_english_ones():
    assert terms_of("Zebras", None) == terms_of("zebra", None) == question_terms("zebra", [None])


def test_words_are_folded_and_their_marks_left_out():
    assert terms_of("The SHOP’s “Opening-Hours” (9–17)!", "en") == ["shop", "s", "open", "hour", "9", "17"]
    assert terms_of("ﬁne ＡＢＣ", "vi") == ["fine", "abc"]


def test_repetitions_and_their_order_are_kept_in_a_text_and_dropped_in_a_question():
    assert terms_of("red blue red", None) == ["red", "blue", "red"]
    assert question_terms("red blue red", [None]) == ["red", "blue"]


def test_scripts_without_spaces_are_cut_into_pairs():
    assert terms_of("東京タワー", "ja") == ["東京", "京タ", "タワ", "ワー"]
    assert terms_of("店", "zh") == ["店"]
    assert terms_of("iPhone手机壳2024款", "zh") == ["iphone", "手机", "机壳", "2024", "款"]
    assert terms_of("กรุง", "th") == ["กร", "รุ", "ุง"] or len(terms_of("กรุง", "th")) >= 1


def test_a_question_is_stemmed_in_every_language_there_is():
    assert set(question_terms("running Häuser", ["en", "de"])) >= {"run", "haus"}


def test_english_words_that_every_text_has_are_not_terms():
    assert terms_of("this is the end", "en") == ["end"]
    assert terms_of("this is the end", None) == ["this", "is", "the", "end"]


def test_a_language_without_a_stemmer_keeps_its_words():
    assert terms_of("Những quyển sách", "vi") == ["những", "quyển", "sách"]


def test_an_endless_word_is_cut():
    assert terms_of("x" * 10_000, None) == ["x" * MAX_TERM]


@given(st.text(max_size=200), st.sampled_from(["en", "de", "zh", "ar", None]))
def test_terms_are_letters_and_digits_only(text, language):
    """A query syntax has nothing to take hold of."""
    for term in [*terms_of(text, language), *question_terms(text, [language])]:
        assert term
        assert not any(character in "'\"*():&|!<>-+^{}\\ \t\n\x00" for character in term)


def test_threads_stem_at_the_same_time():
    words = [f"running{n} opening closing houses" for n in range(300)]
    expected = [terms_of(word, "en") for word in words]
    wrong: list[object] = []

    def work() -> None:
        wrong.extend(w for w, e in zip(words, expected, strict=True) if terms_of(w, "en") != e)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_english_stop_word_is_no_term_of_a_question_in_any_language():
    """A few texts that are taken for Portuguese would else be the only ones with "the"."""
    assert question_terms("What is the price?", ["en", "pt", None]) == ["what", "price", "pric"]


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("कमल तालाब में खिलता है।", "किताब", False),
        ("यह किताब पुस्तकालय में है।", "किताब", True),
        ("बाजार में जूते मिलते हैं।", "बिजली", False),
        ("पाँच बाज़ार", "पांच बाजार", True),
        ("বাজারে আম পাওয়া যায়।", "বইয়ের", False),
        ("এই বইয়ের দাম একশ টাকা।", "বইয়ের", True),
        ("மரம் பெரியது.", "முரமு", False),
        ("ห้องสมุดเปิดเวลาเก้าโมงเช้า", "ห้องสมุด", True),
        ("ดินดี", "ดน", False),
        ("IŞIK SOKAĞI KAPALIDIR.", "ışık", True),
        ("İstanbul şubesi açıktır.", "ISTANBUL", True),
        ("İzmir şubesi açıktır.", "izmir subesi", True),
        ("المَكْتَبَةُ مَفْتُوحَةٌ", "المكتبة", True),
        ("المكتبة مفتوحة", "المَكْتَبَةُ", True),
        ("كـــتاب", "كتاب", True),
        ("הספריה פתוחה", "הַסִּפְרִיָּה", True),
        ("cre\u0300me bru\u0302le\u0301e", "crème", True),
        ("Thu\u031b viện", "Thư", True),
        ("Thư viện", "Thu", False),
        ("Η ΒΙΒΛΙΟΘΗΚΗ ΕΙΝΑΙ ΑΝΟΙΧΤΗ.", "βιβλιοθήκη", True),
        ("Ёлку украшают", "елку", True),
        ("The ﬁling oﬃce", "filing", True),
        ("ＦＡＸ ｶﾀｶﾅ", "fax カタカナ", True),
        ("می‌خواهم", "میخواهم", True),
        ("٢٤ ساعة", "24", True),
    ],
)
def test_a_word_is_found_however_it_is_typed_and_no_other_word(text, query, found):
    language = language_of(text)
    wanted, there = set(question_terms(query, [language])), set(terms_of(text, language))
    assert wanted
    assert wanted <= there if found else not wanted & there


@pytest.mark.parametrize(("text", "query"), [("किताब", "कताब"), ("ดิน", "ดน"), ("বই", "বাই"), ("Thư", "Thu")])
def test_content_words_keep_their_marks(text, query):
    assert content_words(text)
    assert not content_words(text) & content_words(query)


def test_content_words_are_folded_as_terms_are():
    assert content_words("المَكْتَبَةُ IŞIK ΒΙΒΛΙΟΘΗΚΗ") == content_words("المكتبة ışık βιβλιοθήκη")


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("pl", "książkami", "książką"),
        ("cs", "knihami", "knihách"),
        ("lt", "knygos", "knygų"),
        ("sr", "књигама", "књиге"),
        ("uk", "книгами", "книги"),
        ("sk", "knihami", "knihách"),
    ],
)
def test_every_algorithm_of_the_stemmer_is_used(language, one, other):
    assert terms_of(one, language) == terms_of(other, language)


def test_only_the_older_porter_algorithms_are_left_out():
    assert set(Stemmer.algorithms()) - set(_SNOWBALL.values()) == {"porter", "dutch_porter"}
