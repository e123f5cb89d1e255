"""`flask eval ...`"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import Flask

from chatbot import __version__
from chatbot.cli_support import Commands, progress_bar, show_table, silence_logs
from chatbot.current import services
from chatbot.knowledge.cli.index import told

if TYPE_CHECKING:
    from chatbot.db import Sessions
    from chatbot.knowledge.evaluation import answer_eval, retrieval_eval
    from chatbot.knowledge.evaluation.retrieval_eval import EvalSet, Outcome
    from chatbot.knowledge.models import Generation
    from chatbot.knowledge.retrieval.retriever import Index, Mode
    from chatbot.rag.types import Passage

eval_cli = Commands("eval", help="How good the search is, in figures.")

BAR = 40
# As the service has them (a test compares).
MODES: tuple[Mode, ...] = ("dense", "keyword", "hybrid")
# A gate that was learnt from fewer and measured with fewer is told apart.
FEW_QUESTIONS = 30
PARTS = ("search", "gate", "answers")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Goal:
    """A figure that has to be reached."""

    mode: str | None
    measure: str
    least: float


class GoalType(click.ParamType[Goal]):
    """[MODE:]MEASURE=VALUE"""

    name = "goal"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Goal:
        match = re.fullmatch(r"(?:(\w+):)?(\w+@\d+)=(\d++(?:\.\d++)?|\.\d++)", str(value).strip().lower())
        if match is None or match[1] not in (None, *MODES):
            self.fail("give a measure and its least value, as ndcg@10=0.6 or dense:recall@100=0.9", param, ctx)
        return Goal(match[1], match[2], float(match[3]))


class ModesType(click.ParamType[tuple["Mode", ...]]):
    """Names of modes between commas."""

    name = "modes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Mode, ...]:
        names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
        unknown = [name for name in names if name not in MODES]
        if unknown:
            self.fail(f"{unknown[0]!r} is not one of {', '.join(MODES)}", param, ctx)
        return tuple(mode for mode in MODES if mode in names)


class SetType(click.Path):
    """A folder that exists, or the name of a stored set, which stays the text it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(value, param, ctx) if Path(value).exists() else str(value)


def read_set(name: Path | str, queries: Path | None = None) -> EvalSet:
    """The set in a folder, or the stored one of that name.

    Raises:
        BadSet: there is none, or it cannot be read.
    """
    from chatbot.knowledge.evaluation import retrieval_eval
    from chatbot.knowledge.evaluation.cases import stored_set
    from chatbot.knowledge.evaluation.retrieval_eval import BadSet

    if isinstance(name, Path):
        return retrieval_eval.read_set(name, queries)
    if queries is not None:
        raise BadSet("--queries goes with a folder.")
    with services().sessions() as session:
        return stored_set(session, name)


class PartsType(click.ParamType[tuple[str, ...]]):
    """Names of parts between commas."""

    name = "parts"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value
        unknown = [name for name in names if name not in PARTS]
        if unknown:
            self.fail(f"{unknown[0]!r} is not one of {', '.join(PARTS)}", param, ctx)
        return names


