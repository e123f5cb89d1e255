"""The filter of a search: a few conditions on documents, in a syntax small enough to remember.

    document_type:FAQ                 it is that
    team:support|sales                it is one of them
    -language:de                      it is not that (or has none)
    document_type:FAQ,-team:sales     all of it holds

A field is one of a document's own (document_type, language, source, title) or a name in its metadata. There are no
brackets and no wild cards; a value may hold anything but a comma and a bar, and is compared letter by letter.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, false, func, not_

from chatbot.errors import FieldError, Invalid
from chatbot.knowledge.models import Document

# Each text can be read in one way only, so no reader has to try many. It has no possessive parts: the OpenAPI document
# shows it, and JavaScript has none.
_FIELD, _VALUE = "[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}", r"\s*[^,|\s][^,|]*"
_VALUES = rf"{_VALUE}(\|{_VALUE})*"
WRITTEN = rf"^ *-?{_FIELD}:{_VALUES}(, *-?{_FIELD}:{_VALUES}){{0,9}}$"
_CONDITION = re.compile(rf" *(?P<no>-?)(?P<field>{_FIELD}):(?P<values>{_VALUES})")
_TRUTH = {"true": "1", "false": "0"}
_FIELDS: dict[str, Any] = {
    "document_type": Document.document_type,
    "language": Document.language,
    "source": Document.source,
    "title": Document.title,
}


def conditions(written: str | None) -> tuple[ColumnElement[bool], ...]:
    """The conditions that a filter stands for; none for None.

    Raises:
        Invalid: it is not written as described above.
    """
    if written is None:
        return ()
    return tuple(_condition(part) for part in written.split(","))


def _condition(part: str) -> ColumnElement[bool]:
    match = _CONDITION.fullmatch(part)
    if match is None:
        raise Invalid(errors=[FieldError("/filter", "Write each condition as field:value, separated by commas.")])
    values = [value.strip() for value in match["values"].split("|")]
    # SQLite gives JSON's true and false as 1 and 0.
    values += [_TRUTH[value] for value in values if value in _TRUTH]
    field = match["field"].strip()
    # What is no column is a value in the metadata, compared as a text.
    holds = _FIELDS.get(field, cast(Document.extra[field].as_string(), Text)).in_(values)
    return not_(func.coalesce(holds, false())) if match["no"] else and_(holds)
