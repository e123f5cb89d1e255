"""Cutting a text into tokens for `values`, and reading what is written in figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from chatbot.rag.text.folding import MARKS, fold

# A longer number is a code: nobody counts so far.
MAX_DIGITS = 18
_PHONE_DIGITS = 7

_CHUNK = re.compile(r"\S+")
_CJK_NUMERALS = "〇零一二三四五六七八九十百千万萬億亿两兩"
_TOKEN = re.compile(
    # "US$", "R$": letters that say which dollar it is.
    rf"(?<![^\W_])[^\W\d_]{{1,2}}\$|\d++(?:[.,:'’/–٫٬-]\d++)*+|[{_CJK_NUMERALS}]++|(?:(?![{_CJK_NUMERALS}])[^\W\d_][{MARKS}]*+)++(?:\.\w(?=\.))?|[^\s]"
)
_LIST = re.compile(r"^[ \t]*(\d{1,3})[.)](?=\s)", re.MULTILINE)
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})")
_OUTER = "()[]{}<>.,;:!?\"'«»“”„*_`|"
_ARABIC_SIGNS = str.maketrans({"٫": ".", "٬": ","})
# Here a comma stands before decimals and a point between thousands.
_DECIMAL_COMMA = frozenset("de fr es it pt nl pl ru tr sv da no fi cs el ro hu id uk vi".split())
_DAY_POINT_MONTH = frozenset("de pl cs sk ru uk sv da no fi hu ro tr hr sl".split())
_DECIMAL_POINT = frozenset("en zh ja ko th hi he".split())


@dataclass(frozen=True)
class Token:
    """A word, a run of figures, a sign, a `code` (an e-mail address, a URL, a telephone number) or a `list` number."""

    kind: str
    text: str
    word: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text; `1 200` is one."""
    lists = {match.start(1) for match in _LIST.finditer(text)}
    found: list[Token] = []
    for chunk in _CHUNK.finditer(text):
        found += _code(chunk) or _tokens(text, chunk.start(), chunk.end(), lists)
    return list(_joined(found))


def _code(chunk: re.Match[str]) -> list[Token]:
    inner = chunk[0].strip(_OUTER)
    is_mail = "@" in inner[1:-1] and "." in inner.rpartition("@")[2]
    if not inner or not (is_mail or "://" in inner):
        return []
    start = chunk.start() + chunk[0].index(inner)
    return [Token("code", inner, _folded(inner).removesuffix("/"), start, start + len(inner))]


def _tokens(text: str, start: int, end: int, lists: set[int]) -> Iterator[Token]:
    for match in _TOKEN.finditer(text, start, end):
        kind = "sign"
        if match[0][0].isdigit():
            # The 2 of OAuth2 is no number; the 400 of 400k is one, and the 30 of 8h30.
            before = text[max(0, match.start() - 2) : match.start()]
            named = before[-1:].isascii() and (before[-1:].isalpha() or before[-1:] == "_")
            named = named and not (before[:1].isdigit() and before[1:] in ("h", "u"))
            kind = "name" if named else "list" if match.start() in lists else "figures"
        elif match[0][0].isalpha():
            kind = "word"
        token = _phone_alone(Token(kind, match[0], _folded(match[0]), match.start(), match.end()))
        yield from _range_of(token) if token.kind == "figures" else [token]


def _range_of(token: Token) -> Iterator[Token]:
    """10-20 and 9–17 as two numbers and what stands between them; a date in figures is one."""
    if _DATE.fullmatch(token.word) or not set("-–") & set(token.word):
        yield token
        return
    at = token.start
    for part in re.split("([-–])", token.text):
        kind = "sign" if part in ("-", "–") else "figures"
        yield Token(kind, part, _folded(part), at, at + len(part))
        at += len(part)


def _folded(text: str) -> str:
    """A token as it is looked up: with the digits and the signs between them that English has."""
    return fold(text).translate(_ARABIC_SIGNS)


def _joined(tokens: list[Token]) -> Iterator[Token]:
    """Groups of figures that blanks separate are one number, or a telephone number."""
    at = 0
    while at < len(tokens):
        run = [tokens[at]]
        while _goes_on(run[-1], tokens, at + len(run)):
            run.append(tokens[at + len(run)])
        if len(run) == 1:
            yield run[0]
            at += 1
            continue
        digits = [token.word for token in run]
        signed = at > 0 and tokens[at - 1].word == "+"
        if (digits[0][0] == "0" or signed) and sum(map(len, digits)) >= _PHONE_DIGITS:
            number = "".join(c for word in digits for c in word if c.isdigit())
            yield Token("code", "", number.lstrip("0"), run[0].start, run[-1].end)
            at += len(run)
            continue
        length = 1
        while length < len(run) and len(digits[0]) <= 3 and len(re.split(r"[.,]", digits[length])[0]) == 3:
            length += 1
        word = "".join(digits[:length])
        yield Token("figures", word, word, run[0].start, run[length - 1].end)
        at += length


