"""Greetings, thanks and questions about the assistant itself: they are answered with a fixed sentence, not searched.

Only what consists of nothing else counts. A question behind a greeting is a question, and what is not recognised is
searched as before.
"""

from __future__ import annotations

import re
import unicodedata

# What is said, by kind and by language: a whole message, folded, without punctuation and apostrophes.
_SAID = {
    "greeting": {
        "en": "hi|hello|hey|hiya|howdy|good (morning|afternoon|evening|day)|greetings|hi there|hello there|hey there"
        "|(hi|hello|hey) (everyone|all|team|bot|chatbot)|nice to meet you",
        "de": "hallo|hi|hey|moin|servus|grüezi|grüß (gott|dich)|guten (morgen|tag|abend)|hallo zusammen",
        "es": "hola|buenas|buenos días|buenas (tardes|noches)|hola qué tal",
        "fr": "bonjour|bonsoir|salut|coucou|bonjour à tous",
        "zh": "你好|您好|嗨|哈喽|早上好|下午好|晚上好|大家好",
    },
    "thanks": {
        "en": "(thanks|thank you|thx|ty|cheers)( a lot| so much| very much| a million)?( for (the|your) help)?"
        "|many thanks"
        "|(great|perfect|super|ok|okay)? ?(thanks|thank you)|much appreciated|(bye|goodbye|see you)( then| soon)?",
        "de": "danke( schön| sehr| dir| ihnen)?|vielen dank|besten dank|herzlichen dank|tschüss|auf wiedersehen",
        "es": "(muchas |mil )?gracias|gracias por (tu|su|la) ayuda|adiós|hasta luego",
        "fr": "merci( beaucoup| bien)?|merci pour (ton|votre) aide|au revoir|à bientôt",
        "zh": "谢谢|谢谢你|谢谢您|多谢|非常感谢|感谢|再见",
    },
    "about": {
        "en": "(who|what) are you|what is your name|what( is|s) this|are you (a )?(human|bot|robot|person|real|ai)"
        "|(what|how) can you (do|help)( for me| me( with)?)?|what do you do|how do you work|can you help( me)?"
        "|i need( some)? help|help( me)?|what can i ask( you)?",
        "de": "wer (bist du|sind sie)|was (bist du|sind sie)|was (kannst du|können sie)( alles| für mich tun)?"
        "|wie heißt du|wie (kannst du|können sie) (mir )?helfen|bist du ein (mensch|bot|roboter)|hilfe",
        "es": "quién eres|qué eres|cómo te llamas|qué (puedes|sabes) hacer|(en qué|cómo) (me )?puedes ayudar(me)?"
        "|ayuda",
        "fr": "qui (es tu|êtes vous)|que (peux tu|pouvez vous|sais tu) faire|tu fais quoi|comment tu tappelles"
        "|comment (peux tu|pouvez vous) maider|aide",
        "zh": "你是谁|您是谁|你叫什么(名字)?|你(能|会|可以)(做|干)(什么|啥)|你能帮我(做)?什么|帮助",
    },
    "how are you": {
        "en": "how are you( doing)?( today)?|how( is|s) it going( today)?|what( is|s) up|how do you do",
        "de": "wie geht( es|s)?( dir| ihnen)?( heute)?",
        "es": "cómo (estás|está|te va|le va)( hoy)?|qué tal( estás)?",
        "fr": "(comment )?ça va|comment (vas tu|allez vous)",
        "zh": "你好吗|最近怎么样|你怎么样",
    },
    # Languages in which the software has no sentences of its own: what is said, whichever kind it is.
    "other": {
        "": "ciao|salve|buongiorno|buonasera|grazie( mille)?|come (stai|sta)|olá|oi|bom dia|boa (tarde|noite)"
        "|(muito )?obrigad[oa]|hallo|goede(morgen|middag|navond)|dank (je|u)( wel)?|bedankt|hej|hejsan"
        "|tack( så mycket)?"
        "|god (morgon|dag)|tak|mange tak|takk|hei|kiitos|moi|cześć|dzień dobry|dziękuję|dzięki|ahoj|dobrý den|děkuji"
        "|merhaba|selam|teşekkür(ler| ederim)|sağ ol|nasılsın|xin chào|chào( bạn)?|cảm ơn( bạn)?|halo|terima kasih"
        "|привет|здравствуй(те)?|добр(ый день|ое утро|ый вечер)|спасибо( большое)?|как дела|кто ты|привіт|дякую"
        "|γεια( σας| σου)?|καλημέρα|καλησπέρα|ευχαριστώ( πολύ)?|τι κάνεις|bună( ziua| dimineața)?|mulțumesc|salut"
        "|szia|köszönöm|jó napot"
        "|こんにちは|こんばんは|おはよう(ございます)?|ありがとう(ございます)?|안녕(하세요)?|감사합니다|고마워요?"
        "|नमस्ते|नमस्कार|धन्यवाद|शुक्रिया|مرحبا|السلام عليكم|شكرا( جزيلا)?|أهلا|שלום|תודה( רבה)?|สวัสดี(ครับ|ค่ะ)?|ขอบคุณ(ครับ|ค่ะ)?"
    },
}
GREETING = "Hello! Ask me anything about the documents."
THANKS = "You are welcome. Ask whenever there is more."
ABOUT = "I am an assistant that answers questions from the documents here and shows where each answer comes from."
HOW_ARE_YOU = "Thank you, all is well. What would you like to know from the documents?"
_ANSWERS = {"greeting": GREETING, "thanks": THANKS, "about": ABOUT, "how are you": HOW_ARE_YOU, "other": GREETING}
# Nothing longer is small talk.
LONGEST = 80


def small_talk(message: str) -> tuple[str, str | None] | None:
    """The sentence that answers a message of nothing but small talk, in English, and the language it was said in, where
    that is one of the software's; None for everything else."""
    if len(message) > LONGEST:
        return None
    said = _folded(message)
    found = (answer for pattern, answer in _PATTERNS if pattern.fullmatch(said))
    answer = next(found, None)
    return (answer[0], answer[1] or None) if answer else None


def _folded(message: str) -> str:
    """On one line, in small letters, marks kept with their letters, anything but letters and digits as a space."""
    folded = unicodedata.normalize("NFKC", message).casefold()
    folded = folded.replace("'", "").replace("\u2019", "")
    kept = "".join(char if unicodedata.category(char)[0] in "LNMZ" else " " for char in folded)
    return " ".join(kept.split())


def _after_a_greeting(kind: str, language: str) -> str:
    """Each way to say it, behind a greeting or alone: "hi, how are you?" is still no question."""
    opening = _SAID["greeting"].get(language)
    return (f"(?:(?:{opening}) )?" if opening else "") + f"(?:{_SAID[kind][language]})"


_PATTERNS = [
    (
        re.compile(unicodedata.normalize("NFKC", _after_a_greeting(kind, language)).casefold()),
        (_ANSWERS[kind], language),
    )
    for kind, by_language in _SAID.items()
    for language in by_language
]
