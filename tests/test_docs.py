"""What people read is true: settings, links, commands, codes, and the README's first conversation, word for word."""

from __future__ import annotations

import json
import logging
import re
import runpy
import shlex
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask.testing import FlaskClient
from sqlalchemy import select

from chatbot.app import create_app
from chatbot.config import Settings, load_settings
from chatbot.current import services
from chatbot.errors import ChatbotError
from chatbot.extensions import db
from chatbot.knowledge.ingestion import ingest
from chatbot.knowledge.models import DocumentVersion
from chatbot.knowledge.parsing.errors import SENTENCES
from chatbot.knowledge.parsing.formats import TABLE
from tests.conftest import ROOT, SECRET

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def section(title: str) -> str:
    """The README's section of that title."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


# Generated pages ---------------------------------------------------------------------------------------------------


def test_generated_pages_match_the_code() -> None:
    pages = runpy.run_path(str(ROOT / "scripts" / "build_docs.py"))["pages"]()
    drifted = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert drifted == [], "run `make docs`"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_env_example_sets_nothing_until_a_line_is_uncommented() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_env_example_is_valid_when_everything_is_uncommented(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    chosen = [line[2:] for line in text.splitlines() if re.fullmatch(r"# [A-Z_]+=.+", line)]
    (tmp_path / ".env").write_text("\n".join([*chosen, f"SECRET_KEY={SECRET}"]), encoding="utf-8")
    settings = load_settings(_env_file=tmp_path / ".env")
    assert settings.cors_origins == ["https://app.example.com"]


def test_readme_is_at_most_ten_kilobytes() -> None:
    assert len(README.encode()) <= 10_000


# Links and commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_every_file_that_is_named_exists() -> None:
    named = r"(?<![\w/.-])(?:chatbot|tests|docs|bench|findings|migrations|postman|scripts)/[\w./-]*[\w/]"
    places = [(page, rf"`({named})`") for page in PAGES]
    places += [(script, rf"({named}\.py)\b") for script in (ROOT / "findings").glob("*.sh")]
    missing = [
        (page.name, path)
        for page, pattern in places
        for path in re.findall(pattern, page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_every_format_that_is_read_is_named() -> None:
    guide = (ROOT / "docs" / "knowledge.md").read_text(encoding="utf-8")
    assert [row.extensions[0] for row in TABLE if not row.language and row.extensions[0] not in guide] == []


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)\)", page.read_text(encoding="utf-8"))
        found = {(page.parent / link).resolve() for link in links if "://" not in link}
        todo += found - reached - set(todo)
    assert set(PAGES) - reached == set()


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))
    assert named - targets == set()
    assert {"run", "test"} <= named


def test_every_flask_command_that_is_named_exists(sample: Flask) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"\bflask ([a-z]+)(?: ([a-z-]+))?", text))
    assert ("knowledge", "ingest") in named
    group = FlaskGroup(create_app=lambda: sample)
    with click.Context(group, obj=ScriptInfo(create_app=lambda: sample)) as context:
        for name, below in named:
            command = group.get_command(context, name)
            assert command is not None, name
            assert not below or below in command.list_commands(context), f"{name} {below}"  # type: ignore[attr-defined]


# Codes -------------------------------------------------------------------------------------------------------------


def error_codes() -> set[str]:
    """The codes of every error class of the application (its own modules only)."""
    found, todo = set(), [ChatbotError]
    while todo:
        kind = todo.pop()
        found |= {kind.code} if kind.__module__.startswith("chatbot.") else set()
        todo += kind.__subclasses__()
    return found - {ChatbotError.code}


def test_the_api_guide_explains_every_error_code() -> None:
    guide = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    # A conflict is always told in a room's own words.
    assert {code for code in error_codes() if f"`{code}`" not in guide} <= {"conflict", "bad_gateway", "timeout"}


def test_the_knowledge_guide_says_what_to_do_about_every_failure() -> None:
    guide = (ROOT / "docs" / "knowledge.md").read_text(encoding="utf-8")
    failures = guide.partition("## What to do when a document fails")[2]
    assert [code for code in (*SENTENCES, "gave_up", "too_large") if f"| `{code}` |" not in failures] == []


# The sample knowledge base -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, models_path: Path, sqlite_template: Path) -> Iterator[Flask]:
    """The application as `make run` leaves it: README.md and docs/ are in, and nobody has signed up."""
    instance = tmp_path_factory.mktemp("sample")
    shutil.copy(sqlite_template, instance / "chatbot.db")
    app = create_app(
        load_settings(
            _env_file=None,
            instance_path=instance,
            models_path=models_path,
            password_iterations=1_000,
            log_level="WARNING",
            ratelimit_enabled=False,
        )
    )
    level = logging.getLogger("chatbot").level
    paths = [str(ROOT / "README.md"), str(ROOT / "docs")]
    outcome = app.test_cli_runner().invoke(args=["knowledge", "ingest", *paths, "--wait"])
    logging.getLogger("chatbot").setLevel(level)
    assert outcome.exit_code == 0, outcome.output
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@dataclass(frozen=True)
class Command:
    """A curl command of the README, and the block of text that shows its answer."""

    path: str
    headers: dict[str, str]
    body: str
    keeps: str | None
    shown: str


def commands(text: str) -> list[Command]:
    """The curl commands in the fenced blocks of a text, as a shell would read them."""
    blocks = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
    blocks.append(("", ""))
    found = []
    for (language, block), (next_language, next_block) in pairwise(blocks):
        if language == "sh":
            shown = next_block if next_language != "sh" else ""
            found += [_command(*each, shown) for each in _curls(block)]
    return found


def _curls(block: str) -> list[tuple[str | None, str]]:
    joined = block.replace("\\\n", " ")
    return re.findall(r"^(?:([A-Z]+)=\$\()?(curl .*)$", joined, re.MULTILINE)


def _command(keeps: str | None, line: str, shown: str) -> Command:
    words = shlex.split(line.partition(" | python3 ")[0])
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]
    (url,) = [word for word in words if word.startswith("http")]
    path = url.removeprefix("http://127.0.0.1:8000")
    assert path.startswith("/api/"), url
    return Command(path, headers, body, keeps or None, shown)


def run(client: FlaskClient, command: Command, kept: dict[str, str]) -> Any:
    """Sends a command as curl would, and keeps the access token where the command does."""
    headers = dict(command.headers)
    for name, value in kept.items():
        headers = {key: text.replace(f"${name}", value) for key, text in headers.items()}
    response = client.post(command.path, data=command.body, headers=headers)
    assert response.status_code in (200, 201), response.text
    if command.keeps:
        kept[command.keeps] = response.json["access"]
    return response


def reply_of(response: Any) -> dict[str, Any]:
    """The answer's message, from JSON or from the `done` event of a stream."""
    if response.mimetype == "text/event-stream":
        done = response.text.partition("event: done\n")[2]
        return json.loads(re.search(r"^data: (.*)$", done, re.MULTILINE)[1])["message"]  # type: ignore[index,no-any-return]
    return response.json["message"]  # type: ignore[no-any-return]


