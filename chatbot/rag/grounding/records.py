"""Whether a claim gives each value of a table's row the name that the row gives it.

A row is stored as "Branch: Pirna; Opens: 07:30; Rent: 880 EUR". Its words alone would support "the rent is 07:30".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from chatbot.rag.grounding.notation.values import same
from chatbot.rag.grounding.statements import Statement

_FIELD: Final = re.compile(r"\s*([^:;\n]{1,60}):\s+(\S[^;\n]*)")

Field = tuple[Statement, Statement]


def fields(row: Statement) -> Sequence[Field]:
    """The names and the values of a row of at least two fields; nothing for other text."""
    found = [_FIELD.fullmatch(part) for part in row.plain.rstrip("; \n").split(";")]
    if len(found) < 2:
        return []
    return [(Statement(m[1], row.language), Statement(m[2], row.language)) for m in found if m] if all(found) else []


def named_as_there(said: Statement, row: Sequence[Field], is_said: Callable[[str, str], bool]) -> bool:
    """Whether exactly those of a row's values are claimed whose names are, by `is_said(stem, word)`.

    Words that several names share, like "price" in "winter price" and "summer price", tell nothing. A value of words
    needs no name: "Pirna opens at 7:30".
    """
    shared = Counter(stem for name, _ in row for stem in name.words)
    for name, value in row:
        measured = [v for v in value.values if not v.soft]
        own = {stem: word for stem, word in name.words.items() if shared[stem] == 1}
        if not measured or not own:
            continue
        claimed = any(same(mine, other) for mine in said.values for other in measured)
        if claimed != any(is_said(stem, word) for stem, word in own.items()):
            return False
    return True
