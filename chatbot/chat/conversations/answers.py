"""An answer as it grows, and as the contract's metadata shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, assert_never

from chatbot.rag.errors import EndedEmpty
from chatbot.rag.events import AnsweredBy, Declined, Event, Finished, Retrieved, Token, Withdrawn, Withheld
from chatbot.rag.llm.prompts import PROMPT_VERSION
from chatbot.rag.text.tokens import cost_usd, count_tokens
from chatbot.rag.types import NOTHING_SPENT, Checked, Citation, Condensed, Final, Found, Sent, Usage


@dataclass
class Answer:
    """An answer as it grows."""

    model: str
    text: str = ""
    # What a model has written that may never be shown; it is paid for all the same.
    withheld: str = ""
    question: str | None = None
    found: Found | None = None
    grounding: str = "fallback"
    checked: Checked | None = None
    citations: list[Citation] = field(default_factory=list)
    prompt_tokens: int | None = None
    usage: Usage | None = None
    condensing: Usage = NOTHING_SPENT
    # The model that was asked, where another one has taken its place.
    fallback_from: str | None = None
    # Why the model has ended (`stop`, `length` or `content_filter`), once it has; and whether it declines to answer.
    finish_reason: str | None = None
    refused: bool = False
    # Whether an earlier answer to the same question was given again.
    cached: bool = False
    price: Callable[[str, int, int], str | None] = cost_usd
    timings_ms: dict[str, int] = field(default_factory=dict)
    suggestions: list[str] = field(default_factory=list)
    removed_links: int = 0
    prompts: list[Sent] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def spent(self) -> Usage:
        """What it has taken: as the provider reports it at the end, before that estimated from prompt and text."""
        if self.usage:
            return self.usage
        if self.prompt_tokens is None:
            return self.condensing + Usage(0, 0, estimated=True, cost_usd="0.000000")
        done = count_tokens(self.text or self.withheld)
        cost = self.price(self.model, self.prompt_tokens, done)
        return self.condensing + Usage(self.prompt_tokens, done, estimated=True, cost_usd=cost)

    def apply(self, event: Event) -> None:
        """Adds an event of the chain to the answer."""
        match event:
            case Token():
                self.text += event.text
            case Citation():
                self.citations.append(event)
            case Condensed():
                self.question, self.condensing = event.question, event.usage
            case Retrieved():
                self.found, self.grounding = event.found, event.status
            case AnsweredBy():
                self.model, self.fallback_from = event.model, self.model
            case Withheld():
                self.withheld += event.text
            case Withdrawn():
                # What was a thought of the model is no part of the answer; who reads a stream learns it from `done`.
                self.text, self.citations = "", []
            case Declined():
                self.refused = True
            case Final():
                self.text, self.citations = event.text, list(event.citations)
            case Checked():
                self.check(event)
            case Finished():
                self.usage, self.timings_ms = event.usage, dict(event.timings_ms)
                self.removed_links, self.finish_reason = event.removed_links, event.finish_reason
            case _:
                assert_never(event)

    def sent(self, prompt: Sent) -> None:
        """Notes that a model is asked."""
        self.prompts.append(prompt)
        self.prompt_tokens = prompt.tokens

    def failed(self, model: str, code: str) -> None:
        """Notes that another model takes the place of one that failed."""
        self.failures.append((model, code))

    def ended_empty(self, error: EndedEmpty) -> None:
        """Notes that the model has ended without a word, which the provider charges only where it counts something."""
        self.finish_reason = error.finish_reason
        if error.usage:
            self.usage = self.condensing + error.usage
        else:
            self.prompt_tokens = None

    def check(self, checked: Checked) -> None:
        """Says of a model's answer how much of it the passages prove: all of what it claims, a part, or nothing."""
        self.checked = checked
        unproven = checked.unsupported or checked.unverified_markers
        if self.found and self.found.unsure:
            # The model was told that the passages may not answer; what it cites tells whether they did.
            if self.citations:
                self.grounding = "partial" if unproven else "grounded"
            else:
                self.grounding = "partial" if checked.claims > checked.unsupported else "fallback"
            return
        if self.grounding == "grounded" and (unproven or not (checked.claims or self.citations)):
            nothing = 0 < checked.claims == checked.unsupported and not self.citations
            self.grounding = "fallback" if nothing else "partial"

    def metadata(self) -> dict[str, Any]:
        """The contract's metadata of an answer, as far as it has come."""
        found, spent = self.found, self.spent
        return {
            "model": self.model,
            "fallback_from": self.fallback_from,
            "finish_reason": self.finish_reason,
            "refused": self.refused,
            "cached": self.cached,
            "context_used": self.grounding != "fallback",
            "retrieved_docs": retrieved_docs(found),
            "nearest_docs": nearest_docs(found),
            "grounding": grounding_object(found, self.grounding, self.checked.unsupported if self.checked else 0),
            "citations": [asdict(citation) for citation in self.citations],
            "removed_markers": self.checked.removed_markers if self.checked else 0,
            "unverified_markers": self.checked.unverified_markers if self.checked else 0,
            "usage": asdict(spent) | {"total_tokens": spent.total_tokens},
            "timings_ms": self.timings_ms,
            "removed_links": self.removed_links,
            "question": self.question,
            "prompt_version": PROMPT_VERSION,
            "suggestions": self.suggestions,
        }


def erased_answer() -> dict[str, object]:
    """The metadata of an answer to an account that was deleted: the contract's shape without anything in it."""
    return Answer(model="").metadata() | {"model": None, "deleted": True}


def grounding_object(found: Found | None, status: str, unsupported: int = 0) -> dict[str, Any]:
    """How well an answer stands on documents."""
    return {
        "status": status,
        "top_score": found.top_score if found else None,
        "threshold": found.threshold if found else None,
        "lower_threshold": found.lower_threshold if found else None,
        "unsupported": unsupported,
    }


def retrieved_docs(found: Found | None) -> list[dict[str, Any]]:
    """The passages as the contract shows them."""
    return [{**vars(passage), "scores": dict(passage.scores)} for passage in found.passages] if found else []


def nearest_docs(found: Found | None) -> list[dict[str, str]]:
    """The documents that came nearest where none can carry an answer."""
    nearest = found.nearest if found else ()
    documents = {p.document_id: {"document_id": p.document_id, "title": p.title, "source": p.source} for p in nearest}
    return list(documents.values())
