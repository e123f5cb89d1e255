"""Where the fields of a PDF are put, and that thousands of them cost no more than their number."""

import random

import pytest

from chatbot.knowledge.parsing.extractors.pdf import extract
from chatbot.knowledge.parsing.limits import DEFAULT
from chatbot.knowledge.parsing.pdf.engine import Box, Word
from chatbot.knowledge.parsing.pdf.fields import Field
from chatbot.knowledge.parsing.pdf.lines import Line, text_of
from chatbot.knowledge.parsing.pdf.lowest import LowestOver
from chatbot.knowledge.parsing.pdf.placing import with_fields
from tests.knowledge.parsing.counting import calls_of
from tests.knowledge.parsing.makers import pdf_of_objects, stream


def line(text: str, x: float, y: float, size: float = 12) -> Line:
    return [Word(text, x, x + len(text) * size / 2, y, size)]


def field(text: str, left: float, bottom: float, width: float, height: float = 14, name: str | None = "") -> Field:
    return Field(text, Box(left, bottom, left + width, bottom + height), name)


def texts(lines: list[Line], fields: list[Field]) -> list[str]:
    return [text_of(each) for each in with_fields(lines, fields)]


def labels(count: int) -> list[Line]:
    return [line("label", 72, -14 * n) for n in range(count)]


FORMS = {
    "labelled": lambda n: (labels(n), [field("v", 150, -14 * k - 3, 90) for k in range(n)]),
    "named": lambda n: (labels(1), [field("v", 150, -14 * k - 99, 90, name="n") for k in range(n)]),
    "grid": lambda n: (labels(1), [field("v", 50 * (k % 40), -14 * (k // 40) - 99, 40) for k in range(n)]),
    "one line": lambda n: (labels(1), [field("v", 150 + 50 * k, -3, 40) for k in range(n)]),
    "one place": lambda n: (labels(1), [field("v", 150, -99, 40, name=None) for _ in range(n)]),
    "as tall as the page": lambda n: (labels(n), [field("v", 150, -14 * n, 40, 14 * n) for _ in range(n)]),
    "as wide as the page": lambda n: (
        [line("l", 9 * k, k % 7) for k in range(n)],
        [field("v", 0, -99 - 14 * k, 9 * n, name=None) for k in range(n)],
    ),
    "upwards": lambda n: ([line("l", 9 * k, 9 * k) for k in range(n)], [field("v", 9 * k, 9 * k, 8) for k in range(n)]),
    "one huge letter": lambda n: (
        [line("A", 0, -7 * n, 14 * n), *labels(n)],
        [field("v", 150, -14 * k - 3, 90) for k in range(n)],
    ),
}


@pytest.mark.parametrize("made", FORMS.values(), ids=FORMS)
def test_placing_fields_takes_steps_in_proportion_to_their_number(made):
    """A quadratic way takes four times the steps for twice the fields."""
    few, many = (calls_of(lambda n=n: with_fields(*made(n))) for n in (500, 1000))
    assert many < 2.5 * few


def test_form_of_5000_fields_has_each_value_once():
    notes = "".join(
        f"<< /Type /Annot /Subtype /Widget /FT /Tx /V (v{n}.) /T (n) "
        f"/Rect [{6 * (n % 100)} {15 * (n // 100)} {6 * (n % 100) + 5} {15 * (n // 100) + 12}] >> "
        for n in range(5000)
    )
    text = extract(pdf_of_objects(stream(b""), page=f"/Annots [{notes}]", size="0 0 612 792"), DEFAULT).text
    assert all(text.count(f"v{n}.") == 1 for n in range(5000))


def test_field_below_a_wider_one_with_a_short_value_follows_it():
    fields = [field("upper", 50, 600, 300, name=None), field("lower", 200, 500, 60, name=None)]
    assert texts([], fields) == ["upper", "lower"]


def test_fields_beside_each_other_are_one_line_in_their_order():
    fields = [field(str(n), 50 + 60 * n, 300, 50, name="n" if n == 0 else "") for n in (2, 0, 3, 1)]
    assert texts([], fields) == ["n: 0 1 2 3"]


def test_fields_between_the_words_of_a_line_stand_there():
    words = [*line("From", 50, 300), *line("to", 200, 300), *line("o'clock", 300, 300)]
    assert texts([words], [field("five", 220, 297, 50), field("nine", 100, 297, 50)]) == ["From nine to five o'clock"]


def test_field_below_one_of_several_lines_follows_the_nearest():
    lines = [line("left", 50, 700), line("right", 300, 700), line("left again", 50, 600), line("right again", 300, 500)]
    notes = [field("a", 50, 650, 40, name=None), field("b", 300, 650, 40, name=None), field("c", 300, 90, 9, name=None)]
    assert texts(lines, notes) == ["left", "a", "right", "b", "left again", "right again", "c"]


def test_lines_and_fields_without_a_sensible_place_lose_nothing():
    odd = [float("nan"), float("inf"), float("-inf"), 1e300, -0.0, 7.0]
    chosen = random.Random(1)
    for _ in range(200):
        places = [chosen.choices(odd, k=4) for _ in range(6)]
        lines = [[Word("w", *place)] for place in places]
        fields = [Field("v", Box(*place), chosen.choice([None, ""]), chosen.random() < 0.5) for place in places]
        words = [word.text for found in with_fields(lines, fields) for word in found if not word.is_blank]
        assert sorted(words) == ["v"] * 6 + ["w"] * 6


def test_lowest_value_over_a_span_is_that_of_a_search_through_all():
    chosen = random.Random(2)
    for _ in range(200):
        edges = [chosen.randint(0, 20) for _ in range(2 * chosen.randint(1, 12))]
        tree = LowestOver(edges)
        noted: list[tuple[int, int, tuple[float, bool, int]]] = []
        for left, right in zip(*[map(float, edges)] * 2, strict=True):
            left, right = sorted((left, right))
            over = [value for begin, end, value in noted if begin < right and end > left]
            assert tree.over(left, right) == (min(over, default=None) if left < right else None)
            noted.append((left, right, (float(chosen.randint(0, 9)), False, chosen.randint(0, 9))))
            tree.add(*noted[-1])
