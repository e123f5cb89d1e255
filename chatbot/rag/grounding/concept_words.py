"""The words of concepts, opposites and ways to say that one may or must, by language.

The rows are written as `notation.words` tells.
"""

# What turns a sentence around: each side of a pair.
PAIRS = (
    (
        "before",
        "en before prior | de vor bevor | fr avant | es antes | it prima | pt antes | nl voor voordat | pl przed "
        "zanim | "
        "ru до перед",
        "en after | de nach nachdem | fr après | es después | it dopo | pt depois após | nl na nadat | pl po | ru "
        "после",
    ),
    (
        "at_most",
        "en most maximum maximal | de höchstens maximal* | fr maximum | es máximo | it massimo | pt máximo | "
        "nl hoogstens hooguit maximaal | pl maksymal* najwyżej",
        "en least minimum | de mindestens wenigstens minimal* | fr minimum | es mínimo | it almeno minimo | "
        "pt mínimo | nl minstens tenminste minimaal | pl najmniej minimal*",
    ),
    (
        "if",
        "en if | de falls wenn sofern | fr si | es si | it se | pt se | nl als indien | pl jeśli jeżeli | ru если",
        "en unless | de außer | fr sauf | es salvo | it salvo | pt salvo | nl tenzij | pl chyba",
    ),
    (
        "with",
        "en with | de mit | fr avec | es con | it con | pt com | nl met",
        "en without | de ohne | fr sans | es sin | it senza | pt sem | nl zonder | pl bez | ru без",
    ),
    (
        "open",
        "en open opens opened opening | de öffne* geöffnet offen | fr ouvert* ouvre* | es abre* abrir* abierto* "
        "abierta* | "
        "it aper* apre* aprono | pt aberto* aberta* abre* | nl open* geopend | pl otwar* | ru откр*",
        "en close closes closed closing shut shuts | de schließ* geschlossen | fr ferme* fermé* fermeture | es cierra* "
        "cerrado* cerrada* | "
        "it chius* chiude* | pt fecha* | nl gesloten sluit* | pl zamkn* | ru закр*",
    ),
    (
        "start",
        "en start starts started begin begins began beginning | de beginn* anfang* | fr commenc* début* | "
        "es empieza* comienz* | it iniz* | pt começ* | nl begint beginnen | pl rozpocz* | ru начин*",
        "en end ends ended ending finish* | de ende* endet | fr fin finit termin* | es termin* acab* fin | "
        "it finisce termina* | pt termin* acab* fim | nl einde eindigt | pl kończ* | ru конч*",
    ),
    (
        "more",
        "en more increase* higher rise* rose grow* above exceed* | de mehr steig* höher erhöh* | fr plus augment* "
        "supérieur* | "
        "es más aument* sube superior* | it più aument* superior* super* | pt mais aument* superior* | nl meer "
        "hoger | "
        "pl więcej",
        "en less fewer decrease* lower fall* fell reduc* drop* below sink* | de weniger sink* niedriger senk* | "
        "fr moins diminu* baisse* inférieur* | es menos baja* inferior* | it meno inferior* | pt menos inferior* | "
        "nl minder lager | pl mniej",
    ),
    (
        "allow",
        "en allow* permit* permitted | de erlaub* gestatt* | fr autoris* permis permet* | es permit* permis* | "
        "it permess* consentit* | pt permit* | nl toegestaan | pl dozwol* | ru разреш*",
        "en forbid* forbidden prohibit* banned | de verbot* untersag* | fr interdit* | es prohib* | it vietat* | "
        "pt proibid* | nl verboden | pl zabron* | ru запрещ*",
    ),
    (
        "include",
        "en include* including included | de inklusive einschließlich enthalten inbegriffen | fr inclus* compris* | "
        "es inclu* | it inclus* compres* | pt inclu* | nl inbegrepen inclusief",
        "en exclude* excluding excluded except* | de exklusive ausgenommen | fr exclu* | es excluid* excepto | it "
        "esclus* | "
        "pt exclu* exceto | nl exclusief",
    ),
    ("earliest", "en earliest | de frühestens", "en latest | de spätestens"),
    (
        "arrive",
        "en arrive* arrival | de ankunft ankommen | es llegada | fr arrivée | it arrivo | pt chegada | nl aankomst",
        "en depart* departure | de abfahrt abreise | es salida | fr départ | it partenza | pt partida saída | nl "
        "vertrek",
    ),
    ("sender", "en sender | de absender*", "en recipient | de empfänger*"),
    (
        "buyer",
        "en buyer* customer* | de kunde* käufer* | fr client* | es cliente* | it client* | pt cliente* | nl klant* | "
        "pl klient*",
        "en seller* vendor* | de verkäufer* | fr vendeur* | es vendedor* | it venditor* | pt vendedor* | "
        "nl verkoper* | pl sprzedaw*",
    ),
    ("employer", "en employer* | de arbeitgeber*", "en employee* | de arbeitnehmer*"),
    ("public", "en public | de öffentlich*", "en private | de privat*"),
    ("enable", "en enable* enabled | de aktivier*", "en disable* disabled | de deaktivier*"),
    (
        "accept",
        "en accept* | de akzeptier* | fr accept* | es acept* | it accett* | pt aceit* | nl geaccepteerd accept*",
        "en reject* refuse* | de ablehn* abgelehnt | fr refus* | es rechaz* | it rifiut* | pt recus* | nl geweigerd",
    ),
    ("same", "en same identical", "en different differ"),
    ("inside", "en inside indoors | de drinnen innen", "en outside outdoors | de draußen außen"),
    (
        "left",
        "en left | de links | fr gauche | es izquierda | nl links",
        "en right | de rechts | fr droite | es derecha | nl rechts",
    ),
    (
        "north",
        "en north northern northwest* northeast* | de norden nord* | fr nord* | es norte noroeste noreste nordeste",
        "en south southern southwest* southeast* | de süden süd* | fr sud* | es sur suroeste sureste sudeste",
    ),
    (
        "east",
        "en east eastern northeast* southeast* | de osten östlich* nordost* südost* | fr est nord-est sud-est | "
        "es este noreste nordeste sureste sudeste",
        "en west western northwest* southwest* | de westen westlich* nordwest* südwest* | fr ouest nord-ouest "
        "sud-ouest | "
        "es oeste noroeste suroeste",
    ),
    ("morning", "en morning | de morgens vormittag*", "en evening afternoon | de abends nachmittag*"),
    (
        "summer",
        "en summer | de sommer* | fr été | es verano | it estate | pt verão | nl zomer",
        "en winter | de winter* | fr hiver | es invierno | it inverno | pt inverno | nl winter",
    ),
    (
        "mandatory",
        "en mandatory compulsory required obligatory | de pflicht vorgeschrieben verpflichtend | fr obligatoire* | "
        "es obligatori* | it obbligatori* | pt obrigatóri* | nl verplicht | pl obowiązkow*",
        "en optional voluntary | de freiwillig* | fr facultati* | es voluntari* opcional* facultativ* | "
        "it facoltativ* opzional* | pt facultativ* opcional* | nl vrijwillig optioneel | pl dobrowoln*",
    ),
    ("newest", "en newest latest newer | de neueste*", "en oldest older | de älteste*"),
    (
        "largest",
        "en largest biggest highest longest widest most | de größte* höchste* längste*",
        "en smallest lowest shortest narrowest least | de kleinste* niedrigste* kürzeste*",
    ),
    (
        "add",
        "en add adds added adding | de hinzufüg* | fr ajout* | es añad* | it aggiung* | pt adicion* | nl toevoeg*",
        "en remove* removed removing delete* deleted | de entfern* lösch* | fr supprim* | es elimin* | it rimuov* | "
        "pt remov* | nl verwijder*",
    ),
    ("win", "en win wins won", "en lose loses lost"),
    ("import", "en import* | de einfuhr", "en export* | de ausfuhr"),
    ("first", "en first", "en last final"),
    (
        "always",
        "en always | de immer | fr toujours | es siempre | it sempre | pt sempre | nl altijd | pl zawsze | ru всегда",
        "en never | de nie niemals | fr jamais | es nunca | it mai | pt nunca | nl nooit | pl nigdy | ru никогда",
    ),
    (
        "adult",
        "en adult* | de erwachsen* | fr adulte* | es adulto* | it adult* | pt adulto* | nl volwassen* | pl dorosł*",
        "en child children | de kind kinder* | fr enfant* | es niño* niña* | it bambin* | pt criança* | nl kind "
        "kinderen | "
        "pl dziec*",
    ),
    ("success", "en succeed* success*", "en fail* failed failure*"),
)

