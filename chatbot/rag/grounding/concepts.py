"""Words of several languages that mean the same, and pairs that mean the opposite.

Small on purpose: what rules and instructions are made of. A word that is not here says nothing about agreement. A word
that ends in `*` stands for every word that begins so.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from chatbot.rag.grounding.notation.value_words import Words

# What turns a sentence around: each side of a pair, in English, German, French, Spanish, Italian, Portuguese, Dutch,
# Polish and Russian where it is one word.
_PAIRS = (
    (
        "before",
        "before prior vor bevor avant antes prima przed до",
        "after nach nachdem après después dopo depois po после",
    ),
    (
        "at_most",
        "most maximum maximal höchstens maximal* máximo massimo hoogstens maksymal*",
        "least minimum mindestens wenigstens minimal* mínimo almeno minstens minimal*",
    ),
    ("if", "if falls wenn sofern si se als jeśli если", "unless außer sauf salvo tenzij chyba"),
    ("with", "with mit avec con com met", "without ohne sans sin senza sem zonder bez без"),
    (
        "open",
        "open opens opened opening öffne* geöffnet offen ouvert* ouvre* abr* abierto* aper* apre* aberto* "
        "open* otwar* откр*",
        "close closes closed closing schließ* geschlossen ferm* cierra* cerrado* chius* chiude fecha* gesloten "
        "zamkn* закр*",
    ),
    (
        "start",
        "start starts started begin begins began beginning beginn* anfang* commenc* début* empieza* "
        "comienz* iniz* começ* "
        "begint rozpocz* начин*",
        "end ends ended ending finish* ende* endet fin finit termin* acab* finisce einde eindigt kończ* конч*",
    ),
    (
        "more",
        "more increase* higher rise* rose grow* above exceed* steig* höher erhöh* augment* aument* sube",
        "less fewer decrease* lower fall* fell reduc* drop* below sink* niedriger senk* diminu* baisse* baja",
    ),
    (
        "allow",
        "allow* permit* permitted erlaub* gestatt* autoris* permis permet* permit* permess* toegestaan dozwol* разреш*",
        "forbid* forbidden prohibit* banned verbot* untersag* interdit* prohibid* vietat* proibid* verboden "
        "zabron* запрещ*",
    ),
    (
        "include",
        "include* including included inklusive einschließlich inclus* incluy* inclu*",
        "exclude* excluding excluded except* exklusive ausgenommen exclu* excepto",
    ),
    ("earliest", "earliest frühestens", "latest spätestens"),
    ("arrive", "arrive* arrival ankunft llegada arrivée arrivo", "depart* departure abfahrt salida départ partenza"),
    ("sender", "sender absender", "recipient empfänger"),
    ("buyer", "buyer* customer* kunde* käufer* client* cliente*", "seller* vendor* verkäufer* vendeur* vendedor*"),
    ("employer", "employer* arbeitgeber*", "employee* arbeitnehmer*"),
    ("public", "public öffentlich*", "private privat*"),
    ("enable", "enable* enabled aktivier*", "disable* disabled deaktivier*"),
    ("accept", "accept* akzeptier*", "reject* refuse* ablehn* abgelehnt"),
    ("same", "same identical", "different differ"),
    ("inside", "inside indoors drinnen innen", "outside outdoors draußen außen"),
    ("left", "left links gauche izquierda", "right rechts droite derecha"),
    ("north", "north northern norden nördlich* nord norte", "south southern süden südlich* sud sur"),
    ("east", "east eastern osten östlich* est", "west western westen westlich* ouest oeste"),
    ("morning", "morning morgens vormittag*", "evening afternoon abends nachmittag*"),
    ("summer", "summer sommer été verano estate", "winter hiver invierno inverno"),
    ("weekday", "weekday* werktag* wochentag* workday*", "weekend* wochenend*"),
    (
        "mandatory",
        "mandatory compulsory required obligatory pflicht vorgeschrieben obligatoire obligatori*",
        "optional voluntary freiwillig* facultatif voluntari*",
    ),
    ("newest", "newest latest newer neueste*", "oldest older älteste*"),
    (
        "largest",
        "largest biggest highest longest widest most größte* höchste* längste*",
        "smallest lowest shortest narrowest least kleinste* niedrigste* kürzeste*",
    ),
    (
        "add",
        "add adds added adding hinzufüg* ajout* añad*",
        "remove* removed removing delete* deleted entfern* lösch* supprim* elimin*",
    ),
    ("win", "win wins won", "lose loses lost"),
    ("import", "import* einfuhr", "export* ausfuhr"),
    ("first", "first", "last final"),
    (
        "always",
        "always immer toujours siempre sempre altijd zawsze всегда",
        "never nie niemals jamais nunca mai nooit nigdy никогда",
    ),
    (
        "adult",
        "adult* erwachsen* adulte* adulto*",
        "child children kind kinder* enfant* niño* niña* bambin* criança* kinderen",
    ),
    ("success", "succeed* success*", "fail* failed failure*"),
)

# What a sentence claims of how many, how often and whether one may.
_KINDS = (
    (
        "only",
        "only solely exclusively nur ausschließlich seulement uniquement solo sólo solamente únicamente "
        "soltanto somente apenas alleen "
        "slechts tylko только 只 仅",
    ),
    (
        "all",
        "all every each everyone everybody always any anyone alle* jede* jeder immer tous toutes toujours "
        "chaque todos todas siempre cada "
        "tutti tutte sempre ogni alle elke ieder* wszyst* każd* все каждый 都 所有",
    ),
    (
        "most",
        "most mostly many some usually often generally partly several meist* viele einige oft "
        "üblicherweise plupart certain* souvent "
        "mayoría muchos algunos maggior* alcuni maioria alguns meeste sommige większość niektór* большинств* некотор*",
    ),
    (
        "must",
        "must required obliged need needs muss müssen musst müsse doit doivent devez debe deben deve "
        "devono devem moet moeten musi muszą "
        "должен должн* обязан* kötelező 必须",
    ),
    (
        "may",
        "may can could darf dürfen kann können peut peuvent pouvez puede pueden può possono pode podem mag "
        "mogen kan kunnen może mogą "
        "может могут можно 可以",
    ),
    (
        "except",
        "except excepting unless außer ausgenommen sauf hormis excepto salvo tranne eccetto exceto "
        "behalve tenzij oprócz кроме 除",
    ),
    ("cause", "because since weil denn porque perché poiché omdat ponieważ car потому 因为"),
)

# Words of everyday texts, by what they mean: English, German, French, Spanish, Italian, Portuguese, Dutch, and in part
# Polish and Russian. A row that is longer goes on in an indented line.
_SAME = """
owner owners eigentümer* inhaber* besitzer* propriétaire* propietari* proprietari* proprietári* eigenaar* właściciel*
  владел*
