"""`flask knowledge ...`"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chatbot.cli_support import Commands, progress_bar, show_table, silence_logs
from chatbot.current import services
from chatbot.errors import ChatbotError

if TYPE_CHECKING:
    from chatbot.knowledge.documents.service import NewDocument
    from chatbot.knowledge.documents.sync import Synced
    from chatbot.knowledge.maintenance import verify
    from chatbot.knowledge.retrieval.retriever import Mode

MOST_SHOWN = 20  # What a check names of what it found.
DEFAULT_COLLECTION = "default"  # As the models have it (a test compares).

knowledge_cli = Commands("knowledge", help="The knowledge base.")


@dataclass
class Summary:
    """What a run has done: counts, the reason of each failure, and the warnings of documents by their ids."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("added", "changed", "unchanged"), 0))
    failed: list[tuple[str, str]] = field(default_factory=list)
    queued: dict[str, str] = field(default_factory=dict)
    warnings: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    seen: dict[str, Path] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def is_another(self, source: str, path: Path) -> bool:
        """Whether a file would overwrite another one of this run, which is a failure; the first keeps the source."""
        first = self.seen.setdefault(source, path.resolve())
        if first == path.resolve():
            return False
        reason = "same_source: another file of this run is known by this path; use --collection for one of them"
        self.failed.append((source, reason))
        return True

    def count(self, done: Synced | ChatbotError, source: str) -> None:
        """Counts what has become of a document, and queues it where it is to be ingested."""
        if isinstance(done, ChatbotError):
            self.failed.append((source, f"{done.code}: {done}"))
            return
        self.kept.add(done.document_id)
        self.counts[done.outcome] = self.counts.get(done.outcome, 0) + 1
        # What an earlier run has left in the queue counts as well.
        if done.to_ingest or done.status in ("queued", "processing"):
            self.queued.setdefault(done.document_id, source)


