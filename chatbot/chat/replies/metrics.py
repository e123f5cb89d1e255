"""What /metrics tells of answers: how they ended, what they stand on, how long they took and what they cost."""

from __future__ import annotations

from chatbot import metrics
from chatbot.chat.conversations.answers import Answer


def measure(answer: Answer, status: str) -> None:
    """Counts an answer that has ended, under the model that wrote it."""
    model, spent, took = answer.model, answer.spent, answer.timings_ms
    metrics.ANSWERS.labels(status, model).inc()
    if status == "complete":
        metrics.DECISIONS.labels(answer.grounding).inc()
    for name, seconds in (("first_token", metrics.FIRST_TOKEN_SECONDS), ("total", metrics.ANSWER_SECONDS)):
        if name in took:
            seconds.labels(model).observe(took[name] / 1000)
    if spent.total_tokens:
        metrics.TOKENS.labels(model, "prompt").inc(spent.prompt_tokens)
        metrics.TOKENS.labels(model, "completion").inc(spent.completion_tokens)
        if spent.cost_usd is None:
            metrics.UNPRICED.labels(model).inc()
        else:
            metrics.COST.labels(model).inc(float(spent.cost_usd))
