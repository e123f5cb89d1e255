"""Tab-separated values, as programs write them: a comma in a cell separates nothing."""

from chatbot.knowledge.parsing.extractors.data.csv import extract_tsv as extract

__all__ = ["extract"]
