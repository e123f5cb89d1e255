"""Measuring retrieval, answers and answerability with sets of questions."""