member members mitglied* membre* miembro* membri membro membros lid leden człon* член* участник*
invitation invitations invite invites invited inviting einladung* einlad* invitation* invitaci* invit* convite*
  uitnodig* zaprosz* приглаш*
workspace arbeitsbereich* espace* espacio* spazio espaço* werkruimte przestrze*
fee fees charge charges gebühr* frais tarif* tasa* cuota* tariff* taxa* kosten opłat* плат* beitrag* cotisation*
cost costs price prices kostet kosten preis* coût* coûte* prix cuesta* precio* costa costo prezzo custa* preço* kost
  prijs koszt* цен* сто*
free kostenlos* gratis gratuit* umsonst unentgeltlich* gratuito* gratuita* bezpłat* бесплат*
pay pays paid payment payments bezahl* zahl* payer paye* paie* paiement* pag* betaal* betal* płac* плат* опла*
deadline deadlines frist* délai* plazo* scadenz* termine prazo* termijn* termin* срок*
notice terminate termination cancel cancels cancelled cancellation kündig* résili* préavis cancel* rescis* disdett*
  opzeg* wypowied* стор*
writing written schriftlich* écrit* escrito* scritt* schriftelijk* pisemn* письмен*
warranty guarantee garantie* garantía* garanzia garantia* gwarancj* гаранти*
purchase purchased buy buys bought kauf* gekauft achat* achet* compra* acquist* comprar* koop* gekocht zakup* kup*
  покуп*
date datum date* fecha* data* daty дат*
return returns returned returning rückgabe* zurückge* zurück retour* renvoy* rendre devol* devuel* reso restitu*
  terug* geretourneerd zwro* возвр*
customer customers client clients buyer buyers käufer* acheteur* comprador* acquirente koper* kunde* kundin* client*
  cliente* clienti klant* klient* клиент* покупател*
shipping delivery send sends sending sent versand* liefer* expédition* livraison* envío* envia* spedizion* consegn*
  envio* verzend* wysył* достав*
faulty defective defekt* mangelhaft* défectueu* defectuos* difettos* defeituos* wadliw*
goods items item products product ware* artikel* produkt* article* marchandis* artículo* producto* mercanc* articol*
  merce prodott* artigo* produto* товар*
open opens opened opening öffnet öffnen geöffnet offen ouvert* ouvre* abre* abierto* apert* apre* aberto* geopend
  otwart* откры*
