"""At its end an answer keeps the links whose address stands in a passage that it cites; the others become their text.

While an answer is written it is not known yet what the next marker will cite, so a link to an address of any passage
is shown. An image, which is fetched by being shown, has to be of a passage that was cited before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from chatbot.rag.grounding.known_urls import Addresses
from chatbot.rag.grounding.link_filter import LinkFilter
from chatbot.rag.types import Checked, Citation, Final, Passage


def with_cited_links(
    text: str, citations: Sequence[Citation], checked: Checked, passages: Sequence[Passage]
) -> tuple[Final, Checked, int]:
    """The answer as it is kept, what was found in it with its places there, and how many links were taken out."""
    cited = {citation.chunk_id for citation in citations}
    links = LinkFilter(Addresses.of(passage for passage in passages if passage.chunk_id in cited))
    ends = {end for citation in citations for end in (citation.answer_start, citation.answer_end)}
    cuts = sorted({0, len(text), *ends, *(place for _, place, _ in checked.removed)})
    out, moved = "", dict[int, int]()
    for start, end in pairwise(cuts):
        moved[start] = len(out) + links.waiting
        out += links.feed(text[start:end])
    out += links.end()
    moved[len(text)] = len(out)
    kept = [replace(c, answer_start=moved[c.answer_start], answer_end=moved[c.answer_end]) for c in citations]
    removed = tuple((number, moved[place], reason) for number, place, reason in checked.removed)
    return Final(out, tuple(kept)), replace(checked, removed=removed), links.removed
