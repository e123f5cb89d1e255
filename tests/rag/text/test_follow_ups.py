"""Whether a question needs the one before it, in every language that is known here."""

from __future__ import annotations

import pytest

from chatbot.rag.text.follow_up_words import BY_LANGUAGE, UNSPACED_BY_LANGUAGE
from chatbot.rag.text.follow_ups import leans_on_history, own_words, stands_alone

LEANING = {
    "en": [
        "How much is it?",
        "And for students?",
        "Do you have one for children?",
        "How big?",
        "How many at once?",
        "What about dogs?",
        "Is that included?",
        "By when?",
        "for groups?",
        "Where can I renew them?",
        "Which port?",
        "Does that also apply to guests?",
    ],
    "de": [
        "Und für Kinder?",
        "Wie teuer?",
        "Wo kann ich sie kaufen?",
        "Kostet das extra?",
        "Wie funktioniert das?",
        "Was ist mit Hunden?",
        "Ist das in Bayern anders?",
        "Muss ich ihn mitbringen?",
        "Ab wann?",
        "gilt das auch?",
        "Brauche ich dafür einen Ausweis?",
        "Ist diese übertragbar?",
    ],
    "fr": [
        "Combien de temps est-il valable ?",
        "Et le dimanche ?",
        "Est-ce que ça marche aussi en ligne ?",
        "Où peut-on les acheter ?",
        "Comment la renouveler ?",
        "Pour les étudiants ?",
        "Lequel est le moins cher ?",
        "Est-ce qu'elle est remboursable ?",
        "Quand ouvre-t-il ?",
    ],
    "es": [
        "¿Y para niños?",
        "¿Cuánto dura?",
        "¿Cómo puedo renovarla?",
        "¿Dónde lo compro?",
        "¿Es válido eso aquí?",
        "¿Vale también para ellos?",
        "¿A qué hora abre?",
        "¿Y los domingos?",
        "¿Hasta cuándo es válida?",
    ],
    "it": [
        "E per i bambini?",
        "Quanto dura?",
        "Dove lo compro?",
        "Come posso rinnovarlo?",
        "Vale anche per loro?",
        "Quando è aperta?",
        "Quanto costa?",
        "Questo vale anche online?",
    ],
    "pt": [
        "E para crianças?",
        "Quanto tempo é válida?",
        "Onde posso obtê-la?",
        "Isso vale para visitantes?",
        "Quanto custa?",
        "Ela é renovável?",
        "Como posso renová-lo?",
        "E aos domingos?",
    ],
    "nl": [
        "En voor kinderen?",
        "Hoe lang is het geldig?",
        "Waar kan ik hem krijgen?",
        "Geldt dat ook voor gasten?",
        "Hoe duur?",
        "Waar koop ik die?",
        "Kan ik daarmee reizen?",
    ],
    "sv": ["Och för barn?", "Hur länge gäller den?", "Var kan jag få en?", "Hur dyrt?", "Kan jag förnya det?"],
    "da": ["Og for børn?", "Hvor længe gælder den?", "Hvor dyrt?", "Hvad med hunde?"],
    "no": ["Og for barn?", "Hvor lenge gjelder det?", "Hva med hunder?"],
    "fi": ["Entä lapsille?", "Kuinka kauan se on voimassa?", "Mistä saan sen?"],
    "hu": ["És gyerekeknek?", "Meddig érvényes?", "Hol kapom meg azt?"],
    "ro": ["Și pentru copii?", "Cât costă?", "Unde pot obține asta?"],
    "pl": ["A dla dzieci?", "Jak długo jest ważna?", "Gdzie mogę ją dostać?", "Ile to kosztuje?"],
    "cs": ["A pro děti?", "Jak dlouho platí?", "Kde ho dostanu?", "Kolik to stojí?"],
    "tr": ["Peki çocuklar için?", "Ne kadar geçerli?", "Onu nereden alabilirim?", "Bu ne kadar?"],
    "id": ["Dan untuk anak-anak?", "Berapa lama itu berlaku?", "Berapa harganya?"],
    "vi": ["Còn trẻ em thì sao?", "Nó có giá trị bao lâu?"],
    "ru": [
        "А для детей?",
        "Сколько он действует?",
        "Где его получить?",
        "Сколько это стоит?",
        "Как долго действует?",
        "Это распространяется на гостей?",
        "И по субботам?",
    ],
    "uk": ["А для дітей?", "Скільки він діє?", "Де його отримати?"],
    "el": ["Και για παιδιά;", "Πόσο ισχύει;", "Πού μπορώ να το βγάλω;"],
    "hi": ["और बच्चों के लिए?", "यह कितने समय तक मान्य है?", "मैं इसे कहाँ से लूँ?"],
    "ar": [
        "وللأطفال؟",
        "كم مدة صلاحيتها؟",
        "أين يمكنني الحصول عليها؟",
        "وماذا عن الضيوف؟",
        "متى يفتح؟",
        "هل هي مجانية؟",
    ],
    "he": ["ולילדים?", "כמה זמן הוא תקף?", "איפה משיגים אותו?"],
    "fa": ["و برای کودکان؟", "این تا کی معتبر است؟"],
    "ko": [
        "아이들은요?",
        "얼마 동안 유효해요?",
        "그건 어디서 사요?",
        "그럼 아이들은 얼마예요?",
        "어디서 받을 수 있어요?",
    ],
    "zh": ["它多久有效？", "那孩子呢？", "老人呢？", "多少钱？", "这个可以网上办吗？", "在哪里办？"],
    "ja": [
        "それはどのくらい有効ですか？",
        "子どもは？",
        "どこで買えますか？",
        "では学生は？",
        "学生の場合はどうですか？",
        "いつまで有効ですか？",
    ],
    "th": ["แล้วเด็กล่ะ", "มันใช้ได้นานแค่ไหน"],
}
ALONE = {
    "en": [
        "When does the swimming pool open?",
        "What is Redis?",
        "Does this product have a webhook?",
        "Is breakfast included in the price?",
        "Where is the parking lot?",
        "When is Easter?",
        "one day ticket price",
        "How do I reset my password?",
        "Can one person bring two dogs?",
    ],
    "de": [
        "Wann öffnet das Schwimmbad?",
        "Was kostet das neue Ticket?",
        "Wann öffnen Sie am Montag?",
        "Was ist Redis?",
        "Wo finde ich die Bücherei?",
        "Gibt es Parkplätze am Bahnhof?",
        "Wann ist Ostern?",
        "wann öffnet das schwimmbad?",
    ],
    "fr": [
        "À quelle heure ouvre la piscine ?",
        "La piscine est-elle ouverte le lundi ?",
        "Y a-t-il un parking ?",
        "Comment aller à la mer ?",
        "Où est la gare ?",
        "Quel est le prix du billet ?",
    ],
    "es": [
        "¿A qué hora abre la piscina?",
        "¿Dónde está el museo?",
        "¿Qué es Redis?",
        "¿Hay una charla esta semana?",
        "¿Cuánto cuesta la entrada?",
    ],
    "it": ["A che ora apre la piscina?", "Dove è il museo?", "Quando è Natale?", "Chi parla alla conferenza?"],
    "pt": ["A que horas abre a piscina?", "Onde fica o museu?", "Quanto custa o bilhete?"],
    "nl": ["Hoe laat gaat het zwembad open?", "Wat kost het kaartje?", "Waar is de bibliotheek?"],
    "sv": ["När öppnar simhallen?", "Vad kostar biljetten?"],
    "da": ["Hvornår åbner svømmehallen?"],
    "no": ["Når åpner svømmehallen?"],
    "fi": ["Milloin uimahalli aukeaa?"],
    "hu": ["Mikor nyit az uszoda?"],
    "ro": ["La ce oră se deschide piscina?", "Unde este muzeul?"],
    "pl": ["O której otwiera się basen?", "Gdzie jest muzeum?", "Ile kosztuje bilet?"],
    "cs": ["Kdy otevírá bazén?", "Kde je muzeum?"],
    "tr": ["Havuz ne zaman açılıyor?", "Bilet ne kadar?"],
    "id": ["Kapan kolam renang dibuka?"],
    "vi": ["Bể bơi mở cửa lúc mấy giờ?"],
    "ru": ["Когда открывается бассейн?", "Где музей?", "Сколько стоит билет?"],
    "uk": ["Коли відчиняється басейн?"],
    "el": ["Πότε ανοίγει η πισίνα;", "Πού είναι το μουσείο;"],
    "hi": ["स्विमिंग पूल कब खुलता है?"],
    "ar": ["متى يفتح المسبح؟", "ما هي ساعات عمل المكتبة؟", "أين المتحف؟"],
    "he": ["מתי נפתחת הבריכה?"],
    "fa": ["استخر چه ساعتی باز می‌شود؟"],
    "ko": ["수영장은 몇 시에 열어요?", "도서관 전화번호가 뭐예요?"],
    "zh": ["游泳池几点开门？", "怎么申请护照？", "其他城市的图书馆几点开门？"],
    "ja": ["プールは何時に開きますか？", "パスポートはどこで申請できますか？", "明日の天気はどうですか？"],
    "th": ["สระว่ายน้ำเปิดกี่โมง", "วันนี้ห้องสมุดเปิดกี่โมง"],
}


