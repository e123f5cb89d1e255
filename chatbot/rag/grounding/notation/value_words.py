"""Words around numbers by their language: months, days, units, times of day, bounds and hedges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from chatbot.rag.grounding.notation.words import Words

# In the order of the calendar; forms of one month are joined by a slash.
_MONTHS = {
    "en": "january/jan february/feb march/mar april/apr may june/jun july/jul august/aug september/sep/sept "
    "october/oct "
    "november/nov december/dec",
    "de": "januar/jänner/jan februar/feb märz/maerz/mär april/apr mai juni/jun juli/jul august/aug "
    "september/sept/sep "
    "oktober/okt november/nov dezember/dez",
    "fr": "janvier/janv février/fevrier/févr mars avril/avr mai juin juillet/juil août/aout septembre "
    "octobre/oct "
    "novembre/nov décembre/déc",
    "es": "enero/ene febrero/feb marzo/mar abril/abr mayo/may junio/jun julio/jul agosto/ago "
    "septiembre/setiembre/sept/sep octubre/oct noviembre/nov diciembre/dic",
    "it": "gennaio/gen febbraio/feb marzo/mar aprile/apr maggio/mag giugno/giu luglio/lug agosto/ago settembre/set "
    "ottobre/ott novembre/nov dicembre/dic",
    "pt": "janeiro/jan fevereiro/fev março/mar abril/abr maio/mai junho/jun julho/jul agosto/ago setembro/set "
    "outubro/out novembro/nov dezembro/dez",
    "nl": "januari/jan februari/feb maart/mrt april/apr mei juni/jun juli/jul augustus/aug september/sept/sep "
    "oktober/okt november/nov december/dec",
    "pl": "styczeń/stycznia/styczniu/stycz luty/lutego/lutym marzec/marca/marcu kwiecień/kwietnia/kwietniu "
    "maj/maja/maju "
    "czerwiec/czerwca/czerwcu lipiec/lipca/lipcu sierpień/sierpnia/sierpniu wrzesień/września/wrześniu "
    "październik/października/październiku listopad/listopada/listopadzie grudzień/grudnia/grudniu",
    "ru": "январ*/янв феврал*/фев март/марта/марте/мар апрел*/апр май/мая/мае июн* июл* август*/авг сентябр*/сент "
    "октябр*/окт ноябр*/нояб декабр*/дек",
    "tr": "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
    "sv": "januari/jan februari/feb mars april/apr maj juni/jun juli/jul augusti/aug september/sept oktober/okt "
    "november/nov december/dec",
    "cs": "leden/ledna/lednu únor/února/únoru březen/března/březnu duben/dubna/dubnu květen/května/květnu "
    "červen/června/červnu červenec/července/červenci srpen/srpna/srpnu září říjen/října/říjnu "
    "listopad/listopadu prosinec/prosince/prosinci",
    "el": "ιανουαρ* φεβρουαρ* μαρτ* απριλ* μαι* ιουν* ιουλ* αυγουστ* σεπτεμβρ* οκτωβρ* νοεμβρ* δεκεμβρ*",
    "ar": "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
    "hi": "जनवरी फरवरी/फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर/सितम्बर अक्टूबर/अक्तूबर नवंबर/नवम्बर दिसंबर/दिसम्बर",
}
# Other words as well in their own language: a month only with a capital or between words that a month stands between.
DOUBTFUL_MONTHS: Mapping[str, frozenset[str]] = {
    "en": frozenset("may march mar jan sep sept dec".split()),
    "es": frozenset("mar set ago may".split()),
    "it": frozenset("mar set gen mag ago".split()),
    "pt": frozenset("mar set out dez ago".split()),
    "tr": frozenset("ocak mart ekim".split()),
}
BEFORE_MONTHS = frozenset(
    "in of until till by from since to during through early late mid next last every and or - –".split()
)

# From Monday on.
_WEEKDAYS = {
    "en": "monday/mondays/mon tuesday/tuesdays/tue/tues wednesday/wednesdays/wed thursday/thursdays/thu/thurs "
    "friday/fridays/fri saturday/saturdays/sat sunday/sundays/sun",
    "de": "montag* dienstag* mittwoch* donnerstag* freitag* samstag*/sonnabend* sonntag*",
    "fr": "lundi/lundis mardi/mardis mercredi/mercredis jeudi/jeudis vendredi/vendredis samedi/samedis "
    "dimanche/dimanches",
    "es": "lunes martes miércoles/miercoles jueves viernes sábado/sábados/sabado/sabados domingo/domingos",
    "it": "lunedì/lunedi martedì/martedi mercoledì/mercoledi giovedì/giovedi venerdì/venerdi sabato/sabati "
    "domenica/domeniche",
    "pt": "segunda-feira/segundas-feiras terça-feira quarta-feira quinta-feira sexta-feira sábado/sábados "
    "domingo/domingos",
    "nl": "maandag* dinsdag* woensdag* donderdag* vrijdag* zaterdag* zondag*",
    "pl": "poniedział* wtor* środa/środę/środy/środzie/środach czwart* piątek/piątku/piątki/piątkach sobot* niedziel*",
    "ru": "понедельник* вторник* сред* четверг* пятниц* суббот* воскресень*",
    "tr": "pazartesi* salı çarşamba* perşembe* cuma cumartesi* pazar",
    "sv": "måndag* tisdag* onsdag* torsdag* fredag* lördag* söndag*",
    "da": "mandag* tirsdag* onsdag* torsdag* fredag* lørdag* søndag*",
    "no": "mandag* tirsdag* onsdag* torsdag* fredag* lørdag* søndag*",
    "cs": "pondělí úterý středa/středu/středy čtvrtek/čtvrtka pátek/pátku sobota/sobotu/soboty neděle/neděli",
    "el": "δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή",
    "ar": "الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد",
    "hi": "सोमवार मंगलवार बुधवार गुरुवार/बृहस्पतिवार शुक्रवार शनिवार रविवार/इतवार",
    "ja": "月曜* 火曜* 水曜* 木曜* 金曜* 土曜* 日曜*",
    "zh": "星期一/周一/週一 星期二/周二/週二 星期三/周三/週三 星期四/周四/週四 星期五/周五/週五 星期六/周六/週六 "
    "星期日/星期天/周日/週日",
    "ko": "월요일 화요일 수요일 목요일 금요일 토요일 일요일",
}


def _numbered(table: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    for language, words in table.items():
        for number, forms in enumerate(words.split(), 1):
            yield number, f"{language} {forms.replace('/', ' ')}"


MONTHS = Words(_numbered(_MONTHS))
# Several days: the week without its end, and its end.
_DAYS_OF_WEEK = (
    (
        frozenset(range(1, 6)),
        "en weekday weekdays workday workdays | de werktag* wochentag* | pl robocz* | nl doordeweeks* werkdag*",
    ),
    (
        frozenset({6, 7}),
        "en weekend weekends | de wochenende* wochenend* | fr week-end week-ends | es finde | it weekend | nl "
        "weekend* "
        "weekeinde* | pl weekend* | ru выходн*",
    ),
)
WEEKDAYS = Words([*((frozenset({day}), row) for day, row in _numbered(_WEEKDAYS)), *_DAYS_OF_WEEK])

_UNITS: Mapping[tuple[str, Fraction], str] = {
    ("time", Fraction(1, 1000)): "* ms msec millisecond* millisekund* millisecond* milisegundo* миллисекунд* "
    "milisaniye 毫秒 ミリ秒 밀리초",
    ("time", Fraction(1)): "* s sec | en secs second seconds | de sekunde sekunden sek | fr seconde secondes | "
    "es segundo segundos | pt segundo segundos seg | it secondo secondi | nl seconde seconden | pl sekund* | "
    "sv sekund* | cs sekund* | ru секунд* | tr saniye* | ar ثانية ثوان | hi सेकंड सेकेंड | ko 초 | zh 秒 秒間 秒钟",
    ("time", Fraction(60)): "* min | en mins minute minutes | de minute minuten | fr minute minutes | "
    "es minuto minutos | it minuto minuti | pt minuto minutos | nl minuut minuten | pl minut* | sv minut* | cs "
    "minut* | "
    "ru минут* | tr dakika* | el λεπτά | ar دقيقة دقائق | hi मिनट मिनटों | ko 분 | zh 分 分間 分钟 分鐘",
    ("time", Fraction(3600)): "* h hr hrs | en hour hours | de stunde stunden std | fr heure heures | es hora "
    "horas | "
    "it ora ore | pt hora horas | nl uur uren | pl godzin* | sv timme timmar | da time timer | no time timer | "
    "cs hodin* | ru час часа часов часах | tr saat* | el ώρα ώρες | ar ساعة ساعات | hi घंटा घंटे घंटों घण्टे | ko "
    "시간 | "
    "zh 小时 小時 時間",
    ("time", Fraction(86_400)): "en day days | de tag tage tagen tages | fr jour jours | es día días dia dias | "
    "it giorno giorni | pt dia dias | nl dag dagen | pl dzień dni dnia dniu | sv dag dagar | da dag dage | no dag "
    "dager | "
    "cs den dní dny dnů | ru день дня дней дни | tr gün* | el ημέρα ημέρες | ar يوم أيام | hi दिन दिनों | ko 일 | "
    "zh 天 日 日間",
    ("time", Fraction(604_800)): "en week weeks wk | de woche wochen | fr semaine semaines | es semana semanas | "
    "it settimana settimane | pt semana semanas | nl week weken | pl tydzień tygodni* tygodniu | sv vecka veckor | "
    "da uge uger | no uke uker | cs týden týdn* | ru недел* | tr hafta* | el εβδομάδα* | ar أسبوع أسابيع | "
    "hi सप्ताह हफ्ता हफ्ते हफ्तों | ko 주 | zh 周 週 週間 星期",
    (
        "months",
        Fraction(1),
    ): "en month months | de monat monate monaten monats | fr mois | es mes meses | it mese mesi | "
    "pt mês meses | nl maand maanden | pl miesiąc* miesięc* | sv månad* | da måned* | no måned* | cs měsíc* | "
    "ru месяц* | tr ay ayı aylık | "
    "el μήνας μήνες | ar شهر أشهر | hi महीना महीने महीनों माह | ko 개월 | zh 月 个月 個月 か月 ヶ月 カ月",
    ("months", Fraction(3)): "en quarter quarters | de quartal quartale quartals | fr trimestre trimestres | "
    "es trimestre trimestres | it trimestre trimestri | pt trimestre trimestres | nl kwartaal kwartalen | pl "
    "kwartał* | "
    "ru квартал*",
    ("months", Fraction(12)): "en year years yr yrs | de jahr jahre jahren jahres | fr an ans année années | "
    "es año años | it anno anni | pt ano anos | nl jaar jaren | pl rok roku lat lata | sv år | da år | no år | cs "
    "rok* | "
    "ru год года лет | tr yıl* | el χρόνια έτος | ar سنة سنوات | hi साल सालों वर्ष वर्षों | ko 년 | zh 年 年間",
    ("length", Fraction(1, 1000)): "* mm millimet* millimèt* milímet* миллиметр*",
    ("length", Fraction(1, 100)): "* cm centimet* zentimeter centimèt* centímet* сантиметр* 厘米 センチ",
    (
        "length",
        Fraction(1),
    ): "* m | en meter meters metre metres | de meter metern | fr mètre mètres | es metro metros | "
    "it metro metri | pt metro metros | nl meter | pl metr* | sv meter | cs metr* | ru метр* | zh 米 メートル",
    ("length", Fraction(1000)): "* km kilomet* kilomèt* kilómet* quilómet* chilomet* километр* 公里 キロメートル "
    "킬로미터 किलोमीटर",
    ("length", Fraction(254, 10_000)): "en inch inches | de zoll",
    ("length", Fraction(3_048, 10_000)): "* ft | en foot feet",
    ("length", Fraction(9_144, 10_000)): "en yd yard yards",
    ("mile", Fraction(1)): "en mile miles mi | de meile meilen",
    ("weight", Fraction(1, 1000)): "* g | en gram grams | de gramm | fr gramme grammes | es gramo gramos | "
    "it grammo grammi | pt grama gramas | nl gram | pl gram* | ru грамм* | zh 克 グラム",
    ("weight", Fraction(1)): "* kg kilo kilos kilogram* килограмм* 公斤 キログラム | it chilo chili chilogramm* | "
    "hi किलो किलोग्राम",
    ("weight", Fraction(1000)): "* t | en tonne tonnes tons | de tonne tonnen | fr tonne tonnes | es tonelada* | "
    "pt tonelada* | ru тонн*",
    ("weight", Fraction(453_592, 10**6)): "* lb lbs",
    ("weight", Fraction(28_350, 10**6)): "* oz | en ounce ounces | de unze unzen",
    ("volume", Fraction(1, 1000)): "* ml millilit*",
    ("volume", Fraction(1, 100)): "* cl centilit* zentilit*",
    ("volume", Fraction(1, 10)): "* dl decilit* dezilit*",
    ("gallon", Fraction(1)): "en gallon gallons | de gallone gallonen",
    ("pint", Fraction(1)): "en pint pints",
    ("volume", Fraction(1)): "* l | en liter liters litre litres | de liter | fr litre litres | es litro litros | "
    "it litro litri | pt litro litros | nl liter | pl litr* | ru литр* | hi लीटर",
    ("bytes", Fraction(1)): "* byte bytes | fr octet octets",
    ("bytes", Fraction(1000)): "* kb kilobyte kilobytes | fr ko",
    ("bytes", Fraction(10**6)): "* mb megabyte megabytes | fr mo",
    ("bytes", Fraction(10**9)): "* gb gigabyte gigabytes | fr go",
    ("bytes", Fraction(10**12)): "* tb terabyte terabytes",
    ("percent", Fraction(1)): "* % ٪ procent* процент* प्रतिशत फीसदी | en percent per-cent pct | de prozent | "
    "fr pourcent | it percento | tr yüzde",
    (
        "degree",
        Fraction(1),
    ): "* °c ° | en degrees degree | de grad | fr degré degrés | es grado grados | it grado gradi | "
    "pt grau graus | nl graden | ru градус*",
    ("EUR", Fraction(1)): "* € eur euro euros евро 欧元 ユーロ 유로 يورو यूरो",
    ("USD", Fraction(1)): "* $ us$ usd dollar dollars dólar* доллар* 美元 ドル 달러 دولار डॉलर | it dollaro dollari | "
    "pl dolar* | tr dolar*",
    ("GBP", Fraction(1)): "* £ gbp sterling | en pound pounds | de pfund",
    (
        "CHF",
        Fraction(1),
    ): "* chf | en franc francs | de franken | fr franc francs | es franco francos | it franco franchi",
    ("JPY", Fraction(1)): "* ¥ yen jpy 円",
    ("CNY", Fraction(1)): "* 元 yuan cny rmb 人民币",
    ("KRW", Fraction(1)): "* 원 ₩ krw",
    ("PLN", Fraction(1)): "* zł pln złot*",
    ("RUB", Fraction(1)): "* ₽ rub рубл* | en rouble* ruble* | de rubel",
    ("TRY", Fraction(1)): "* ₺ lira try tl",
    ("INR", Fraction(1)): "* ₹ inr rupee* रुपये रुपया रुपए रुपयों",
    ("CAD", Fraction(1)): "* ca$ c$ cad",
    ("AUD", Fraction(1)): "* au$ a$ aud",
    ("BRL", Fraction(1)): "* r$ brl reais | pt real",
    ("crown", Fraction(1)): "* krone* krona kronor kč czk sek nok dkk korun* | en crown crowns | es corona* | "
    "fr couronne*",
    ("cent", Fraction(1)): "en cent cents pence penny | de cent | fr centime centimes | es céntimo* centavo* | "
    "it centesimi centesimo | pt cêntimo* centavo* | nl cent | pl grosz* | ru копе* | tr kuruş | sv öre",
}
UNITS = Words(_UNITS.items())
MONEY = frozenset("EUR USD GBP CHF JPY CNY KRW PLN RUB TRY INR CAD AUD BRL crown".split())
# Short names of units that are words too: only right behind a figure.
SHORT_UNITS = frozenset("s h m g t l min mi mo go ko an ay try tl den mes sek sec lat mon sat sun ora".split())
# Of these "a" is no "one": "a second guest", "a quarter of it", "un secondo letto".
NOT_BEHIND_AN_ARTICLE = frozenset("second secondo segundo seconde quarter".split())

# What tells the part of the day, before or behind a time; at night it is three in the morning and ten in the evening.
HALVES = Words(
    (
        (
            "am",
            "* am a.m | en morning mornings | de morgens morgen vormittags vormittag früh | fr matin | "
            "es mañana madrugada | it mattina mattino | pt manhã madrugada | nl ochtends morgens ochtend | pl rano "
            "ranem | "
            "ru утра | tr sabah | zh 午前 上午 早上 | ko 아침 오전 | ar صباحا | hi सुबह सवेरे",
        ),
        (
            "pm",
            "* pm p.m | en afternoon evening evenings | de nachmittags nachmittag abends abend | fr après-midi "
            "soir | "
            "es tarde | it pomeriggio sera | pt tarde | nl middags avonds middag avond | pl południu wieczorem | "
            "ru вечера дня | tr akşam | zh 午後 下午 晚上 | ko 저녁 오후 | ar مساء | hi शाम दोपहर",
        ),
        (
            "night",
            "en night | de nachts nacht | fr nuit | es noche | it notte | pt noite | nl nachts nacht | pl nocy | "
            "ru ночи | "
            "hi रात",
        ),
    )
)
# What has to stand between a time and its half of the day, as the words before the half; "" where nothing has to.
HALF_LINKS: Mapping[str, tuple[str, ...]] = {
    "en": ("in the", "at", "of the", "this", "that"),
    "de": ("", "am", "in der"),
    "fr": ("du", "de la", "de l '", "de l ’"),
    "es": ("de la", "por la"),
    "it": ("di", "del", "della"),
    "pt": ("da", "de"),
    "nl": ("' s", "’ s", "s", "in de"),
    "pl": ("", "po", "w"),
}
# What makes a number behind or before it a time of day.
CLOCKS = Words(
    (
        (
            True,
            "* o'clock oclock hrs | de uhr | fr heures heure h | es h hs horas | it h | pt h horas | nl uur | "
            "pl godz godzina | ru час часа часов | "
            "tr saat | sv klockan kl | zh 点 點 時 时 | ko 시 시에 시부터 시까지 | hi बजे",
        ),
    )
)
# What stands before a time, and hardly before hours that are counted.
BEFORE_TIMES = frozenset(
    "à a de dès vers avant après jusqu'à entre at las la alle dalle le ore às as das om van tot vanaf voor na rond "
    "- – "
    "в до с после o od".split()
)
NOON = Words(
    (
        (
            720,
            "en noon midday | de mittags mittag | fr midi | es mediodía | it mezzogiorno | pt meio-dia | "
            "nl twaalfuur | pl południe | ru полдень | zh 正午",
        ),
        (
            1_440,
            "en midnight | de mitternacht | fr minuit | es medianoche | it mezzanotte | pt meia-noite | nl "
            "middernacht | "
            "pl północ północy | ru полночь",
        ),
    )
)

# Which way a bound goes: at least and after (1), at most and before (-1).
BOUNDS = Words(
    (
        (
            1,
            "* min minimum plus | en least minimal after later over above more exceed* from since longer older | "
            "de minimal mindestens wenigstens nach später frühestens über mehr ab seit | "
            "fr minimum minimal après dès depuis partir supérieur* plus | es mínimo después más desde superior* "
            "partir | "
            "it minimo dopo almeno oltre più dal dalle superiore superiori partire | "
            "pt mínimo depois mais desde superior* partir | nl minstens minste tenminste na minimaal meer vanaf | "
            "pl najmniej po więcej od powyżej | ru после более больше минимум минимальн* с | tr az | sv minst "
            "efter över mer från | "
            "cs po více od alespoň",
        ),
        (
            -1,
            "* max maximum | en most maximal before earlier until till within under below less fewer by up younger "
            "shorter | de maximal höchstens vor früher unter bis innerhalb weniger spätestens binnen | "
            "fr maximum maximal avant moins jusqu jusqu'à inférieur* sous dans | es máximo antes menos hasta "
            "inferior* | "
            "it massimo prima meno fino entro sotto inferiore inferiori | pt máximo antes menos até inferior* | "
            "nl maximaal hoogstens hooguit voor minder tot binnen onder | pl najwyżej maksymalnie przed mniej do "
            "poniżej | "
            "ru максимум до перед менее меньше | tr çok | sv högst före under mindre inom till | cs před méně do "
            "nejvýše",
        ),
    )
)
# Before an event, behind a span of time.
BEFORE = Words(
    (
        (
            True,
            "en before beforehand earlier | de vor vorher zuvor | fr avant | es antes | it prima | pt antes | nl "
            "voor vooraf | "
            "pl przed | ru до",
        ),
    )
)
# The same behind their value: "9'dan önce", "9 बजे के बाद".
BOUNDS_BEHIND = Words(
    (
        (1, "ja 以上 以降 | zh 以上 之后 以后 后 | ko 이상 후 | hi बाद अधिक ज्यादा | tr sonra"),
        (-1, "ja 以内 以下 以前 まで | zh 以内 以下 以前 之前 | ko 이내 이하 까지 전 | hi पहले कम तक | tr önce"),
    )
)
# "au moins" and "al menos" are "at least", "au plus" is "at most".
TURNED = frozenset("au du al lo pelo ao op".split())
HEDGES = Words(
    (
        (
            "about",
            "* ca circa ~ ≈ | en about around roughly approximately some nearly almost just | "
            "de etwa ungefähr rund fast knapp | fr environ presque | es unos unas aproximadamente casi | "
            "it circa quasi | pt aproximadamente cerca quase | nl ongeveer bijna | pl około prawie | ru около "
            "примерно почти | "
            "tr yaklaşık | zh 約 大约 | ko 약 | hi लगभग करीब",
        ),
        ("over", "en over"),
    )
)

ORDINALS = Words(
    (number, row)
    for number, row in enumerate(
        (
            "en first | de erste* | fr première premier premières premiers | es primer primero primera | "
            "it primo prima primi | pt primeiro primeira | nl eerste | pl pierwsz* | ru перв* | hi पहला पहली पहले",
            "en second | de zweite* | fr deuxième second seconde | es segundo segunda | it secondo seconda | "
            "pt segundo segunda | nl tweede | pl drug* | ru второ* втор* | hi दूसरा दूसरी दूसरे",
            "en third | de dritte* | fr troisième | es tercer tercero tercera | it terzo terza | pt terceiro "
            "terceira | "
            "nl derde | pl trzeci* | ru трет* | hi तीसरा तीसरी तीसरे",
            "en fourth | de vierte* | fr quatrième | es cuarto cuarta | it quarto quarta | pt quarto quarta | nl "
            "vierde | "
            "pl czwart* | ru четверт*",
            "en fifth | de fünfte* | fr cinquième | es quinto quinta | it quinto quinta | pt quinto quinta | nl "
            "vijfde | "
            "pl piąt* | ru пятый пятая пятого пятой",
            "en sixth | de sechste* | fr sixième | es sexto sexta | it sesto sesta | pt sexto sexta | nl zesde | "
            "pl szóst* | ru шесто* шеста*",
            "en seventh | de siebte* | fr septième | es séptimo séptima | it settimo settima | pt sétimo sétima | "
            "nl zevende | pl siódm* | ru седьм*",
            "en eighth | de achte* | fr huitième | es octavo octava | it ottavo ottava | pt oitavo oitava | nl "
            "achtste | "
            "pl ósm* | ru восьмо* восьма*",
            "en ninth | de neunte* | fr neuvième | es noveno novena | it nono nona | pt nono nona | nl negende | "
            "pl dziewiąt* | ru девят*",
            "en tenth | de zehnte* | fr dixième | es décimo décima | it decimo decima | pt décimo décima | nl "
            "tiende | "
            "pl dziesiąt* | ru десят*",
        ),
        1,
    )
)
ORDINAL_ENDINGS = frozenset("st nd rd th er re ère e ème º ª de ste".split())
HALF = Words(
    (
        (
            True,
            "en half | de halb halbe halben halber halbes | fr demi demie demi-heure | es media medio | "
            "it mezza mezzo | pt meia meio | nl half halve | pl pół połowa | cs půl",
        ),
    )
)
# Between the quarters of an hour: half past five, a quarter to six, पौने छह.
QUARTERS = Words(((True, "en quarter | de viertel | fr quart | es cuarto | it quarto | pt quarto | nl kwart"),))
PARTS_BEFORE_HOURS = Words(((30, "hi साढ़े"), (15, "hi सवा"), (-15, "hi पौने")))
