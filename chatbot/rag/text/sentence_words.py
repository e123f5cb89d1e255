"""Abbreviations and ordinals behind whose full stop a sentence goes on, by what may follow them.

One list for all languages: an abbreviation of one is seldom the last word of a sentence in another, and where it is
("no.", "art.", "fig."), what follows decides.
"""

from __future__ import annotations

from typing import Final

from chatbot.rag.text.follow_up_words import BY_LANGUAGE

# A name follows, whatever it begins with: these never end a sentence.
TITLES: Final = frozenset(
    "Mr Mrs Ms Mx Dr Dres Prof Rev Hon Capt Col Lt Maj Sgt Gov Messrs Hr Hrn Fr Frl Dipl med phil jur rer nat habil "
    "M Mme Mmes Mlle Mlles Mgr Sra Sres Sras Srta Dña Dª Dra Ud Uds Lic Arq Excmo Excma Exmo Exma Ilmo Profa "
    "Sig Sigg Dott Avv Arch Rag Geom Egr Gent Spett dr.ssa Dr.ssa Dott.ssa Prof.ssa Sig.ra Dhr dhr Mevr mevr Mw mw "
    "Drs drs Ing ing Bc Mgr г-н г-жа проф акад доц ул пр просп пер пл им д-р".split()
)
# The sentence goes on before a number: "Sec. 4", "Art. 13", "Jan. 5".
BEFORE_NUMBERS: Final = frozenset(
    "no nos nr nrn num núm nro n n° art arts abs sec sect ch chap cap kap vol vols fig figs abb tab eq gl p pp s ss bd "
    "rn ziff lit pkt pt tel telf ext rm apt bldg par para ver vers cf vgl ca c.a circa approx az anh anl pos str blz "
    "afb hfst pág págs pag pagg sez fasc rys poz č čís odst рис табл гл ст п пп тел см ок стр kpl nro klo puh sid s.d "
    "jan feb mär apr jun jul aug sep sept oct okt nov dec dez janv févr avr juil déc ene abr ago dic postfach pf plz "
    "ok aprox zirka max min bis par. §".split()
)
# It goes on, whatever follows.
WITHIN: Final = frozenset(
    "e.g i.e viz vs z.b d.h u.a v.a i.d.r z.t d.i bzw bspw ggf evtl vgl sog insb insbes inkl einschl zzgl exkl "
    "p.ex c.-à-d c-à-d p.ej p.es cfr bijv d.w.z o.a m.b.v t.a.v i.p.v np tzn tzw m.in např tzv т.е т.к т.н напр bl.a "
    "t.ex dvs d.v.s f.eks fx esim".split()
)
# It goes on unless what follows often begins a sentence: "Harbor Inc. Nobody", "at 5 p.m. The", "2 Mio. Euro".
MAY_END: Final = frozenset(
    "etc ex usw etw ecc itd itp enz osv inc ltd co corp bros llc plc cie st ste mt ft jr sr ave blvd rd mio mrd mill "
    "mln mld tsd std sek тыс млн млрд руб коп др г гг в вв н.э avda avd pza ctra prov nac geb gest gem ehem lt "
    "bzgl betr "
    "allg zw sen jun usf uvm ff d.c b.c a.d dep dept est ed eds rev al ong resp excl incl cca apod atd tj tys godz os "
    "pl ul al św im tř nám univ inst int nat reg spec tech gov gen rep pres mil min max avg".split()
)
# What a number with a full stop is an ordinal before: "am 15. Januar", "im 3. Stock".
MONTHS: Final = frozenset(
    "januar jänner februar feber märz april mai juni juli august september oktober november dezember jan feb mär apr "
    "jun jul aug sep sept okt nov dez january february march may june july october december".split()
)
COUNTED: Final = frozenset(
    "stock stockwerk etage obergeschoss untergeschoss og ug klasse jahrgang halbjahr quartal semester jahrhundert jh "
    "woche monat tag jahr lebensjahr auflage kapitel abschnitt absatz teil band platz rang reihe rate mahnung liga "
    "runde halbzeit etappe sitzung advent feiertag geburtstag weltkrieg bezirk kreis stufe ausgabe bürgermeister "
    "vorsitzende vorsitzender vorsitzenden vorstand preis termin person kind generation schicht mal".split()
)
# Behind these a number with a full stop is one, unless a word follows that begins sentences.
BEFORE_ORDINALS: Final = frozenset("am vom zum im beim dem den der das des jeden jeder jedem jedes zur".split())

_MORE = (
    "nobody nothing everyone everybody everything somebody someone each every this that these those here after before "
    "during since because although however therefore thus then now today their his her it he she they its all most "
    "several please only both no yes otherwise instead also "
    "dies diese dieser dieses alle jede jeder niemand nichts danach dann dafür hier jetzt heute seit während wenn weil "
    "obwohl trotzdem deshalb daher außerdem bitte nur sie er es unsere ihre seine "
    "ce cet cette ces ils elles personne rien tous toutes chaque après avant pendant depuis lorsque ainsi donc ensuite "
    "este esta estos estas nadie nada todos todas cada después antes durante porque aunque luego entonces "
    "questo questa nessuno niente tutti tutte ogni dopo prima poi ninguém depois "
    "deze dit die dat niemand niets alle elke na tijdens sinds toen daarna "
    "это эти все никто ничего после во он она они мы вы затем потом nikt nic wszyscy każdy przed potem"
)
# Words that often begin a sentence.
BEGINNERS: Final = frozenset(
    word for entry in (*(entry.words for entry in BY_LANGUAGE.values()), _MORE) for word in entry.split()
)
