"""What is embedded of a chunk."""

from __future__ import annotations

from chatbot.knowledge.ingestion.chunks import CONTEXT_TOKENS, MAX_CONTEXT_WORDS, in_context


class Words:
    """An embedder to which a word is a token."""

    def __init__(self) -> None:
        self.counted = 0

    def count_tokens(self, text: str) -> int:
        self.counted += 1
        return len(text.split())


def test_a_chunk_stands_behind_its_label_and_the_heading_that_is_in_another_chunk() -> None:
    assert in_context("Shop", ["Hours"], "It is open.", Words()) == "Shop: Hours\nIt is open."
    assert in_context("Shop", ["Hours"], "Hours: it is open.", Words()) == "Shop\nHours: it is open."


def test_of_a_long_label_the_first_words_are_taken_and_few_counts() -> None:
    words = Words()
    above = in_context("word " * 10_000, [], "Body.", words).partition("\n")[0]
    assert len(above.split()) == CONTEXT_TOKENS
    assert words.counted <= MAX_CONTEXT_WORDS