@eval_cli.command("run")
@click.argument("name", metavar="SET", type=SetType(file_okay=False, path_type=Path))
@click.option("--k", type=click.IntRange(1, 100), default=10, show_default=True, help="The place that counts.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there.")
@click.option("--fail-under", "goals", type=GoalType(), multiple=True, help="As ndcg@10=0.6; exit status 1 below it.")
@click.option("--mode", "modes", type=ModesType(), default=",".join(MODES), show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Only so many questions, and a part of the corpus: a quick look.")
@click.option(
    "--queries",
    type=FILE,
    help="Other questions than queries.jsonl.",
)
@click.option("--embedding-model", help="Another embedder than the configured one, for a set with a corpus.")
@click.option("--chunk-size", type=click.IntRange(1), help="Tokens a chunk, for a set with a corpus.")
@click.option("--fresh", is_flag=True, help="Ingest the set's corpus anew.")
@click.option("--part", "parts", type=PartsType(), default=",".join(PARTS), show_default=True)
@click.option("--off-topic", "far", type=FILE, help="Questions on other subjects: a file as queries.jsonl.")
@click.option("--model", help="The chat model that answers, if not the default one.")
def run(
    name: Path | str,
    k: int,
    json_file: Path | None,
    goals: tuple[Goal, ...],
    modes: tuple[Mode, ...],
    limit: int | None,
    queries: Path | None,
    embedding_model: str | None,
    chunk_size: int | None,
    fresh: bool,
    parts: tuple[str, ...],
    far: Path | None,
    model: str | None,
) -> None:
    """Measure search on a SET: a folder with queries.jsonl, qrels.tsv and, if it has its own, corpus.jsonl; or the
    name of a stored set, as `gaps`.

    With unanswerable.jsonl also the gate is measured, and with answers.jsonl the answers. A corpus goes into a
    database of its own under the instance folder, never into the live one.
    """
    from chatbot.knowledge.cli import evaluation_reports
    from chatbot.knowledge.evaluation.retrieval_eval import BadSet

    started = time.perf_counter()
    with told(BadSet), silence_logs():
        questions = read_set(name, queries).limited(limit)
        folder = questions.folder
        index, names = (
            own_index(questions, limit, embedding_model, chunk_size, fresh) if questions.corpus else _live(questions)
        )
        outcomes = _ask(index, questions, names, modes, k) if "search" in parts else []
        gate = evaluation_reports.gate_report(index, folder, far, limit) if "gate" in parts else None
        answers = _answers(index, model, questions, names) if "answers" in parts else None
    report = _report_of(folder, questions, index.generation, outcomes, time.perf_counter() - started)
    report |= {"gate": gate and asdict(gate), "answers": answers and asdict(answers)}
    if outcomes:
        _show(outcomes)
    evaluation_reports.show(gate, answers)
    if json_file:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    missed = [line for goal in goals if (line := _missed(goal, outcomes))]
    for line in missed:
        click.echo(line, err=True)
    raise SystemExit(1 if missed else 0)


def _ask(index: Index, questions: EvalSet, names: retrieval_eval.Names, modes: Sequence[Mode], k: int) -> list[Outcome]:
    from chatbot.knowledge.evaluation import retrieval_eval

    with progress_bar() as bar:
        task = bar.add_task("Asking", total=len(questions.judged) * len(modes))
        step: Callable[[], None] = lambda: bar.advance(task)  # noqa: E731
        return retrieval_eval.run(index, questions, names, modes, k, step, os.cpu_count() or 1)


def _answers(
    index: Index, model: str | None, questions: EvalSet, names: retrieval_eval.Names
) -> answer_eval.Report | None:
    from chatbot.knowledge.cli import evaluation_reports

    return evaluation_reports.answers_report(
        index, services().replies.models, model, questions, names, services().settings.retrieval_top_k
    )


def _live(questions: EvalSet) -> tuple[Index, retrieval_eval.Names]:
    from chatbot.knowledge.evaluation import retrieval_eval
    from chatbot.knowledge.evaluation.retrieval_eval import BadSet
    from chatbot.knowledge.index.generations import active_generation

    with services().sessions() as session:
        generation = active_generation(session)
        if generation is None:
            raise BadSet("The knowledge base is empty, and the set has no corpus.jsonl.")
        session.expunge(generation)
        session.rollback()
        names = retrieval_eval.live_names(session, questions)
    return services().retriever.index_of(generation), live(names)


def live(names: Mapping[str, Sequence[str]]) -> retrieval_eval.Names:
    """What a set calls a passage's document; one that it does not name takes its place in the ranking all the same."""
    return lambda passage: names.get(passage.document_id, (passage.document_id,))


def own_index(
    questions: EvalSet,
    limit: int | None = None,
    model: str | None = None,
    chunk_tokens: int | None = None,
    fresh: bool = False,
) -> tuple[Index, retrieval_eval.Names]:
    """The set's corpus in a database of its own, made at the first run and continued after a break."""
    from chatbot.knowledge.evaluation import retrieval_eval
    from chatbot.knowledge.index.generations import CHUNK_TOKENS, active_generation
    from chatbot.knowledge.retrieval.retriever import Index

    embedders, entries = services().embedders, retrieval_eval.corpus_of(questions, limit)
    embedder, chunk_tokens = model or embedders.default, chunk_tokens or CHUNK_TOKENS
    key = retrieval_eval.fingerprint(entries, embedder, chunk_tokens, __version__)[:16]
    folder = services().settings.instance_path / "eval" / key
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    sessions = _database(folder)
    with sessions() as session:
        generation = active_generation(session)
        session.expunge_all()
        session.rollback()
        if generation is None:
            retrieval_eval.fill(session, entries)
    if generation is None:
        generation = _built(sessions, embedder, chunk_tokens)
    by_id = {retrieval_eval.document_id(entry.id): entry.id for entry in entries}

    def names(passage: Passage) -> Sequence[str]:
        return (by_id[passage.document_id],)

    return Index(sessions, embedders, generation), names


def _database(folder: Path) -> Sessions:
    """An SQLite file with the application's schema."""
    from flask_migrate import Migrate, upgrade
    from sqlalchemy import event

    from chatbot.config import ROOT
    from chatbot.db import engine_options, prepare_engine
    from chatbot.extensions import db

    folder.mkdir(parents=True, exist_ok=True)
    app = Flask("evaluation")
    url = f"sqlite:///{folder / 'chatbot.db'}"
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=engine_options(url, 8))
    db.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"), render_as_batch=True)
    with app.app_context():
        sessions = prepare_engine(db.engine)
        # It can be made again from the set: no waiting for the disk.
        event.listen(db.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
        upgrade()
    return sessions


def _built(sessions: Sessions, embedder: str, chunk_tokens: int) -> Generation:
    from chatbot.knowledge.index import activation
    from chatbot.knowledge.ingestion import reindex as building

    embedders = services().embedders
    with sessions() as session:
        generation, owner = building.begin(session, embedders, embedder, chunk_tokens)
    with progress_bar() as bar:
        task = bar.add_task("Ingesting", total=None)
        step: Callable[[int, int], None] = lambda done, total: bar.update(task, completed=done, total=total)  # noqa: E731
        building.build(sessions, embedders, generation, owner, step)
    with sessions() as session:
        activation.activate(session, embedders, generation.id)
        return activation.get_generation(session, generation.id)


def _report_of(
    folder: Path, questions: EvalSet, generation: Generation, outcomes: Sequence[Outcome], seconds: float
) -> dict[str, object]:
    return {
        "set": folder.resolve().name,
        "set_hash": questions.fingerprint(),
        "questions": len(questions.judged),
        "corpus": questions.corpus is not None,
        "embedder": generation.embedder,
        "chunk_tokens": generation.chunk_tokens,
        "generation": generation.id,
        "versions": {"chatbot": __version__} | {name: version(name) for name in ("faiss-cpu", "onnxruntime", "numpy")},
        "seconds": round(seconds, 2),
        "modes": {
            o.mode: {name: round(value, 5) for name, value in o.figures.items()} | {"seconds": o.seconds}
            for o in outcomes
        },
    }


def _show(outcomes: Sequence[Outcome]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("mode", *outcomes[0].figures)
    for outcome in outcomes:
        table.add_row(outcome.mode, *(f"{value:.4f}" for value in outcome.figures.values()))
    show_table(table)
    console = Console(markup=False, emoji=False, highlight=False)
    for measure in outcomes[0].figures:
        console.print(measure)
        for outcome in outcomes:
            value = outcome.figures[measure]
            full = round(value * BAR)
            console.print(f"  {outcome.mode:<8} {'█' * full}{'░' * (BAR - full)} {value:.3f}")


def _missed(goal: Goal, outcomes: Sequence[Outcome]) -> str | None:
    """Says that a goal was missed; without a mode it is hybrid's, or that of the last one that was measured."""
    by_mode = {outcome.mode: outcome.figures for outcome in outcomes}
    mode = goal.mode or ("hybrid" if "hybrid" in by_mode else outcomes[-1].mode)
    value = by_mode.get(mode, {}).get(goal.measure)  # type: ignore[call-overload]
    if value is None:
        return f"{mode} {goal.measure} was not measured."
    return f"{mode} {goal.measure} is {value:.4f}, below {goal.least}." if value < goal.least else None


@eval_cli.command("export")
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def export(name: str, folder: Path) -> None:
    """Write the stored set NAME into a FOLDER, in the layout of BEIR: queries.jsonl and qrels/test.tsv.

    Its documents are those of the knowledge base, by their ids.
    """
    from chatbot.knowledge.evaluation.retrieval_eval import BadSet

    with told(BadSet):
        questions = read_set(name)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    queries = [json.dumps({"_id": q, "text": text}, ensure_ascii=False) for q, text in questions.queries.items()]
    qrels = [
        f"{q}\t{document}\t{relevance:g}"
        for q in questions.judged
        for document, relevance in questions.qrels[q].items()
    ]
    lines = {"queries.jsonl": queries, "qrels/test.tsv": ["query-id\tcorpus-id\tscore", *qrels]}
    for file, content in lines.items():
        (folder / file).write_text("\n".join(content) + "\n", encoding="utf-8")
    click.echo(f"{len(queries)} question(s) in {folder}.")


@eval_cli.command("calibrate")
@click.argument("folder", metavar="SET", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--generation", "generation_id", type=click.IntRange(1), help="Another one than the active.")
@click.option("--off-topic", "far", type=FILE, help="Questions on other subjects: a file as queries.jsonl.")
@click.option("--forget", is_flag=True, help="Forget what was learnt: the threshold decides again.")
@click.option("--dry-run", is_flag=True, help="Measure only, and store nothing.")
def calibrate(folder: Path, generation_id: int | None, far: Path | None, forget: bool, dry_run: bool) -> None:
    """Teach a generation which questions it can answer, from a SET of some that it can and some that it cannot.

    One half of the questions is learnt from; the figures are of the other half.
    """
    from chatbot.knowledge.cli import evaluation_reports
    from chatbot.knowledge.evaluation.answerability_eval import store_gate
    from chatbot.knowledge.evaluation.retrieval_eval import BadSet
    from chatbot.knowledge.index import activation
    from chatbot.knowledge.index.generations import active_generation

    sessions = services().sessions
    with told(BadSet), silence_logs():
        with sessions() as session:
            found = active_generation(session)
            number = generation_id or (found.id if found else 0)
            generation = activation.get_generation(session, number)
        index = services().retriever.index_of(generation)
        gate, report = evaluation_reports.calibrated(index, folder, far)
    evaluation_reports.show(report, None)
    if not dry_run:
        with sessions() as session:
            store_gate(session, generation.id, None if forget else gate)
        if not forget and report.questions < FEW_QUESTIONS:
            click.echo(f"Only {report.questions} questions were left to measure with: the gate may be far off.")
        click.echo(f"Generation {generation.id} {'has forgotten its gate' if forget else 'is calibrated'}.")


@eval_cli.command("compare")
@click.argument("first", type=int)
@click.argument("second", type=int)
@click.option(
    "--set",
    "set_name",
    metavar="SET",
    required=True,
    type=SetType(file_okay=False, path_type=Path),
    help="A folder with queries.jsonl and qrels.tsv about the documents that are here, or a stored set's name.",
)
@click.option("--k", type=click.IntRange(1, 100), default=10, show_default=True, help="The place that counts.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there.")
def compare(first: int, second: int, set_name: Path | str, k: int, json_file: Path | None) -> None:
    """Measure two generations on a SET of questions about the knowledge base, side by side."""
    from rich.table import Table

    from chatbot.knowledge.evaluation import retrieval_eval
    from chatbot.knowledge.evaluation.retrieval_eval import BadSet
    from chatbot.knowledge.index import activation

    reports, figures = [], []
    with told(BadSet), silence_logs():
        questions = read_set(set_name)
        with services().sessions() as session:
            names = live(retrieval_eval.live_names(session, questions))
            generations = [activation.get_generation(session, number) for number in (first, second)]
        for generation in generations:
            started = time.perf_counter()
            outcomes = _ask(services().retriever.index_of(generation), questions, names, MODES, k)
            seconds = time.perf_counter() - started
            reports.append(_report_of(questions.folder, questions, generation, outcomes, seconds))
            figures.append({f"{o.mode} {name}": value for o in outcomes for name, value in o.figures.items()})
    table = Table("measure", f"generation {first}", f"generation {second}", "difference")
    for name, before in figures[0].items():
        after = figures[1][name]
        table.add_row(name, f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
    show_table(table)
    if json_file:
        difference = {name: round(figures[1][name] - before, 5) for name, before in figures[0].items()}
        content = {"generations": reports, "difference": difference}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
