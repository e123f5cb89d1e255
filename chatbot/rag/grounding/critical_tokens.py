"""What has no synonym: numbers, days, months, technical names and "not". With another one a text says other things."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_WORD = re.compile(r"\w+")
# PostgreSQL, docs_url, HTTP, OAuth2.
_NAME = re.compile(r"[^a-z]*+[a-z][^A-Z]*+[A-Z]|.[^_]*+_.|[A-Z]{3}|[A-Za-z]++\d")
_NOT = re.compile(
    r"\b(?:not?|never|none|cannot|without|neither|nor|nicht|kein\w*|nie|niemals|ohne|nunca|jamás|sin|jamais|aucune?|sans)\b"
    r"|n['’]t\b|\bne\b.{1,40}\bpas\b|[不没無无]",
    re.IGNORECASE,
)
# Words that are also others are left out: one, may, march.
_COUNTED = (
    ("0", "zero null cero zéro"),
    ("2", "two zwei dos deux"),
    ("3", "three drei tres trois"),
    ("4", "four vier cuatro quatre"),
    ("5", "five fünf cinco cinq"),
    ("6", "six sechs seis"),
    ("7", "seven sieben siete sept"),
    ("8", "eight acht ocho huit"),
    ("9", "nine neun nueve neuf"),
    ("10", "ten zehn diez dix"),
    ("11", "eleven elf once onze"),
    ("12", "twelve zwölf doce douze"),
    ("20", "twenty zwanzig veinte vingt"),
    ("30", "thirty dreißig treinta trente"),
    ("40", "forty vierzig cuarenta quarante"),
    ("50", "fifty fünfzig cincuenta cinquante"),
    ("60", "sixty sechzig sesenta soixante"),
    ("90", "ninety neunzig noventa"),
    ("100", "hundred hundert cien ciento cent"),
    ("1000", "thousand tausend mil mille"),
    ("monday", "monday mondays montag montags lunes lundi"),
    ("tuesday", "tuesday tuesdays dienstag dienstags martes mardi"),
    ("wednesday", "wednesday wednesdays mittwoch mittwochs miércoles mercredi"),
    ("thursday", "thursday thursdays donnerstag donnerstags jueves jeudi"),
    ("friday", "friday fridays freitag freitags viernes vendredi"),
    ("saturday", "saturday saturdays samstag samstags sonnabend sábado sábados samedi"),
    ("sunday", "sunday sundays sonntag sonntags domingo domingos dimanche"),
    ("january", "january januar enero janvier"),
    ("february", "february februar febrero février"),
    ("april", "april abril avril"),
    ("june", "june juni junio juin"),
    ("july", "july juli julio juillet"),
    ("august", "august agosto août"),
    ("september", "september septiembre septembre"),
    ("october", "october oktober octubre octobre"),
    ("november", "november noviembre novembre"),
    ("december", "december dezember diciembre décembre"),
)
_FACTS = {word: fact for fact, words in _COUNTED for word in words.split()}


def facts(text: str) -> set[str]:
    """Numbers, also those that are written as words in English, German, Spanish or French, and days and months."""
    words = {_FACTS[word] for word in _WORD.findall(text.casefold()) if word in _FACTS}
    return words | set(_NUMBER.findall(_THOUSANDS.sub("", text)))


def names(text: str) -> list[str]:
    """Words with a capital, a digit or an underscore inside, and abbreviations."""
    return [word for word in _WORD.findall(text) if _NAME.match(word)]


def says_not(text: str) -> bool:
    """Whether there is a "not" in it, in English, German, Spanish, French or Chinese."""
    return bool(_NOT.search(text))
