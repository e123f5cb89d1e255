"""What makes a question a follow-up, by language: how it begins, what stands for something else, how it ends.

The entries are parts of patterns over the folded words of a question with one blank between them. `words` tell which
language a question is in and say nothing by themselves; a question with no other word needs the one before.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FollowUpWords:
    """The words of a language. `verbs` are those of `words` without which a question in a language that needs a
    subject is a fragment. In a language that leaves its subject out (`drops_subject`), a question with one word of its
    own after the asking word has none, unless an article is in it or it asks `names`: where a thing is, or what."""

    words: str
    openings: str
    anywhere: str
    endings: str
    verbs: str = ""
    drops_subject: bool = False
    articles: str = ""
    names: str = ""


_ES_TIME = "(?! (?:año|semana|mes|tarde|noche|mañana|verano|invierno|vez))"
_IT_TIME = "(?! (?:anno|settimana|mese|sera|mattina|estate|inverno|volta))"
_PT_TIME = "(?! (?:ano|semana|mês|noite|tarde|manhã|verão|inverno|vez))"
_ONE_OF = (
    "(?:get|have|need|want|buy|use|make|order|find|see|rent|return|cancel|replace|add|remove|create|renew|lost?e?|"
    "borrow|book|without|which|another|each)"
)
# What follows a pronoun and no noun.
_AFTER_ONE = "online|here|there|in|at|on|for|from|with|without|by|if|when|too|as|now|today|again|later|and|or|to|back"
_AFTER_THAT = (
    "also|apply|include|work|cost|mean|still|free|valid|possible|allowed|necessary|required|available|true|safe|the|a|"
    "for|in|on|at|change|count|happen|take|need|expire|be|only|always|enough|refundable|included|ok|okay"
)

BY_LANGUAGE = {
    "en": FollowUpWords(
        words="what when where which who whose why how long much many often far old do does did is are was were can "
        "could may might must shall should will would have has had the a an of in on at for to from with by about and "
        "or but i you we my your our me us there any some be been not if than as until one",
        openings="and|or|but|so|then|also|what about|how about|why not|which one|what if|what else|anything else|"
        "in that case|same for",
        anywhere="it|its|they|them|their|theirs|he|she|him|her|those|ones|former|latter|instead|"
        f"{_ONE_OF} one(?= (?:{_AFTER_ONE}) )|"
        f"(?:is|was|does|will|can|would|should|did) (?:this|that)(?= (?:{_AFTER_THAT}) )",
        endings="this|that|these|there|then|one|same|too|else|some|any|neither|both|either|as well",
        verbs="do does did is are was were can could may might must shall should will would have has had",
    ),
    "de": FollowUpWords(
        words="was wann wo woher wohin wer wem wen wessen warum wieso weshalb wie lange viel viele oft weit welche "
        "welcher welches welchen ist sind war hat haben habe kann können darf muss soll wird werden wurde gibt es ich "
        "wir man sie ihr mein meine der die das den dem des ein eine einen einem für mit von zu zum zur im in am an "
        "auf aus bei nach bis ab und oder aber auch noch nicht kein keine dort hier denn",
        openings="und|oder|aber|auch|sonst|dann|also|was ist mit|wie ist es mit|warum nicht|welche[rsnm]? davon",
        anywhere="er|ihn|ihm|ihnen|dessen|deren|davon|dafür|damit|daran|darauf|daraus|darin|darüber|dabei|dazu|dorthin|"
        "diese[rsmn]?(?! (?:jahr|woche|monat|abend|sommer|winter))|der ?selbe|die ?selbe|das ?selbe|letztere[rsnm]?|"
        "erstere[rsnm]?|stattdessen|jene[rsnm]?|(?:kostet|dauert|funktioniert|gilt|hält|läuft|liegt|wiegt|ich|man) es",
        endings="das|die|den|dem|denen|es|einen?|eins|keinen?|welche|dort|auch|sonst",
        verbs="ist sind war hat haben habe kann können darf muss soll wird werden wurde gibt",
    ),
    "fr": FollowUpWords(
        words="que quel quelle quels quelles quoi qui quand où comment pourquoi combien temps est sont ce c "
        "qu d l a ai "
        "as ont avez avons puis peut peux on je tu vous nous j il elle le la les un une des du de au aux en à pour par "
        "avec sans dans sur et ou mais si y t fait faut doit dois mon ma mes votre vos notre",
        openings="et|ou|mais|alors|donc|aussi|sinon|qu en est il|dans ce cas|lequel|laquelle|lesquels|lesquelles|"
        "pareil|pourquoi pas|même chose",
        anywhere="cela|ça|ceci|ceux|celles?|celui|eux|lui|leurs?|"
        "(?:je|on|nous|vous|tu|il|peux|peut|dois|doit|faut|veux|comment|où) (?:l|les?|la|en|y|lui|leur) "
        "[^ ]{2,30}(?:er|ir|re)(?= )|"
        "(?:qu|que|quand|comment|si) (?:ils?|elles?)(?! (?:y a|faut|est possible))",
        endings="ça|cela|ceci|aussi|là|y|en|autres?|dedans|dessus|même|un|une",
        verbs="est sont a ont avez peut peux puis faut doit dois fait",
    ),
    "es": FollowUpWords(
        words="qué que cuál cuáles cuándo cuánto cuánta cuántos cuántas cómo dónde quién por para con sin de del a al "
        "en el la los las un una es son está están hay se me te nos mi su tu y o pero si no puedo puede pueden tengo "
        "tiene hora tiempo hasta desde lo le",
        openings="y|e|o|pero|entonces|también|además|qué tal|qué hay de|cuál de|en ese caso|lo mismo|por qué no",
        anywhere="él|ellas?|ellos?|esto|eso|aquello|ést[ea]|és[ea]|dich[oa]s?|allí|allá|ahí|"
        f"(?:este|esta|estos|estas|ese|esa|esos|esas){_ES_TIME}|"
        "(?:dónde|cómo|cuándo|cuánto|quién|no|ya|se|me|te|puedo|debo|también) (?:lo|la|los|las|le|les) "
        "(?!que |más |mejor )[^ ]+|(?!charl)[^ ]{2,30}(?:ar|er|ir)(?:l[oa]s?|les?)",
        endings="un[oa]|mism[oa]|también|otr[oa]|entonces|cuál|ella|él",
        drops_subject=True,
        articles="el la los las un una mi su tu",
        names="qué quién cuál",
    ),
    "it": FollowUpWords(
        words="che cosa cos quale quali quando quanto quanta quanti quante come dove chi perché per con senza di del "
        "della dei delle da in nel nella a al alla il lo la i gli le l un uno una è sono c ci si mi ti ho ha posso può "
        "possono devo ora tempo e o ma se non fino",
        openings="e|ed|o|ma|allora|quindi|anche|inoltre|invece|in tal caso|perché no|lo stesso",
        anywhere="ess[oaie]|lui|lei|loro|ciò|ne|"
        f"(?:quest[oaie]|quell[oaie]){_IT_TIME}|(?:dove|come|non|si|ce) (?:lo|la|li|le|l) [^ ]+o(?= )|"
        "[^ ]{2,30}(?:ar|er|ir|ur)(?:l[oaie]|ne|gli)",
        endings="anche|stess[oa]|altr[oa]|lì|là|un[oa]|quale",
        drops_subject=True,
        articles="il lo la i gli le l un una mio",
        names="che cosa cos chi quale",
    ),
    "pt": FollowUpWords(
        words="que qual quais quando quanto quanta quantos quantas como onde quem porque por para com sem de do da dos "
        "das em no na nos nas a o as os um uma é são está estão há se me te meu minha seu sua posso pode podem tenho "
        "tem hora horas tempo até desde e ou mas não ao à eu você",
        openings="e|ou|mas|então|também|além disso|que tal|nesse caso|por que não",
        anywhere="eles?|elas?|isso|isto|aquilo|deles?|delas?|neles?|nelas?|lhes?|"
        f"(?:este|esta|esse|essa|estes|estas|esses|essas){_PT_TIME}|[^ ]{{1,30}}[áêíôaei]r? l[oa]s?",
        endings="também|outr[oa]|lá|aí|um|uma|mesmo|qual",
        drops_subject=True,
        articles="o a os as um uma meu minha seu sua",
        names="que quem qual",
    ),
    "nl": FollowUpWords(
        words="wat wanneer waar welke welk wie waarom hoe hoeveel lang veel vaak ver laat is zijn was heeft hebben heb "
        "kan kunnen mag moet wordt worden er ik we wij je u jij mijn uw de het een van in op aan voor met naar bij uit "
        "om te en of maar ook niet geen tot vanaf",
        openings="en|of|maar|ook|dan|dus|wat met|hoe zit het met|waarom niet|welke daarvan|in dat geval|hetzelfde",
        anywhere="hij|hem|haar|hun|hen|ze|zij|ervan|ervoor|ermee|erop|erin|daar(?:van|voor|mee|op|in|naar)?|dezelfde|"
        "(?:is|zijn|kost|kosten|geldt|gelden|duurt|werkt|kan|mag|moet|wordt|heeft|gaat|ik|je|we|men) "
        "(?:die|dat|deze|dit)|het (?:geldig|gratis|open|duur|beschikbaar|inbegrepen|toegestaan|nodig|ook|nog|extra)",
        endings="die|dat|deze|dit|het|er|daar|ook|één|eentje|dan|anders",
        verbs="is zijn was heeft hebben heb kan kunnen mag moet wordt worden",
    ),
    "sv": FollowUpWords(
        words="vad när var vilken vilket vilka vem varför hur länge mycket många ofta är har kan får måste ska finns "
        "det jag vi man du ni min en ett den de för till från med på i av om och eller men också inte",
        openings="och|eller|men|också|så|då|vad gäller|hur är det med|varför inte|vilken av",
        anywhere="han|hon|honom|henne|dess|deras|dem|dessa|denna|detta|dit|därifrån|"
        "(?:är|kostar|gäller|fungerar|kan|får|har) den|(?:kostar|gäller|fungerar|tar) det|"
        "(?:jag|man|vi) (?:den|det|en|ett)(?= (?:$|på|i|här|hos|för|från) ?)",
        endings="den|det|där|då|också|samma|en|ett|annars",
        verbs="är har kan får måste ska finns",
    ),
    "da": FollowUpWords(
        words="hvad hvornår hvor hvilken hvilket hvilke hvem hvorfor hvordan længe meget mange ofte er har kan må skal "
        "findes der jeg vi man du min en et den det de for til fra med på i af om og eller men også ikke",
        openings="og|eller|men|også|så|hvad med|hvorfor ikke|hvilken af",
        anywhere="han|hun|ham|hende|dens|dets|deres|dem|disse|denne|dette|dertil|"
        "(?:er|koster|gælder|virker|kan|må|har) den|(?:koster|gælder|virker|tager) det",
        endings="den|det|der|så|også|samme|en|et|ellers",
        verbs="er har kan må skal findes",
    ),
    "no": FollowUpWords(
        words="hva når hvor hvilken hvilket hvilke hvem hvorfor hvordan lenge mye mange ofte er har kan må skal finnes "
        "det jeg vi man du min en et ei den de for til fra med på i av om og eller men også ikke",
        openings="og|eller|men|også|så|da|hva med|hvorfor ikke|hvilken av",
        anywhere="han|hun|ham|henne|dens|dets|deres|dem|disse|denne|dette|dit|"
        "(?:er|koster|gjelder|virker|kan|må|har) den|(?:koster|gjelder|virker|tar) det",
        endings="den|det|der|da|også|samme|en|et|ellers",
        verbs="er har kan må skal finnes",
    ),
    "fi": FollowUpWords(
        words="mikä mitä milloin missä mistä mihin kuka miksi miten kuinka kauan paljonko paljon moni monta onko on "
        "ovat voiko voinko saako pitää minä me ja tai mutta ei myös kuin",
        openings="ja|tai|mutta|entä|entäs|sitten|myös|miksi ei",
        anywhere="se|sen|sitä|siitä|siihen|siinä|sillä|niitä|niiden|niistä|hän|tämä|tämän|tätä|siellä|sinne",
        endings="myös|siellä|muuta|samoin",
        drops_subject=True,
        names="kuka mikä missä",
    ),
    "hu": FollowUpWords(
        words="mi mit mikor hol hova honnan hogyan hogy mennyi meddig mennyibe hány melyik milyen miért ki van vannak "
        "lehet kell a az egy és vagy de nem is nekem",
        openings="és|vagy|de|akkor|tehát|szintén|mi a helyzet|miért nem",
        anywhere="ők?|azt|ezt|annak|ennek|abból|ebből|arra|erre|azok|ezek|azokat|ezeket|ott|oda|onnan|ugyanaz",
        endings="is|ott|más|az|ez",
        drops_subject=True,
        articles="a az egy",
        names="ki mi hol",
    ),
    "ro": FollowUpWords(
        words="ce când unde cum cât câtă câți câte cine care de este e sunt are am pot poate trebuie se îmi un o la în "
        "din pe cu pentru și sau dar nu al a timp",
        openings="și|sau|dar|atunci|deci|de asemenea|ce zici de|în acest caz|de ce nu",
        anywhere="el|ea|ei|ele|acesta|aceasta|acestea|aceștia|asta|acela|aceea|acolo|îl|lui",
        endings="asta|acolo|altceva|la fel",
        drops_subject=True,
        articles="un o",
        names="ce cine unde care",
    ),
    "pl": FollowUpWords(
        words="co kiedy gdzie skąd dokąd jak długo dużo często jaki jaka jakie który która które kto dlaczego ile czy "
        "jest są mam ma można mogę trzeba muszę ja my mi w we na z ze dla od do po za o u i a lub albo ale nie się to",
        openings="a|i|lub|albo|ale|więc|wtedy|także|również|co z|w takim razie|dlaczego nie|to samo",
        anywhere="on|ona|ono|oni|one|jego|jej|ich|jemu|mu|im|nim|niego|niej|nią|nich|je|ją|ta|te|tego|tej|tych|tam|"
        "stamtąd|(?:ten|tym)(?! (?:roku|rok|tygodniu|tydzień|miesiącu))|to(?! jest)",
        endings="też|także|również|tam|inne|to",
        drops_subject=True,
        names="gdzie kto co",
    ),
    "cs": FollowUpWords(
        words="co kdy kde kam odkud jak dlouho moc často jaký jaká jaké který která které kdo proč kolik je jsou mám "
        "má můžu mohu lze musím já my mi v ve na z ze pro od do po za o u i a nebo ale ne se to si",
        openings="a|i|nebo|ale|takže|pak|také|taky|co třeba|co takhle|v tom případě|proč ne|totéž",
        anywhere="on|ona|ono|oni|ony|jeho|její|jejich|jemu|mu|ji|ho|jim|něm|něj|ní|nich|ta|ti|ty|tento|tato|toto|tyto|"
        "tam|odtud|to(?! je)",
        endings="taky|také|tam|jiné|to",
        drops_subject=True,
        names="kde kdo co",
    ),
    "tr": FollowUpWords(
        words="ne zaman nerede nereden nereye nasıl kim niçin neden niye kaç kadar hangi mi mı mu mü var yok için ile "
        "ve veya ama bir ben biz bana",
        openings="ve|veya|ya|peki|ama|o zaman|ayrıca|neden olmasın|hangisi",
        anywhere="o|onu|ona|onun|ondan|onda|onlar|onları|onların|bunu|buna|bunun|bundan|bunlar|bunları|şunu|orada|"
        "oradan|oraya|kendisi|bu(?! (?:yıl|hafta|ay|akşam|sabah))",
        endings="da|de|peki|ya|başka|aynı mı",
        drops_subject=True,
        names="kim",
    ),
    "id": FollowUpWords(
        words="apa kapan di mana dari ke siapa mengapa kenapa bagaimana berapa lama yang apakah ada bisa boleh harus "
        "saya kami untuk dengan dan atau tapi tidak pada",
        openings="dan|atau|tapi|lalu|jadi|juga|bagaimana dengan|kalau begitu|mengapa tidak",
        anywhere="dia|mereka|itu|tersebut|sana|situ|(?!biasanya |hanya |punya |tanya |bertanya |"
        "misalnya )[^ ]{3,30}nya|"
        "(?<! hari)(?<! tahun)(?<! bulan)(?<! minggu) ini",
        endings="juga|lainnya|sana",
    ),
    "vi": FollowUpWords(
        words="là gì khi nào ở đâu bao giờ nhiêu lâu như thế tại sao vì ai có không được tôi cho và hay hoặc với của "
        "các những một mấy",
        openings="còn|và|hay|hoặc|nhưng|vậy|thế còn|thế",
        anywhere="nó|họ|chúng|đó|ấy|kia|(?<! hôm)(?<! tuần)(?<! năm)(?<! tháng) này",
        endings="thì sao|nữa|cũng vậy",
    ),
    "ru": FollowUpWords(
        words="что когда где куда откуда как какой какая какие какое кто почему зачем сколько долго есть ли "
        "можно нужно "
        "надо я мы мне нам мой у в на с для от до по к из за о и а или но же не это",
        openings="а|и|но|или|тогда|также|тоже|ну а|в таком случае|почему нет",
        anywhere="он|она|оно|они|его|ее|их|ему|ей|им|ими|нем|нее|него|ней|них|ним|этого|этим|тот|те|там|туда|оттуда|"
        "это|такой|такая|такое|такие|(?:этот|эта|эти|этой|этом)(?! (?:год|году|неделе|месяц|месяце|выходные))",
        endings="тоже|также|еще",
        drops_subject=True,
        names="где кто что",
    ),
    "uk": FollowUpWords(
        words="що коли де куди звідки як який яка яке які хто чому скільки чи є можна треба я ми мені у в на з для від "
        "до по та і а або але не довго",
        openings="а|і|та|або|але|тоді|також|чому ні",
        anywhere="він|вона|воно|вони|його|її|їх|йому|їй|їм|нього|неї|них|цього|цієї|ці|там|туди|звідти|це|"
        "(?:цей|ця|цьому)(?! (?:рік|році|тиждень|тижні|місяці))",
        endings="теж|також|ще",
        drops_subject=True,
        names="де хто що",
    ),
    "el": FollowUpWords(
        words="τι πότε πού που πώς πως ποιος ποια ποιο ποιοι ποιες πόσο πόση πόσος πόσα γιατί είναι έχει έχω μπορώ "
        "μπορεί πρέπει υπάρχει το η ο οι τα την τον του της των στο στη στην στον στις για με από σε και ή αλλά δεν θα "
        "να μου μας ώρα καιρό",
        openings="και|ή|αλλά|τότε|επίσης|τι γίνεται με|γιατί όχι|το ίδιο",
        anywhere="αυτ(?:ό|ή|ός|οί|ές|ά|ού|ής|ών|όν|ήν)(?! (?:το|την|τον) )|εκείνο|εκεί|"
        "(?:πού|πώς|πότε|να|θα|δεν) (?:το|τη|την|τον|τα|τις|τους) [^ ]{2,30}(?:ω|ουμε|εις|ει)(?= )",
        endings="επίσης|άλλο|εκεί",
        drops_subject=True,
        articles="το η ο οι τα την τον του της των ένα μια",
        names="τι ποιος ποια ποιο",
    ),
    "hi": FollowUpWords(
        words="क्या कब कहाँ कौन कैसे क्यों कितना कितने कितनी किस है हैं था थे का के की को में से पर तक और या लिए हो "
        "सकता सकते मैं हम मुझे समय",
        openings="और|या|लेकिन|तो|फिर|अच्छा|साथ ही",
        anywhere="यह|वह|ये|वे|इसे|उसे|इसका|इसकी|इसके|उसका|उसकी|उसके|इन्हें|उन्हें|इनका|उनका|इनकी|उनकी|इनके|उनके|"
        "इसमें|उसमें|इससे|उससे|इस|उस|वहाँ",
        endings="भी|और",
        drops_subject=True,
        names="कौन क्या कहाँ",
    ),
    "ar": FollowUpWords(
        words="ما ماذا متى أين كيف كم هل من لماذا أي هو هي في على إلى عن مع يمكن يمكنني لا أن مدة",
        openings="و|أو|لكن|ولكن|إذن|ثم|أيضا|ماذا عن|و(?:كم|ماذا|متى|أين|كيف|هل|ما|من|لماذا|إذا|أي|في|على|عن)|"
        "و(?:لل?|بال?)[^ ]{2,30}",
        anywhere="هل (?:هو|هي|هم)|(?:هذا|هذه)(?! (?:العام|الأسبوع|الشهر|السنة))|ذلك|تلك|هؤلاء|له|لها|لهم|به|بها|فيه|"
        "فيها|عنه|عنها|منه|منها|عليه|عليها|إليه|إليها|معه|معها|نفسه|نفسها|[^ ]{3,30}ها",
        endings="أيضا|هناك|غيره",
        drops_subject=True,
        names="ما من أين",
    ),
    "he": FollowUpWords(
        words="מה מתי איפה איך מי למה מדוע כמה זמן האם יש אין אפשר את של על עם אל אני",
        openings="ו(?:מה|מתי|איפה|איך|כמה|האם|מי|למה|אם|ל[^ ]{2,30}|ב[^ ]{2,30})|או|אבל|אז|גם|מה עם|מה לגבי",
        anywhere="הוא|היא|הם|הן|אותו|אותה|אותם|אותן|שלו|שלה|שלהם|לו|לה|להם|בו|בה|זה|זאת|זו|אלה|שם|ממנו|ממנה",
        endings="גם|עוד",
        drops_subject=True,
        names="מה מי איפה",
    ),
    "fa": FollowUpWords(
        words="چه چی کی کجا چطور چگونه چرا چند چقدر کدام آیا است هست دارد می از به در با برای تا و یا اما را من ما",
        openings="و|یا|اما|پس|همچنین|در مورد|درباره",
        anywhere="آن|او|آنها|اینها|آنجا|همان|این(?! (?:هفته|ماه|سال))|[^ ]{2,30}شان",
        endings="هم|دیگر",
        drops_subject=True,
        names="چه کجا چی",
    ),
    "ko": FollowUpWords(
        words="얼마 얼마나 얼마예요 언제 언제까지 어디 어디서 어디에서 왜 어떻게 누가 몇 무엇 뭐 동안 시에 "
        "있어요 있나요 수",
        openings="그럼|그러면|그리고|그런데|근데|또|또한|하지만|그래서|아니면",
        anywhere="그것[은을이도]?|그건|그게|그거|그걸|이것[은을이도]?|이건|이게|이거|이걸|그|그의|그들[은이]?|"
        "그곳[은에]?|"
        "거기서?|거기에|저것|저건",
        endings="[^ ]{1,20}(?:은|는|도)요|[^ ]{1,20}(?:은|는) (?:어때요|어떤가요|어떻습니까|어떻게 되나요)",
    ),
}

# Scripts without spaces between words: patterns over the folded text.
UNSPACED_BY_LANGUAGE = {
    "zh": r"^(?:那|还有|还|另外|但是|可是|如果|然后|所以|同样)|它|(?<!其)他|她|(?:这|那)(?:个|些|里|种|"
    r"样)(?!月|星期)|(?<!应)该"
    r"|呢[?？。]*$|^(?:多少钱|多久|多长时间|几点.{0,2}|什么时候.{0,2}|在哪.{0,3}|为什么|怎么.{1,2}|"
    r"要多.{1,3})[?？。]*$",
    "ja": r"^(?:では|じゃ|それ|また|でも|あと|そして|ちなみに)|それ|これ|あれ|その|そこ|そちら|この(?!町|街|"
    r"近く|辺)|彼|同じ"
    r"|^[^のはが]{1,12}(?:は|なら|だと)(?:どう(?:です|でしょう|なります|なの)か?|いかがですか)?[?？。]*$"
    r"|の場合は?(?:どう.{0,6})?[?？。]*$|^(?:いつ|いくら|どこ|どう|なぜ|何|誰|どれ)[^はがを]*$",
    "th": r"^(?:แล้ว|และ|หรือ|แต่|ถ้าอย่างนั้น|งั้น)|มัน|พวกเขา|นั้น|นั่น|(?<!วัน)(?<!ปี)(?<!เดือน)(?<!สัปดาห์)นี้"
    r"|(?:ล่ะ|ด้วยไหม|ด้วยหรือเปล่า)(?:ครับ|คะ|ค่ะ)?[?？]*$",
}
# A question in Korean that begins with an asking word, and in which nothing is marked as what it is about.
KOREAN_ASKS = r"^ (?:얼마|언제|어디|왜|어떻게|누가|몇)"
KOREAN_ABOUT = r"[^ ](?:은|는|이|가|을(?! 수)|를|도) "
