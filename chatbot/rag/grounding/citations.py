"""From the markers in an answer to the places in the documents.

A marker `[2]` after a sentence names the second passage. The text is followed as it is written; at each marker the
passage is looked up and the stretch sought that supports the sentence. If there is none, or no such passage, the marker
is taken out before anybody has seen it. If the stretch fits and does not prove the sentence, the citation says so: it
is not `verified`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chatbot.rag.grounding.claim_support import Claimed, Embed, claims, support, supported_by
from chatbot.rag.grounding.markers import LONGEST, LONGEST_GROUP, OPENING, Group, read_markers
from chatbot.rag.grounding.notation.number_words import ANY_NUMBER
from chatbot.rag.text.sentences import Span
from chatbot.rag.types import Checked, Citation, Passage

_SHOWN_MARKER = re.compile(r"\[\d+\]")
LONGEST_PART = 4_000
# Of so many markers that were taken out it is noted why.
MOST_NOTED = 50
_BETWEEN = " \n.,;"
# Where a number in parentheses is a marker though nothing supports it: at the end of what is said.
_ENDS = re.compile(r"\s*(?:[.,;:!?]|\n|$)")
_SUPERSCRIPT = re.compile("[¹²³⁴-⁹]")
# "two (2)"
_LAST_WORD = re.compile(r"(?<!\w)[^\W\d_]{1,12}$")
# m², cm³: a power and no marker.
_UNIT = re.compile(r"(?<![^\W\d_])[a-z]{1,2}$")


@dataclass(frozen=True)
class Shown:
    """A stretch of an answer as it is to be shown, and the citations that it completes."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass
class _CodeState:
    """Whether the text read so far ends inside code: `a[1]` there is no marker."""

    _fence: bool = False
    # Of the line so far: its first three characters, whether its single backticks are odd, and how many end it.
    _begin: str = ""
    _odd: bool = False
    _run: int = 0

    @property
    def inside(self) -> bool:
        return self._fence or self._odd != (self._run % 3 == 1)

    def read(self, text: str) -> None:
        *lines, rest = text.split("\n")
        for line in lines:
            self._read_line(line)
            self._fence ^= self._begin in ("```", "~~~")
            self._begin, self._odd, self._run = "", False, 0
        self._read_line(rest)

    def _read_line(self, text: str) -> None:
        self._begin = (self._begin + text if self._begin else text.lstrip())[:3]
        text = "`" * self._run + text
        before = text.rstrip("`")
        self._odd ^= before.replace("```", "").count("`") % 2 == 1
        self._run = (len(text) - len(before)) % 3


