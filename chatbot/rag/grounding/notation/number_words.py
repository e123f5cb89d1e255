"""Numbers written as words, in sixteen languages: the tables, and how words are put together to a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# From one on; a language's own word order below a hundred is made by `_compounds`.
_ONES = {
    "en": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn",
    "fr": "- deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
    "dix-huit dix-neuf",
    "es": "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve",
    "it": "uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove",
    "pt": "um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezasseis dezassete "
    "dezoito dezanove",
    "nl": "een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien "
    "achttien negentien",
    "pl": "jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście "
    "czternaście piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście",
    "ru": "один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
    "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
    "tr": "bir iki üç dört beş altı yedi sekiz dokuz on - - - - - - - - -",
    "sv": "en två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton sexton sjutton arton nitton",
    "cs": "jeden dva tři čtyři pět šest sedm osm devět deset jedenáct dvanáct třináct čtrnáct patnáct šestnáct "
    "sedmnáct osmnáct devatenáct",
    "el": "ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα δέκα έντεκα δώδεκα - - - - - - -",
    "ar": "واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة - - - - - - - - -",
    "hi": "एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस",
    "ko": "하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 열한 열두 - - - - - - -",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante septante huitante nonante",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "pl": "dwadzieścia trzydzieści czterdzieści pięćdziesiąt sześćdziesiąt siedemdziesiąt osiemdziesiąt "
    "dziewięćdziesiąt",
    "ru": "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
    "tr": "yirmi otuz kırk elli altmış yetmiş seksen doksan",
    "sv": "tjugo trettio fyrtio femtio sextio sjuttio åttio nittio",
    "cs": "dvacet třicet čtyřicet padesát šedesát sedmdesát osmdesát devadesát",
    "el": "είκοσι τριάντα σαράντα πενήντα εξήντα εβδομήντα ογδόντα ενενήντα",
    "ar": "عشرون ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون",
    "hi": "बीस तीस चालीस पचास साठ सत्तर अस्सी नब्बे",
    "ko": "스물 서른 마흔 쉰 예순 일흔 여든 아흔",
}
_MORE = {
    0: "zero null cero zéro nul ноль sıfır noll nula μηδέν صفر शून्य",
    2: "zwo dwie две deux dos duas twee két اثنين 두 δυο",
    3: "trois tria tři ثلاث trzech трёх трех 세 trés",
    4: "quattro четырёх أربع 네 neljä",
    5: "cinco пяти خمس पांच pięciu",
    6: "шести ست छः",
    7: "семи سبع",
    8: "восьми ثماني",
    9: "девяти تسع",
    10: "десяти عشر dziesięciu",
    12: "doze dozen dutzend douzaine docena dozzina dúzia",
    16: "dezesseis dieciseis",
    17: "dezessete",
    19: "dezenove",
    21: "veintiuno veintiún veintiuna",
    22: "veintidós veintidos",
    23: "veintitrés veintitres",
    24: "veinticuatro",
    25: "veinticinco पच्चीस",
    26: "veintiséis",
    27: "veintisiete",
    28: "veintiocho",
    29: "veintinueve",
    30: "dreissig",
    200: "doscientos doscientas duzentos duecento двести dwieście",
    300: "trescientos trescientas trezentos trecento триста trzysta",
    400: "cuatrocientos quatrocentos четыреста",
    500: "quinientos quinientas quinhentos cinquecento пятьсот pięćset",
    600: "seiscientos seiscentos шестьсот",
    700: "setecientos setecentos семьсот",
    800: "ochocientos oitocentos восемьсот",
    900: "novecientos novecentos",
}
_SCALES = {
    100: "hundred hundert einhundert cent cents cien ciento cento honderd sto сто yüz hundra εκατό مائة مئة सौ",
    1_000: "thousand thousands tausend eintausend mille mil mila duizend tysiąc tysiące tysięcy тысяча тысячи тысяч "
    "bin tusen tisíc χίλια χιλιάδες ألف آلاف हज़ार हजार k tsd",
    100_000: "lakh lakhs लाख",
    1_000_000: "million millions millionen millones millón milione milioni milhão milhões miljoen milion miliony "
    "milionów миллион миллиона миллионов milyon miljon miljoner εκατομμύρια مليون mio mln",
    10_000_000: "crore crores करोड़",
    1_000_000_000: "billion billions milliarde milliarden milliard milliards miliardo miliardi miljard miliard "
    "миллиард миллиарда миллиардов milyar mrd bn bln",
}
_JOINERS = frozenset("and und et y e en i и ve och و".split())
# "one" is an article or a pronoun in most of these languages; "a month" is a rate as often as a number.
ARTICLES = frozenset(
    "a an one ein eine einen einem einer eines un une uno una um uma een één jeden jedna jedno jedną один одна одну "
    "одного bir en ett ένα μία 한 एक".split()
)
CJK_DIGITS = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
CJK_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "萬": 10_000, "億": 100_000_000, "亿": 100_000_000}


def _rows(table: dict[str, str], start: int, step: int) -> Iterator[tuple[str, int]]:
    for words in table.values():
        yield from ((word, start + step * place) for place, word in enumerate(words.split()) if word != "-")


def _compounds() -> Iterator[tuple[str, int]]:
    """The numbers below a hundred, and the hundreds, that German, Dutch and Italian write as one word."""
    german, dutch, italian = (_ONES[language].split()[:9] for language in ("de", "nl", "it"))
    german[0] = "ein"
    for ten in range(8):
        german_ten, dutch_ten, italian_ten = (_TENS[language].split()[ten] for language in ("de", "nl", "it"))
        for one in range(9):
            number = 20 + 10 * ten + one + 1
            yield german[one] + "und" + german_ten, number
            yield dutch[one] + ("ën" if dutch[one].endswith("e") else "en") + dutch_ten, number
            yield (italian_ten[:-1] if italian[one][0] in "uo" else italian_ten) + italian[one], number
    for one in range(1, 9):
        yield german[one] + "hundert", 100 * (one + 1)
        yield german[one] + "tausend", 1_000 * (one + 1)
        yield dutch[one] + "honderd", 100 * (one + 1)
        yield dutch[one] + "duizend", 1_000 * (one + 1)


SMALL = dict([*_rows(_ONES, 1, 1), *_rows(_TENS, 20, 10), *_compounds()]) | {
    word: number for number, words in _MORE.items() for word in words.split()
}
SMALL = {word.casefold(): number for word, number in SMALL.items()}
SCALES = {word: number for number, words in _SCALES.items() for word in words.split()}
# Without a number before them these are other words: a cent, a bin, a k.
_ONLY_BEHIND = frozenset("cent cents bin k mio mln tsd mrd bn bln mil sto".split())
# Other words in one of the languages: "on" and "sex" in English, "six" is one in two of them.
for _word in ("on", "sex", "en", "um", "once", "sei", "tre", "out", "e", "kun"):
    SMALL.pop(_word, None)
SMALL |= {"uno": 1, "eins": 1}


def _fits(total: int, number: int, hyphen: bool) -> bool:
    """Whether a smaller number may follow what was read so far: twenty-one, and not "two three"."""
    below = total % 100
    if number >= 100:
        return total % 1_000 == 0
    if number >= 10:
        return below == 0 or (below in (60, 80) and number < 20) or (below == 4 and number == 20)
    # dix-sept
    return below % 10 == 0 and (below not in (10, 70, 90) or not hyphen or number > 6) and (below != 10 or hyphen)


def read_words(words: Sequence[str], start: int) -> tuple[int, int] | None:
    """The number that the words from `start` on write, and where it ends; None if there is none."""
    total = current = 0
    at = read = start
    while at < len(words):
        word, begun = words[at], read > start
        number, scale = SMALL.get(word), SCALES.get(word, 0)
        alone = not begun and word not in _ONLY_BEHIND
        if number is not None and (not begun or not current or _fits(current, number, words[at - 1] == "-")):
            current += 76 if number == 20 and current % 100 == 4 else number
        elif scale > 100 and (begun or alone):
            total, current = total + max(current, 1) * scale, 0
        elif scale == 100 and (0 < current < 100 or alone or (total and not current)):
            current = max(current, 1) * scale
        elif begun and _joins(words, at, total + current):
            at += 1
            continue
        else:
            break
        at += 1
        read = at
    return (total + current, read) if read > start else None


def _joins(words: Sequence[str], at: int, read: int) -> bool:
    """Whether a word joins two parts of one number, as in "one hundred and five" and "twenty-five"."""
    joiner = words[at] == "-" or (words[at] in _JOINERS and read >= 20)
    return joiner and at + 1 < len(words) and (words[at + 1] in SMALL or words[at + 1] in SCALES)


def read_cjk(text: str) -> int | None:
    """The number that Chinese characters write, None where they write none."""
    total = section = digit = 0
    for c in text:
        if c in CJK_DIGITS:
            digit = digit * 10 + CJK_DIGITS[c]
        elif (scale := CJK_SCALES.get(c)) is None:
            return None
        elif scale < 10_000:
            section, digit = section + max(digit, 1) * scale, 0
        else:
            total, section, digit = total + max(section + digit, 1) * scale, 0, 0
    return total + section + digit
