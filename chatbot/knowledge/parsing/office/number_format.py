"""Numbers as Excel shows them: a cell's number format applied to its value.

Formats that are not understood here (fractions, exponents, conditions) leave the plain number.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[([^\[\]]*)\]|(.)', re.DOTALL)
_CURRENCY: Final = re.compile(r"\$([^-]*)(-[0-9A-Fa-f]+)?")
_CONDITION: Final = re.compile(r"[<>=]")
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
# "General" in the languages of Excel in which it is written to files.
_GENERAL: Final = re.compile(
    r"general|standard|allgemein|est[aá]ndar|geral|основной|algemeen|standaard|yleinen|normale?", re.IGNORECASE
)
_DIGITS: Final = "0#?"
_PLAIN: Final = frozenset(" $€£¥₩₽₹+-()':!^&~{}<>=°·–—\u00a0\u202f%") | frozenset("/")
_MOST_DECIMALS: Final = 30
# Digits before the point, behind it, and those of a scale.
_PRECISION: Final = 3 * _MOST_DECIMALS


class Token(NamedTuple):
    """A piece of a format: text that is shown as it is, or a sign with a meaning."""

    text: str
    literal: bool


def shown_number(value: int | float, number_format: str) -> str:
    """A number in its format; "" where the format shows nothing."""
    if number_format == "General":
        return plain_number(value)
    sections = _sections(number_format)
    if sections is None or not any(any(not t.literal for t in section) for section in sections):
        return _without_digits(value, sections)
    section, negative = _chosen(value, sections)
    body = _filled(section, Decimal(repr(abs(value))))
    if body is None:
        return plain_number(value)
    has_value = any(c.isdigit() and c != "0" for c in body)
    return f"-{body}" if negative and has_value else body


def shown_text(value: str, number_format: str) -> str:
    """A text in the format of its cell, whose fourth part says how texts are shown."""
    if number_format == "General":
        return value
    sections = _sections(number_format)
    if sections is None or (len(sections) != 4 and number_format.count("@") != 1):
        return value
    section = sections[3] if len(sections) == 4 else sections[-1]
    return "".join(token.text if token.literal else value for token in section if token.literal or token.text == "@")


def shown_duration(value: timedelta, number_format: str) -> str:
    """A duration by its largest unit, as in 36:00 for [h]:mm."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    unit = _ELAPSED.search(number_format)
    largest = unit[1][0].lower() if unit else "h"
    if largest == "s":
        return f"{sign}{seconds}"
    if largest == "m":
        return f"{sign}{seconds // 60}:{seconds % 60:02d}"
    tail = f":{seconds % 60:02d}" if "s" in number_format.lower() or not unit else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}{tail}"


def is_general(number_format: str) -> bool:
    """Whether this is the format of cells that have none, in whatever language Excel spoke."""
    return _GENERAL.fullmatch(number_format) is not None


def plain_number(value: int | float) -> str:
    """A number without a format. Excel calculates with 15 digits; those after them are rounding errors."""
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _without_digits(value: int | float, sections: tuple[tuple[Token, ...], ...] | None) -> str:
    if sections is None or (len(sections) == 1 and not sections[0]):
        return plain_number(value)
    section, _ = _chosen(value, sections)
    return "".join(token.text for token in section).strip()


def _chosen(value: int | float, sections: tuple[tuple[Token, ...], ...]) -> tuple[tuple[Token, ...], bool]:
    """The part of a format that a value is shown by, and whether its sign has to be added."""
    if value < 0 and len(sections) > 1:
        return sections[1], False
    return (sections[2], False) if value == 0 and len(sections) > 2 else (sections[0], value < 0)


@lru_cache(maxsize=512)
def _sections(number_format: str) -> tuple[tuple[Token, ...], ...] | None:
    """The parts of a format between semicolons, None for one that is not understood."""
    parts: list[list[Token]] = [[]]
    for token in _tokens(number_format):
        if token is None:
            return None
        if token.text == ";" and not token.literal:
            parts.append([])
        elif token.text:
            parts[-1].append(token)
    return tuple(map(tuple, parts)) if len(parts) <= 4 else None


