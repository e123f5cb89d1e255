"""Source code and settings files: the text as it stands, as one block of code in its language."""

import re

from chatbot.knowledge.parsing.clean import clean
from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted


def extract(data: bytes, limits: Limits, language: str = "") -> Extracted:  # noqa: ARG001  as every format's
    """The code between fences that name its language; it has no title."""
    code = clean(decode(data)).strip("\n")
    return Extracted(fenced(code, language) if code.strip() else "")


def fenced(code: str, language: str = "") -> str:
    """The code as a block of Markdown, between fences that it does not contain."""
    longest = max((len(run) for run in re.findall("`{3,}", code)), default=2)
    return f"{'`' * (longest + 1)}{language}\n{code}\n{'`' * (longest + 1)}"
