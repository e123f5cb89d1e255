"""What leaves this package: plain, frozen values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True)
class Passage:
    """A chunk found for a question. Offsets are code points in the text of that version of the document."""

    rank: int
    document_id: str
    title: str
    source: str
    version: int
    chunk_id: int
    page: int | None
    char_start: int
    char_end: int
    text: str
    scores: Mapping[str, float | None]


# The reasons for which a candidate is kept; all others are reasons to drop it.
KEPT = ("best", "curated", "variety")


@dataclass(frozen=True)
class Candidate:
    """A passage that was looked at for an answer, without its text; `reason` says why it was kept or dropped.

    Kept: `best` by its score, `curated` for this question, or `variety`, because it says what better ones do not.
    Dropped: `gate` or `threshold` (too little evidence), `similar` to better ones, or `rank` behind them.
    """

    document_id: str
    version: int
    chunk_id: int
    page: int | None
    scores: Mapping[str, float | None]
    reason: str

    @property
    def kept(self) -> bool:
        """Whether the answer is made from it."""
        return self.reason in KEPT


@dataclass(frozen=True)
class Searched:
    """How passages were found: in which generation at which revision, everything that was looked at, best first, and
    what the gate saw (in the order of its FEATURES; None where the generation is not calibrated), or what the trained
    classifier was told (`signals`)."""

    generation: int
    revision: int
    embedder: str
    candidates: tuple[Candidate, ...]
    features: tuple[float, ...] | None = None
    signals: Mapping[str, float] | None = None
    beside: str | None = None


@dataclass(frozen=True)
class Found:
    """The passages that can carry an answer, best first; none where the evidence does not reach the threshold.

    `top_score` is what was compared with the threshold: the score of the generation's gate or of the trained
    classifier, else the best evidence of a passage. `nearest` are the best ones where none can carry an answer.
    `unsure`: the passages are below the threshold, but not below `lower_threshold`; they may not answer.
    """

    passages: tuple[Passage, ...]
    top_score: float | None
    threshold: float
    nearest: tuple[Passage, ...] = ()
    searched: Searched | None = None
    unsure: bool = False
    lower_threshold: float | None = None


@dataclass(frozen=True)
class Citation:
    """A place in the answer and the place in a document that it rests on; `text[char_start:char_end] == quote`."""

    marker: int
    answer_start: int
    answer_end: int
    document_id: str
    version: int
    chunk_id: int
    page: int | None
    char_start: int
    char_end: int
    quote: str
    verified: bool


@dataclass(frozen=True)
class Usage:
    """Tokens and their price in US dollars; `estimated` when the provider did not report them."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost_usd: str | None

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        """Both together; estimated or without a price where one of them is."""
        costs = (self.cost_usd, other.cost_usd)
        total = None if None in costs else f"{sum(Decimal(cost) for cost in costs if cost):.6f}"
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
            total,
        )


NOTHING_SPENT = Usage(0, 0, estimated=False, cost_usd="0.000000")


@dataclass(frozen=True)
class HistoryMessage:
    """One earlier message of the conversation. `told` is one that the client tells and nobody here has seen."""

    is_user: bool
    text: str
    told: bool = False


@dataclass(frozen=True)
class Condensed:
    """A question as it is to be searched, and what a model took to write it.

    `beside` is the question as it was typed, where it may stand alone as well: both are searched then, and what the
    typed one finds weighs more.
    """

    question: str
    usage: Usage = NOTHING_SPENT
    beside: str | None = None


@dataclass(frozen=True)
class Sent:
    """A prompt as it went out to a model: about how many tokens, and of each message its role, its tokens and the
    SHA-256 of its text, the boundaries around passages left out, which are others each time."""

    model: str
    tokens: int
    messages: tuple[tuple[str, int, str], ...]


# Is told of a prompt before it goes out.
OnSent = Callable[[Sent], None]


@dataclass(frozen=True)
class Ask:
    """What the chain is asked: a question, the conversation so far (oldest first), and what may be searched: the ids
    of collections, or None for everything."""

    question: str
    history: tuple[HistoryMessage, ...] = ()
    collections: frozenset[str] | None = None
    # What the software says itself is said in this language where the question does not tell its own.
    language: str = "en"
    # The passages may not answer the question.
    unsure: bool = False
    # Told of the prompt when it is sent: who leaves before the first token has had it read all the same.
    on_sent: OnSent | None = field(default=None, compare=False)
    # Told which model failed, and how, when another one takes its place.
    on_failed: Callable[[str, str], None] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Checked:
    """What reading an answer against its passages has found: markers that were taken out because nothing stood behind
    them, sentences that claim something, and those of them that no passage supports."""

    removed_markers: int
    claims: int
    unsupported: int
    # Of the first of those markers: its number, where it stood in the answer, and `no_such_passage` or `not_supported`.
    removed: tuple[tuple[int, int, str], ...] = ()
    # Markers that were shown though their passage does not prove what they stand behind.
    unverified_markers: int = 0


@dataclass(frozen=True)
class Final:
    """An answer as it is kept, where that is not what was shown while it was written."""

    text: str
    citations: tuple[Citation, ...]