# What a sentence claims of how many, how often and whether one may.
KINDS = (
    (
        "only",
        "en only solely exclusively | de nur ausschließlich | fr seulement uniquement | "
        "es solo sólo solamente únicamente | it solo soltanto solamente | pt só somente apenas | nl alleen slechts "
        "enkel | "
        "pl tylko wyłącznie | ru только | zh 只 仅",
    ),
    (
        "all",
        "en all every each everyone everybody always any anyone | de alle* jede* jeder immer | "
        "fr tous toutes toujours chaque | es todos todas siempre cada | it tutti tutte sempre ogni | "
        "pt todos todas sempre cada | nl alle elke ieder* altijd | pl wszyst* każd* zawsze | ru все каждый | "
        "zh 都 所有",
    ),
    (
        "most",
        "en most mostly many some usually often generally partly several | de meist* viele einige oft "
        "üblicherweise | "
        "fr plupart certain* souvent | es mayoría muchos algunos | it maggior* alcuni | pt maioria alguns | "
        "nl meeste sommige | pl większość niektór* | ru большинств* некотор*",
    ),
    (
        "must",
        "en must required obliged need needs | de muss müssen musst müsse | fr doit doivent devez | es debe deben | "
        "it deve devono | pt deve devem | nl moet moeten | pl musi muszą | "
        "ru должен должн* обязан* | tr zorunlu | "
        "zh 必须",
    ),
    (
        "may",
        "en may can could | de darf dürfen kann können | fr peut peuvent pouvez | es puede pueden | it può possono | "
        "pt pode podem | nl mag mogen kan kunnen | pl może mogą można | ru может могут можно | zh 可以",
    ),
    (
        "except",
        "en except excepting unless | de außer ausgenommen | fr sauf hormis excepté | es excepto salvo | "
        "it tranne eccetto salvo | pt exceto salvo | nl behalve tenzij | pl oprócz | ru кроме | zh 除",
    ),
    (
        "if",
        "en if provided providing when whenever | de wenn falls sofern | fr si condition pourvu | es si siempre | "
        "it purché qualora | pt caso desde | nl als mits indien | pl jeśli jeżeli | ru если | tr eğer | zh 如果",
    ),
    (
        "cause",
        "en because since | de weil denn | fr parce car puisque | es porque | it perché poiché | pt porque | nl "
        "omdat want | "
        "pl ponieważ bo | ru потому | zh 因为",
    ),
)

