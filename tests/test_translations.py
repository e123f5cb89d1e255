"""What the software says itself, in every language it speaks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask

from chatbot.errors import ChatbotError
from chatbot.rag.llm import prompts
from chatbot.rag.types import Ask
from chatbot.translations import LANGUAGES, _table, translated
from tests.chat.asking import ask, stream, with_model
from tests.conftest import ROOT, MakeApp, Person, sign_up
from tests.openai_server import OpenAIServer

OTHERS = LANGUAGES[1:]
LONG = "a lighthouse in the fog"
STATUSES = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504]


def kinds(kind: type[ChatbotError] = ChatbotError) -> Iterator[type[ChatbotError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def read_from(node: ast.expr) -> str | None:
    """A sentence as it would be told, with a number where something is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def raised() -> Iterator[str]:
    """The sentences that are written where an error or a rule for a field is made, apart from what a terminal shows."""
    names = {kind.__name__ for kind in kinds()} - TERMINAL - STORED | {"FieldError", "ValidationError"}
    for path in (ROOT / "chatbot").rglob("*.py"):
        if path.name.endswith("cli.py") or path.parent.name == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                given = [read_from(argument) for argument in node.args[:2]] if called in names else []
                given += [read_from(argument.value) for argument in node.keywords if argument.arg == "error"]
                yield from (sentence for sentence in given if sentence and " " in sentence)


def of_fields() -> Iterator[str]:
    """What marshmallow says of the fields that are read from requests."""
    for schema in (schema for schema in subclasses(ma.Schema) if schema.__module__.startswith("chatbot.")):
        read = [field for field in schema._declared_fields.values() if not field.dump_only]
        for field in [*read, *(below for outer in read for below in inner(outer))]:
            yield from (str(said) for key, said in field.error_messages.items() if key not in NEVER_READ)
            for rule in field.validators:
                said = (getattr(rule, name, None) for name in (*vars(rule), *RULES))
                yield from (message for message in said if isinstance(message, str) and message.endswith("."))


RULES = ("message_min", "message_max", "message_all", "message_equal")
# What is said where a value is written, and what is put together otherwise.
NEVER_READ = ("format", "invalid_awareness")
# Told to whoever sits at the terminal, whose language is English.
TERMINAL = {"BadSet", "GenerationRefused", "ReplayRefused", "BuildLost", "BuildStuck", "BackupRefused", "ConfigError"}
# Stored with the document that failed.
STORED = {"FetchFailed"}


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


def inner(field: Any) -> Iterator[Any]:
    if isinstance(field, ma.fields.List):
        yield field.inner
        yield from inner(field.inner)


def sentences(app: Flask) -> set[str]:
    plain = {kind.detail for kind in kinds() if "chatbot." in kind.__module__ and kind.__name__ not in TERMINAL}
    said = {prompts.NOTHING_FOUND, prompts.NEAREST, prompts.NOT_FROM_DOCUMENTS}
    known = {re.sub(r"\{(?!obj_type)\w+\}", "7", sentence) for sentence in of_fields()}
    fields = {sentence.replace("{obj_type}", "datetime") for sentence in known}
    pages = {
        sentence
        for page in (ROOT / "chatbot" / "templates").glob("*.html")
        for sentence in re.findall(r'say\("([^"]+)"\)', page.read_text("utf-8"))
    }
    return plain | set(raised()) | said | fields | pages | set(map(str, STATUSES))


@pytest.mark.parametrize("language", OTHERS)
def test_every_error_and_every_sentence_is_there_in_each_language(sqlite_app: Flask, language: str) -> None:
    assert len(sentences(sqlite_app)) > 150
    assert {sentence for sentence in sentences(sqlite_app) if translated(sentence, language) == sentence} == set()


def test_names_and_numbers_stand_in_the_translation_as_they_stood_in_english() -> None:
    said = "Must be greater than or equal to 1 and less than or equal to 100."
    assert translated(said, "de") == "Muss mindestens 1 und höchstens 100 sein."
    assert translated("Choose one of: {names}, a.b.", "de") == "Wählen Sie eines davon: {names}, a.b."
    assert translated("Choose one of: \\1 \\g<0>.", "de") == "Wählen Sie eines davon: \\1 \\g<0>."


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
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("fr-CA", "fr"),
        ("es-419;q=0.9,en;q=0.8", "es"),
        ("zh-Hans-CN", "zh"),
        ("en-GB,de;q=0.9", "en"),
        ("pt,it", "en"),
        ("", "en"),
        ("*", "en"),
        ("\x7f;;q=x", "en"),
    ],
    ids=["de", "austria", "canada", "latin-america", "china", "english", "unknown", "none", "any", "garbage"],
)
def test_a_problem_is_told_in_the_language_that_was_asked_for(sqlite_app: Flask, accepted: str, language: str) -> None:
    answer = sqlite_app.test_client().get("/api/chat/history/", headers={"Accept-Language": accepted})

    body: dict[str, Any] = answer.get_json(force=True)
    assert (body["code"], answer.status_code) == ("not_authenticated", 401)
    assert body["detail"] == translated("Sign in and send the access token as a Bearer token.", language)
    assert body["title"] == ("Unauthorized" if language == "en" else translated("401", language))
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]


def test_what_is_wrong_with_a_field_is_told_in_the_language_too(sqlite_app: Flask) -> None:
    client = sqlite_app.test_client()
    for liked, said in (("de", "Dieses Feld ist erforderlich."), ("en", "Missing data for required field.")):
        answer = client.post("/api/users/login/", json={}, headers={"Accept-Language": liked})
        assert (answer.status_code, answer.headers["Content-Language"]) == (422, liked)
        assert {field["detail"] for field in answer.get_json(force=True)["errors"]} == {said}


def test_a_problem_says_that_a_part_of_it_is_english(sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sqlite_app.test_client()
    monkeypatch.delitem(_table("de"), "Missing data for required field.")

    answer = client.post("/api/users/login/", json={}, headers={"Accept-Language": "de"})

    assert answer.headers["Content-Language"] == "de, en"


@pytest.mark.parametrize(
    ("page", "title", "fields"),
    [("verify-email/", "Bestätigen", {}), ("password/reset/", "Wählen", {"password": LONG, "password2": LONG})],
    ids=["verify", "reset"],
)
def test_the_page_behind_a_letters_link_speaks_the_readers_language(
    sqlite_app: Flask, page: str, title: str, fields: dict[str, str]
) -> None:
    client, german = sqlite_app.test_client(), {"Accept-Language": "de-DE,en;q=0.5"}
    url, form = f"/api/users/{page}?token=x", "application/x-www-form-urlencoded"

    shown = client.get(url, headers=german)
    refused = client.post(url, headers=german, data=fields, content_type=form)

    assert title in shown.text
    assert "Dieser Link funktioniert nicht." in refused.text
    for answer in (shown, refused):
        assert answer.headers["Content-Language"] == "de"
        assert '<html lang="de">' in answer.text
        assert "Accept-Language" in answer.headers["Vary"]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("sentence", [prompts.NOTHING_FOUND, prompts.NOT_FROM_DOCUMENTS], ids=["nothing", "general"])
def test_a_question_that_tells_its_language_is_answered_in_it(sentence: str, language: str) -> None:
    questions = {
        "de": "Wie ist das Wetter heute und was ist das?",
        "es": "¿Qué es lo que se dice de la tienda por la noche?",
        "fr": "Est-ce que le magasin est ouvert dans la nuit?",
        "zh": "这家店什么时候开门？",
    }

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
