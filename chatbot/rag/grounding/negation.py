"""The words that deny: "not", "no", "never" and their like, each in its own language.

Left out is what denies no verb: "without" is a condition (its pair is in `concepts`), and a word such as the German
month `Mai` counts only where it is the Italian "never".
"""

from __future__ import annotations

import re
import unicodedata

# Words that deny wherever they stand: hardly another language has them.
_EVERYWHERE = (
    r"never|cannot|nobody|nothing|nicht|kein\w*|niemals|niemand|nunca|jamás|jamais|ningún\w*|nadie|não|nenhum\w*|ninguém|"
    r"niet|geen|nooit|nie|żaden|żadn\w*|nikdy|nejsou|není|nelze|nesmí\w*|nemůže\w*|inte|ikke|ikkje|aldrig|aldri|eivät|"
    r"nincs\w*|değil|tidak|bukan|jangan|belum|nije|nisu|niciodată|không|chưa|đừng"
)
_OF_LANGUAGE = {
    "en": r"not?(?!\.\s?\d)|none|neither|nor|nowhere|hardly|seldom|rarely|non(?!\s)",
    "de": "nie|weder|nichts|nirgend\\w*|kaum",
    "fr": r"ne|n(?=['’])|non|pas|aucune?|rien|guère",
    "es": r"no(?!\.\s?\d)|ningun\w*|ni|tampoco|nada",
    "it": r"non|nessun\w*|mai|né|niente|nulla",
    "pt": "nem|nada|tampouco",
    "ca": "no|mai",
    "ro": "nu|n(?=-)|nici|niciun|nicio|nimeni",
    "nl": "noch|niemand|niets|nergens|geenszins|nauwelijks",
    "pl": "nikt|nigdy|nigdzie|ani|nic",
    "cs": r"ne|nikdo|nic|ani|žádn\w*|nem(?:á|ají|us[íe]\w*|ohou|ohl\w*|ělo)|nebyl\w*|nebud\w*|nejde|netřeba",
    "sk": r"nikdy|nikto|nič|žiadn\w*|nes(?:mie|mú|mieme)|nem(?:á|ajú|ôže\w*|ožno|us\w+|ôžu)|nebol\w*|nebud\w*",
    "hr": r"ne|nema\w*|nikad\w*|ni|nitko|ništa",
    "sl": r"ne|ni|niso|nima\w*|nikoli|nihče|nič",
    "sv": r"ej|icke|ing(?:en|et|a)|aldrig",
    "da": "ej|ingen|intet",
    "no": "ingen|ingenting|intet",
    "fi": "ei|en|et|emme|ette|eikä|eivätkä|älä|älkää",
    "et": "ei|ära|ärge|pole",
    "hu": r"nem|ne|sem|soha|senki|nincsen\w*",
    "tr": (
        r"yok|yoktur|hiç|(?!namaz\b|temmuz\b)\w{2,}m[ae]z(?:l[ae]r)?|\w+m[ıiuü]yor\w*|\w+m[ae](?:ma|me)(?:kta|kte)\w*|"
        r"\w+m[ae]y[ae]c[ae][kğ]\w*|(?!komedi)\w+m[ae]d[ıi]\w{0,4}|\w+m[ae]m[ae]l[ıi]\w*"
    ),
    "lt": r"ne|nėra|niekada|negal\w*",
    "lv": "nav|ne|nekad|nedrīkst",
    "is": "ekki|aldrei|engin|ekkert",
    "eo": "ne|neniam|neniu",
    "eu": "ez|inoiz",
    "ga": "ní|níl|nach",
    "id": "tak",
    "ru": "не|нет|ни|нельзя|никогда|никто|ничего|нигде|невозможно|недопустимо",
    "uk": "не|немає|нема|ні|ніколи|ніхто|неможливо",
    "be": "не|няма|нельга|ніколі",
    "bg": "не|няма|нямат|никога|никой|недей",
    "sr": "не|нема|није|нису|никад|нико|ne|nema|nikad",
    "el": "δεν|δε|μην|μη|όχι|ποτέ|κανείς|κανένας|καμία",
    "ar": "لا|ليس|ليست|ليسوا|لم|لن|غير|ولا|فلا",
    "fa": r"نیست|نیستند|نمی[ا-ی]*|نباید[ا-ی]*|ندار[ا-ی]*|هرگز",
    "ur": "نہیں|نہ|مت",
    "he": "לא|אין|אינו|אינה|אינם",
    "hi": "नहीं|नही|मत|न|ना",
    "mr": "नाही|नाहीत|नका|नये",
    "ne": "छैन|होइन|नगर्नुहोस्",
    "bn": "না|নেই|নয়",
    "ta": "இல்லை|கூடாது|முடியாது",
}
# Scripts without spaces, and endings. What must be done is "may not be left undone" in Japanese, and is no denial;
# neither is "without", as なしの, 없이 and 无.
_ANYWHERE = (
    r"n['’]t(?![\w])|没|沒|不(?![同仅僅断斷锈久])|無(?=[效法需須])|无(?=[效法需须])|未(?=[经經])|"
    r"(?<!なければなり)(?<!なくてはなり)ません|(?<![少なか])(?<!なければなら)(?<!なくてはなら)ない|なし(?![のでに])|"
    r"않|아니|없(?!이)|못(?=[하합해])|(?<![가-힣])안(?=\s)|지\s?마|ไม่"
)


# Letters, and the vowel signs and points of the scripts above, which are none for `\w`.
_LETTER = r"[\w\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff]"


def _words(alternatives: str) -> str:
    return f"(?<!{_LETTER})(?:{alternatives})(?!{_LETTER})"


_OWN = {language: re.compile(_words(own)) for language, own in _OF_LANGUAGE.items()}
_IN_ANY = (re.compile(_words(_EVERYWHERE)), re.compile(_ANYWHERE))
_UNKNOWN_LANGUAGE = ("en", "tr", "ru", "el", "ar", "hi")
_UNKNOWN = re.compile(_words("|".join([*(_OF_LANGUAGE[code] for code in _UNKNOWN_LANGUAGE), r"non|nem|ei|n(?=['’])"])))


def denies(text: str, language: str | None) -> bool:
    """Whether there is a "not" in a text of a language; None for one that cannot be told."""
    folded = _folded(text)
    return any(pattern.search(folded) for pattern in (*_IN_ANY, _OWN.get(language or "", _UNKNOWN)))


def is_denial(word: str, language: str | None) -> bool:
    """Whether a word is a "not" and carries no meaning of its own."""
    folded = _folded(word)
    return any(pattern.fullmatch(folded) for pattern in (*_IN_ANY, _OWN.get(language or "", _UNKNOWN)))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