closed close closes geschlossen schließt fermé* ferme* cierra* cerrado* chius* chiude fechad* gesloten zamknię* закры*
guest guests visitor visitors gast gäste gäst* besucher* invité* huésped* ospit*
employee employees staff mitarbeiter* angestellt* beschäftigt* employé* salarié* emplead* dipendent* funcionári*
  empregad* medewerker* pracown* сотрудник*
manager managers boss supervisor vorgesetzt* chef* leiter* responsable* jefe* superior* responsabil* gerente*
  leidinggevende* kierown* руковод*
illness sick ill krank* krankheit* malad* enferm* malatti* malat* doente* doença* ziek* chor* болезн* болен
doctor physician arzt* ärzt* médecin* médic* medic* medico* arts lekar* врач*
report reports reported melde* meld* signal* déclar* inform* notific* comunic* avis* melden zgłos* сообщ*
child children kind kinder* enfant* niño* niña* bambin* criança* kinderen dziec* дет*
fine fines penalty strafe* bußgeld* mahngebühr* amende* multa* boete* kar* штраф*
library bibliothek* bücherei* bibliothèque* biblioteca* bibliotheek biblioteki библиотек*
book books buch bücher* livre* libro* libri livro* boek* książ* книг*
gym fitnessstudio* salle gimnasio* palestra academia sportschool siłown*
week weekday weekdays werktag* wochentag* semaine laborable* feriali úteis werkdag*
weekend weekends wochenende* wochenend* fin-de-semaine finde weekeinde* weekendy выходн*
limit limits grenze* begrenz* limite* límite* grens limiet* лимит* obergrenze*
request requests call calls anfrag* aufruf* requête* appel* solicitud* petici* llamad* richiest* chiamat* pedido*
  chamad* verzoek* aanvra* żądan* запрос*
minute minutes minuten minuto* minuti minuut
search searches such* recherch* búsqueda* buscar* ricerc* pesquis* zoek* wyszuk* поиск*
step steps schritt* étape* paso* passo passi passos stap* krok* шаг*
repeat repeated retry retries tries wiederhol* versuch* répét* essai* tentativ* repet* intent* ripet* herhaal* poging*
  powt* повтор*
pause break pausen pause* pausa* pauze*
change changes changed änder* änderung* modifi* cambi* cambia* modific* alter* mud* wijzig* zmien* измен*
remove removes removed removing entfern* supprim* retir* elimin* quitar* rimuov* remov* verwijder* usun* удал*
add adds added hinzufüg* ajout* añad* agreg* aggiung* adicion* toevoeg* dod* добав*
transfer transfers transferred hand over übertrag* übergeb* transf* céder cede* ceder* trasfer* overdrag* przen*
  переда*
valid gültig* valable* valide* válid* valid* geldig* ważn* действ*
expire expires expired expiry ablauf* abgelaufen läuft verfäll* expir* caduc* vence* scad* verlo* wygas* истек*
plan plans tarif* abonnement* plan* piano piani plano*
office büro* bureau* oficina* ufficio escritório* kantoor* biur* офис*
phone telephone call telefon* téléphone* teléfono* telefono telefone telefoon* телефон*
key keys schlüssel* clé* clef* llave* chiav* chave* sleutel* klucz* ключ*
rent rental rents miete* location* loyer* alquiler* affitt* aluguel* renda huur* czynsz* wynaj* аренд*
hall room saal raum räume zimmer salle* sala* zaal kamer* pokój* зал комнат*
house building built build haus gebäude* gebaut bauen bâtiment* constru* edifici* costru* gebouw* zbudow* здани*
  постро*
bridge brücke* pont* puente* ponte* brug* most* мост*
mountain berg* montagne* montaña* montagna* montanha* góra* гора*
city town stadt städte ville* ciudad* città cidade* stad steden miast* город*
river fluss* flüsse fleuve* rivière* río* fiume* rio* rivier* rzek* река*
country countries land länder* pays país* paese* kraj* стран*
year annual annually jährlich* annuel* anual* annuo* annual* jaarlijks* roczn* ежегодн*
month monthly monatlich* mensuel* mensual* mensil* mensal* maandelijks* miesięczn* ежемесячн*
training course courses schulung* weiterbildung* kurs* formation* cours formaci* curso* formazion* corso corsi cursus*
  szkolen* курс*
