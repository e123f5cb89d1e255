"""Words around numbers, in the languages of `number_words`: months, days, units, times of day, bounds and hedges.

A word that ends in `*` stands for every word that begins so. Words are folded (NFKC, small letters).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Generic, TypeVar

Meaning = TypeVar("Meaning")


class Words(Generic[Meaning]):
    """A table from words, or beginnings of words, to what they mean."""

    def __init__(self, table: Iterable[tuple[Meaning, str]]) -> None:
        self._whole: dict[str, Meaning] = {}
        self._begins: dict[str, Meaning] = {}
        for meaning, words in table:
            for word in words.casefold().split():
                if word.endswith("*"):
                    self._begins[word[:-1]] = meaning
                else:
                    self._whole[word] = meaning
        self._longest = max(map(len, self._begins), default=0)

    def get(self, word: str) -> Meaning | None:
        """What a word means, or None."""
        found = self._whole.get(word)
        if found is not None or not self._begins:
            return found
        for length in range(min(len(word), self._longest), 0, -1):
            if (found := self._begins.get(word[:length])) is not None:
                return found
        return None


MONTHS = Words(
    (number, words)
    for number, words in enumerate(
        (
            "january jan januar jänner janvier enero gennaio janeiro januari stycz* январ* ocak led* ιανουαρ* "
            "يناير जनवरी",
            "february feb februar février fevrier febrero febbraio fevereiro februari lut* феврал* şubat únor* "
            "φεβρουαρ* "
            "فبراير फरवरी",
            "march mar märz maerz mars marzo março maart marzec marca март* mart březen března μαρτ* مارس मार्च",
            "april apr avril abril aprile kwie* апрел* nisan duben dubna απριλ* أبريل अप्रैल",
            "may mai mayo maggio maio mei maj maja май мая мае mayıs květen května μαι* مايو मई",
            "june jun juni juin junio giugno junho czerw* июн* haziran červen června ιουν* يونيو जून",
            "july jul juli juillet julio luglio julho lip* июл* temmuz červenec července ιουλ* يوليو जुलाई",
            "august aug août aout agosto augustus augusti sierp* август* ağustos srpen srpna αυγουστ* أغسطس अगस्त",
            "september sep sept septembre septiembre settembre setembro wrze* сентябр* eylül září σεπτεμβρ* "
            "سبتمبر सितंबर",
            "october oct oktober okt octobre octubre ottobre outubro październik* październ* октябр* ekim říjen "
            "října "
            "οκτωβρ* أكتوبر अक्टूबर",
            "november nov novembre noviembre novembro listopad* ноябр* kasım νοεμβρ* نوفمبر नवंबर",
            "december dec dezember dez décembre diciembre dicembre dezembro grud* декабр* aralık prosinec prosince "
            "δεκεμβρ* ديسمبر दिसंबर",
        ),
        1,
    )
)
# Other words as well: a month only next to a day or a year.
DOUBTFUL_MONTHS = frozenset(
    "dez may march mar mars mai maj mei led sept mart ekim lip lut jun jul out dec sep nov".split()
)

WEEKDAYS = Words(
    (number, words)
    for number, words in enumerate(
        (
            "monday mondays mon montag* lundi lundis lunes lunedì segunda-feira maandag poniedział* понедельник* "
            "pazartesi måndag* mandag pondělí δευτέρα 月曜* 星期一 周一 월요일 الاثنين सोमवार",
            "tuesday tuesdays tue dienstag* mardi mardis martes martedì terça-feira dinsdag wtor* вторник* salı "
            "tisdag* "
            "tirsdag úterý τρίτη 火曜* 星期二 周二 화요일 الثلاثاء मंगलवार",
            "wednesday wednesdays wed mittwoch* mercredi mercredis miércoles mercoledì quarta-feira woensdag "
            "środ* сред* "
            "çarşamba onsdag* středa τετάρτη 水曜* 星期三 周三 수요일 الأربعاء बुधवार",
            "thursday thursdays thu donnerstag* jeudi jeudis jueves giovedì quinta-feira donderdag czwart* четверг* "
            "perşembe torsdag* čtvrtek πέμπτη 木曜* 星期四 周四 목요일 الخميس गुरुवार",
            "friday fridays fri freitag* vendredi vendredis viernes venerdì sexta-feira vrijdag piąt* пятниц* cuma "
            "fredag* pátek παρασκευή 金曜* 星期五 周五 금요일 الجمعة शुक्रवार",
            "saturday saturdays sat samstag* sonnabend* samedi samedis sábado sábados sabato zaterdag sobot* суббот* "
            "cumartesi lördag* lørdag sobota σάββατο 土曜* 星期六 周六 토요일 السبت शनिवार",
            "sunday sundays sun sonntag* dimanche dimanches domingo domingos domenica zondag niedziel* "
            "воскресень* pazar "
            "söndag* søndag neděle κυριακή 日曜* 星期日 星期天 周日 일요일 الأحد रविवार",
        ),
        1,
    )
)

_UNITS: Mapping[tuple[str, Fraction], str] = {
    ("time", Fraction(1, 1000)): "ms msec millisecond* millisekund* milisegundo* миллисекунд* "
    "milisaniye 毫秒 ミリ秒 밀리초",
    ("time", Fraction(1)): "s sec secs second seconds sekunde sekunden seconde secondes segundo segundos "
    "secondo secondi "
    "seconden sekund* секунд* saniye* 秒 秒間 秒钟 초 ثانية ثوان सेकंड sek",
    ("time", Fraction(60)): "min mins minute minutes minuten minuto minutos minuti minuut minut* минут* "
    "dakika* 分 分間 "
    "分钟 分鐘 분 دقيقة دقائق मिनट λεπτά",
    ("time", Fraction(3600)): "h hr hrs hour hours stunde stunden std heure heures hora horas ora ore uur uren "
    "godzin* "
    "час часа часов часах saat* timme timmar timer hodin* 小时 小時 時間 시간 ساعة ساعات घंटे घंटा ώρα ώρες",
    ("time", Fraction(86_400)): "day days tag tage tagen tages jour jours día días dia dias giorno giorni dag "
    "dagen dzień "
    "dni dnia день дня дней gün* dagar dage den dní 天 日 日間 일 يوم أيام दिन ημέρα ημέρες",
    ("time", Fraction(604_800)): "week weeks woche wochen semaine semaines semana semanas settimana settimane weken "
    "tydzień tygodni* недел* hafta* vecka veckor uge uger týden týdn* 周 週 週間 星期 주 أسبوع أسابيع सप्ताह "
    "εβδομάδα* wk",
    ("months", Fraction(1)): "month months monat monate monaten monats mois mes meses mese mesi mês maand maanden "
    "miesiąc* miesięc* месяц* ay ayı aylık månad* måned* měsíc* 月 个月 個月 か月 ヶ月 カ月 개월 شهر أشهر महीने "
    "महीना "
    "μήνας μήνες",
    ("months", Fraction(3)): "quarter quarters quartal quartale quartals trimestre trimestres trimestri "
    "trimester* kwartał* "
    "kwartaal квартал*",
    ("months", Fraction(12)): "year years jahr jahre jahren jahres an ans année années año años anno anni ano "
    "anos jaar "
    "jaren rok roku lat lata год года лет yıl* år rok* 年 年間 년 سنة سنوات साल वर्ष χρόνια έτος yr yrs",
    ("length", Fraction(1, 1000)): "mm millimet* millimèt* milímet* миллиметр*",
    ("length", Fraction(1, 100)): "cm centimet* zentimeter centimèt* centímet* сантиметр* 厘米 センチ",
    ("length", Fraction(1)): "m meter meters metre metres metern mètre mètres metr* метр* 米 メートル",
    ("length", Fraction(1000)): "km kilomet* kilomèt* kilómet* quilómet* chilomet* километр* 公里 "
    "キロメートル 킬로미터",
    ("mile", Fraction(1)): "mile miles meile meilen mi",
    ("weight", Fraction(1, 1000)): "g gram grams gramm gramme grammes gramo gramos grammo grammi грамм* 克 グラム",
    ("weight", Fraction(1)): "kg kilo kilos kilogram* kilogramm* kilogramme* килограмм* 公斤 キログラム",
    ("weight", Fraction(1000)): "t tonne tonnes tonnen tons tonelada* тонн*",
    ("volume", Fraction(1, 1000)): "ml millilit*",
    ("volume", Fraction(1)): "l liter liters litre litres litro litros litri литр*",
    ("bytes", Fraction(1)): "byte bytes octet octets",
    ("bytes", Fraction(1000)): "kb kilobyte kilobytes ko",
    ("bytes", Fraction(10**6)): "mb megabyte megabytes mo",
    ("bytes", Fraction(10**9)): "gb gigabyte gigabytes go",
    ("bytes", Fraction(10**12)): "tb terabyte terabytes",
    ("percent", Fraction(1)): "% ％ percent per-cent pct prozent pourcent percento procent* процент* yüzde ٪ प्रतिशत",
    ("degree", Fraction(1)): "°c ° degrees degree grad degrés grados gradi graus градус*",
    ("EUR", Fraction(1)): "€ eur euro euros евро 欧元 ユーロ 유로 يورو यूरो",
    ("USD", Fraction(1)): "$ usd dollar dollars dólar* dollaro dollari доллар* 美元 ドル 달러 دولار",
    ("GBP", Fraction(1)): "£ gbp pound pounds pfund sterling",
    ("CHF", Fraction(1)): "chf franken franc francs franco franchi",
    ("JPY", Fraction(1)): "¥ yen jpy 円",
    ("CNY", Fraction(1)): "元 yuan cny rmb 人民币",
    ("KRW", Fraction(1)): "원 ₩ krw won",
    ("PLN", Fraction(1)): "zł pln złot*",
    ("RUB", Fraction(1)): "₽ rub рубл* rubel",
    ("TRY", Fraction(1)): "₺ lira try tl",
    ("INR", Fraction(1)): "₹ inr rupee* रुपये रुपया",
    ("crown", Fraction(1)): "crown crowns krone* krona kronor kč czk sek nok dkk corona* couronne* korun*",
    ("cent", Fraction(1)): "cent cents centime centimes céntimo* centimo* centesimi centesimo cêntimo* centavo* "
    "pence "
    "grosz* копе* kuruş öre",
}
UNITS = Words((unit, words) for unit, words in _UNITS.items())
MONEY = frozenset("EUR USD GBP CHF JPY CNY KRW PLN RUB TRY INR crown".split())
# Short names of units that are words too: only right behind a figure.
SHORT_UNITS = frozenset(
    "s h m g t l min mi mo go ko an ay try tl won den mes sek sec dia lat mon sat sun ora t".split()
)

# What tells the half of the day, before or behind a time.
HALVES = Words(
    (
        (
            "am",
            "am a.m morning mornings morgens vormittags matin mañana mattina manhã ochtends rano утра "
            "sabah 午前 上午 "
            "早上 아침 오전 صباحا सुबह früh",
        ),
        (
            "pm",
            "pm p.m afternoon evening evenings night nachmittags abends nachts après-midi soir tarde noche "
            "pomeriggio "
            "sera noite middags avonds południu wieczorem вечера дня akşam 午後 下午 晚上 저녁 오후 مساء शाम",
        ),
    )
)
# What makes a number behind or before it a time of day.
CLOCKS = Words(
    (
        (
            True,
            "o'clock oclock uhr heures h hs uur godzina godz часов saat klockan kl 点 點 時 时 시 시에 "
            "시부터 시까지 बजे hrs",
        ),
    )
)
NOON = Words(
    (
        (720, "noon midday mittags mittag midi mediodía mezzogiorno meio-dia południe полдень 正午"),
        (1_440, "midnight mitternacht minuit medianoche mezzanotte meia-noite północ полночь"),
    )
)

# Which way a bound goes: at least and after (1), at most and before (-1).
BOUNDS = Words(
    (
        (
            1,
            "least minimum min minimal mindestens wenigstens minimo mínimo minime after nach après después dopo "
            "depois "
            "minstens minste tenminste na minimaal najmniej frühestens almeno later später минимум после "
            "минимальн* en-az sonra above over über mehr more plus "
            "más più mais meer więcej более больше exceed* from ab desde dès dal vanaf od с since seit depuis "
            "longer older "
            "이상 以上 以降 之后 以后 后 après",
        ),
        (
            -1,
            "most maximum max maximal höchstens maximo máximo massimo before vor avant antes prima maximaal "
            "hoogstens najwyżej maksymalnie максимум до перед önce under below unter bis until till within "
            "innerhalb less "
            "spätestens earlier früher weniger moins menos meno minder mniej менее меньше fewer by up jusqu'à "
            "jusqu hasta fino até tot younger "
            "shorter binnen voor 以内 以下 以前 之前 最多 이내 이하 까지 przed",
        ),
    )
)
# "au moins" and "al menos" are "at least", "au plus" is "at most".
TURNED = frozenset("au du al lo pelo ao op".split())
HEDGES = Words(
    (
        (
            "about",
            "about around roughly approximately circa ca etwa ungefähr rund environ unos unas aproximadamente "
            "circa ongeveer około около примерно yaklaşık 約 大约 약 some nearly almost fast presque casi quasi "
            "quase bijna "
            "prawie почти just",
        ),
        ("over", "over"),
    )
)

ORDINALS = Words(
    (number, words)
    for number, words in enumerate(
        (
            "first erste* première premier primer primero primera primo prima primeiro primeira eerste pierwsz* перв*",
            "second zweite* deuxième segundo segunda secondo seconda tweede drug* второ* втор*",
            "third dritte* troisième tercer tercero tercera terzo terza terceiro terceira derde trzeci* трет*",
            "fourth vierte* quatrième cuarto cuarta quarto quarta vierde czwart* четверт*",
            "fifth fünfte* cinquième quinto quinta vijfde piąt* пят*",
            "sixth sechste* sixième sexto sexta zesde szóst* шест*",
            "seventh siebte* septième séptimo sétimo settimo zevende siódm* седьм*",
            "eighth achte* huitième octavo oitavo ottavo achtste ósm* восьм*",
            "ninth neunte* neuvième noveno nono negende dziewiąt* девят*",
            "tenth zehnte* dixième décimo decimo tiende dziesiąt* десят*",
        ),
        1,
    )
)
ORDINAL_ENDINGS = frozenset("st nd rd th er re ère e ème º ª de ste".split())
HALF = frozenset(
    "half halb halbe halben halber halbes demi demie demi-heure media medio mezza mezzo meia halve pół polovina".split()
)