@pytest.mark.parametrize(("language", "question"), [(c, q) for c, some in LEANING.items() for q in some])
def test_a_question_that_needs_the_one_before_is_told(language: str, question: str) -> None:
    assert leans_on_history(question)
    assert not stands_alone(question)


@pytest.mark.parametrize(("language", "question"), [(c, q) for c, some in ALONE.items() for q in some])
def test_a_question_that_stands_alone_is_told(language: str, question: str) -> None:
    assert not leans_on_history(question)


def test_every_language_that_has_words_is_tried() -> None:
    assert LEANING.keys() == ALONE.keys() == BY_LANGUAGE.keys() | UNSPACED_BY_LANGUAGE.keys()


@pytest.mark.parametrize(
    "question",
    [
        "When does the swimming pool open?",
        "Wann öffnet das neue Schwimmbad in Dresden?",
        "Когда открывается новый бассейн?",
        "游泳池早上几点开门，周末开吗？",
        "¿A qué hora abre la piscina municipal?",
    ],
)
def test_a_question_that_says_enough_plainly_stands_alone(question: str) -> None:
    assert stands_alone(question)


@pytest.mark.parametrize("question", ["How long is the code good for?", "Redis?", "Kwa nini bei ni kubwa sana sasa?"])
def test_a_question_that_says_little_or_in_an_unknown_language_may_need_the_one_before(question: str) -> None:
    assert not leans_on_history(question)
    assert not stands_alone(question)


def test_own_words_are_those_that_say_what_a_question_is_about() -> None:
    assert own_words("Gilt das auch für Gäste?") == ["gilt", "gäste"]
    assert own_words("What is the price of a ticket?") == ["price", "ticket"]
