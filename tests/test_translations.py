"""What the software says itself, in every language it speaks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from chatbot.errors import ChatbotError
from chatbot.rag import prompts
from chatbot.rag.types import Ask
from chatbot.translations import LANGUAGES, _table, translated
from tests.chat.asking import ask, stream, with_model
from tests.conftest import ROOT, MakeApp, Person, sign_up
from tests.openai_server import OpenAIServer

OTHERS = LANGUAGES[1:]
STATUSES = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504]


def kinds(kind: type[ChatbotError] = ChatbotError) -> Iterator[type[ChatbotError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def raised() -> Iterator[str]:
    """The sentences that are written where an error is made, apart from what fetching from a URL says to the log."""
    names = {kind.__name__ for kind in kinds()}
    for path in (ROOT / "chatbot").rglob("*.py"):
        if "egress" in path.parts or path.name == "cli.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names and node.args:
                if isinstance(node.args[0], ast.Constant):
                    yield str(node.args[0].value)


def sentences(app: Flask) -> set[str]:
    plain = {kind.detail for kind in kinds() if "chatbot." in kind.__module__ and not re.search(r"\d", kind.detail)}
    said = {prompts.NOTHING_FOUND, prompts.NEAREST, prompts.NOT_FROM_DOCUMENTS}
    return plain | set(raised()) | said | set(map(str, STATUSES))


@pytest.mark.parametrize("language", OTHERS)
def test_every_error_and_every_sentence_is_there_in_each_language(sqlite_app: Flask, language: str) -> None:
    assert sentences(sqlite_app) - set(_table(language)) == set()


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_is_not_empty_not_english_and_keeps_what_is_code(language: str) -> None:
    for english, sentence in _table(language).items():
        assert sentence.strip()
        assert sentence != english
        assert re.findall(r"`[^`]+`", sentence) == re.findall(r"`[^`]+`", english)
        assert sorted(re.findall(r"\{\w+\}", sentence)) == sorted(re.findall(r"\{\w+\}", english))


def test_the_languages_say_the_same_things() -> None:
    assert len({frozenset(_table(language)) for language in OTHERS}) == 1
    assert {path.stem for path in Path(ROOT, "chatbot", "translations").glob("*.json")} == set(OTHERS)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de", "de"), ("de-AT,en;q=0.5", "de"), ("fr-CA", "fr"), ("es-419;q=0.9,en;q=0.8", "es"), ("zh-Hans-CN", "zh"),
        ("en-GB,de;q=0.9", "en"), ("pt,it", "en"), ("", "en"), ("*", "en"), ("\x7f;;q=x", "en"),
    ],
    ids=["de", "austria", "canada", "latin-america", "china", "english", "unknown", "none", "any", "garbage"],
)  # fmt: skip
def test_a_problem_is_told_in_the_language_that_was_asked_for(sqlite_app: Flask, accepted: str, language: str) -> None:
    answer = sqlite_app.test_client().get("/api/chat/history/", headers={"Accept-Language": accepted})

    body: dict[str, Any] = answer.get_json(force=True)
    assert (body["code"], answer.status_code) == ("not_authenticated", 401)
    assert body["detail"] == translated("Sign in and send the access token as a Bearer token.", language)
    assert body["title"] == ("Unauthorized" if language == "en" else translated("401", language))
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]


def test_a_problem_says_that_a_part_of_it_is_english(sqlite_app: Flask) -> None:
    """The sentences about single fields have no translations."""
    client = sqlite_app.test_client()
    for liked, languages in (("de", "de, en"), ("en", "en")):
        answer = client.post("/api/users/login/", json={}, headers={"Accept-Language": liked})
        assert (answer.status_code, answer.headers["Content-Language"]) == (422, languages)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("sentence", [prompts.NOTHING_FOUND, prompts.NOT_FROM_DOCUMENTS], ids=["nothing", "general"])
def test_a_question_that_tells_its_language_is_answered_in_it(sentence: str, language: str) -> None:
    questions = {
        "de": "Wie ist das Wetter heute und was ist das?", "es": "¿Qué es lo que se dice de la tienda por la noche?",
        "fr": "Est-ce que le magasin est ouvert dans la nuit?", "zh": "这家店什么时候开门？",
    }  # fmt: skip

    assert prompts.said(sentence, Ask(questions[language], language="en")) == translated(sentence, language)
    assert prompts.said(sentence, Ask("Paris?", language=language)) == translated(sentence, language)
    assert prompts.said(sentence, Ask("Where is it and what is it for?", language=language)) == sentence


def test_an_answer_that_found_nothing_says_so_in_the_language_of_the_request(sqlite_app: Flask) -> None:
    ada = sign_up(sqlite_app, "ada")
    german = Person(ada.id, ada.email, ada.access, ada.refresh)
    headers = german.headers | {"Accept-Language": "de"}

    answer = sqlite_app.test_client().post("/api/chat/send/", json={"message": "Paris?"}, headers=headers)

    assert answer.get_json()["message"]["content"] == "Dazu habe ich in den Dokumenten nichts gefunden."


def test_a_german_question_gets_the_german_preamble_streamed_or_not(
    make_app: MakeApp, openai_server: OpenAIServer
) -> None:
    app = with_model(make_app, openai_server)
    openai_server.say("gpt-3.5-turbo", "Paris.")
    ada = sign_up(app, "ada")
    question = "Wie heißt die Hauptstadt von Frankreich und wo ist sie?"

    told = ask(app, ada, question).json["message"]["content"]  # type: ignore[index]
    streamed = stream(app, ada, question)[-1][1]["message"]["content"]

    assert told == streamed == "Das stammt nicht aus den Dokumenten: Paris."