def _tokens(number_format: str) -> Iterator[Token | None]:
    for found in _TOKEN.finditer(_GENERAL.sub("G", number_format)):
        quoted, escaped, bracketed, sign = found.groups()
        if bracketed is not None:
            currency = _CURRENCY.fullmatch(bracketed)
            unknown = _CONDITION.match(bracketed) or _ELAPSED.fullmatch(f"[{bracketed}]")
            yield Token(currency[1], True) if currency else None if unknown else Token("", True)
        elif sign is None:
            yield Token(quoted if quoted is not None else escaped or "", True)
        elif sign in "0#?.,@;%G":
            yield Token(sign, False)
        else:
            yield Token(sign, True) if sign in _PLAIN else None


def _filled(section: tuple[Token, ...], value: Decimal) -> str | None:
    """The number in the places of a part of a format, None where that cannot be done."""
    signs = [token.text for token in section if not token.literal]
    if not value.is_finite():
        return None
    if "G" in signs:
        plain = f"{value:.15g}" if value != value.to_integral_value() else f"{value.to_integral_value():f}"
        return "".join(plain if not t.literal and t.text == "G" else t.text for t in section)
    if "@" in signs or signs.count(".") > 1 or _is_fraction(section):
        return None
    point = next((at for at, t in enumerate(section) if not t.literal and t.text == "."), len(section))
    decimals = sum(not t.literal and t.text in _DIGITS for t in section[point:])
    if decimals > _MOST_DECIMALS or value.adjusted() > _MOST_DECIMALS:
        return None
    last = max((at for at, t in enumerate(section[:point]) if not t.literal and t.text in _DIGITS), default=-1)
    scale = sum(not t.literal and t.text == "," for t in section[last + 1 :])
    grouped = any(not t.literal and t.text == "," for t in section[: max(last, 0)])
    with localcontext(prec=_PRECISION):
        scaled = value * 100 ** signs.count("%") / Decimal(1000) ** scale
        whole, _, part = f"{scaled.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}".partition(".")
    text = _whole(section[:point], whole.lstrip("0"), grouped) + _part(section[point:], part)
    return " ".join(text.split())


def _is_fraction(section: tuple[Token, ...]) -> bool:
    return any(t.text == "/" for t in section) and any(not t.literal and t.text in "#?" for t in section)


def _whole(section: tuple[Token, ...], digits: str, grouped: bool) -> str:
    """The digits before the point, from the right into their places; the first place takes all that are left."""
    places = [at for at, t in enumerate(section) if not t.literal and t.text in _DIGITS]
    out: list[str] = []
    taken = 0
    for at in range(len(section) - 1, -1, -1):
        token = section[at]
        if token.literal or token.text == "%":
            out.append(token.text)
        elif token.text in _DIGITS:
            first = at == places[0]
            filling = digits[::-1] if first and digits else digits[-1:] or ("0" if token.text == "0" else "")
            digits = "" if first else digits[:-1]
            for digit in filling:
                out.append("," if grouped and taken and taken % 3 == 0 else "")
                out.append(digit)
                taken += 1
    return "".join(reversed(out))


def _part(section: tuple[Token, ...], digits: str) -> str:
    """The digits behind the point, and what stands behind them."""
    places = [t.text for t in section if not t.literal and t.text in _DIGITS]
    kept = len(digits)
    while kept and digits[kept - 1] == "0" and places[kept - 1] != "0":
        kept -= 1
    out, at = "", 0
    for token in section:
        if token.literal or token.text == "%":
            out += token.text
        elif token.text == ".":
            out += "." if kept else ""
        elif token.text in _DIGITS:
            out += digits[at] if at < kept else ""
            at += 1
    return out