def shown_answer(shown: str) -> str:
    """The answer that the README shows, as far as it shows it."""
    content = re.search(r'"content": "(.*?)(?: …)?"[,}]', shown)
    return content[1] if content else "".join(json.loads(f'"{t}"') for t in re.findall(r'\{"text": "(.*?)"\}', shown))


def assert_cited(app: Flask, message: dict[str, Any]) -> None:
    """Every citation is verified, and its offsets hold in the text of the document."""
    citations = message["metadata"]["citations"]
    assert citations
    with services(app).sessions() as session:
        for citation in citations:
            which = (DocumentVersion.document_id == citation["document_id"],)
            text = session.scalar(
                select(DocumentVersion.text).where(*which, DocumentVersion.version == citation["version"])
            )
            assert citation["verified"]
            assert text[citation["char_start"] : citation["char_end"]] == citation["quote"]


def test_the_first_conversation_of_the_readme_runs_word_for_word(sample: Flask) -> None:
    client, kept, answers = sample.test_client(), {}, []
    for command in commands(section("A first conversation") + section("Streaming")):
        response = run(client, command, kept)
        if command.path == "/api/chat/send/":
            answers.append((reply_of(response), shown_answer(command.shown)))
    assert len(answers) == 3
    for message, shown in answers:
        assert shown
        assert message["content"].startswith(shown)
    for message, _ in answers[:2]:
        assert message["metadata"]["grounding"]["status"] == "grounded"
        assert_cited(sample, message)
    assert answers[2][0]["metadata"]["grounding"]["status"] == "fallback"
    ends = [str(message["metadata"]["citations"][0]["answer_end"]) for message, _ in answers[:2]]
    assert re.findall(r'"marker": 1, "answer_start": 0, "answer_end": (\d+)', README) == ends