@dataclass
class CitedText:
    """An answer that arrives in pieces. `removed` counts the markers that were not shown, and
    `unverified` those that were though their passage does not prove what they stand behind."""

    passages: Sequence[Passage]
    embed: Embed | None = None
    removed: int = 0
    unverified: int = 0
    _held: str = ""
    # What was shown, and how long it is together; and of it what was shown since the last marker.
    _shown: list[str] = field(default_factory=list)
    _length: int = 0
    _between: list[str] = field(default_factory=list)
    # Where what the last marker is about stands, and its words.
    _claim: Span = (0, 0)
    _said: str = ""
    # Of the claim: the passages that it cites, and those that do not support it.
    _cited: set[int] = field(default_factory=set)
    _unproven: set[int] = field(default_factory=set)
    # Where what is proven ends, in order, and where it begins.
    _proven: dict[int, int] = field(default_factory=dict)
    _refused: list[tuple[int, int, str]] = field(default_factory=list)
    _titles: Mapping[str, int] = field(default_factory=dict)
    _code: _CodeState = field(default_factory=_CodeState)

    def __post_init__(self) -> None:
        names = ((passage.title.strip().casefold(), number) for number, passage in enumerate(self.passages, 1))
        self._titles = dict(reversed(list(names)))

    @property
    def text(self) -> str:
        """What was shown so far."""
        return "".join(self._shown)

    def feed(self, piece: str) -> Shown:
        """Takes the next piece; gives what can be shown now. A few characters that may begin a marker are kept."""
        begin, found = len(self._shown), list[Citation]()
        # A long piece in parts: each step copies what is held.
        for start in range(0, len(piece), LONGEST_PART):
            self._held += piece[start : start + LONGEST_PART]
            found += self._read(last=False).citations
        return Shown("".join(self._shown[begin:]), tuple(found))

    def end(self) -> Shown:
        """What was still kept, when the answer is at its end."""
        return self._read(last=True)

    def checked(self) -> Checked:
        """What is known of the answer at its end. A claim is supported by a citation, or by a passage's own words."""
        text, proven = self.text, list(self._proven)
        claimed = claims(text)
        unsupported = sum(self._is_unsupported(text, *span, proven) for span in claimed)
        return Checked(self.removed, len(claimed), unsupported, tuple(self._refused), self.unverified)

    def _is_unsupported(self, text: str, start: int, end: int, proven: Sequence[int]) -> bool:
        at = bisect_right(proven, start)
        if at < len(proven) and self._proven[proven[at]] < end:
            return False
        claim = _SHOWN_MARKER.sub("", text[start:end]).strip()
        return not any(support(claim, passage) for passage in self.passages)

    def _read(self, last: bool) -> Shown:
        begin, found = len(self._shown), list[Citation]()
        while self._held:
            opening = OPENING.search(self._held)
            before = self._held[: opening.start()] if opening else self._held
            # Spaces wait, though not for ever: they go with a marker that is taken out.
            spaces = 0 if last and not opening else min(len(before) - len(before.rstrip(" ")), LONGEST)
            self._show(len(before) - spaces)
            if opening is None:
                break
            group = self._group(spaces, last)
            if group is True:
                break
            found += self._after_opening(spaces, group)
        return Shown("".join(self._shown[begin:]), tuple(found))

    def _group(self, spaces: int, last: bool) -> Group | bool | None:
        """The markers where a bracket or the like opens; True if they may go on."""
        if not self._code.inside or self._held.startswith("`[", spaces):
            group = read_markers(self._held, spaces, last, self._titles)
            # What a doubtful one is, the next character tells.
            if isinstance(group, Group) and group.doubtful and not last and len(self._held) < LONGEST_GROUP:
                return group if self._held[group.end :].strip(" ") else True
            return group
        return None

    def _after_opening(self, spaces: int, group: Group | bool | None) -> list[Citation]:
        """What stands where a bracket opens: markers, or a bracket like any other."""
        if not isinstance(group, Group) or (group.doubtful and not self._names_passages(group, spaces)):
            self._show(spaces + 1)
            return []
        found = self._marked(group)
        if group.doubtful and not found and not self._ends(group.end):
            self._show(group.end)
            return []
        shown = " " * spaces + "".join(f"[{citation.marker}]" for citation in found) if found else ""
        self._held = shown + self._held[group.end :]
        self._show(len(shown))
        self._between = []
        return found

    def _ends(self, at: int) -> bool:
        """Whether a sentence or a part of it ends behind a marker, or has ended right before a raised one."""
        return _ENDS.match(self._held, at) is not None or (
            _SUPERSCRIPT.match(self._held[at - 1]) is not None and self._behind_a_stop()
        )

    @staticmethod
    def _is_counted(before: str, numbers: Sequence[int]) -> bool:
        """Whether the same number stands before in words: "two (2)"."""
        match = _LAST_WORD.search(before.rstrip())
        return match is not None and ANY_NUMBER.get(match[0].casefold()) in numbers

    def _behind_a_stop(self) -> bool:
        return "".join(self._between).rstrip()[-1:] in tuple(".!?,;:")

    def _names_passages(self, group: Group, spaces: int) -> bool:
        """Whether a number that may be anything is a marker: it names a passage, and stands behind a word."""
        before = "".join(self._between)[-12:]
        is_power = not spaces and (before[-1:].isdigit() or _UNIT.search(before) is not None)
        counts = self._behind_a_stop() and not self._ends(group.end)
        if not before.strip() or before.endswith("\n") or is_power or counts or self._is_counted(before, group.numbers):
            return False
        return all(1 <= n <= len(self.passages) for n in group.numbers)

    def _marked(self, group: Group) -> list[Citation]:
        claim = self._claimed()
        fresh = [number for number in group.numbers if number not in self._cited]
        tried = [number for number in fresh if number not in self._unproven and 1 <= number <= len(self.passages)]
        supports = supported_by(self._said, {number: self.passages[number - 1] for number in tried}, self.embed)
        found = [self._citation(number, claim, support) for number, support in supports.items()]
        if group.doubtful and not found and not self._ends(group.end):
            return []
        self.removed += len(fresh) - len(found)
        self._note_removed(set(fresh) - {citation.marker for citation in found})
        self._cited |= {citation.marker for citation in found}
        self._unproven |= set(fresh) - self._cited
        for citation in found:
            start = self._proven.get(citation.answer_end, citation.answer_start)
            self._proven[citation.answer_end] = min(start, citation.answer_start)
            self.unverified += not citation.verified
        return found

    def _note_removed(self, numbers: set[int]) -> None:
        for number in sorted(numbers)[: MOST_NOTED - len(self._refused)]:
            reason = "not_supported" if 1 <= number <= len(self.passages) else "no_such_passage"
            self._refused.append((number, self._length, reason))

    def _claimed(self) -> Span:
        """What a marker is about: the words since the last marker, or the same words for a second marker in a row."""
        between = "".join(self._between)
        if between.strip(_BETWEEN) or self._claim == (0, 0):
            left, right = len(between) - len(between.lstrip(_BETWEEN)), len(between.rstrip())
            since = self._length - len(between)
            self._claim, self._said = (since + left, since + right), between[left:right]
            self._cited, self._unproven = set(), set()
        return self._claim

    def _citation(self, marker: int, claim: Span, found: Claimed) -> Citation:
        passage = self.passages[marker - 1]
        return Citation(
            marker=marker,
            answer_start=claim[0] + found.claim_start,
            answer_end=claim[1],
            document_id=passage.document_id,
            version=passage.version,
            chunk_id=passage.chunk_id,
            page=passage.page,
            char_start=passage.char_start + found.start,
            char_end=passage.char_start + found.end,
            quote=passage.text[found.start : found.end],
            verified=found.verified,
        )

    def _show(self, length: int) -> None:
        """Shows so much of what is held."""
        shown, self._held = self._held[:length], self._held[length:]
        self._code.read(shown)
        self._shown.append(shown)
        self._between.append(shown)
        self._length += len(shown)
