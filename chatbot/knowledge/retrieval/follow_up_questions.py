"""What somebody might ask next: questions in the documents' own words, from around the passages of an answer.

No model is called, and the same passages give the same suggestions. Questions that the documents ask themselves,
as a list of frequent questions does, come first; headings of other sections nearby follow, with a question mark.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, select
from sqlalchemy.orm import Session, aliased

from chatbot.knowledge.index.generations import visible
from chatbot.knowledge.models import ChunkRow
from chatbot.rag.text.content_words import content_words
from chatbot.rag.types import Passage

MOST = 3
NEIGHBOURS = 4
SHORTEST, LONGEST = 4, 120
# What shares this part of its words with a question that was asked asks the same.
SAME = 0.7
# What stands around a question that has a line to itself.
_BEFORE, _AFTER = " \t>#*_-", " \t*_"
_MARKUP = re.compile(r"[*_`]+|^#+\s*|\[([^\[\]]*+)\]\([^)\[]*+\)|<[^<>]*+>")
_ENDS = ("?", "？", "؟")


def suggestions(
    session: Session, passages: Sequence[Passage], used: Collection[int], asked: Sequence[str]
) -> list[str]:
    """At most MOST questions, best first. `used` are the ids of the chunks that the answer cites, whose sections are
    not suggested; nor is what was `asked` already. Only documents of the passages are looked into: they may be read."""
    chunks = _around(session, passages)
    answered = [row.headings[-1] for row in chunks if row.id in used and row.headings]
    taken = [words for text in (*asked, *answered) if (words := content_words(text))]
    found: list[str] = []
    for text in (*_questions(chunks), *_headings(chunks)):
        words = content_words(text)
        if words and not any(len(words & other) >= SAME * min(len(words), len(other)) for other in taken):
            taken.append(words)
            found.append(text)
        if len(found) == MOST:
            break
    return found


_CENTRE = aliased(ChunkRow)
# Built once: for so short a query that takes many times as long as to run it.
_NEAR = (
    select(
        ChunkRow.id,
        ChunkRow.ordinal,
        ChunkRow.headings,
        ChunkRow.text,
        _CENTRE.id.label("of"),
        _CENTRE.ordinal.label("place"),
    )
    .select_from(_CENTRE)
    .join(
        ChunkRow,
        and_(
            ChunkRow.generation_id == _CENTRE.generation_id,
            ChunkRow.version_id == _CENTRE.version_id,
            ChunkRow.ordinal.between(_CENTRE.ordinal - NEIGHBOURS, _CENTRE.ordinal + NEIGHBOURS),
        ),
    )
    .where(_CENTRE.id.in_(bindparam("ids", expanding=True)), *visible())
)


def _around(session: Session, passages: Sequence[Passage]) -> list[Row[*tuple[Any, ...]]]:
    """The chunks of the passages and their neighbours that are visible: the best passage's first, nearest first."""
    places = {passage.chunk_id: passage.rank for passage in passages}
    if not places:
        return []
    rows = session.connection().execute(_NEAR, {"ids": list(places)}).all()
    best: dict[int, tuple[int, int, int]] = {}
    for chunk in rows:
        key = (places[chunk.of], abs(chunk.ordinal - chunk.place), chunk.ordinal)
        best[chunk.id] = min(best.get(chunk.id, key), key)
    return sorted({chunk.id: chunk for chunk in rows}.values(), key=lambda chunk: best[chunk.id])


def _questions(chunks: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[str]:
    """What the documents ask: headings that are questions, and lines that are."""
    for chunk in chunks:
        lines = [heading for heading in chunk.headings[::-1] if heading.rstrip().endswith(_ENDS)]
        if any(end in chunk.text for end in _ENDS):
            asked = (line.rstrip(_AFTER).lstrip(_BEFORE) for line in chunk.text.split("\n"))
            lines += [line for line in asked if line.endswith(_ENDS)]
        yield from (plain for line in lines if (plain := _plain(line)))


def _headings(chunks: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[str]:
    """The headings of the sections, as questions."""
    for chunk in chunks:
        plain = _plain(chunk.headings[-1]) if chunk.headings else None
        if plain:
            yield plain if plain.endswith(_ENDS) else f"{plain.rstrip(' .:;!…')}?"


def _plain(text: str) -> str | None:
    """A line without Markdown's marks, if it is of a length to be asked."""
    plain = " ".join(_MARKUP.sub(lambda match: match[1] or "", text).split())
    return plain if SHORTEST <= len(plain) <= LONGEST and "|" not in plain else None