# Words of everyday texts, by what they mean.
SAME = """
en owner owners | de eigentümer* inhaber* besitzer* | fr propriétaire* | es propietari* | it proprietari* | pt
  proprietári* | nl eigenaar* | pl właściciel* | ru владел*
en member members | de mitglied* | fr membre* | es miembro* | it membri membro | pt membro membros | nl lid leden | pl
  człon* | ru член* участник*
en invitation invitations invite invites invited inviting | de einladung* einlad* | fr invit* | es invit* | it invit*
  | pt convite* | nl uitnodig* | pl zaprosz* | ru приглаш*
en workspace | de arbeitsbereich* | fr espace* | es espacio* | it spazio | pt espaço* | nl werkruimte | pl przestrze*
en fee fees charge charges charged | de gebühr* beitrag* entgelt* | fr frais cotisation* redevance* | es tasa* cuota*
  tarifa* | it tariff* quota | pt taxa* tarifa* | nl toeslag vergoeding | pl opłat* | ru плат*
en cost costs price prices | de kostet kosten preis* | fr coût* coûte* prix tarif* | es cuesta* precio* cost* | it
  costa costo costano prezzo | pt custa* preço* custo* | nl kost kosten prijs | pl koszt* cen* | ru цен* сто*
en free | de kostenlos* gratis umsonst unentgeltlich* kostenfrei* | fr gratuit* | es gratis gratuit* | it gratis
  gratuit* | pt gratis grátis gratuit* | nl gratis kosteloos | pl bezpłat* darmow* | ru бесплат*
en pay pays paid payment payments | de bezahl* zahl* | fr payer paye* paie* paiement* règle* verse* | es pag* | it
  pag* | pt pag* | nl betaal* betal* | pl płac* zapłac* | ru плат* опла*
en deadline deadlines | de frist* | fr délai* | es plazo* | it scadenz* termine | pt prazo* | nl termijn* | pl termin*
  | ru срок*
en notice terminate termination cancel cancels cancelled cancellation cancellations | de kündig* stornier* storno*
  absag* | fr résili* préavis annul* | es cancel* rescis* antelación | it disdett* disdire annull* cancell* | pt
  cancel* rescis* | nl opzeg* annul* | pl wypowied* anulow* odwoł* | ru стор* отмен*
en writing written | de schriftlich* | fr écrit* | es escrito* | it scritt* | pt escrit* | nl schriftelijk* | pl
  pisemn* | ru письмен*
en warranty guarantee | de garantie* | fr garantie* | es garantía* | it garanzia | pt garantia* | nl garantie* | pl
  gwarancj* | ru гаранти*
en purchase purchased buy buys bought | de kauf* gekauft | fr achat* achet* | es compra* | it acquist* compr* | pt
  compra* | nl koop* gekocht kopen | pl zakup* kup* | ru покуп*
en date | de datum | fr date* | es fecha* | it data | pt data | nl datum | pl dat* | ru дат*
en return returns returned returning | de rückgabe* zurückge* zurück rückversand* | fr retour* renvoy* rendre rendu* |
  es devol* devuel* | it reso resi restitu* | pt devol* | nl terug* geretourneerd retour* | pl zwro* zwrac* | ru
  возвр*
en customer customers client clients buyer buyers | de käufer* kunde* kundin* | fr acheteur* client* | es comprador*
  cliente* | it acquirente client* | pt cliente* comprador* | nl koper* klant* | pl klient* | ru клиент* покупател*
en shipping delivery deliver delivers delivered send sends sending sent ship ships shipped | de versand* liefer*
  versend* | fr expédi* livr* | es envío* envia* entrega* | it spedi* consegn* | pt envio* envia* entrega* | nl
  verzend* bezorg* lever* | pl wysył* dostaw* | ru достав*
en faulty defective | de defekt* mangelhaft* | fr défectueu* | es defectuos* | it difettos* | pt defeituos* | nl
  defect* | pl wadliw*
en goods items item items product products | de ware* artikel* produkt* | fr article* marchandis* produit* | es
  artículo* producto* mercanc* | it articol* merce prodott* | pt artigo* produto* | nl artikel* product* | pl towar*
  produkt* | ru товар*
en open opens opened opening | de öffnet öffnen geöffnet offen | fr ouvert* ouvre* ouvr* | es abre* abrir* abierto*
  abiert* apert* | it apre* aprono apert* | pt abert* abre* abrem funciona* | nl open geopend opent | pl otwart*
  czynn* | ru откры*
en closed close closes | de geschlossen schließt | fr fermé* ferme* fermeture | es cierra* cerrado* cerrad* | it
  chius* chiude* | pt fechad* fecha | nl gesloten sluit | pl zamknię* nieczynn* | ru закры*
en guest guests visitor visitors | de gast gäste gäst* besucher* | fr invité* visiteur* | es huésped* visitante* | it
  ospit* visitator* | pt hóspede* visitante* | nl gast gasten bezoeker* | pl gość goście gości*
en employee employees staff | de mitarbeiter* angestellt* beschäftigt* | fr employé* salarié* personnel | es emplead*
  | it dipendent* | pt funcionári* empregad* | nl medewerker* | pl pracown* | ru сотрудник*
en manager managers boss supervisor | de vorgesetzt* chef* leiter* | fr responsable* chef* | es jefe* superior* | it
  responsabil* capo | pt gerente* chefe* | nl leidinggevende* | pl kierown* | ru руковод*
en illness sick ill | de krank* krankheit* | fr malad* | es enferm* | it malat* | pt doente* doença* | nl ziek* | pl
  chor* | ru болезн* болен
en doctor physician | de arzt* ärzt* | fr médecin* | es médic* | it medic* | pt médic* | nl arts | pl lekar* | ru
  врач*
en report reports reported register notify | de melde* meld* gemeldet anmeld* angemeldet | fr signal* déclar* | es
  notific* inform* | it notific* comunic* | pt comunic* avis* | nl melden gemeld | pl zgłos* zgłasz* | ru сообщ*
en child children | de kind kinder* | fr enfant* | es niño* niña* | it bambin* | pt criança* | nl kind kinderen | pl
  dziec* | ru дет*
en fine fines penalty | de strafe* bußgeld* mahngebühr* | fr amende* | es multa* | it multa | pt multa* | nl boete* |
  pl kara kary karę | ru штраф*
en library libraries | de bibliothek* bücherei* | fr bibliothèque* | es biblioteca* | it bibliotec* | pt biblioteca* |
  nl bibliotheek* | pl bibliotek* | ru библиотек*
en book books | de buch bücher* | fr livre* | es libro* | it libro libri | pt livro* | nl boek boeken | pl książ* | ru
  книг*
en gym | de fitnessstudio* | fr gymnase* | es gimnasio* | it palestra | pt academia | nl sportschool | pl siłown*
en weekday weekdays workday* | de werktag* wochentag* | fr ouvrable* | es laborable* | it feriali lavorativ* | pt
  úteis | nl werkdag* doordeweeks* | pl robocz*
en weekend weekends | de wochenende* wochenend* | fr week-end* | es finde | it weekend | pt fim-de-semana | nl
  weekeinde* weekend* | pl weekend* | ru выходн*
en limit limits | de grenze* begrenz* obergrenze* | fr limite* | es límite* | it limit* | pt limite* | nl grens
  limiet* | pl limit* | ru лимит*
en request requests call calls | de anfrag* aufruf* | fr requête* appel* demande* | es solicitud* petici* llamad* | it
  richiest* chiamat* | pt pedido* chamad* | nl verzoek* aanvra* | pl żądan* | ru запрос*
en minute minutes | de minute minuten | fr minute minutes | es minuto* | it minut* | pt minuto* | nl minuut minuten
en search searches | de such* | fr recherch* | es búsqueda* buscar* | it ricerc* | pt pesquis* | nl zoek* | pl wyszuk*
  | ru поиск*
en step steps | de schritt* | fr étape* | es paso pasos | it passo passi | pt passo passos | nl stap* | pl krok* | ru
  шаг*
en repeat repeated retry retries tries | de wiederhol* versuch* | fr répét* essai* tentativ* | es repet* intent* | it
  ripet* tentativ* | pt repet* tentativ* | nl herhaal* poging* | pl powt* | ru повтор*
en pause break | de pause pausen | fr pause* | es pausa* | it pausa pause | pt pausa* | nl pauze*
en change changes changed | de änder* | fr modifi* chang* | es cambi* modific* | it cambi* modific* | pt alter* mud* |
  nl wijzig* | pl zmien* zmian* | ru измен*
en remove removes removed removing | de entfern* | fr supprim* retir* | es elimin* quitar* | it rimuov* | pt remov* |
  nl verwijder* | pl usun* | ru удал*
en add adds added | de hinzufüg* | fr ajout* | es añad* agreg* | it aggiung* | pt adicion* | nl toevoeg* | pl dod* |
  ru добав*
en transfer transfers transferred hand over | de übertrag* übergeb* | fr transf* céder cède* | es ceder* transf* | it
  trasfer* | pt transf* | nl overdrag* | pl przen* | ru переда*
en valid | de gültig* | fr valable* valide* | es válid* | it valid* | pt válid* | nl geldig* | pl ważn* | ru действ*
en expire expires expired expiry | de ablauf* abgelaufen läuft verfäll* | fr expir* | es caduc* vence* | it scad* | pt
  expir* | nl verlo* | pl wygas* | ru истек*
en plan plans | de tarif* | fr abonnement* forfait* | es plan planes | it piano piani | pt plano* | nl abonnement* |
  pl plan*
en office | de büro* | fr bureau* | es oficina* | it ufficio uffici | pt escritório* | nl kantoor* | pl biur* | ru
  офис*
en phone telephone call | de telefon* | fr téléphon* | es teléfono* | it telefon* | pt telefon* | nl telefoon* | pl
  telefon* | ru телефон*
en key keys | de schlüssel* | fr clé* clef* | es llave* | it chiav* | pt chave* | nl sleutel* | pl klucz* | ru ключ*
en rent rental rents hire | de miete* miet* | fr location* loyer* lou* | es alquil* | it affitt* nolegg* | pt alug*
  renda | nl huur* huren | pl czynsz* wynaj* | ru аренд*
en hall room rooms | de saal raum räume zimmer | fr salle* chambre* | es sala* habitaci* | it sala sale camer* | pt
  sala* quarto* | nl zaal kamer* | pl pokój* pokoj* sala sali | ru зал комнат*
en house building built build | de haus gebäude* gebaut bauen | fr bâtiment* maison* constru* | es edifici* constru* |
  it edifici* costru* | pt edifíci* constru* | nl gebouw* huis | pl zbudow* budyn* | ru здани* постро*
en bridge | de brücke* | fr pont* | es puente* | it ponte* | pt ponte* | nl brug* | pl most mostu | ru мост*
en mountain | de berg* | fr montagne* | es montaña* | it montagna* | pt montanha* | nl berg* | pl góra* | ru гора*
en city town | de stadt städte | fr ville* | es ciudad* | it città | pt cidade* | nl stad steden | pl miast* | ru
  город*
en river | de fluss* flüsse | fr fleuve* rivière* | es río* | it fiume* | pt rio rios | nl rivier* | pl rzek* | ru
  река*
en country countries | de land länder* | fr pays | es país* | it paese* | pt país* | nl land landen | pl kraj* | ru
  стран*
en year annual annually yearly | de jährlich* jahr* | fr annuel* | es anual* | it annu* | pt anual* | nl jaarlijks* |
  pl roczn* | ru ежегодн*
en month monthly | de monatlich* | fr mensuel* | es mensual* | it mensil* | pt mensal* | nl maandelijks* | pl
  miesięczn* | ru ежемесячн*
en training course courses | de schulung* weiterbildung* kurs* | fr formation* cours | es formaci* curso* | it
  formazion* corso corsi | pt curso* | nl cursus* | pl szkolen* kurs* | ru курс*
en budget budgets | de budget* | fr budget* | es presupuest* | it budget | pt orçament* | nl budget* | pl budżet* | ru
  бюджет*
en conference conferences | de konferenz* | fr conférence* | es conferencia* | it conferenz* | pt conferên* | nl
  conferentie* | pl konferencj* | ru конференц*
en approve approves approved approval | de genehmig* | fr approuv* | es aprueb* aprob* | it approv* | pt aprov* | nl
  goedkeur* goedgekeurd | pl zatwierdz* | ru одобр*
en injury injuries | de verletzung* | fr blessure* | es lesión* | it infortun* | pt lesão* | nl blessure* | pl
  kontuzj* | ru травм*
en holiday holidays | de feiertag* urlaub* | fr férié* vacances | es vacaciones festivo* | it ferie festiv* | pt
  feriad* férias | nl vakantie* feestdag* | pl święt* urlop* | ru праздник*
en vote votes | de stimme* abstimm* | fr vote* | es voto* | it voto voti | pt voto* | nl stem* | pl głos* | ru голос*
en password passwords | de passwort* kennwort* | fr passe | es contraseña* | it password | pt senha* | nl wachtwoord*
  | pl hasł* | ru парол*
en account accounts | de konto* konten | fr compte* | es cuenta* | it conto account | pt conta* | nl account*
  rekening* | pl kont* | ru счет*
en user users | de benutz* nutzer* | fr utilisateur* | es usuari* | it utent* | pt utilizador* usuári* | nl gebruiker*
  | pl użytkown* | ru пользовател*
en use uses used | de benutz* nutz* verwend* | fr utilis* | es usar usa usan utiliz* uso | it usare usa usano utilizz*
  | pt usar usa usam utiliz* | nl gebruik* | pl używ* korzyst* | ru использ*
en file files | de datei* | fr fichier* | es archivo* fichero* | it file | pt arquivo* ficheiro* | nl bestand* | pl
  plik* | ru файл*
en document documents | de dokument* | fr document* | es documento* | it document* | pt documento* | nl document* | pl
  dokument* | ru документ*
en server servers | de server* | fr serveur* | es servidor* | it server | pt servidor* | nl server* | pl serwer*
en data | de daten | fr donnée données | es datos | it dati | pt dados | nl gegevens | pl dane danych | ru данн*
en people persons person | de person* leute | fr personne* gens | es persona* gente | it person* | pt pessoa* gente |
  nl mensen persoon personen | pl osób osoby osoba osobę | ru люд* человек*
en seat seats place places capacity seated | de platz plätze bietet sitz* | fr place places siège* capacité | es
  asiento* plaza* capacidad aforo | it posto posti | pt lugar* | nl plaats* | pl miejsc* | ru мест*
en evening evenings | de abend* | fr soir* | es noche* | it sera serata | pt noite* | nl avond* | pl wieczor* | ru
  вечер*
en start starts begin begins | de beginn* | fr commence* début* | es empieza* comienz* | it inizi* | pt começ* | nl
  begint | pl rozpocz* | ru начин*
en end ends | de endet ende* | fr finit fin termin* | es termin* | it finisce | pt acab* | nl eindig* einde | pl
  kończ* | ru оконч*
en now today | de heute | fr aujourd'hui | es hoy | it oggi | pt hoje | nl vandaag | pl dziś | ru сегодня
en immediately once | de sofort* | fr immédiat* | es inmediat* | it immediat* subito | pt imediat* | nl onmiddellijk |
  pl natychmiast | ru немедленно
en stay stays remain remains | de bleib* | fr rest* | es quedan permanec* | it rimang* | pt ficam | nl blijv* | pl
  pozost* | ru остаются
en receive receives received get gets | de erhält erhalten bekomm* | fr reçoi* reçu* | es recib* | it ricev* | pt
  receb* | nl krijg* ontvang* | pl otrzym* | ru получ*
en late overdue delayed | de verspätet* spät* überfällig* | fr retard* | es atras* tarde retras* | it ritard* | pt
  atras* | nl laat | pl spóźni* | ru просроч* опозд*
en desk counter | de schalter | fr guichet* | es mostrador* | it sportell* | pt balcão* | nl balie*
en claim claims | de reklamation* anspruch* | fr réclamation* | es reclama* | it reclam* | pt reclama* | nl klacht* |
  pl reklamacj* | ru претенз*
en service | de servicestelle* kundendienst* | fr service* | es servicio* | it servizio | pt serviço* | nl dienst* |
  pl usług* | ru сервис*
en everyone everybody anyone | de jeder* alle | fr tous chacun | es todos | it tutti | pt todos | nl iedereen | pl
  każdy | ru каждый
en law rule rules | de regel* vorschrift* | fr règle* règlement* | es norma* regla* | it regol* | pt regra* | nl
  regel* | pl zasad* regulamin* | ru правил*
en bank banks | de bank* | fr banque* | es banco* | it banca | pt banco* | nl bank* | pl bank* | ru банк*
en water | de wasser* | fr eau eaux | es agua | it acqua | pt água | nl water | pl wod* | ru вода
en car cars vehicle vehicles auto autos | de auto autos fahrzeug* wagen | fr voiture* véhicule* | es coche* vehículo*
  | it auto macchina veicol* | pt carro* | nl auto auto's | pl samoch* | ru автомобил*
en school schools | de schule* | fr école* | es escuela* | it scuol* | pt escola* | nl school scholen | pl szkoł* | ru
  школ*
en teacher teachers | de lehrer* | fr enseignant* | es profesor* | it insegnant* | pt professor* | nl leraar* | pl
  nauczyciel* | ru учител*
en name names | de name* | fr nom noms | es nombre* | it nome | pt nome* | nl naam | pl imię nazwa | ru имя
"""