def test_what_make_run_prints_is_the_beginning_of_the_readme() -> None:
    printed = (ROOT / "docs" / "first-conversation.txt").read_text(encoding="utf-8")
    in_readme = [line for _, line in _curls(section("A first conversation"))]
    assert [line for _, line in _curls(printed)] == in_readme


@pytest.fixture
def worker(sample: Flask) -> Iterator[None]:
    """Ingests what is due, as the worker does while `make run` is running."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.1):
            with services(sample).sessions() as session:
                due = ingest.due_documents(session)
                session.rollback()
                for document_id in due:
                    ingest.ingest(session, services(sample).embedders, document_id, 60)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("worker")
def test_adding_a_document_as_in_the_readme_answers_the_next_question(
    sample: Flask, newcomer: tuple[FlaskClient, dict[str, str]]
) -> None:
    text = section("Your own documents")
    password, _flask, *arguments = shlex.split(re.search(r"^ADMIN_PASSWORD=.*$", text, re.MULTILINE)[0])  # type: ignore[index]
    name, _, value = password.partition("=")
    made = sample.test_cli_runner().invoke(args=arguments, env={name: value})
    assert made.exit_code == 0, made.output
    kept: dict[str, str] = {}
    responses = [run(sample.test_client(), command, kept) for command in commands(text)]
    assert [response.status_code for response in responses] == [200, 201]
    client, headers = newcomer
    asked = client.post("/api/chat/send/", json={"message": "When is the shop open?"}, headers=headers)
    assert reply_of(asked)["content"].startswith("The shop is open from nine to five, Monday to Friday.")


QUESTIONS = {
    "How do I add a document?": "To add a document, send its title and content as JSON, or a file as a form",
    "How do I delete a document?": "`flask knowledge remove ID`",
    "How do I add a whole folder?": "`flask knowledge ingest PATH`",
    "How large may a file be?": "at most 25 MB",
    "How do I become an administrator?": "`flask users create-admin EMAIL --username NAME`",
    "How do I stream an answer?": '`"stream": true`',
    "How do I ask a follow-up question?": "`chat_session_id`",
    "When are old conversations deleted?": "older than 30 days",
    "Do I need Redis?": "Redis is not needed on one machine",
    "How do I make a backup?": "flask backup create",
    "How are passwords stored?": "PBKDF2-SHA256",
    "Where do the e-mails go?": "`instance/outbox/`",
    "Which languages work?": "knows English well",
    "How do I deploy to Heroku?": "`DATABASE_URL`",
    "How do I restore an earlier version?": "`POST /api/knowledge/documents/{id}/versions/{n}/restore/`",
    "How do I compare two versions?": "`GET …/versions/{n}/diff/?to={m}`",
    "How do I change the title of a document?": "`PATCH /api/knowledge/documents/{id}/`",
    "How do I download the original file?": "`GET /api/knowledge/documents/{id}/content/`",
    "Why does my document stay in the queue?": "`queue_position`",
}


@pytest.fixture(scope="module")
def newcomer(sample: Flask) -> tuple[FlaskClient, dict[str, str]]:
    """A person who has just signed up and knows nothing."""
    client = sample.test_client()
    account = {"email": "newcomer@example.com", "password": "correct horse battery 9"}
    client.post("/api/users/signup/", json=account | {"username": "newcomer", "password2": account["password"]})
    access = client.post("/api/users/login/", json=account).json["access"]  # type: ignore[index]
    return client, {"Authorization": f"Bearer {access}"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_sample_documents_answer_what_newcomers_ask(
    question: str, sample: Flask, newcomer: tuple[FlaskClient, dict[str, str]]
) -> None:
    client, headers = newcomer
    message = client.post("/api/chat/send/", json={"message": question}, headers=headers).json["message"]  # type: ignore[index]
    assert QUESTIONS[question] in message["content"]
    assert_cited(sample, message)
