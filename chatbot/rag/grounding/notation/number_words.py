"""Numbers written as words, in sixteen languages: the tables, and how words are put together to a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from chatbot.rag.grounding.notation.words import Words, words_of_row

Number = int | Fraction

# From one on; in Hindi up to 99. A language's own word order below a hundred is made by `_compounds`.
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
    "hi": "एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस "
    "तेईस चौबीस पच्चीस "
    "छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस चालीस इकतालीस "
    "बयालीस तैंतालीस चौवालीस "
    "पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ साठ "
    "इकसठ बासठ तिरसठ चौंसठ "
    "पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी "
    "अस्सी इक्यासी बयासी तिरासी "
    "चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी नब्बे इक्यानवे बानवे तिरानवे चौरानवे पंचानवे छियानवे सत्तानवे "
    "अट्ठानवे निन्यानवे",
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
    "ko": "스물 서른 마흔 쉰 예순 일흔 여든 아흔",
}
# Other forms, and numbers that are made otherwise.
_MORE = (
    (
        0,
        "en zero | de null | es cero | fr zéro | it zero | pt zero | nl nul | ru ноль | tr sıfır | sv noll | cs "
        "nula | "
        "el μηδέν | ar صفر | hi शून्य",
    ),
    (1, "pl jedna jedno jedną | ru одна одну"),
    (2, "de zwo | pt duas | pl dwie dwóch dwoma | ru две двух | sv två | cs dvě | ar اثنين | ko 두 | el δυο"),
    (3, "pl trzech | ru трёх | ar ثلاث | ko 세"),
    (4, "pl czterech | ru четырёх | ar أربع | ko 네"),
    (5, "pl pięciu | ru пяти | ar خمس | hi पांच"),
    (6, "pl sześciu | ru шести | ar ست | hi छः छे"),
    (7, "pl siedmiu | ru семи | ar سبع"),
    (8, "pl ośmiu | ru восьми | ar ثماني"),
    (9, "pl dziewięciu | ru девяти | ar تسع"),
    (10, "pl dziesięciu | ru десяти | ar عشر"),
    (12, "en dozen | de dutzend | fr douzaine | es docena | it dozzina | pt dúzia | nl dozijn"),
    (14, "pt quatorze"),
    (15, "fr quinzaine | hi पन्द्रह"),
    (16, "es dieciseis | pt dezesseis"),
    (17, "pt dezessete"),
    (19, "pt dezenove"),
    (21, "es veintiuno veintiún veintiuna"),
    (22, "es veintidós veintidos"),
    (23, "es veintitrés veintitres"),
    (24, "es veinticuatro"),
    (25, "es veinticinco"),
    (26, "es veintiséis veintiseis"),
    (27, "es veintisiete"),
    (28, "es veintiocho"),
    (29, "es veintinueve"),
    (30, "de dreissig"),
    (200, "es doscientos doscientas | pt duzentos duzentas | it duecento | ru двести | pl dwieście"),
    (300, "es trescientos trescientas | pt trezentos trezentas | it trecento | ru триста | pl trzysta"),
    (400, "es cuatrocientos cuatrocientas | pt quatrocentos | it quattrocento | ru четыреста | pl czterysta"),
    (500, "es quinientos quinientas | pt quinhentos | it cinquecento | ru пятьсот | pl pięćset"),
    (600, "es seiscientos seiscientas | pt seiscentos | it seicento | ru шестьсот | pl sześćset"),
    (700, "es setecientos | pt setecentos | it settecento | ru семьсот | pl siedemset"),
    (800, "es ochocientos | pt oitocentos | it ottocento | ru восемьсот | pl osiemset"),
    (900, "es novecientos | pt novecentos | it novecento | ru девятьсот | pl dziewięćset"),
    (Fraction(3, 2), "de anderthalb eineinhalb | nl anderhalf | pl półtora półtorej | ru полтора полторы | hi डेढ़"),
    (Fraction(5, 2), "de zweieinhalb | nl tweeënhalf | hi ढाई"),
)
_SCALES = (
    (
        100,
        "en hundred hundreds | de hundert einhundert | fr cent cents | es cien ciento | it cento | pt cem cento | "
        "nl honderd | pl sto | ru сто | tr yüz | sv hundra | cs sto | el εκατό | ar مائة | hi सौ",
    ),
    (
        1_000,
        "* k | en thousand thousands | de tausend eintausend tsd | fr mille | es mil | it mille mila | pt mil | "
        "nl duizend | pl tysiąc tysiące tysięcy | ru тысяча тысячи тысяч | tr bin | sv tusen | cs tisíc | "
        "el χίλια χιλιάδες | ar ألف آلاف | hi हज़ार हजार",
    ),
    (100_000, "en lakh lakhs | hi लाख"),
    (
        1_000_000,
        "* mio mln | en million millions | de million millionen | fr million millions | es millón millones | "
        "it milione milioni | pt milhão milhões | nl miljoen | pl milion miliony milionów | ru миллион миллиона "
        "миллионов | "
        "tr milyon | sv miljon miljoner | el εκατομμύρια | ar مليون",
    ),
    (10_000_000, "en crore crores | hi करोड़"),
    (
        1_000_000_000,
        "* mrd bln | en billion billions bn | de milliarde milliarden | fr milliard milliards | "
        "it miliardo miliardi | nl miljard | pl miliard miliardy miliardów | ru миллиард миллиарда миллиардов | tr "
        "milyar | "
        "hi अरब",
    ),
)
# What joins two parts of one number.
_JOINERS = Words(((True, "* - | en and | de und | fr et | es y | pt e | nl en | ru и | tr ve | sv och | el και"),))
# "one" is an article or a pronoun in most of these languages; "a month" is a rate as often as a number.
ARTICLES = Words(
    (
        (
            True,
            "en a an one | de ein eine einen einem einer eines | fr un une | es un una uno | it un uno una | pt um "
            "uma | "
            "nl een één | pl jeden jedna jedno jedną | ru один одна одну одного | tr bir | sv en ett | cs jeden "
            "jedna | "
            "el ένα μία | ko 한 | hi एक",
        ),
    )
)
CJK_DIGITS = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
CJK_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "萬": 10_000, "億": 100_000_000, "亿": 100_000_000}


def _rows(table: Mapping[str, str], start: int, step: int) -> Iterator[tuple[int, str]]:
    for language, words in table.items():
        yield from ((start + step * n, f"{language} {word}") for n, word in enumerate(words.split()) if word != "-")


def _compounds() -> Iterator[tuple[int, str]]:
    """The numbers below a hundred, and the hundreds, that German, Dutch and Italian write as one word."""
    german, dutch, italian = (_ONES[language].split()[:9] for language in ("de", "nl", "it"))
    german[0] = "ein"
    for ten in range(8):
        german_ten, dutch_ten, italian_ten = (_TENS[language].split()[ten] for language in ("de", "nl", "it"))
        for one in range(9):
            number = 20 + 10 * ten + one + 1
            yield number, f"de {german[one]}und{german_ten}"
            yield number, f"nl {dutch[one]}{'ën' if dutch[one].endswith('e') else 'en'}{dutch_ten}"
            yield number, f"it {italian_ten[:-1] if italian[one][0] in 'uo' else italian_ten}{italian[one]}"
    for one in range(1, 9):
        yield 100 * (one + 1), f"de {german[one]}hundert | nl {dutch[one]}honderd"
        yield 1_000 * (one + 1), f"de {german[one]}tausend | nl {dutch[one]}duizend"


NUMBERS = Words[Number]([*_rows(_ONES, 1, 1), *_rows(_TENS, 20, 10), *_compounds(), *_MORE])
SCALES = Words(_SCALES)
# A number of any language: what stands for a marker or behind a word is compared with all of them.
ANY_NUMBER: Mapping[str, int] = {
    word: number
    for number, row in [*_rows(_ONES, 1, 1), *_rows(_TENS, 20, 10), *_MORE]
    if isinstance(number, int)
    for _, word in words_of_row(row)
}
# Without a number before them these are names.
_ONLY_BEHIND = frozenset("k mio mln tsd mrd bn bln".split())
# "You are", and "new": numbers only with a unit.
ALSO_OTHER = frozenset({("it", "sei"), ("fr", "neuf")})


def _fits(total: Number, number: Number, hyphen: bool) -> bool:
    """Whether a smaller number may follow what was read so far: twenty-one, and not "two three"."""
    below = total % 100
    if number >= 100:
        return total % 1_000 == 0
    if number >= 10:
        return below == 0 or (below in (60, 80) and number < 20) or (below == 4 and number == 20)
    # dix-sept
    return below % 10 == 0 and (below not in (10, 70, 90) or not hyphen or number > 6) and (below != 10 or hyphen)


def read_words(words: Sequence[str], start: int, language: str | None) -> tuple[Number, int] | None:
    """The number that the words from `start` on write, and where it ends; None if there is none."""
    total: Number = 0
    current: Number = 0
    at = read = start
    while at < len(words):
        word, begun = words[at], read > start
        number, scale = NUMBERS.get(word, language), SCALES.get(word, language) or 0
        alone = not begun and word not in _ONLY_BEHIND
        if number is not None and (not begun or not current or _fits(current, number, words[at - 1] == "-")):
            current += 76 if number == 20 and current % 100 == 4 else number
        elif scale > 100 and (begun or alone):
            total, current = total + max(current, 1) * scale, 0
        elif scale == 100 and (0 < current < 100 or alone or (total and not current)):
            current = max(current, 1) * scale
        elif begun and _joins(words, at, total + current, language):
            at += 1
            continue
        else:
            break
        at += 1
        read = at
    return (total + current, read) if read > start else None


def _joins(words: Sequence[str], at: int, read: Number, language: str | None) -> bool:
    """Whether a word joins two parts of one number, as in "one hundred and five" and "twenty-five"."""
    joiner = words[at] == "-" or (_JOINERS.get(words[at], language) and read >= 20)
    return bool(joiner) and at + 1 < len(words) and is_number(words[at + 1], language)


def is_number(word: str, language: str | None) -> bool:
    """Whether a folded word is a number, or a part of one."""
    return NUMBERS.get(word, language) is not None or SCALES.get(word, language) is not None


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