budget budgets budget* presupuest* orçament* бюджет*
conference conferences konferenz* conférence* conferencia* conferenz* conferên* konferencj* конференц*
approve approves approved genehmig* approuv* aprueb* aprob* approv* aprov* goedkeur* goedgekeurd zatwierdz* одобр*
injury injuries verletzung* blessure* lesión* infortun* lesão* blessure* kontuzj* травм*
holiday holidays feiertag* urlaub* ferie* férié* fest* vacaciones feriad* feriad* vakantie* feestdag* święt* праздник*
vote votes stimme* abstimm* votes* voto* stem* głos* голос*
password passwords passwort* kennwort* contraseña* passe wachtwoord* senha* hasł* парол*
account accounts konto* konten compte* cuenta* conto account* conta* rekening* kont* счет*
user users benutz* nutzer* utilisateur* usuari* utent* utilizador* gebruiker* użytkown* пользовател*
file files datei* fichier* archivo* fichero* arquivo* ficheiro* bestand* plik* файл*
document documents dokument* document* documento* documenti документ*
server servers server* serveur* servidor*
data daten données datos dati dados gegevens dane данн*
people persons person personen personne* persona* persone pessoa* mensen osób люд* человек*
seat seats place places platz plätze bietet sitz* siège* asiento* posti lugar* plaats* miejsc* мест*
evening evenings abend* soir* soirée* noche* sera serata noite* avond* wieczor* вечер*
start starts begin begins beginn* begint commence* empieza* comienz* inizi* começ* start* rozpocz* начин*
end ends endet ende* finit fin termin* finisce acab* eindig* einde kończ* оконч*
now today heute aujourd'hui hoy oggi hoje vandaag dziś сегодня
immediately once sofort* immédiatement inmediatamente immediat* subito imediatamente onmiddellijk natychmiast
  немедленно
stay stays remain remains bleib* rest* quedan permanec* rimang* ficam blijv* pozost* остаются
receive receives get gets erhält erhalten bekomm* reçoi* recev* recib* ricev* receb* krijg* ontvang* otrzym* получ*
late overdue delayed verspätet* spät* überfällig* retard* atras* ritard* laat spóźni* просроч* опозд*
desk counter schalter guichet* mostrador* sportell* balcão* balie*
claim claims reklamation* anspruch* réclamation* reclama* reclam* klacht* reklamacj* претенз*
service servicestelle* kundendienst* servicio* servizio* serviço* dienst* сервис*
everyone everybody anyone jeder* alle tous chacun todos tutti iedereen каждый
law rule rules regel* vorschrift* règle* norma* regla* regola* regra* regel* zasad* правил*
bank banks bank* banque* banco* banca*
water wasser* eau agua acqua água wod* вода
car cars vehicle vehicles auto autos fahrzeug* wagen voiture* véhicule* coche* auto macchina carro* samoch* автомобил*
school schools schule* école* escuela* scuol* escola* szkoł* школ*
teacher teachers lehrer* enseignant* profesor* insegnant* professor* leraar* nauczyciel* учител*
name names namens namen nom nombre* nome* naam imię имя
"""


def _pairs() -> Iterable[tuple[str, str]]:
    for name, one, other in _PAIRS:
        yield name, one
        yield f"-{name}", other


_CONCEPTS = Words((row.split()[0], row) for row in _SAME.strip().replace("\n  ", " ").splitlines())
_SIDES = [(Words([(name, one)]), Words([(name, other)])) for name, one, other in _PAIRS]
_MODES = [(kind, Words([(kind, words)])) for kind, words in _KINDS]
# The first pairs of opposites are no subjects of a sentence.
_LOGIC = 4
_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis", "ne", "nie", "не")


def concept(word: str) -> str | None:
    """What a word means, as the first word of its row; None for one that is not in the table."""
    return _CONCEPTS.get(word)


def sides(words: Iterable[str]) -> dict[int, set[int]]:
    """Of each pair of opposites that the words have a side of: the sides."""
    found: dict[int, set[int]] = {}
    for word in set(words):
        for place, side in _sides_of(word):
            found.setdefault(place, set()).add(side)
    return found


@lru_cache(maxsize=4096)
def _modes_of(word: str) -> frozenset[str]:
    return frozenset(kind for kind, table in _MODES if table.get(word))


@lru_cache(maxsize=4096)
def _sides_of(word: str) -> tuple[tuple[int, int], ...]:
    return tuple(
        (place, side)
        for place, pair in enumerate(_SIDES)
        for side, table in zip((1, -1), pair, strict=True)
        if table.get(word)
    )


def modes(words: Iterable[str]) -> set[str]:
    """Which of only, all, most, must, may, except and cause the words say."""
    return {kind for word in set(words) for kind in _modes_of(word)}


def is_logic(word: str) -> bool:
    """Whether a word is one of those that are compared on their own: only, must, before, at most."""
    return bool(modes([word])) or any(place < _LOGIC for place in sides([word]))


def negated(word: str, others: set[str]) -> bool:
    """Whether a word is one of the others with a "not" before it, or without the one that it has: insecure, "
    "secure."""
    return any(prefix + word in others or word.removeprefix(prefix) in others - {word} for prefix in _PREFIXES)