class PathOrUrl(click.Path):
    """A file or folder that exists, or an address, which stays the text it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if _is_url(value) else super().convert(value, param, ctx)


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


@knowledge_cli.command("ingest")
@click.argument("paths", metavar="PATH_OR_URL...", nargs=-1, required=True, type=PathOrUrl(exists=True, path_type=Path))
@click.option("--collection", default=DEFAULT_COLLECTION, show_default=True, help="Where the documents go.")
@click.option("--wait", is_flag=True, help="Ingest here and now, beside any worker, and report the outcome.")
@click.option("--prune", is_flag=True, help="Remove the documents of files that are gone from the given folders.")
def ingest_paths(paths: tuple[Path | str, ...], collection: str, wait: bool, prune: bool) -> None:
    """Ingest files, folders and pages by their address (http:// or https://).

    A file that has not changed is skipped; a changed one becomes a new version. A page that is there is fetched again.
    With --wait, a line for each warning says what of a document is not in its text.

    Exit status: 0 when every file is in, 1 when some failed.
    """
    from chatbot.background import enqueue
    from chatbot.extensions import db
    from chatbot.knowledge.documents import queue_status, service
    from chatbot.knowledge.documents.sync import sync_files
    from chatbot.knowledge.tasks import ingest_document

    summary = Summary()
    collection = service.check_collection(collection)
    local = [path for path in paths if isinstance(path, Path)]
    folders = _folders(local) if prune else []
    files = list(_files(local))
    with silence_logs(), progress_bar() as bar:
        for some in _batches(bar.track(files, description="Reading"), collection, summary):
            done = sync_files(db.session(), [new for _, new in some])
            for (source, _), one in zip(some, done, strict=True):
                summary.count(one, source)
        for url in filter(_is_url, paths):
            _sync_url(str(url), collection, summary)
        if wait:
            from chatbot.knowledge.cli.ingest_now import ingest_here

            summary.failed += ingest_here(bar, summary.queued)
            summary.warnings = queue_status.warnings_of(db.session(), list(summary.queued))
        else:
            for document_id in summary.queued:
                enqueue(ingest_document, document_id)
    _report(summary, waited=wait)
    if prune:
        _prune(folders, collection, summary)
    raise SystemExit(1 if summary.failed else 0)


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Every file and the source it is known by; folders are walked in order, hidden files left out."""
    for path in paths:
        if path.is_file():
            yield path, _source(path, f"{path.resolve().parent.name}/{path.name}")
            continue
        for found in sorted(path.rglob("*")):
            below = found.relative_to(path)
            if found.is_file() and not any(part.startswith(".") for part in below.parts):
                yield found, _source(found, (Path(path.resolve().name) / below).as_posix())


def _folders(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """The folders among the paths, and what the sources of their files begin with.

    Raises:
        UsageError: the current folder or one above it; what is known by a bare name may have come another way.
    """
    found = []
    for path in paths:
        if path.is_dir():
            if Path.cwd().is_relative_to(path.resolve()):
                raise click.UsageError("--prune takes folders below the current one, or elsewhere; name them.")
            found.append((path, _source(path / "x", f"{path.resolve().name}/x").removesuffix("x")))
    return found


def _prune(folders: Iterable[tuple[Path, str]], collection: str, summary: Summary) -> None:
    """Removes the documents that were brought from a folder and whose file is there no more."""
    from chatbot.extensions import db
    from chatbot.knowledge.documents import service

    removed = 0
    for folder, prefix in folders:
        for document_id, source in service.documents_under(db.session(), collection, prefix):
            if document_id not in summary.kept and _is_gone(folder / source.removeprefix(prefix)):
                service.delete_document(db.session(), document_id)
                click.echo(f"  removed: {source}")
                removed += 1
    click.echo(f"removed {removed}")


def _is_gone(path: Path) -> bool:
    """Whether a file is not there; one in a folder that may not be looked into counts as there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _source(file: Path, elsewhere: str) -> str:
    """What a file is known by: its path below the current folder, or its folder's name and the path in it."""
    resolved, here = file.resolve(), Path.cwd()
    return resolved.relative_to(here).as_posix() if resolved.is_relative_to(here) else elsewhere


def _batches(
    files: Iterable[tuple[Path, str]], collection: str, summary: Summary
) -> Iterator[list[tuple[str, NewDocument]]]:
    """The files with their bytes, some at a time; notes those that cannot be read."""
    from chatbot.knowledge.documents.sync import MOST, MOST_BYTES

    some: list[tuple[str, NewDocument]] = []
    size = 0
    for path, source in files:
        new = None if summary.is_another(source, path) else _read(path, source, collection, summary)
        if new is None:
            continue
        some.append((source, new))
        size += len(new.data)
        if len(some) == MOST or size >= MOST_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _read(path: Path, source: str, collection: str, summary: Summary) -> NewDocument | None:
    """A file with its bytes, or None where it cannot be had, with the reason noted."""
    from chatbot.knowledge.documents.service import FileRefused, NewDocument

    try:
        if path.stat().st_size > services().settings.max_upload_mb * 1024 * 1024:
            summary.count(FileRefused("The file is larger than MAX_UPLOAD_MB.", code="too_large"), source)
            return None
        return NewDocument(path.read_bytes(), filename=path.name, source=source[-500:], collection=collection)
    except OSError as error:
        summary.failed.append((source, f"unreadable: {error.strerror}"))
        return None


def _sync_url(url: str, collection: str, summary: Summary) -> None:
    from chatbot.extensions import db
    from chatbot.knowledge.documents import urls
    from chatbot.knowledge.documents.sync import Synced

    try:
        checked = urls.check_url(url, services().fetch_limits)
        outcome, document, to_ingest = urls.sync_url(db.session(), urls.NewUrl(checked, collection=collection))
    except ChatbotError as error:
        summary.count(error, url)
    else:
        summary.count(Synced(outcome, document.id, document.status, to_ingest), checked)


def _report(summary: Summary, *, waited: bool) -> None:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in summary.counts.items())
    click.echo(f"{counts}, {len(summary.failed)} failed")
    if summary.queued and not waited:
        click.echo(f"{len(summary.queued)} wait for a worker; `flask knowledge list --status queued` shows them.")
    _report_warnings(summary)
    for source, reason in summary.failed:
        click.echo(f"  failed: {source}: {reason}", err=True)


def _report_warnings(summary: Summary) -> None:
    from chatbot.knowledge.parsing.warnings import line

    for document_id, source in summary.queued.items():
        for warning in summary.warnings.get(document_id, ()):
            click.echo(f"  warning: {source}: {line(warning)}", err=True)


@knowledge_cli.command("list")
@click.option("--status", type=click.Choice(["queued", "processing", "ready", "failed"]), help="Only these.")
@click.option("--suspicious", is_flag=True, help="Only those whose text looks like orders to a model.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
def list_documents(status: str | None, suspicious: bool, limit: int) -> None:
    """List documents, newest first."""
    from rich.table import Table

    from chatbot.extensions import db
    from chatbot.knowledge.documents import queue_status, service
    from chatbot.knowledge.parsing.prompt_injection import SUSPICIOUS

    filters = {"status": status, "min_instruction_score": SUSPICIOUS if suspicious else None}
    page = service.list_documents(db.session(), filters, limit, None)
    table = Table("id", "status", "place", "v", "chunks", "source", "reason", "warnings")
    for item in queue_status.described(db.session(), page.items):
        d, place = item.document, str(item.queue_position or "")
        reason = d.error_detail or item.blocked_because or ""
        warnings = ", ".join(warning["code"] for warning in item.warnings)
        table.add_row(d.id, d.status, place, str(d.version), str(d.chunk_count), d.source or d.title, reason, warnings)
    show_table(table)


@knowledge_cli.command("show")
@click.argument("document_id", type=click.UUID)
def show(document_id: object) -> None:
    """Print everything about one document."""
    from rich.table import Table

    from chatbot.extensions import db
    from chatbot.knowledge import schemas
    from chatbot.knowledge.documents import queue_status, service, versions
    from chatbot.knowledge.parsing.warnings import line

    document = service.get_document(db.session(), str(document_id))
    about = schemas.DocumentSchema().dump(queue_status.describe(db.session(), document))
    page = versions.list_versions(db.session(), document.id, 100, None)
    warnings = about.pop("warnings")
    for name, value in about.items():
        click.echo(f"{name}: {'' if value is None else value}")
    for warning in warnings:
        click.echo(f"warning: {line(warning)}")
    table = Table("v", "made", "bytes", "characters", "warnings", "kind", "file", "sha-256")
    for v in page.items:
        made, size = f"{v.created_at:%Y-%m-%d %H:%M}", str(v.size_bytes)
        characters = "" if v.characters is None else str(v.characters)
        warned = str(len(v.warnings))
        table.add_row(str(v.version), made, size, characters, warned, v.media_type, v.filename, v.content_hash[:12])
    show_table(table)


@knowledge_cli.command("remove")
@click.argument("document_id", type=click.UUID)
def remove(document_id: object) -> None:
    """Delete a document; prints what is gone."""
    from chatbot.extensions import db
    from chatbot.knowledge.documents import service

    receipt = service.delete_document(db.session(), str(document_id))
    click.echo(f"removed {receipt.title}: {receipt.versions} version(s), {receipt.chunks} chunk(s)")


@knowledge_cli.command("retry")
@click.argument("document_id", type=click.UUID)
def retry(document_id: object) -> None:
    """Try a failed document again, or fetch a page again."""
    from chatbot.background import enqueue
    from chatbot.extensions import db
    from chatbot.knowledge.documents import urls
    from chatbot.knowledge.tasks import ingest_document

    document = urls.retry(db.session(), str(document_id))
    enqueue(ingest_document, document.id)
    click.echo(f"{document.status}: {document.title}")


@knowledge_cli.command("search")
@click.argument("question")
@click.option("-k", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option("--mode", type=click.Choice(["hybrid", "dense", "keyword"]), default="hybrid", show_default=True)
@click.option("--filter", "only", help="As in GET search/: field:value,-field:value,field:one|other")
def search(question: str, k: int, mode: Mode, only: str | None) -> None:
    """Show the best passages and their scores."""
    from rich.table import Table

    from chatbot.knowledge.documents.filters import conditions

    retriever, where = services().retriever, conditions(only)
    passages, threshold = retriever.search(question, k, mode=mode, conditions=where)
    names = ("fused", "dense", "keyword", "evidence")
    table = Table(*names, "source", "passage", title=f"an answer asks for evidence of {threshold:.2f}")
    for p in passages:
        scores = ["" if p.scores[name] is None else f"{p.scores[name]:.3f}" for name in names]
        table.add_row(*scores, p.source or p.title, " ".join(p.text.split())[:120])
    show_table(table)


@knowledge_cli.command("stats")
def stats() -> None:
    """Print what is stored."""
    from chatbot.extensions import db
    from chatbot.knowledge.documents import service

    for name, value in service.stats(db.session(), services().embedders.default).items():
        click.echo(f"{name}: {value}")


@knowledge_cli.command("verify")
@click.option("--fix", is_flag=True, help="Mend what is found.")
def verify_knowledge(fix: bool) -> None:
    """Prove that documents, texts, chunks, vectors, originals and keywords agree.

    Exit status: 0 when all is well (or mended), 1 when something is not.
    """
    from chatbot.knowledge.maintenance import verify

    report_checks(verify.KNOWLEDGE, fix)


def report_checks(checks: Sequence[verify.Check], fix: bool) -> None:
    """Makes the checks and prints a line for each; ends the command with 1 when something is wrong."""
    from rich.table import Table

    from chatbot.knowledge.maintenance import verify

    table = Table("check", "looked at", "found", "done")
    with services().sessions() as session:
        results = list(verify.verify(session, checks, fix=fix))
    for result in results:
        table.add_row(result.name, str(result.looked_at), str(len(result.findings)), result.done)
    show_table(table)
    for result in results:
        for finding in result.findings[:MOST_SHOWN]:
            click.echo(f"  {finding}: {result.name}", err=True)
    raise SystemExit(1 if any(result.open for result in results) else 0)


@knowledge_cli.command("collections")
@click.option("--create", "name", help="Make a collection of this name.")
@click.option("--members-only", is_flag=True, help="With --create: only its members may read it.")
def collections(name: str | None, members_only: bool) -> None:
    """List the collections, newest first, or make one."""
    from rich.table import Table

    from chatbot.extensions import db
    from chatbot.knowledge.documents.collections import Reader, create_collection, list_collections
    from chatbot.knowledge.models import EVERYONE, MEMBERS

    if members_only and name is None:
        raise click.UsageError("--members-only goes with --create.")
    if name is not None:
        made = create_collection(db.session(), name, MEMBERS if members_only else EVERYONE)
        click.echo(f"{made.name} is there, for {made.visibility}.")
        return
    table, cursor, is_end = Table("id", "name", "for", "documents"), None, False
    while not is_end:
        page = list_collections(db.session(), Reader("", is_admin=True), 100, cursor)
        for row in page.items:
            table.add_row(row.id, row.name, row.visibility, str(row.document_count))
        cursor, is_end = page.next_cursor, page.next_cursor is None
    show_table(table)
