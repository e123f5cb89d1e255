"""From the markers in an answer to the places in the documents.

A marker `[2]` after a sentence names the second passage. The finder follows an answer as it is written; for each
marker it looks up the passage, finds the stretch that supports the sentence, and says whether it really does. A
marker that names no passage of this answer gives no citation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chatbot.rag.sentences import Span, units
from chatbot.rag.types import Citation, Passage
from chatbot.rag.words import content_words, coverage

_MARKER = re.compile(r"\[(\d{1,3})\]")
# A quote counts as support when it has this part of the sentence's words; a verbatim sentence has all of them.
SUPPORT = 0.6


class CitationFinder:
    """Finds citations in an answer that arrives in pieces."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._text = ""
        self._read = 0
        self._cited: Span = (0, 0)

    def feed(self, piece: str) -> list[Citation]:
        """Takes the next piece of the answer; gives the citations whose markers are now complete."""
        self._text += piece
        found = []
        for match in _MARKER.finditer(self._text, self._read):
            sentence = self._sentence_before(match.start())
            self._read = match.end()
            citation = self._cite(int(match[1]), sentence)
            if citation:
                found.append(citation)
        return found

    def _sentence_before(self, marker: int) -> Span:
        """What a marker is about: the words since the last marker, or the same words for a second marker in a row."""
        start = self._read
        between = self._text[start:marker]
        if not between.strip(" \n.,;") and self._cited != (0, 0):
            return self._cited
        left = len(between) - len(between.lstrip(" \n.,;"))
        self._cited = (start + left, start + len(between.rstrip()))
        return self._cited

    def _cite(self, marker: int, sentence: Span) -> Citation | None:
        if not 1 <= marker <= len(self._passages):
            return None
        passage = self._passages[marker - 1]
        start, end, claimed, verified = align(self._text[slice(*sentence)], passage.text)
        answer_end = sentence[1]
        return Citation(
            marker=marker,
            answer_start=answer_end - claimed,
            answer_end=answer_end,
            document_id=passage.document_id,
            version=passage.version,
            chunk_id=passage.chunk_id,
            page=passage.page,
            char_start=passage.char_start + start,
            char_end=passage.char_start + end,
            quote=passage.text[start:end],
            verified=verified,
        )


def align(claim: str, text: str) -> tuple[int, int, int, bool]:
    """The stretch of a passage that supports a claim best.

    Returns its start and end in the passage, how many characters at the end of the claim it speaks for, and whether
    it supports them.
    """
    at = text.find(claim)
    if claim and at >= 0:
        return at, at + len(claim), len(claim), True
    sentences = units(claim) or [(0, len(claim))]
    last = claim[slice(*sentences[-1])]
    wanted = content_words(last)
    start, end = max(units(text) or [(0, len(text))], key=lambda span: coverage(wanted, text[slice(*span)]))
    return start, end, len(claim) - sentences[-1][0], coverage(wanted, text[start:end]) >= SUPPORT
