"""What /metrics tells of answers."""

from __future__ import annotations

from chatbot.metrics import OURS
from tests.chat.asking import ask, with_model
from tests.conftest import HOURS, add_and_ingest, sign_up


def value(name: str, **labels: str) -> float:
    return OURS.get_sample_value(name, labels) or 0.0


def test_an_answer_is_counted_with_its_status_grounding_and_times(app, ada):
    add_and_ingest(app, HOURS)
    names = {
        "chatbot_answers_total": {"status": "complete", "model": "extractive"},
        "chatbot_answer_first_token_seconds_count": {"model": "extractive"},
        "chatbot_answer_seconds_count": {"model": "extractive"},
        "chatbot_answer_grounding_total": {"grounding": "grounded"},
    }
    before = {name: value(name, **labels) for name, labels in names.items()}
    ask(app, ada)
    assert {name: value(name, **labels) - before[name] for name, labels in names.items()} == dict.fromkeys(names, 1)


def test_tokens_and_cost_are_counted_by_model(make_app, openai_server):
    app = with_model(make_app, openai_server)
    person = sign_up(app, "ada")
    add_and_ingest(app, HOURS)
    before = [value("chatbot_tokens_total", model="gpt-3.5-turbo", kind=kind) for kind in ("prompt", "completion")]
    cost = value("chatbot_cost_usd_total", model="gpt-3.5-turbo")
    used = ask(app, person).json["message"]["metadata"]["usage"]
    after = [value("chatbot_tokens_total", model="gpt-3.5-turbo", kind=kind) for kind in ("prompt", "completion")]
    assert [a - b for a, b in zip(after, before, strict=True)] == [used["prompt_tokens"], used["completion_tokens"]]
    spent = value("chatbot_cost_usd_total", model="gpt-3.5-turbo") - cost
    assert abs(spent - float(used["cost_usd"])) < 1e-9
    assert spent > 0
