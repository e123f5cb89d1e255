"""From the markers in an answer to the places in the documents.

A marker `[2]` after a sentence names the second passage. The text is followed as it is written; at each marker the
passage is looked up and the stretch sought that supports the sentence. Where there is none, or no such passage, the
marker is taken out before anybody has seen it: what is shown is cited, and what is cited has been checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chatbot.rag.sentences import Span, units
from chatbot.rag.support import Embed, claims, support
from chatbot.rag.types import Checked, Citation, Passage

# [1], [1, 2], [^3], [doc:4], [Passage 5], 【6】: what models write; but not [2019], a year. The longest that is waited
# for is LONGEST.
_NAME = r"(?:docs?|documents?|passages?|sources?|refs?|quellen?|fuentes?|dokumente?|passagen?|id)"
_YEAR = r"(?:1[5-9]|20)\d\d"
_MARKER = re.compile(
    rf"[\[【](?!\s*{_YEAR}\s*[\]】])\s*(?:{_NAME}\b\.?)?\s*[:#^†]?\s*(?P<numbers>-?\d+(?:\s*(?:[,;]|and|und)\s*(?:{_NAME}\b)?\s*[:#^]?\s*\d+)*)"
    r"(?:†\w*)?\s*[\]】](?!\()",
    re.IGNORECASE,
)
_OPEN = re.compile(r"[\[【]")
# Behind a complete one an opening parenthesis would make it a link.
_BEGUN = re.compile(r"[\[【][\w\s,;:#^†.-]*[\]】]?", re.IGNORECASE)
LONGEST = 60
# Of so many markers that were taken out it is noted why.
MOST_NOTED = 50
_BETWEEN = " \n.,;"


@dataclass(frozen=True)
class Shown:
    """A stretch of an answer as it is to be shown, and the citations that it completes."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass
class _CodeState:
    """Whether the text read so far ends inside code: `a[1]` there is no marker."""

    _fence: bool = False
    _line: str = ""

    @property
    def inside(self) -> bool:
        return self._fence or self._line.replace("```", "").count("`") % 2 == 1

    def read(self, text: str) -> None:
        *lines, rest = (self._line + text).split("\n")
        for line in lines:
            self._fence ^= line.lstrip().startswith(("```", "~~~"))
        self._line = rest


@dataclass
class CitedText:
    """An answer that arrives in pieces. `text` is what was shown so far, `removed` counts the markers that were not."""

    passages: Sequence[Passage]
    embed: Embed | None = None
    text: str = ""
    removed: int = 0
    _held: str = ""
    _since: int = 0
    _claim: Span = (0, 0)
    _cited: set[int] = field(default_factory=set)
    _proven: list[Span] = field(default_factory=list)
    _refused: list[tuple[int, int, str]] = field(default_factory=list)
    _code: _CodeState = field(default_factory=_CodeState)

    def feed(self, piece: str) -> Shown:
        """Takes the next piece; gives what can be shown now. A few characters that may begin a marker are kept."""
        self._held += piece
        return self._read(last=False)

    def end(self) -> Shown:
        """What was still kept, when the answer is at its end."""
        return self._read(last=True)

    def checked(self) -> Checked:
        """What is known of the answer at its end. A claim is supported by a citation, or by a passage's own words."""
        claimed = claims(self.text)
        return Checked(
            self.removed, len(claimed), sum(self._is_unsupported(*span) for span in claimed), tuple(self._refused)
        )

    def _is_unsupported(self, start: int, end: int) -> bool:
        if any(start < span[1] and span[0] < end for span in self._proven):
            return False
        claim = _MARKER.sub("", self.text[start:end]).strip()
        return not any(support(claim, passage) for passage in self.passages)

    def _read(self, last: bool) -> Shown:
        begin, found = len(self.text), list[Citation]()
        while self._held:
            opening = _OPEN.search(self._held)
            before = self._held[: opening.start()] if opening else self._held
            # Spaces wait: they go with a marker that is taken out.
            spaces = 0 if last and not opening else len(before) - len(before.rstrip(" "))
            self._show(len(before) - spaces)
            if opening is None or (not last and self._may_go_on(spaces)):
                break
            found += self._after_opening(spaces)
        return Shown(self.text[begin:], tuple(found))

    def _may_go_on(self, spaces: int) -> bool:
        """Whether what is held could become a marker with the next piece."""
        begun = _BEGUN.fullmatch(self._held, spaces)
        return begun is not None and len(self._held) < LONGEST and not self._code.inside

    def _after_opening(self, spaces: int) -> list[Citation]:
        """What stands where a bracket opens: a marker, or a bracket like any other."""
        match = None if self._code.inside else _MARKER.match(self._held, spaces)
        if match is None:
            self._show(spaces + 1)
            return []
        found = self._marked([int(number) for number in re.findall(r"-?\d+", match["numbers"])])
        shown = " " * spaces + "".join(f"[{citation.marker}]" for citation in found) if found else ""
        self._held = shown + self._held[match.end() :]
        self._show(len(shown))
        self._since = len(self.text)
        return found

    def _marked(self, numbers: Sequence[int]) -> list[Citation]:
        claim = self._claimed()
        fresh = [number for number in dict.fromkeys(numbers) if number not in self._cited]
        found = [citation for number in fresh if (citation := self._cite(number, claim))]
        self.removed += len(fresh) - len(found)
        self._note_removed(set(fresh) - {citation.marker for citation in found})
        self._cited |= {citation.marker for citation in found}
        self._proven += [(citation.answer_start, citation.answer_end) for citation in found]
        return found

    def _note_removed(self, numbers: set[int]) -> None:
        for number in sorted(numbers)[: MOST_NOTED - len(self._refused)]:
            reason = "not_supported" if 1 <= number <= len(self.passages) else "no_such_passage"
            self._refused.append((number, len(self.text), reason))

    def _claimed(self) -> Span:
        """What a marker is about: the words since the last marker, or the same words for a second marker in a row."""
        between = self.text[self._since :]
        if between.strip(_BETWEEN) or self._claim == (0, 0):
            left = len(between) - len(between.lstrip(_BETWEEN))
            self._claim, self._cited = (self._since + left, self._since + len(between.rstrip())), set()
        return self._claim

    def _cite(self, marker: int, claim: Span) -> Citation | None:
        if not 1 <= marker <= len(self.passages):
            return None
        passage, said = self.passages[marker - 1], self.text[slice(*claim)]
        start = 0
        found = support(said, passage, self.embed)
        if found is None or found.score < 1:
            # Of several sentences before a marker it is the last that it stands behind.
            start = (units(said) or [(0, len(said))])[-1][0]
            found = support(said[start:], passage, self.embed)
        if found is None:
            return None
        return Citation(
            marker=marker,
            answer_start=claim[0] + start,
            answer_end=claim[1],
            document_id=passage.document_id,
            version=passage.version,
            chunk_id=passage.chunk_id,
            page=passage.page,
            char_start=passage.char_start + found.start,
            char_end=passage.char_start + found.end,
            quote=passage.text[found.start : found.end],
            verified=True,
        )

    def _show(self, length: int) -> None:
        """Shows so much of what is held."""
        shown, self._held = self._held[:length], self._held[length:]
        self._code.read(shown)
        self.text += shown
