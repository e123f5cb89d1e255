"""Finding the values of a text: numbers in figures and words, amounts, days, times and addresses."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from chatbot.rag.grounding.notation import value_words as vw
from chatbot.rag.grounding.notation.date_scanner import BREAKS, OF, DateScan
from chatbot.rag.grounding.notation.figures import date_readings, day_and_month, figures, tokens_of
from chatbot.rag.grounding.notation.number_words import (
    ALSO_OTHER,
    ARTICLES,
    CJK_DIGITS,
    NUMBERS,
    SCALES,
    Number,
    read_cjk,
    read_words,
)
from chatbot.rag.grounding.notation.values import Readings, Value
from chatbot.rag.grounding.notation.words import Words
from chatbot.rag.text.language_detection import little_words

MINUTES = 1_440
NIGHT_ENDS = 360
_TO = frozenset(
    "- – — ~ 〜 to bis à au a al until till und and et y e en tot do до по ile den から 至 到 through às".split()
)
_PER = frozenset("/ per pro par por je im the al alla del na za each every cada प्रति".split())
# The same in two words: "à la semaine", "in der Woche", "all'anno".
_PER_THE = frozenset([("à", "la"), ("in", "der"), ("all", "'"), ("all", "\u2019"), ("à", "l"), ("a", "la")])
# "por ciento", "pour cent"
_HUNDREDTHS = frozenset("per por pour".split())
_OF_A_HUNDRED = frozenset("cent cento ciento".split())
_PAST = frozenset("past nach et after y over".split())
_TO_HOUR = frozenset("to vor before moins menos meno voor".split())
_FLIPS = Words(
    (
        (
            True,
            "en no not | de nicht kein keine | fr pas non | es no | it non | pt não | nl niet | pl nie | ru не "
            "| tr değil",
        ),
    )
)
_MORE = frozenset("more mehr más plus più mais longer".split())
# So many words may stand between an hour and its half of the day.
_LINK = 3
_DAYS = frozenset(Fraction(day) for day in range(1, 32))


@lru_cache(maxsize=1_024)
def values(text: str, language: str | None = None) -> tuple[Value, ...]:
    """The values of a text in their order; its language tells what its words mean and how its figures are grouped."""
    return tuple(_Scan(tokens_of(text), language).all())


def _turns(before: str, word: str, language: str | None) -> bool:
    """Whether the word before a bound makes it the opposite: "no more than", "au moins"."""
    return _FLIPS.get(before, language) is not None or (
        before in vw.TURNED and word in ("moins", "menos", "plus", "mais", "más")
    )


class _Scan(DateScan):
    """Reads the tokens of a text once, from left to right."""

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
            if before[place] in BREAKS:
                before = before[place + 1 :]
                break
        bound, hedge = 0, ""
        for place, word in enumerate(before):
            if (way := self._means(vw.BOUNDS, word)) is not None:
                bound = -way if place and _turns(before[place - 1], word, self._language) else way
            hedge = self._means(vw.HEDGES, word) or ("over" if word in _MORE and bound == 1 else hedge)
        for place, word in enumerate(self._words[end:last]):
            if word in BREAKS:
                break
            if place < 2 and not bound and self._words[end] in ("or", "oder", "ou", "o", "of", "maximum", "minimum"):
                bound = self._means(vw.BOUNDS, word) or bound
            if not bound:
                bound = self._means(vw.BOUNDS_BEHIND, word) or 0
        # "Until two days before" and "at most two days before": what comes last may be the first of either.
        if bound < 0 and value.unit in ("time", "months") and self._is_before(end, last):
            bound = 0
        return replace(value, bound=bound, hedge=hedge) if bound or hedge else value

    def _is_before(self, end: int, last: int) -> bool:
        return any(self._means(vw.BEFORE, word) is not None for word in self._words[end:last])

    # -- one value ----------------------------------------------------------------------------------------------------

    def _value(self, at: int) -> tuple[list[Value], int] | None:
        token, word = self._tokens[at], self._words[at]
        if token.kind == "code":
            return [Value("code", frozenset({word}), token.start, token.end)], at + 1
        if token.kind == "list":
            return self._day_first(at)
        if (minutes := self._means(vw.NOON, word)) is not None:
            return [Value("time", frozenset({minutes % MINUTES}), token.start, token.end)], at + 1
        if (read := self._clock_words(at)) or (read := self._month_first(at)):
            return read
        if (weekday := self._means(vw.WEEKDAYS, word)) is not None and word not in vw.SHORT_UNITS:
            return [Value("weekday", weekday, token.start, token.end)], at + 1
        if token.kind == "figures":
            return self._figures(at)
        return self._number_words(at) or self._ordinal_word(at)

    def _clock_words(self, at: int) -> tuple[list[Value], int] | None:
        """half past five, halb sechs, quarter to six, half an hour."""
        word, following = self._word(at), self._word(at + 1)
        if self._means(vw.HALF, word) and (
            self._means(ARTICLES, following) or following in ("hour", "stunde", "heure", "hora")
        ):
            skip = 1 if self._means(vw.UNITS, following) else 2
            unit = self._means(vw.UNITS, self._word(at + skip))
            if unit:
                start, end = self._place(at, at + skip + 1)
                reading = frozenset({Fraction(1, 2)})
                return [Value("number", _times(reading, unit[1]), start, end, unit[0], reading)], at + skip + 1
        if self._means(vw.HALF, word) and (following in _PAST or self._hour(at + 1)):
            hour = self._hour(at + 2 if following in _PAST else at + 1)
            if hour:
                # German and Dutch name the hour that is half gone.
                minutes = hour[0] * 60 + (30 if following in _PAST else -30)
                return self._time(at, hour[1], minutes, sure=False)
        if part := self._means(vw.PARTS_BEFORE_HOURS, word):
            hour = self._hour(at + 1)
            return (
                self._time(at, hour[1] + 1, hour[0] * 60 + part, sure=False) if hour and self._clock(hour[1]) else None
            )
        if self._means(vw.QUARTERS, word) and following in _PAST | _TO_HOUR and (hour := self._hour(at + 2)):
            return self._time(at, hour[1], hour[0] * 60 + (15 if following in _PAST else -15), sure=False)
        return None

    def _hour(self, at: int) -> tuple[int, int] | None:
        if at >= len(self._words):
            return None
        if self._tokens[at].kind == "figures" and self._words[at].isdigit() and int(self._words[at][:3]) <= 24:
            return int(self._words[at]), at + 1
        number = self._means(NUMBERS, self._words[at])
        return (int(number), at + 1) if number is not None and number <= 12 else None

    def _clock(self, at: int) -> bool:
        return self._means(vw.CLOCKS, self._word(at)) is not None

    def _time(self, at: int, after: int, minutes: int, sure: bool) -> tuple[list[Value], int]:
        half, after = self._half_of_day(at, after)
        if half == "night":
            half = "am" if minutes % 720 < NIGHT_ENDS else "pm"
        if half == "am":
            readings = {minutes % 720}
        elif half == "pm":
            readings = {minutes % 720 + 720}
        else:
            readings = {minutes % MINUTES} if sure or minutes >= 780 else {minutes % MINUTES, (minutes + 720) % MINUTES}
        return [Value("time", frozenset(readings), *self._place(at, after))], after

    def _half_of_day(self, at: int, after: int) -> tuple[str, int]:
        """Which half of the day is named before a time or behind it, and where its name ends.

        Words have to link it as its language does: "at 3 in the night", and not "3 night stay" or "15 a night".
        """
        before = self._word(at - 1)
        if before and not before.isascii() and (half := self._means(vw.HALVES, before)):
            return half, after
        links = vw.HALF_LINKS.get(self._language or "en", ("",))
        for step in range(_LINK + 1):
            word = self._word(after + step)
            half = self._means(vw.HALVES, word)
            if half is None:
                continue
            if word in ("am", "a.m", "pm", "p.m"):
                linked = step == 0
            elif step == 0:
                # "3 дня" are three days; behind "часа" it is the afternoon.
                linked = "" in links and (self._means(vw.UNITS, word) is None or self._clock(after - 1))
            else:
                linked = " ".join(self._words[after : after + step]) in links
            return (half, after + step + 1) if linked else ("", after)
        return "", after

    def _figures(self, at: int) -> tuple[list[Value], int] | None:
        word = self._words[at]
        if dates := date_readings(word, self._language):
            return [Value("date", frozenset(dates), *self._place(at, at + 1))], at + 1
        if self._word(at + 1) == "." and (days := day_and_month(word, self._language)):
            return [Value("date", frozenset(days), *self._place(at, at + 2))], at + 2
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
        if not self._clock(at + 1) and following[:1] not in ("点", "點", "時", "时", "시"):
            return None
        if following[:2] in ("時間", "시간", "小时"):
            return None
        after, more = at + 2, self._whole(at + 2)
        near = more is not None and self._tokens[at + 2].start <= self._tokens[at + 1].end + 1
        if near and more is not None and more < 60 and (following[:1] in "h点點時时시" or following == "uhr"):
            minutes, after = minutes + more, after + 1 + (self._word(after + 1)[:1] in ("分", "분"))
        elif self._is_duration(at, at + 1):
            return None
        return self._time(at, after, minutes, sure=following not in ("o'clock", "oclock", "時", "点"))

    def _is_duration(self, at: int, clock: int) -> bool:
        """Whether hours are counted, and no time is named: "24 heures", and not "à 14 heures", "tot 18.00 uur"."""
        counts = self._means(vw.UNITS, self._word(clock)) is not None
        return counts and self._word(at - 1) not in vw.BEFORE_TIMES and "." not in self._words[at]

    def _number_words(self, at: int) -> tuple[list[Value], int] | None:
        word = self._words[at]
        number: Number | None = None
        after = at + 1
        if word and (word[0] in CJK_DIGITS or word[0] == "十") and (number := read_cjk(word)) is not None:
            pass
        elif read := read_words(self._words, at, self._language):
            number, after = read
        elif self._means(ARTICLES, word):
            number, after = 1, at + 1
        if number is None:
            return None
        following = self._word(after)
        article = number == 1 and self._means(ARTICLES, word) is not None
        if article and following in vw.NOT_BEHIND_AN_ARTICLE:
            return None
        clock = self._clock(after) and not self._is_duration(at, after)
        clock = clock or following[:1] in ("点", "點", "時", "时", "시")
        if following == "o" and self._word(after + 2) == "clock":
            return self._time(at, after + 3, int(number * 60), sure=False)
        if clock and number <= 24 and following[:2] not in ("時間", "시간", "小时"):
            half = 30 if self._word(after)[1:2] in ("半", "반") else 0
            return self._time(at, after + 1, int(number * 60) + half, sure=False)
        minutes, end = self._spanish_minutes(int(number * 60), after)
        if number <= 12 and (end > after or self._word(at - 1) == "las" or self._half_of_day(-9, after)[0]):
            return self._time(at, end, minutes, sure=False)
        behind = after + (following in OF)
        month = self._month(behind) if behind < len(self._tokens) else None
        if month is not None and number <= 31 and not self._is_doubtful(behind):
            end = after + 1 + (following in OF)
            year, end = self._year(end)
            return [Value("date", frozenset({(year, month, number)}), *self._place(at, end))], end
        value, after = self._amount(at, after, frozenset({Fraction(number)}))
        if (self._language, word) in ALSO_OTHER and after == at + 1 and not value.unit:
            return None
        if article:
            if not value.unit:
                return None
            value = replace(value, soft=True)
        return [value], after

    def _spanish_minutes(self, minutes: int, after: int) -> tuple[int, int]:
        """las cinco y media, cinq heures et demie, le sei meno un quarto"""
        sign = {"y": 1, "et": 1, "e": 1, "menos": -1, "moins": -1, "meno": -1}.get(self._word(after), 0)
        part = after + 1 + (self._word(after + 1) in ("un", "le"))
        half = self._means(vw.HALF, self._word(part))
        length = 30 if half else 15 if self._means(vw.QUARTERS, self._word(part)) else 0
        return (minutes + sign * length, part + 1) if sign and length else (minutes, after)

    def _ordinal_word(self, at: int) -> tuple[list[Value], int] | None:
        """The third day: an ordinal counts where a unit or a noun of counting follows."""
        number = self._means(vw.ORDINALS, self._word(at))
        unit = self._means(vw.UNITS, self._word(at + 1))
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
        scale = self._means(SCALES, word) or {"万": 10_000, "億": 10**8, "亿": 10**8, "萬": 10_000}.get(word[:1])
        if scale and (word not in ("k", "cent", "cents") or (near and word == "k")):
            readings, after = _times_plain(readings, scale), after + 1
            if self._word(after) == "." and word in ("mio", "mln", "mrd", "tsd"):
                after += 1
            near = False
        elif near and word == "m" and unicodedata.category(self._tokens[after].text[0]) == "Lu":
            readings, after = _times_plain(readings, 1_000_000), after + 1
        unit: tuple[str, Fraction] | None
        symbol = self._means(vw.UNITS, self._word(at - 1))
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
        # "5 days off per month"
        per = self._per(after) or (self._per(after + 1) if self._is_noun(after) else "")
        counts = not name and self._is_noun(after)
        value = Value("number", _times(readings, factor), *place, name, frozenset(readings), per=per, counts=counts)
        return value, after

    def _per(self, after: int) -> str:
        """The unit that a number is for: "a month", "/ day", "pro Woche"."""
        behind = after + 2 if (self._word(after), self._word(after + 1)) in _PER_THE else after + 1
        unit = self._means(vw.UNITS, self._word(behind))
        linked = self._word(after) in _PER or self._means(ARTICLES, self._word(after)) or behind > after + 1
        return f"{unit[1]} {unit[0]}" if unit and linked else ""

    def _is_noun(self, at: int) -> bool:
        """Whether what a number counts stands behind it."""
        word = self._word(at)
        return len(word) > 2 and word.isalpha() and word not in little_words(self._language)

    def _is_minus(self, at: int) -> bool:
        """Whether a hyphen is a minus: nothing stands right before it, and the figure right behind it."""
        alone = at == 0 or self._tokens[at - 1].end < self._tokens[at].start
        return alone and self._tokens[at].end == self._tokens[at + 1].start

    def _unit(self, after: int) -> tuple[tuple[str, Fraction] | None, int]:
        word = self._word(after)
        if after >= len(self._tokens):
            return None, after
        near = self._tokens[after].start == self._tokens[after - 1].end
        if word in _HUNDREDTHS and self._word(after + 1) in _OF_A_HUNDRED:
            return self._means(vw.UNITS, "%"), after + 2
        if word == "-" and near and (unit := self._means(vw.UNITS, self._word(after + 1))):
            return unit, after + 2
        unit = self._means(vw.UNITS, word)
        if unit is None and not word.isascii():
            unit = next((u for length in (3, 2, 1) if (u := self._means(vw.UNITS, word[:length]))), None)
            unit = unit if unit and ("\u3040" <= word[0] <= "\u9fff" or "\uac00" <= word[0] <= "\ud7a3") else None
        if unit is None or (word in vw.SHORT_UNITS and not (near or word in ("h", "m", "g", "l", "s", "min", "t"))):
            return None, after
        return unit, after + 1


def _times(readings: frozenset[Fraction], factor: Fraction) -> Readings:
    return frozenset(reading * factor for reading in readings)


def _times_plain(readings: frozenset[Fraction], factor: int) -> frozenset[Fraction]:
    return frozenset(reading * factor for reading in readings)


def _as_in_range(first: Value, second: Value) -> Value:
    """The first of "6 to 11 pm" and "3-4 days", which has the second's unit; the days from Monday to Friday."""
    if first.kind == second.kind == "weekday" and len(first.readings) == len(second.readings) == 1:
        (begin,), (end,) = first.readings, second.readings
        return replace(first, readings=frozenset((begin + n - 1) % 7 + 1 for n in range((end - begin) % 7 + 1)))
    if first.kind != "number" or first.unit:
        return first
    if second.kind == "number" and second.unit:
        factor = next(iter(second.readings)) / next(iter(second.plain)) if any(second.plain) else Fraction(1)
        return replace(first, unit=second.unit, readings=_times(first.plain, factor))
    if second.kind == "date" and first.plain <= _DAYS:
        days = {(year, month, int(day)) for year, month, _ in second.readings for day in first.plain}
        return replace(first, kind="date", readings=frozenset(days))
    if second.kind == "time" and all(n.denominator == 1 and n <= 24 for n in first.plain):
        hours = {int(n) * 60 for n in first.plain}
        return replace(first, kind="time", readings=frozenset(hours | {(h + 720) % MINUTES for h in hours if h < 780}))
    return first
