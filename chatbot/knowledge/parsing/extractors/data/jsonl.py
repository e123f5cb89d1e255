"""JSON lines: a JSON document in each line, read like a list of them."""

from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.extractors.data.json import load, render
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted


def extract(data: bytes, limits: Limits) -> Extracted:
    """One line a value; such a file has no title. One bad line makes the file damaged."""
    # Not splitlines(): a string may hold U+2028 and its like as they are.
    return Extracted(render([load(line) for line in decode(data).split("\n") if line.strip()], limits))
