"""Finding the values of a text: numbers in figures and words, amounts, days, times and addresses."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from chatbot.rag.grounding.notation import value_words as vw
from chatbot.rag.grounding.notation.figures import Token, date_readings, figures, tokens_of
from chatbot.rag.grounding.notation.number_words import ARTICLES, CJK_DIGITS, SCALES, SMALL, read_cjk, read_words
from chatbot.rag.grounding.notation.values import Readings, Value

MINUTES = 1_440
# Words that may stand between the parts of a date or a time: "9 de marzo de 2025", "in the afternoon".
_OF = frozenset("of de del d do di des dell . , 'nin năm r g".split())
_TO = frozenset(
    "- – — ~ 〜 to bis à a al until till and und et y e tot do до ile den から 至 到 through through".split()
)
_PER = frozenset("/ per pro par por je".split())
_PAST = frozenset("past nach et after y over".split())
_TO_HOUR = frozenset("to vor before moins menos meno voor".split())
_QUARTER = frozenset("quarter viertel quart cuarto quarto kwart".split())
_FLIPS = frozenset("no not nicht kein keine pas non nie niet не değil".split())
_MORE = frozenset("more mehr más plus più mais longer".split())
# What may stand between an hour and its half of the day.
_LINKS = frozenset("in the at de la las del du da di dell della a o os am по na w i y por mañana".split())
_BREAKS = frozenset(". , ; : ! ? ( ) | 。 ， 、 ；".split())


def values(text: str, language: str | None = None) -> tuple[Value, ...]:
    """The values of a text in their order; `language` tells how its figures are grouped."""
    return tuple(_Scan(tokens_of(text), language).all())


def _turns(before: str, word: str) -> bool:
    """Whether the word before a bound makes it the opposite: "no more than", "au moins"."""
    return before in _FLIPS or (before in vw.TURNED and word in ("moins", "menos", "plus", "mais", "más"))


class _Scan:
    """Reads the tokens of a text once, from left to right."""

    def __init__(self, tokens: Sequence[Token], language: str | None) -> None:
        self._tokens, self._language = tokens, language
        self._words = [token.word for token in tokens]
        self._ends: dict[int, int] = {}

    def all(self) -> list[Value]:
        found: list[tuple[int, int, Value]] = []
        at = 0
        while at < len(self._tokens):
            read = self._value(at)
            if read is None:
                at += 1
                continue
            made, after = read
            found += [(at, after, value) for value in made]
            at = max(after, at + 1)
        return self._related(found)

    def _related(self, found: list[tuple[int, int, Value]]) -> list[Value]:
        """Ranges share a unit; bounds and hedges stand around a value."""
        made = [value for _, _, value in found]
        for place in range(len(found) - 2, -1, -1):
            begin, end, _ = found[place]
            follows = found[place + 1][0]
            gap = self._words[end:follows]
            if begin == follows or (len(gap) == 1 and gap[0] in _TO):
                made[place] = _as_in_range(made[place], made[place + 1])
        for place, (begin, end, _) in enumerate(found):
            first = found[place - 1][1] if place else 0
            last = found[place + 1][0] if place + 1 < len(found) else len(self._words)
            made[place] = self._bounded(made[place], max(first, begin - 5), begin, end, min(last, end + 3))
        return made

    def _bounded(self, value: Value, first: int, begin: int, end: int, last: int) -> Value:
        before = self._words[first:begin]
        for place in range(len(before) - 1, -1, -1):
            if before[place] in _BREAKS:
                before = before[place + 1 :]
                break
        bound, hedge = 0, ""
        for place, word in enumerate(before):
            if (way := vw.BOUNDS.get(word)) is not None:
                bound = -way if place and _turns(before[place - 1], word) else way
            hedge = vw.HEDGES.get(word) or ("over" if word in _MORE and bound == 1 else hedge)
        for place, word in enumerate(self._words[end:last]):
            if word in _BREAKS:
                break
            if place < 2 and not bound and self._words[end] in ("or", "oder", "ou", "o", "of", "maximum", "minimum"):
                bound = vw.BOUNDS.get(word) or bound
            if not bound and word in ("以上", "以降", "以内", "以下", "以前", "이상", "이하", "이내"):
                bound = vw.BOUNDS.get(word) or 0
        return replace(value, bound=bound, hedge=hedge) if bound or hedge else value

    def _word(self, at: int) -> str:
        return self._words[at] if 0 <= at < len(self._words) else ""

    def _place(self, at: int, after: int) -> tuple[int, int]:
        return self._tokens[at].start, self._tokens[after - 1].end

    # -- one value ----------------------------------------------------------------------------------------------------

    def _value(self, at: int) -> tuple[list[Value], int] | None:
        token, word = self._tokens[at], self._words[at]
        if token.kind == "code":
            return [Value("code", frozenset({word}), token.start, token.end)], at + 1
        if token.kind == "list":
            return self._day_first(at)
        if (minutes := vw.NOON.get(word)) is not None:
            return [Value("time", frozenset({minutes % MINUTES}), token.start, token.end)], at + 1
        if (read := self._clock_words(at)) or (read := self._month_first(at)):
            return read
        if (weekday := vw.WEEKDAYS.get(word)) is not None and word not in vw.SHORT_UNITS:
            return [Value("weekday", frozenset({weekday}), token.start, token.end)], at + 1
        if token.kind == "figures":
            return self._figures(at)
        return self._number_words(at) or self._ordinal_word(at)

    def _clock_words(self, at: int) -> tuple[list[Value], int] | None:
        """half past five, halb sechs, quarter to six, half an hour."""
        word, following = self._word(at), self._word(at + 1)
        if word in vw.HALF and following in (*ARTICLES, "hour", "stunde", "heure", "hora"):
            skip = 1 if vw.UNITS.get(following) else 2
            unit = vw.UNITS.get(self._word(at + skip))
            if unit:
                start, end = self._place(at, at + skip + 1)
                reading = frozenset({Fraction(1, 2)})
                return [Value("number", _times(reading, unit[1]), start, end, unit[0], reading)], at + skip + 1
        if word in vw.HALF and (following in _PAST or self._hour(at + 1)):
            hour = self._hour(at + 2 if following in _PAST else at + 1)
            if hour:
                # German and Dutch name the hour that is half gone.
                minutes = hour[0] * 60 + (30 if following in _PAST else -30)
                return self._time(at, hour[1], minutes, sure=False)
        if word in _QUARTER and following in _PAST | _TO_HOUR and (hour := self._hour(at + 2)):
            return self._time(at, hour[1], hour[0] * 60 + (15 if following in _PAST else -15), sure=False)
        return None

    def _hour(self, at: int) -> tuple[int, int] | None:
        if at >= len(self._words):
            return None
        if self._tokens[at].kind == "figures" and self._words[at].isdigit() and int(self._words[at][:3]) <= 24:
            return int(self._words[at]), at + 1
        number = SMALL.get(self._words[at])
        return (number, at + 1) if number is not None and number <= 12 else None

    def _time(self, at: int, after: int, minutes: int, sure: bool) -> tuple[list[Value], int]:
        half, after = self._half_of_day(at, after)
        if half == "am":
            readings = {minutes % 720}
        elif half == "pm":
            readings = {minutes % 720 + 720}
        else:
            readings = {minutes % MINUTES} if sure or minutes >= 780 else {minutes % MINUTES, (minutes + 720) % MINUTES}
        return [Value("time", frozenset(readings), *self._place(at, after))], after

    def _half_of_day(self, at: int, after: int) -> tuple[str, int]:
        before = self._word(at - 1)
        if before and not before.isascii() and (half := vw.HALVES.get(before)):
            return half, after
        for step in range(4):
            word = self._word(after + step)
            if (half := vw.HALVES.get(word)) and (step == 0 or word not in ("am", "pm")):
                return half, after + step + 1
            if word not in _LINKS:
                break
        return "", after

    def _month_first(self, at: int) -> tuple[list[Value], int] | None:
        """March 9, 2025; March 2025; in March."""
        month = vw.MONTHS.get(self._word(at))
        if month is None:
            return None
        after = at + 1 + (self._word(at + 1) == "." and self._word(at).isascii() and len(self._word(at)) < 5)
        number = self._whole(after)
        day = year = None
        if number is not None and 1 <= number <= 31:
            day, after = number, after + 1
            after += self._word(after) in vw.ORDINAL_ENDINGS
        year, after = self._year(after)
        if day is None and year is None:
            doubtful = self._word(at) in vw.DOUBTFUL_MONTHS
            place = self._place(at, at + 1)
            return None if doubtful else ([Value("month", frozenset({month}), *place)], at + 1)
        return [Value("date", frozenset({(year, month, day)}), *self._place(at, after))], after

    def _year(self, after: int) -> tuple[int | None, int]:
        """A year from there on, behind a comma or an "of"."""
        at = after
        while self._word(at) in _OF and at < after + 2:
            at += 1
        number = self._whole(at)
        if number is not None and 1_000 <= number <= 2_999:
            return number, at + 1
        return None, after

    def _whole(self, at: int) -> int | None:
        word = self._word(at)
        return (
            int(word) if 0 < len(word) < 5 and word.isdigit() and self._tokens[at].kind in ("figures", "list") else None
        )

    def _figures(self, at: int) -> tuple[list[Value], int] | None:
        word = self._words[at]
        if dates := date_readings(word, self._language):
            return [Value("date", frozenset(dates), *self._place(at, at + 1))], at + 1
        if ":" in word:
            return self._colons(at)
        if (date := self._day_first(at)) or (date := self._cjk_date(at)):
            return date
        if time := self._hours(at):
            return time
        made: list[Value] = []
        after = at + 1
        runs = figures(word, self._language)
        for readings in runs[:-1]:
            made.append(Value("number", frozenset(readings), *self._place(at, after), "", readings))
        if not runs:
            return [Value("code", frozenset({word}), *self._place(at, after))], after
        value, after = self._amount(at, after, runs[-1])
        return [_as_in_range(one, value) for one in made] + [value], after

    def _colons(self, at: int) -> tuple[list[Value], int]:
        parts = self._words[at].split(":")
        if len(parts) <= 3 and all(part.isdigit() and len(part) <= 2 for part in parts) and int(parts[0]) <= 24:
            return self._time(at, at + 1, int(parts[0]) * 60 + int(parts[1]), sure=True)
        numbers = [figures(part, self._language) for part in parts]
        place = self._place(at, at + 1)
        return [Value("number", frozenset(r), *place, "", r) for runs in numbers for r in runs], at + 1

    def _day_first(self, at: int) -> tuple[list[Value], int] | None:
        """9 March 2025, 31. Dezember, le 1er octobre, 9 de marzo de 2025."""
        day = self._whole(at)
        if day is None or not 1 <= day <= 31:
            return None
        after = at + 1
        while after < at + 4 and (self._word(after) in vw.ORDINAL_ENDINGS or self._word(after) in _OF):
            after += 1
        month = vw.MONTHS.get(self._word(after))
        if month is None or (self._word(after) in ("may", "mar") and after > at + 3):
            return None
        after += 1 + (self._word(after + 1) == "." and len(self._word(after)) < 5)
        year, after = self._year(after)
        return [Value("date", frozenset({(year, month, day)}), *self._place(at, after))], after

    def _cjk_date(self, at: int) -> tuple[list[Value], int] | None:
        """2025年3月9日, 3月9日, 2025년 3월 9일."""
        parts: list[int | None] = [None, None, None]
        after = at
        while after + 1 < len(self._words) and (number := self._whole(after)) is not None:
            place = {"年": 0, "년": 0, "月": 1, "월": 1, "日": 2, "일": 2, "号": 2}.get(self._word(after + 1)[:1])
            if place is None or parts[place] is not None:
                break
            parts[place] = number
            # A count of months or days, and not a date.
            after += 2
        if parts[1] is None or (parts[0] is None and parts[2] is None):
            return None
        return [Value("date", frozenset({tuple(parts)}), *self._place(at, after))], after

    def _hours(self, at: int) -> tuple[list[Value], int] | None:
        """6 am, 18 Uhr, 18.30 Uhr, 14 h 30."""
        word, following = self._words[at], self._word(at + 1)
        parts = word.split(".")
        if len(parts) > 2 or not all(part.isdigit() and len(part) <= 2 for part in parts) or int(parts[0]) > 24:
            return None
        minutes = int(parts[0]) * 60 + int((parts[1:] or ["0"])[0])
        if following in ("am", "pm", "a.m", "p.m") or self._half_of_day(-9, at + 1)[0]:
            return self._time(at, at + 1, minutes, sure=False)
        if following == "o" and self._word(at + 3) == "clock":
            return self._time(at, at + 4, minutes, sure=False)
        if vw.CLOCKS.get(following) is None and following[:1] not in ("点", "點", "時", "时", "시"):
            return None
        if following[:2] in ("時間", "시간", "小时"):
            return None
        after, more = at + 2, self._whole(at + 2)
        near = more is not None and self._tokens[at + 2].start <= self._tokens[at + 1].end + 1
        if near and more is not None and more < 60 and (following[:1] in "h点點時时시" or following == "uhr"):
            minutes, after = minutes + more, after + 1 + (self._word(after + 1)[:1] in ("分", "분"))
        elif following in ("h", "hs", "hrs", "heures", "uur") and not self._is_time_of_day(at):
            return None
        return self._time(at, after, minutes, sure=following not in ("o'clock", "oclock", "時", "点"))

    def _is_time_of_day(self, at: int) -> bool:
        """Whether hours are a time and no duration: "à 14 h", "de 9h à 17h"."""
        return self._word(at - 1) in (
            "à",
            "a",
            "de",
            "dès",
            "at",
            "las",
            "alle",
            "om",
            "jusqu'à",
            "vers",
            "às",
            "-",
            "–",
        )

    def _number_words(self, at: int) -> tuple[list[Value], int] | None:
        word = self._words[at]
        if word and (word[0] in CJK_DIGITS or word[0] == "十") and (number := read_cjk(word)) is not None:
            after = at + 1
        elif read := read_words(self._words, at):
            number, after = read
        elif word in ARTICLES:
            number, after = 1, at + 1
        else:
            return None
        following = self._word(after)
        if word in ARTICLES and following in _QUARTER and self._word(after + 1) in _PAST | _TO_HOUR:
            return None
        clock = following in ("o'clock", "uhr", "heures", "uur") or following[:1] in ("点", "點", "時", "时", "시")
        if following == "o" and self._word(after + 2) == "clock":
            return self._time(at, after + 3, number * 60, sure=False)
        if clock and number <= 24 and following[:2] not in ("時間", "시간", "小时"):
            half = 30 if self._word(after)[1:2] in ("半", "반") else 0
            return self._time(at, after + 1, number * 60 + half, sure=False)
        minutes, end = self._spanish_minutes(number * 60, after)
        if number <= 12 and (end > after or self._word(at - 1) == "las" or self._half_of_day(-9, after)[0]):
            return self._time(at, end, minutes, sure=False)
        month = vw.MONTHS.get(following if following not in _OF else self._word(after + 1))
        if month is not None and number <= 31 and following not in vw.DOUBTFUL_MONTHS:
            end = after + 1 + (following in _OF)
            year, end = self._year(end)
            return [Value("date", frozenset({(year, month, number)}), *self._place(at, end))], end
        value, after = self._amount(at, after, frozenset({Fraction(number)}))
        if word in ARTICLES and number == 1:
            if not value.unit:
                return None
            value = replace(value, soft=True)
        return [value], after

    def _spanish_minutes(self, minutes: int, after: int) -> tuple[int, int]:
        """las cinco y media, cinq heures et demie, le sei meno un quarto"""
        sign = {"y": 1, "et": 1, "e": 1, "menos": -1, "moins": -1, "meno": -1}.get(self._word(after), 0)
        part = after + 1 + (self._word(after + 1) in ("un", "le"))
        length = 30 if self._word(part) in vw.HALF else 15 if self._word(part) in _QUARTER else 0
        return (minutes + sign * length, part + 1) if sign and length else (minutes, after)

    def _ordinal_word(self, at: int) -> tuple[list[Value], int] | None:
        """The third day: an ordinal counts where a unit or a noun of counting follows."""
        number = vw.ORDINALS.get(self._word(at))
        unit = vw.UNITS.get(self._word(at + 1))
        if number is None or unit is None or self._word(at + 1) in vw.SHORT_UNITS:
            return None
        plain = frozenset({Fraction(number)})
        return [Value("ordinal", frozenset(plain), *self._place(at, at + 1), unit[0], plain)], at + 2

    def _amount(self, at: int, after: int, readings: frozenset[Fraction]) -> tuple[Value, int]:
        """A number with its multiplier and its unit."""
        start = at
        word = self._word(after)
        near = after < len(self._tokens) and self._tokens[after].start == self._tokens[after - 1].end
        if near and word in vw.ORDINAL_ENDINGS:
            plain = frozenset(readings)
            return Value("ordinal", frozenset(plain), *self._place(at, after + 1), "", plain), after + 1
        scale = SCALES.get(word) or {"万": 10_000, "億": 10**8, "亿": 10**8, "萬": 10_000}.get(word[:1])
        if scale and (word not in ("k", "bin", "cent", "cents", "sto") or (near and word == "k")):
            readings, after = _times_plain(readings, scale), after + 1
            if self._word(after) == "." and word in ("mio", "mln", "mrd", "tsd"):
                after += 1
            near = False
        elif near and word == "m" and unicodedata.category(self._tokens[after].text[0]) == "Lu":
            readings, after = _times_plain(readings, 1_000_000), after + 1
        unit: tuple[str, Fraction] | None
        symbol = vw.UNITS.get(self._word(at - 1))
        if symbol and (symbol[0] in vw.MONEY) and not self._word(at - 1).isalpha():
            start, unit = at - 1, symbol
        else:
            unit, after = self._unit(after)
        if unit and self._word(after - 1) == "s" and near and min(readings) >= 1_000:
            unit = None  # The 1830s.
        name, factor = unit or ("", Fraction(1))
        if self._word(start - 1) in ("-", "−") and self._is_minus(start - 1):
            readings = _times_plain(readings, -1)
        place = self._place(start, max(after, at + 1))
        return Value("number", _times(readings, factor), *place, name, frozenset(readings)), after

    def _is_minus(self, at: int) -> bool:
        """Whether a hyphen is a minus: nothing stands right before it, and the figure right behind it."""
        alone = at == 0 or self._tokens[at - 1].end < self._tokens[at].start
        return alone and self._tokens[at].end == self._tokens[at + 1].start

    def _unit(self, after: int) -> tuple[tuple[str, Fraction] | None, int]:
        word = self._word(after)
        if word in _PER or after >= len(self._tokens):
            return None, after
        near = self._tokens[after].start == self._tokens[after - 1].end
        if word == "-" and near and (unit := vw.UNITS.get(self._word(after + 1))):
            return unit, after + 2
        unit = vw.UNITS.get(word)
        if unit is None and not word.isascii():
            unit = next((u for length in (3, 2, 1) if (u := vw.UNITS.get(word[:length]))), None)
            unit = unit if unit and ("\u3040" <= word[0] <= "\u9fff" or "\uac00" <= word[0] <= "\ud7a3") else None
        if unit is None or (word in vw.SHORT_UNITS and not (near or word in ("h", "m", "g", "l", "s", "min", "t"))):
            return None, after
        return unit, after + 1


def _times(readings: frozenset[Fraction], factor: Fraction) -> Readings:
    return frozenset(reading * factor for reading in readings)


def _times_plain(readings: frozenset[Fraction], factor: int) -> frozenset[Fraction]:
    return frozenset(reading * factor for reading in readings)


def _as_in_range(first: Value, second: Value) -> Value:
    """The first of "6 to 11 pm" and "3-4 days", which has the second's unit."""
    if first.kind != "number" or first.unit:
        return first
    if second.kind == "number" and second.unit:
        factor = next(iter(second.readings)) / next(iter(second.plain)) if any(second.plain) else Fraction(1)
        return replace(first, unit=second.unit, readings=_times(first.plain, factor))
    if second.kind == "time" and all(n.denominator == 1 and n <= 24 for n in first.plain):
        hours = {int(n) * 60 for n in first.plain}
        return replace(first, kind="time", readings=frozenset(hours | {(h + 720) % MINUTES for h in hours if h < 780}))
    return first
