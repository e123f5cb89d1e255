"""How much a document looks as if it wanted to order a language model about.

A score from 0 to 1 that a person can follow: each sign has a weight, and the signs that are found add up as
independent evidence does, 1 - (1 - w1)(1 - w2)... Nothing is refused because of it: it is shown to administrators,
who read the document. A sign that only stands in code, as documentation about such attacks has it, counts little; one
that nobody sees in the document counts most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from chatbot.knowledge.parsing.encoding import decode
from chatbot.knowledge.parsing.extractors.markup.html import declared_encoding
from chatbot.knowledge.parsing.formats import BY_MEDIA_TYPE
from chatbot.rag.text.invisible_characters import with_tags_shown

# From here on somebody should look at the document.
SUSPICIOUS = 0.5
IN_CODE = 0.3
HIDDEN = 0.8
LONGEST_QUOTE = 80
# More of a document is not read for signs: a second's work or two.
MOST_READ = 1_000_000

# In English, German, Spanish, French, Italian, Portuguese, Chinese and Japanese, as far as each is known here.
_RULES = (
    r"(?:instructions?|prompts?|rules|guidelines|directives|anweisungen|vorgaben|regeln|instrucciones|reglas|"
    r"indicaciones|consignes|r[eè]gles|istruzioni|regole|instru[cç][oõ]es|regras)"
)
_BEFORE = (
    r"(?:previous|prior|above|preceding|earlier|foregoing|vorherigen?|bisherigen?|obigen?|vorangehenden?|"
    r"fr[uü]heren?|anteriores|previas|pr[eé]c[eé]dentes|ci-dessus|ant[eé]rieures|precedenti)"
)
_IGNORE = (
    r"(?:ignore|disregard|forget|override|bypass|ignorier(?:e|en|t)?|vergiss|vergessen|missachte|ignora(?:d|r)?|olvida|"
    r"ignorez|ignorer|oublie[rz]?|dimentica|esque[cç]a)"
)
_REVEAL = (
    r"(?:reveal|print|output|repeat|show|leak|disclose|tell me|verrate|zeige|wiederhole|gib|revela|muestra|repite|"
    r"r[eé]v[eè]le[rz]?|affiche[rz]?|r[eé]p[eè]te[rz]?)"
)
_SECRETS = (
    r"(?:(?:your|the|deinen?|ihren?|den|tus?|el|ton|votre|le) (?:system|hidden|initial|secret|internal)[- ]?prompt|"
    r"system[- ]?prompt|systemprompt|prompt (?:del sistema|syst[eè]me)|your (?:hidden |initial |secret )?instructions)"
)
_NEAR = r"[^.!?\n]{0,40}?"
_WORDS = r"(?:[\w,'-]+\s+){0,%d}?"
_MODEL = r"(?:ai|language model|llm|chatbot|assistant|model)s?"
_IGNORES, _REVEALS, _ROLE, _SPEAKS = (
    "tells to ignore instructions",
    "asks for the system prompt",
    "gives a new role",
    "speaks to a model",
)
# A text has the sign only if it has one of the words behind it, in small letters and with _ for a blank: to look for
# these takes a hundredth of the time.
_IGNORE_HAS = "ignor disregard forget override bypass vergiss vergessen missachte olvida oubli dimentica esque"
_SIGNS: tuple[tuple[str, float, str, str], ...] = (
    (_IGNORES, 0.6, rf"\b{_IGNORE}\s+{_WORDS % 3}{_BEFORE}\s+{_WORDS % 2}{_RULES}\b", _IGNORE_HAS),
    (_IGNORES, 0.6, rf"\b{_IGNORE}\s+{_WORDS % 3}{_RULES}\s+{_WORDS % 2}{_BEFORE}\b", _IGNORE_HAS),
    (_IGNORES, 0.6, r"(?:忽略|无视|忘记|無視)[^。\n]{0,15}(?:指令|指示|提示|规则|規則)", "忽略 无视 忘记 無視"),
    (_IGNORES, 0.6, r"(?:指令|指示|プロンプト)[^。\n]{0,6}(?:無視|忘れ)", "無視 忘れ"),
    (
        _IGNORES,
        0.4,
        rf"\b{_IGNORE}\s+{_WORDS % 2}(?:your|all|any|deine|tus|vos|tes)\s+(?:the\s+)?{_RULES}\b",
        _IGNORE_HAS,
    ),
    (_REVEALS, 0.5, rf"\b{_REVEAL}\b{_NEAR}{_SECRETS}", "prompt instructions"),
    (_REVEALS, 0.5, r"(?:显示|输出|泄露|透露|重复|告诉)[^。\n]{0,12}(?:系统提示|系统指令|提示词)", "系统 提示词"),
    (
        _ROLE,
        0.45,
        r"\byou are now (?:an? |in |the |no longer )|\bfrom now on,? you (?:are|will|must|act)\b",
        "you_are_now from_now_on",
    ),
    (
        _ROLE,
        0.45,
        r"\bdu bist (?:jetzt|nun|ab jetzt) ein|\bab (?:jetzt|sofort) (?:bist|wirst|musst) du\b",
        "du_bist bist_du wirst_du musst_du",
    ),
    (_ROLE, 0.45, r"\bahora eres\b|\ba partir de ahora,? (?:eres|debes|act[uú]a)\b", "ahora"),
    (
        _ROLE,
        0.45,
        r"\btu es (?:maintenant|d[eé]sormais)\b|\bvous [eê]tes (?:maintenant|d[eé]sormais) un",
        "maintenant sormais",
    ),
    (_ROLE, 0.45, r"你现在是|从现在(?:开始|起)，?你(?:是|要|必须|将)", "你现在是 从现在"),
    (
        _ROLE,
        0.45,
        r"\bpretend (?:to be|you are|that you)\b|\b(?:DAN|jailbreak|developer) mode\b",
        "pretend dan_mode jailbreak_mode developer_mode",
    ),
    (
        _SPEAKS,
        0.45,
        rf"\b{_MODEL}\b[^.!?\n]{{0,25}}\b(?:reading|processing|summari[sz]ing|parsing) this\b",
        "reading_this processing_this summarising_this summarizing_this parsing_this",
    ),
    (
        _SPEAKS,
        0.45,
        rf"\b(?:new|updated|important|urgent|system) instructions? (?:for|to) (?:the |any )?{_MODEL}\b",
        "instruction",
    ),
    (
        _SPEAKS,
        0.45,
        rf"\b(?:attention|note to|message (?:for|to))[: ]+(?:the |all |any )?{_MODEL}\b",
        "attention note_to message_for message_to",
    ),
    (
        "wants something kept from people",
        0.35,
        r"\b(?:do not|don't|never) (?:tell|inform|(?:mention|reveal) (?:this |it )?to) (?:the |any )?users?\b",
        "user",
    ),
    (
        "asks to send things away",
        0.45,
        r"\b(?:send|post|append|forward|transmit|exfiltrate|include|encode)\b[^.!?\n]{0,60}\b(?:conversation|"
        r"chat history|users?'?s? (?:questions?|messages?|emails?)|api keys?|passwords?|secrets?|system prompt)\b[^\n]{0,60}https?://",
        "http",
    ),
    (
        "has a role marker of chat models",
        0.5,
        "<[|\uff5c](?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)[|\uff5c]>"
        r"|\[/?INST\]|<</?SYS>>",
        "|> ｜> inst] sys>>",
    ),
    (
        "plays a conversation",
        0.35,
        r"^[ \t]*(?:Human|User|System):[^\n]*\n(?:[^\n]*\n){0,4}?[ \t]*Assistant:",
        "assistant:",
    ),
    ("ends its quotation", 0.6, r"(?<!=)={3,}+[ \t]*+passage-[0-9a-f]++", "==="),
)


def _spaced(words: str) -> list[str]:
    return [word.replace("_", " ") for word in words.split()]


_PATTERNS = [
    (name, weight, _spaced(words), re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for name, weight, pattern, words in _SIGNS
]
# What counts as one of the letters i, s and k where case is ignored, apart from these.
_SMALL = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})
_FENCE = re.compile(r" {0,3}(```|~~~)")
_BACKTICKS = re.compile("`+")


@dataclass(frozen=True)
class Sign:
    """Something that looks like an order to a model: what it does, how much it weighs (0 to 1), and its words."""

    name: str
    weight: float
    quote: str


def signs(text: str, data: bytes = b"", media_type: str | None = None) -> list[Sign]:
    """The signs in a document's text and in what its bytes hide, each kind once, the weightiest first.

    Of the bytes only formats that are text are read: there, what is in them and not in the text is what nobody sees.
    """
    text = text[:MOST_READ]
    found: dict[str, Sign] = {}
    for sign in sorted(_in_text(text), key=lambda sign: -sign.weight):
        found.setdefault(sign.name, sign)
    source = _source(data[: 2 * MOST_READ], media_type)[:MOST_READ]
    for sign in _in_text(source) if source.strip() != text.strip() else ():
        if sign.name not in found:
            hidden = f"hidden: {sign.name}"
            found.setdefault(hidden, Sign(hidden, HIDDEN, sign.quote))
    return sorted(found.values(), key=lambda sign: -sign.weight)


def score(found: list[Sign]) -> float:
    """From 0, nothing, to 1; rounded to hundredths."""
    return round(1 - math.prod(1 - sign.weight for sign in found), 2)


def _in_text(text: str) -> Iterator[Sign]:
    prose = _without_code(text) if "`" in text or "~~~" in text else text
    small = (text if prose is text else f"{text}\n{prose}").translate(_SMALL).lower()
    for name, weight, words, pattern in _PATTERNS:
        if not any(map(small.__contains__, words)):
            continue
        match = pattern.search(prose)
        if match:
            yield Sign(name, weight, _quote(match[0]))
            continue
        match = pattern.search(text) if len(prose) != len(text) else None
        if match:
            yield Sign(name, round(weight * IN_CODE, 2), _quote(match[0]))


def _without_code(text: str) -> str:
    """The text with a blank for each block of code in fences, and for each stretch in backticks on one line."""
    lines = text.split("\n")
    fences = [match[1] if (match := _FENCE.match(line)) else "" for line in lines]
    last = {fence: number for number, fence in enumerate(fences)}
    prose, inside = list[str](), ""
    for number, (line, fence) in enumerate(zip(lines, fences, strict=True)):
        if inside:
            if fence == inside:
                prose.append(" ")
                inside = ""
        elif fence and number < last[fence]:
            inside = fence
        else:
            prose.append(_without_code_spans(line))
    return "\n".join(prose)


def _without_code_spans(line: str) -> str:
    """A line with a blank for what stands between a run of backticks and the next run of the same length."""
    runs = list(_BACKTICKS.finditer(line))
    closing, next_of = dict[int, int](), dict[int, int]()
    for number in range(len(runs) - 1, -1, -1):
        length = len(runs[number][0])
        if length in next_of:
            closing[number] = next_of[length]
        next_of[length] = number
    kept, at, number = list[str](), 0, 0
    while number < len(runs):
        if number in closing:
            kept += (line[at : runs[number].start()], " ")
            number = closing[number]
            at = runs[number].end()
        number += 1
    return "".join([*kept, line[at:]])


def _source(data: bytes, media_type: str | None) -> str:
    kind = BY_MEDIA_TYPE.get(media_type or "")
    if not data or kind is None or not kind.textual:
        return ""
    source = decode(data, declared_encoding(data) if media_type == "text/html" else None)
    return with_tags_shown(source)


def _quote(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"
