"""`flask index ...`"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from chatbot.cli_support import Commands, progress_bar, show_table, silence_logs
from chatbot.current import services
from chatbot.knowledge.cli.documents import report_checks

if TYPE_CHECKING:
    from chatbot.knowledge.models import Generation

index_cli = Commands("index", help="Generations of the index: build, activate, go back.")


@contextmanager
def told(*more: type[Exception]) -> Iterator[None]:
    """What is refused ends the command with its sentence."""
    try:
        yield
    except Exception as error:
        from chatbot.knowledge.index.activation import GenerationRefused
        from chatbot.knowledge.ingestion.reindex import BuildLost, BuildStuck

        refusals = (GenerationRefused, BuildLost, BuildStuck)
        if isinstance(error, (*refusals, *more)):
            raise click.ClickException(str(error)) from None
        raise


@index_cli.command("build")
@click.option("--embedding-model", help="Another embedder than the configured one.")
@click.option("--chunk-size", type=click.IntRange(1), help="Tokens a chunk, if not as the active generation has.")
@click.option("--generation", "generation_id", type=click.IntRange(1), help="Bring this one up to date.")
def build(embedding_model: str | None, chunk_size: int | None, generation_id: int | None) -> None:
    """Build a generation beside the one that answers. Run it again after a break: it goes on where it was."""
    from chatbot.knowledge.ingestion import reindex as building

    if generation_id and (embedding_model or chunk_size):
        raise click.UsageError("--generation has its embedder and its chunk size already.")
    with told(), silence_logs():
        embedders = services().embedders
        with services().sessions() as session:
            generation, owner = building.begin(session, embedders, embedding_model, chunk_size, generation_id)
        with progress_bar() as bar:
            task = bar.add_task(f"Generation {generation.id}", total=None)
            progress: Callable[[int, int], None] = lambda done, total: bar.update(task, completed=done, total=total)  # noqa: E731
            done = building.build(services().sessions, embedders, generation, owner, progress)
    click.echo(
        f"Generation {generation.id} is built: {done} document(s) put in, {generation.embedder}, chunks of "
        f"{generation.chunk_tokens} tokens. `flask index activate {generation.id}` makes it answer."
    )


@index_cli.command("list")
def list_generations() -> None:
    """List the generations."""
    from rich.table import Table

    from chatbot.knowledge.index import activation

    with services().sessions() as session:
        found = activation.generations(session)
    table = Table("id", "embedder", "chunk size", "chunks", "built", "active", "activated_at")
    for g in found:
        built = "building" if g.building else "yes" if g.built_at else "no"
        active = "yes" if g.active else ""
        activated = f"{g.activated_at:%Y-%m-%d %H:%M} UTC" if g.activated_at else ""
        table.add_row(str(g.id), g.embedder, str(g.chunk_tokens), str(g.chunks), built, active, activated)
    show_table(table)


@index_cli.command("activate")
@click.argument("generation_id", type=int)
def activate(generation_id: int) -> None:
    """Make a generation the one that answers. Every process follows from its next search on."""
    from chatbot.knowledge.index import activation

    with told(), services().sessions() as session:
        generation = activation.get_generation(session, generation_id)
        if services().retriever.kind == "pgvector":
            _put_in(generation)
        activation.activate(session, services().embedders, generation_id)
    click.echo(f"Generation {generation_id} answers now. `flask index rollback` goes back.")


@index_cli.command("migrate-to-pgvector")
def migrate_to_pgvector() -> None:
    """Bring pgvector up to the rows, and build its index: once, before VECTOR_STORE=pgvector is set.

    Afterwards the workers do both. It can be run at any time, while questions are answered.
    """
    from chatbot.knowledge.index.generations import active_generation

    with services().sessions() as session:
        if session.get_bind().dialect.name != "postgresql":
            raise click.ClickException("pgvector is a part of PostgreSQL, and DATABASE_URL names none.")
        generation = active_generation(session)
    if generation is None:
        raise click.ClickException("There is no document yet.")
    with told():
        held = _put_in(generation)
    click.echo(f"{held} vector(s) of generation {generation.id} in pgvector.")


def _put_in(generation: Generation) -> int:
    """Makes a generation's vectors ready to be searched in pgvector, whatever VECTOR_STORE says; gives how many."""
    from chatbot.knowledge.index import pgvector_store
    from chatbot.knowledge.retrieval.retriever import Index

    sessions, embedders = services().sessions, services().embedders
    held = Index(sessions, embedders, generation, "pgvector").store.current()
    pgvector_store.build_index(sessions, generation.id)
    return held.size


@index_cli.command("snapshot")
@click.option("--generation", "generation_id", type=click.IntRange(1), help="Another one than that which answers.")
def write_snapshot(generation_id: int | None) -> None:
    """Write the index into a file, from which the processes of this machine start quicker.

    Web processes do so by themselves where there are many vectors, and again when many have changed.
    """
    from chatbot.knowledge.index import activation
    from chatbot.knowledge.index.generations import active_generation

    retriever, sessions = services().retriever, services().sessions
    if retriever.kind != "faiss":
        raise click.ClickException("The vectors are in pgvector, which all processes share; there is no such file.")
    with told(OSError), silence_logs(), sessions() as session:
        generation = activation.get_generation(session, generation_id) if generation_id else active_generation(session)
    if generation is None:
        raise click.ClickException("There is no document yet.")
    with told(OSError), silence_logs():
        held, written = retriever.write_file(generation)
    if not held:
        raise click.ClickException("There is no vector yet.")
    if written is None:
        raise click.ClickException("Another process is writing one, or rows were purged meanwhile; try again.")
    click.echo(
        f"{written.path}: {written.vectors} vector(s) of generation {generation.id} at revision {written.revision}, "
        f"{written.kind}, {written.bytes / 1e6:.1f} MB, in {written.seconds:.1f} s."
    )


@index_cli.command("rollback")
def rollback() -> None:
    """Go back to the generation that answered before."""
    from chatbot.knowledge.index import activation

    with told(), services().sessions() as session:
        generation_id, queued = activation.rollback(session)
    click.echo(f"Generation {generation_id} answers again.")
    if queued:
        click.echo(f"{queued} document(s) changed meanwhile and wait for a worker to bring them into it.")


@index_cli.command("drop")
@click.argument("generation_id", type=int)
def drop(generation_id: int) -> None:
    """Delete the chunks of a generation that does not answer."""
    from chatbot.knowledge.index import activation

    with told(), services().sessions() as session:
        chunks = activation.drop(session, generation_id)
    click.echo(f"Generation {generation_id} is gone: {chunks} chunk(s).")


@index_cli.command("verify")
@click.option("--fix", is_flag=True, help="Mend what is found.")
def verify_index(fix: bool) -> None:
    """Prove that rows and indexes agree, and that an index made from the rows holds what answers.

    Exit status: 0 when all is well (or mended), 1 when something is not.
    """
    from chatbot.knowledge.maintenance import verify

    report_checks((*verify.INDEX, verify.vectors_held(services().retriever)), fix)
