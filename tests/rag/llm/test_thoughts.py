"""What a reasoning model thinks, in every shape it comes in, is kept out of what it says."""

from __future__ import annotations

import pytest

from chatbot.rag.llm.thoughts import Thoughts, without_thoughts

ANSWER = "The shop opens at nine [1]."
SHAPES = {
    "tags": f"<think>It asks for hours.</think>\n\n{ANSWER}",
    "empty tags": f"<think>\n\n</think>\n\n{ANSWER}",
    "white space before": f"\n  <think>It asks.</think>{ANSWER}",
    "capitals": f"<THINK>It asks.</THINK>{ANSWER}",
    "several": f"<think>a</think>\n<think>b</think>\n{ANSWER}",
    "another name": f"<thinking>It asks.</thinking>\n{ANSWER}",
    "a thought": f"<thought>\nIt asks.\n</thought>{ANSWER}",
    "brackets": f"[THINK]It asks.[/THINK]{ANSWER}",
    "Kimi": f"◁think▷It asks.◁/think▷{ANSWER}",
    "Seed": f"<seed:think>It asks.</seed:think>{ANSWER}",
    "channels": f"<|channel|>analysis<|message|>It asks.<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
    "closing tag only": f"It asks for hours.\n</think>\n\n{ANSWER}",
    "only a closing tag": f"</think>\n\n{ANSWER}",
    "a tag that is thought about": f"<think>They ask for <think> and [1].</think>{ANSWER}",
    "in the middle": "The shop opens <think>when?</think>at nine [1].",
    "none": ANSWER,
}


def fed(text: str, size: int, *, unopened: bool = False) -> str:
    """What is shown in the end of a text that comes in pieces."""
    thoughts, shown = Thoughts(unopened), ""
    for start in range(0, len(text), size):
        taken_back, more = thoughts.feed(text[start : start + size])
        shown = more if taken_back else shown + more
    return shown + thoughts.end()


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_thoughts_in_every_shape_and_size_of_piece_are_left_out(text: str) -> None:
    assert without_thoughts(text) == ANSWER
    assert {fed(text, size) for size in range(1, len(text) + 1)} == {ANSWER}


@pytest.mark.parametrize(
    "text",
    [
        "Write `<think>` before and `</think>` behind it.",
        'The tag "<think>" begins a thought, "</think>" ends it.',
        "So:\n```\n<think>hm</think>\n```\nThat is all.",
        "a < b, and <thin> is no tag; [1] is a marker <",
        "The tag <think> begins a thought.",
        "It ends <think>",
    ],
)
def test_an_answer_about_tags_keeps_them(text: str) -> None:
    assert {fed(text, size) for size in range(1, len(text) + 1)} == {text}


@pytest.mark.parametrize("text", ["<think>It asks for", "  <think>It asks. </thi", "<think>"])
def test_a_thought_that_was_never_closed_says_nothing(text: str) -> None:
    assert {fed(text, size) for size in (1, 3, 100)} == {""}


def test_a_closing_tag_alone_takes_back_what_was_shown() -> None:
    thoughts = Thoughts()

    assert thoughts.feed("Let me see. ") == (False, "Let me see. ")
    assert thoughts.feed("</think>At nine.") == (True, "At nine.")
    assert thoughts.came_unopened
    assert thoughts.feed(" </think>") == (False, " </think>")


def test_a_model_that_writes_the_closing_tag_only_is_held_back_until_it_comes() -> None:
    thoughts = Thoughts(unopened=True)

    assert [thoughts.feed(text) for text in ("Let me", " see.", "\n</think>\n\nAt")] == [
        (False, ""),
        (False, ""),
        (False, "At"),
    ]
    assert thoughts.feed(" nine.") == (False, " nine.")


def test_a_model_that_is_held_back_and_writes_no_tag_is_shown_in_the_end() -> None:
    assert fed(ANSWER, 3, unopened=True) == ANSWER
    assert fed(SHAPES["tags"], 3, unopened=True) == ANSWER


def test_text_is_shown_as_it_comes() -> None:
    thoughts = Thoughts()

    assert [thoughts.feed(text)[1] for text in ("The", " shop <b", "> opens")] == ["The", " shop <b", "> opens"]
