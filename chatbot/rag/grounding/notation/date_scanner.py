"""Reading the days and months of a text: the part of the value scanner that knows calendars."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.rag.grounding.notation import value_words as vw
from chatbot.rag.grounding.notation.figures import Token
from chatbot.rag.grounding.notation.values import Value
from chatbot.rag.grounding.notation.words import Meaning, Words
from chatbot.rag.text.language_detection import little_words

# Words that may stand between the parts of a date or a time: "9 de marzo de 2025", "in the afternoon".
OF = frozenset("of de del d do di des dell . , 'nin năm r g".split())
BREAKS = frozenset(". , ; : ! ? ( ) | 。 ， 、 ；".split())


class DateScan:
    """The tokens of a text, and what dates stand at a place of them."""

    def __init__(self, tokens: Sequence[Token], language: str | None) -> None:
        self._tokens, self._language = tokens, language
        self._words = [token.word for token in tokens]

    def _means(self, table: Words[Meaning], word: str) -> Meaning | None:
        return table.get(word, self._language)

    def _word(self, at: int) -> str:
        return self._words[at] if 0 <= at < len(self._words) else ""

    def _place(self, at: int, after: int) -> tuple[int, int]:
        return self._tokens[at].start, self._tokens[after - 1].end

    def _whole(self, at: int) -> int | None:
        word = self._word(at)
        return (
            int(word) if 0 < len(word) < 5 and word.isdigit() and self._tokens[at].kind in ("figures", "list") else None
        )

    def _month_first(self, at: int) -> tuple[list[Value], int] | None:
        """March 9, 2025; March 2025; in March."""
        month = self._month(at)
        if month is None:
            return None
        after = at + 1 + (self._word(at + 1) == "." and self._word(at).isascii() and len(self._word(at)) < 5)
        number = self._whole(after)
        day = year = None
        if number is not None and 1 <= number <= 31:
            day, after = number, after + 1
            after += self._word(after) in vw.ORDINAL_ENDINGS
        year, after = self._year(after)
        if self._is_doubtful(at) and not self._is_dated(at, day, year, after):
            return None
        if day is None and year is None:
            return [Value("month", frozenset({month}), *self._place(at, at + 1))], at + 1
        return [Value("date", frozenset({(year, month, day)}), *self._place(at, after))], after

    def _month(self, at: int) -> int | None:
        """The month that a word names; one that is another word too has to have a capital where months have them."""
        month = self._means(vw.MONTHS, self._word(at))
        small = month is not None and self._tokens[at].text[0].islower()
        return None if small and self._is_doubtful(at) and self._language in (None, "en", "tr") else month

    def _is_doubtful(self, at: int) -> bool:
        return self._words[at] in vw.DOUBTFUL_MONTHS.get(self._language or "en", frozenset())

    def _is_dated(self, at: int, day: int | None, year: int | None, after: int) -> bool:
        """Whether what stands around a doubtful month makes it one: a year or a day, though not in "May 5 guests stay",
        or the words of "until May"."""
        if day is None and year is None:
            return self._word(at - 1) in vw.BEFORE_MONTHS
        begins, follows = at == 0 or self._word(at - 1) in BREAKS, self._word(after)
        counts = begins and follows.isalpha() and follows not in little_words(self._language or "en")
        return year is not None or not counts

    def _year(self, after: int) -> tuple[int | None, int]:
        """A year from there on, behind a comma or an "of"."""
        at = after
        while self._word(at) in OF and at < after + 2:
            at += 1
        number = self._whole(at)
        if number is not None and 1_000 <= number <= 2_999:
            return number, at + 1
        return None, after

    def _day_first(self, at: int) -> tuple[list[Value], int] | None:
        """9 March 2025, 31. Dezember, le 1er octobre, 9 de marzo de 2025."""
        day = self._whole(at)
        if day is None or not 1 <= day <= 31:
            return None
        after = at + 1
        while after < at + 4 and (self._word(after) in vw.ORDINAL_ENDINGS or self._word(after) in OF):
            after += 1
        month = self._month(after) if after < len(self._tokens) else None
        if month is None:
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
