"""What is read of a document's bytes, for one document or many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chatbot.knowledge.parsing import Parsed, parse
from chatbot.knowledge.parsing.clean import clean_title
from chatbot.knowledge.parsing.near_duplicates import simhash
from chatbot.knowledge.parsing.prompt_injection import score, signs
from chatbot.knowledge.parsing.warnings import as_json
from chatbot.rag.text.language_detection import language_of


@dataclass(frozen=True)
class ExtractedText:
    """A text as it was read, and what it tells about itself."""

    parsed: Parsed
    simhash: int | None
    instruction_score: float
    language: str | None

    def version_values(self) -> dict[str, Any]:
        """The columns of a version that has this text."""
        return {
            "text": self.parsed.text,
            "media_type": self.parsed.media_type,
            "pages": list(self.parsed.pages),
            "simhash": self.simhash,
            "instruction_score": self.instruction_score,
            "warnings": as_json(self.parsed.warnings),
        }

    def title_for(self, title: str, *names: str) -> str:
        """The title of a document that has this text: its own, unless that is only made of one of these names."""
        if self.parsed.title and title in ("Untitled", *map(clean_title, names)):
            return clean_title(self.parsed.title) or title
        return title


def extract_text(
    data: bytes, filename: str, media_type: str | None, while_waiting: Callable[[], None] | None = None
) -> ExtractedText:
    """Reads a document; outside any transaction, for it may take long. `while_waiting` is called every few seconds.

    Raises:
        ParseError: it cannot be read.
    """
    parsed = parse(data, filename, media_type, while_waiting=while_waiting)
    suspicion = score(signs(parsed.text, data, parsed.media_type))
    return ExtractedText(parsed, simhash(parsed.text), suspicion, language_of(parsed.text))
