"""What the characters of symbol fonts look like, in Unicode. Their codes are places in a font, no characters."""

from typing import Final

from chatbot.knowledge.parsing.warnings import note

_SYMBOL: Final = {
    0x20: " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
    0xA0: "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪",
    0xF1: "〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
}
_WINGDINGS: Final = {
    0x20: " ✏✂✁👓🔔📖🕯☎✆✉📩📪📫📬📭📁📂📄📄📄🗄⌛⌨🖱🖲💻💾💾💾✇✍",
    0x40: "✍✌👌👍👎☜☞☝☟✋☺😐☹💣☠⚐🏱✈☼💧❄✞✞✞✠✡☪☯ॐ☸♈♉♊♋♌♍♎♏♐♑♒♓&&●❍■□□❑❒⬧⧫◆❖⬥☒⍓⌘❀✿“”",
    0x80: "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿",
    0x9E: "·•▪○◉◉◉◎○▪□✦✦★✶✴✹✵",
    0xD5: "⌫⌦",
    0xD8: "➢",
    0xDC: "➲",
    0xDF: "←→↑↓↖↗↙↘←→↑↓↖↗↙↘⇦⇨⇧⇩⇔⇕⇖⇗⇙⇘▫▫✗✔☒☑",
}
_WINGDINGS_2: Final = {
    0x4F: "✗✓☒☑☒☒⊗⊗",
    0x69: "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿",
    0x97: "•●",
    0xA2: "■□□□",
}
_WINGDINGS_3: Final = {0x66: "←→↑↓↖↗↙↘↔↕", 0x70: "▲▼△▽◀▶◁▷"}
_WEBDINGS: Final = {0x33: "◀▶▲▼⏪⏩", 0x61: "✔", 0x63: "□", 0x67: "■", 0x6E: "●", 0x72: "✖", 0xD6: "⌕"}
_FONTS: Final = {
    "symbol": _SYMBOL,
    "wingdings": _WINGDINGS,
    "wingdings 2": _WINGDINGS_2,
    "wingdings 3": _WINGDINGS_3,
    "webdings": _WEBDINGS,
}
_CHARACTERS: Final = {
    font: {start + at: sign for start, signs in runs.items() for at, sign in enumerate(signs)}
    for font, runs in _FONTS.items()
}
UNKNOWN: Final = "\ufffd"


def symbol(font: str, code: int) -> str:
    """The character at `code` (with or without Word's 0xF000) of a font; U+FFFD where that is not known."""
    found = _known(font, code)
    note("characters_replaced", int(found == UNKNOWN))
    return found


def _known(font: str, code: int) -> str:
    known = _CHARACTERS.get(font.lower())
    if known is not None:
        return known.get(code & 0xFF if code >= 0xF000 else code, UNKNOWN)
    return UNKNOWN if 0xE000 <= code <= 0xF8FF or not 0x20 <= code < 0x110000 else chr(code)


def translated(text: str, font: str) -> str:
    """Text that was typed in a symbol font: as what is seen. Only Word's private characters are looked up."""
    if font.lower() not in _CHARACTERS:
        return text
    return "".join(symbol(font, ord(c)) if 0xF000 <= ord(c) <= 0xF0FF else c for c in text)
