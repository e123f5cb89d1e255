"""What is no question is recognised, in many languages, and what is one is not taken for it."""

from __future__ import annotations

import pytest

from chatbot.rag.llm import small_talk as module
from chatbot.rag.llm.small_talk import small_talk
from chatbot.translations import LANGUAGES, translated


@pytest.mark.parametrize(
    ("message", "answer", "language"),
    [
        ("Hello!", module.GREETING, "en"),
        ("HI THERE", module.GREETING, "en"),
        ("Hi, how are you?", module.HOW_ARE_YOU, "en"),
        ("What's up?", module.HOW_ARE_YOU, "en"),
        ("Thank you so much for your help 🙏", module.THANKS, "en"),
        ("who are you", module.ABOUT, "en"),
        ("Hey! What can you do?", module.ABOUT, "en"),
        ("Guten Morgen!", module.GREETING, "de"),
        ("Hallo, wie geht’s?", module.HOW_ARE_YOU, "de"),
        ("Was kannst du?", module.ABOUT, "de"),
        ("¡Muchas gracias!", module.THANKS, "es"),
        ("¿Quién eres?", module.ABOUT, "es"),
        ("Comment ça va ?", module.HOW_ARE_YOU, "fr"),
        ("你是谁？", module.ABOUT, "zh"),
        ("ありがとうございます", module.THANKS, None),
        ("शुक्रिया", module.THANKS, None),
        ("Obrigado!", module.THANKS, None),
        ("¿Quien eres?", module.ABOUT, "es"),
        ("Ca va ?", module.HOW_ARE_YOU, "fr"),
        ("Как дела?", module.HOW_ARE_YOU, None),
        ("Hi", module.GREETING, None),
        ("Hallo", module.GREETING, "de"),
        ("Dzień dobry", module.GREETING, None),
    ],
)
def test_small_talk_gets_the_sentence_of_its_kind_and_language(message, answer, language):
    assert small_talk(message) == (answer, language)


@pytest.mark.parametrize(
    "message",
    [
        "Hello, when do you open?",
        "Thanks, and how much is the room?",
        "What can you do about a broken lamp?",
        "hours",
        "What is this?",
        "What do you do?",
        "Who are your partners?",
        "How are you paid?",
        "Is there help for beginners?",
        "Hilfe für Anfänger",
        "👍",
        "?",
        "",
        "hi " * 60,
        "谢谢，几点开门？",
        "Danke für nichts, wo ist mein Paket?",
    ],
)
def test_a_question_is_not_small_talk_even_behind_a_greeting(message):
    assert small_talk(message) is None


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
@pytest.mark.parametrize("sentence", [module.GREETING, module.THANKS, module.ABOUT, module.HOW_ARE_YOU])
def test_each_answer_is_translated(sentence, language):
    assert translated(sentence, language) != sentence
