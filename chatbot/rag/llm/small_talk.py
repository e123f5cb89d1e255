"""Greetings, thanks and questions about the assistant itself: they are answered with a fixed sentence, not searched.

Only what consists of nothing else counts. A question behind a greeting is a question, and what is not recognised is
searched as before.
"""

from __future__ import annotations

import re
import unicodedata

from chatbot.rag.text.folding import fold, words_of

# What is said, by kind and by language: a whole message, folded, without punctuation and apostrophes.
_SAID = {
    "greeting": {
        "en": "hi|hello|hey|hiya|howdy|good (morning|afternoon|evening|day)|greetings|hi there|hello there|hey there"
        "|(hi|hello|hey) (everyone|all|team|bot|chatbot)|nice to meet you",
        "de": "hallo|hi|hey|moin|servus|grüezi|grüß (gott|dich)|guten (morgen|tag|abend)|hallo zusammen",
        "es": "hola|buenas|buenos días|buenas (tardes|noches)|hola qué tal",
        "fr": "bonjour|bonsoir|salut|coucou|bonjour à tous",
        "zh": "你好|您好|嗨|哈喽|早上好|下午好|晚上好|大家好",
        # Languages in which the software has no sentences of its own.
        "": "ciao|salve|buongiorno|buonasera|olá|oi|bom dia|boa (tarde|noite)|hallo|goede(morgen|middag|navond)|hej"
        "|hejsan"
        "|god (morgon|dag)|hei|moi|cześć|dzień dobry|ahoj|dobrý den|merhaba|selam|xin chào|chào( bạn)?|halo"
        "|selamat pagi"
        "|привет|здравствуй(те)?|добр(ый день|ое утро|ый вечер)|привіт|γεια( σας| σου)?|καλημέρα|καλησπέρα"
        "|bună( ziua| dimineața)?|salut|szia|jó napot|こんにちは|こんばんは|おはよう(ございます)?"
        "|안녕(하세요|하십니까)?"
        "|नमस्ते|नमस्कार|مرحبا|السلام عليكم|أهلا|שלום|สวัสดี(ครับ|ค่ะ)?",
    },
    "thanks": {
        "en": "(thanks|thank you|thx|ty|cheers)( a lot| so much| very much| a million)?( for (the|your) help)?"
        "|many thanks"
        "|(great|perfect|super|ok|okay)? ?(thanks|thank you)|much appreciated|(bye|goodbye|see you)( then| soon)?",
        "de": "danke( schön| sehr| dir| ihnen)?|vielen dank|besten dank|herzlichen dank|tschüss|auf wiedersehen",
        "es": "(muchas |mil )?gracias|gracias por (tu|su|la) ayuda|adiós|hasta luego",
        "fr": "merci( beaucoup| bien)?|merci pour (ton|votre) aide|au revoir|à bientôt",
        "zh": "谢谢|谢谢你|谢谢您|多谢|非常感谢|感谢|再见",
        "": "(muito )?obrigad[oa]|grazie( mille)?|arrivederci|dank (je|u)( wel)?|bedankt|tack( så mycket)?|tak"
        "|mange tak|takk"
        "|kiitos|dziękuję|dzięki|do widzenia|děkuji|na shledanou|teşekkür(ler| ederim)|sağ ol|cảm ơn( bạn)?"
        "|terima kasih"
        "|спасибо( большое)?|до свидания|дякую|ευχαριστώ( πολύ)?|mulțumesc|köszönöm|ありがとう(ございます)?"
        "|感謝します"
        "|감사합니다|고마워요?|धन्यवाद|शुक्रिया|شكرا( جزيلا)?|תודה( רבה)?|ขอบคุณ(ครับ|ค่ะ)?",
    },
    "about": {
        "en": "(who|what) are you|what is your name|are you (a )?(human|bot|robot|person|real|ai)"
        "|(what|how) can you (do|help)( for me| me( with)?)?|how do you work|can you help( me)?"
        "|i need( some)? help|help( me)?|what can i ask( you)?",
        "de": "wer (bist du|sind sie)|was (bist du|sind sie)|was (kannst du|können sie)( alles| für mich tun)?"
        "|wie heißt du|wie (kannst du|können sie) (mir )?helfen|bist du ein (mensch|bot|roboter)|hilfe",
        "es": "quién eres|qué eres|cómo te llamas|qué (puedes|sabes) hacer|(en qué|cómo) (me )?puedes ayudar(me)?"
        "|ayuda",
        "fr": "qui (es tu|êtes vous)|que (peux tu|pouvez vous|sais tu) faire|tu fais quoi|comment tu tappelles"
        "|comment (peux tu|pouvez vous) maider|aide",
        "zh": "你是谁|您是谁|你叫什么(名字)?|你(能|会|可以)(做|干)(什么|啥)|你能帮我(做)?什么|帮助",
        "": "chi sei|cosa (puoi|sai) fare|quem (é você|és tu)|o que (você )?(pode|sabe) fazer|wie ben je"
        "|wat kun je( doen)?"
        "|kim jesteś|co (umiesz|potrafisz)|kdo jsi|co umíš|sen kimsin|ne yapabilirsin|кто ты|кто вы|что ты умеешь"
        "|хто ти"
        "|ποιος είσαι|τι μπορείς να κάνεις|あなたは誰ですか|何ができますか|누구세요|무엇을 할 수 있나요|आप कौन हैं"
        "|من أنت|מי אתה",
    },
    "how are you": {
        "en": "how are you( doing)?( today)?|how( is|s) it going( today)?|what( is|s) up|how do you do",
        "de": "wie geht( es|s)?( dir| ihnen)?( heute)?",
        "es": "cómo (estás|está|te va|le va)( hoy)?|qué tal( estás)?",
        "fr": "(comment )?ça va|comment (vas tu|allez vous)",
        "zh": "你好吗|最近怎么样|你怎么样",
        "": "come (stai|sta|va)|tudo bem|como (vai|está)|hoe gaat het( met je)?|hur mår du|jak się masz|jak se máš"
        "|nasılsın"
        "|как дела|як справи|τι κάνεις|お元気ですか|잘 지내세요|आप कैसे हैं|كيف حالك|מה שלומך",
    },
}
GREETING = "Hello! Ask me anything about the documents."
THANKS = "You are welcome. Ask whenever there is more."
ABOUT = "I am an assistant that answers questions from the documents here and shows where each answer comes from."
HOW_ARE_YOU = "Thank you, all is well. What would you like to know from the documents?"
_ANSWERS = {"greeting": GREETING, "thanks": THANKS, "about": ABOUT, "how are you": HOW_ARE_YOU}
# Nothing longer is small talk.
LONGEST = 80
_APOSTROPHES = re.compile("['\u2019]")
# Of Latin letters; those of other scripts make other words.
_ACCENTS = re.compile("(?<=[a-z])[\u0300-\u036f]+")


def small_talk(message: str) -> tuple[str, str | None] | None:
    """The sentence that answers a message of nothing but small talk, in English, and the language it was said in, where
    that is the only one of the software's in which it is said so; None for everything else."""
    if len(message) > LONGEST:
        return None
    said = _folded(" ".join(words_of(_APOSTROPHES.sub("", message))))
    found = [(answer, language) for pattern, answer, language in _PATTERNS if pattern.fullmatch(said)]
    if not found:
        return None
    languages = {language for _, language in found if language}
    return found[0][0], languages.pop() if len(languages) == 1 else None


def _folded(text: str) -> str:
    """As words are compared, and without the accents that many leave out."""
    return _ACCENTS.sub("", unicodedata.normalize("NFD", fold(text)))


def _after_a_greeting(kind: str, language: str) -> str:
    """Each way to say it, behind a greeting or alone: "hi, how are you?" is still no question."""
    opening = _SAID["greeting"].get(language)
    return (f"(?:(?:{opening}) )?" if opening else "") + f"(?:{_SAID[kind][language]})"


_PATTERNS = [
    (re.compile(_folded(_after_a_greeting(kind, language))), _ANSWERS[kind], language)
    for kind, by_language in _SAID.items()
    for language in by_language
]