def _phone_alone(token: Token) -> Token:
    """0351-5550142"""
    digits = "".join(c for c in token.word if c.isdigit())
    is_phone = token.word[0] == "0" and len(digits) >= _PHONE_DIGITS and not set(token.word) & set(".,:")
    if token.kind != "figures" or not is_phone or _DATE.fullmatch(token.word):
        return token
    return Token("code", token.text, digits.lstrip("0"), token.start, token.end)


def _goes_on(last: Token, tokens: list[Token], at: int) -> bool:
    if at >= len(tokens) or last.kind != "figures" or tokens[at].kind != "figures":
        return False
    return tokens[at].start == last.end + 1 and not set(last.word) & set(".,:'’") and ":" not in tokens[at].word


def date_readings(word: str, language: str | None) -> set[tuple[int | None, int | None, int | None]]:
    """The days that a date in figures may name: year, month and day."""
    match = _DATE.fullmatch(word)
    if match is None:
        return set()
    first, sign, middle, last = match.groups()
    if len(first) == 4:
        return _days([(int(first), int(middle), int(last))])
    if len(last) == 4:
        year = int(last)
    elif len(last) == len(first) == len(middle) == 2 and sign != "-":
        year = 2000 + int(last)
    else:
        return set()
    one, other = int(first), int(middle)
    american = sign == "/" and language in (None, "en")
    return _days([(year, other, one), *([(year, one, other)] if american else [])])


def day_and_month(word: str, language: str | None) -> set[tuple[int | None, int | None, int | None]]:
    """The day that "15.9." names where a comma stands before decimals: the point behind it is no full stop alone."""
    first, point, second = word.partition(".")
    if language not in _DAY_POINT_MONTH or not (point and first.isdigit() and second.isdigit() and len(word) <= 5):
        return set()
    return {(None, m, d) for _, m, d in _days([(2000, int(second), int(first))])}


def _days(dates: list[tuple[int, int, int]]) -> set[tuple[int | None, int | None, int | None]]:
    return {(y, m, d) for y, m, d in dates if 1 <= m <= 12 and 1 <= d <= 31}


def figures(word: str, language: str | None) -> list[frozenset[Fraction]]:
    """The numbers of a run of figures, each with its possible readings; none where it is a code, as 3.11.2 is."""
    if "/" in word:
        parts = [figures(part, language) for part in word.split("/")]
        return [run for runs in parts for run in runs] if all(parts) else []
    readings = _readings(word.replace("’", "'"), language)
    return [readings] if readings else []


def _readings(word: str, language: str | None) -> frozenset[Fraction]:
    if sum(c.isdigit() for c in word) > MAX_DIGITS:
        return frozenset()
    signs = [c for c in word if not c.isdigit()]
    if not signs:
        return frozenset({Fraction(int(word))})
    groups = re.split(r"[.,']", word)
    grouped = all(len(group) == 3 for group in groups[1:]) and 1 <= len(groups[0]) <= 3
    if len(set(signs)) == 1 and (len(signs) > 1 or signs[0] == "'"):
        return frozenset({Fraction(int("".join(groups)))}) if grouped or _indian(groups) else frozenset()
    if len(set(signs)) == 2:
        whole, rest = "".join(groups[:-1]), groups[-1]
        fits = signs.count(signs[-1]) == 1 and all(len(group) in (2, 3) for group in groups[1:-1])
        return frozenset({_decimal(whole, rest)}) if fits else frozenset()
    if len(set(signs)) > 2:
        return frozenset()
    decimal, thousands = _decimal(*groups), Fraction(int("".join(groups)))
    if not grouped or groups[0].startswith("0"):
        return frozenset({decimal})
    point = signs[0] == "."
    if language in (_DECIMAL_COMMA if point else _DECIMAL_POINT):
        return frozenset({thousands})
    if language in (_DECIMAL_POINT if point else _DECIMAL_COMMA):
        return frozenset({decimal})
    return frozenset({thousands, decimal}) if point else frozenset({thousands})


def _indian(groups: list[str]) -> bool:
    return len(groups[-1]) == 3 and len(groups) > 2 and all(len(group) == 2 for group in groups[1:-1])


def _decimal(whole: str, rest: str) -> Fraction:
    return Fraction(int(whole + rest), 10 ** len(rest))
