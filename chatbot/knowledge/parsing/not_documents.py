"""Pages that come in place of the one that was asked for: a login form, a check for robots, "not found" with status
200, a question about cookies, a shell that scripts would fill. What they say is not what their URL stands for.

They have little text of their own; a page with a text and a login box beside it is a document, and so is an article
about signing in.
"""

from __future__ import annotations

import re
from typing import Final

# A page with more words than this is a document, whatever else is on it.
MAX_WORDS: Final = 60
# Text outside a login form that says so little says nothing.
FEW_WORDS: Final = 12
_SAMPLE: Final = 200_000

_PASSWORD = re.compile(r"<input\b[^<>]{0,300}?type\s*+=\s*+[\"']?+password", re.IGNORECASE)
_FORM = re.compile(r"<form\b.*?(?:</form\s*+>|\Z)", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(
    r"<(?:script|style|noscript|title)\b.*?(?:</(?:script|style|noscript|title)\s*+>|\Z)", re.IGNORECASE | re.DOTALL
)
_TAG = re.compile(r"<[^<>]*+>")
_NO_SCRIPT = re.compile(r"<noscript\b[^<]{0,5}>[^<]{0,300}(?:javascript|cookies)", re.IGNORECASE)
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)
_BUTTON = re.compile(r"<button\b|type\s*+=\s*+[\"']?+(?:submit|button)", re.IGNORECASE)
_META = re.compile(r"<meta\b[^<>]{0,400}>", re.IGNORECASE)
_REFRESH = re.compile(r"http-equiv\s*+=\s*+[\"']?+refresh", re.IGNORECASE)
# After some seconds a page that is read loads itself again.
_AT_ONCE = re.compile(r"content\s*+=\s*+[\"']?+\s*+[0-5](?:\.\d*+)?\s*+[;,]\s*+url", re.IGNORECASE)
_SIGN_IN = re.compile(
    r"sign(?:ing)?[ -]?in|log(?:ging)?[ -]?(?:in|on)|members only|anmelde|anmeldung|einloggen|connexion|connecter|"
    r"iniciar sesi[oó]n|acced[ei]|accesso|entrar|inloggen|aanmelden|logga in|log ind|zaloguj|logowanie|přihl[aá]|"
    r"вход|войти|увійти|giriş|登录|登入|ログイン|サインイン|로그인|تسجيل الدخول|כניסה|लॉग ?इन"
)
_CHECK = re.compile(
    r"just a moment|checking (?:that|if|your)|verify (?:that )?you are|are you (?:a )?(?:human|robot)|not a robot|"
    r"you are (?:a )?(?:human|person)|ddos protection|"
    r"kein roboter|pas un robot|no (?:eres|soy) un robot|не робот|ロボットではありません|人机验证"
)
# A page may be about these, but is not called so.
_TITLE_OF_A_CHECK = re.compile(r"captcha|security check|access denied|attention required")
_NOT_FOUND = re.compile(
    r"(?m)^\W{0,3}404\W{0,3}$|404 (?:error|(?:page )?not found)|(?:error|fehler|erreur) 404|"
    r"(?:page|site|document|file) (?:(?:was |could )?not (?:be )?found|does(?: not|n't) exist)|no such page|"
    r"seite (?:wurde )?nicht gefunden|page (?:non trouvée|introuvable)|página no encontrada|pagina non trovata|"
    r"página não encontrada|pagina niet gevonden|sidan (?:kunde inte hittas|hittades inte)|nie znaleziono|"
    r"stránka nenalezena|страница не найдена|sayfa bulunamadı|页面不存在|找不到(?:页面|网页)|ページが見つかりません|"
    r"페이지를 찾을 수 없습니다|الصفحة غير موجودة"
)
_COOKIES = re.compile(r"cookie|クッキー")
_CONSENT = re.compile(
    r"accept|agree|allow|consent|reject|akzept|zustimm|ablehn|autoris|refus|acept|rechaz|accett|rifiut|aceit|godk|"
    r"zgadzam|akcept|souhlas|согла|принять|kabul|同意|接受|許可|동의|موافق"
)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff]{1,3}|[^\W_\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff]+")

LOGIN: Final = "A login form came instead of the page."
CHECK: Final = "A check for robots came instead of the page."
MISSING: Final = 'The server says that there is no such page, though with the status of one ("soft 404").'
CONSENT: Final = "A question about cookies came instead of the page."
SHELL: Final = "The page has no text until scripts fill it, which are not run."
MOVED: Final = "The page only sends a browser on to another one. Use the URL that it ends at."


def why_no_document(source: str, title: str, text: str, redirected: bool) -> str | None:
    """Why an HTML page is not the document its URL stands for, as a sentence for people; None for a document.

    `text` is what can be read on it, `redirected` whether it came from another path than was asked for.
    """
    source = source[:_SAMPLE]
    outside = _TAG.sub(" ", _FORM.sub(" ", _UNSEEN.sub(" ", source)))
    said = f"{title}\n{text}".casefold()
    if len(_words(text)) > MAX_WORDS:
        return None
    asks_to_sign_in = _PASSWORD.search(source) and (_SIGN_IN.search(said) or redirected)
    if asks_to_sign_in and (len(_words(outside)) <= FEW_WORDS or redirected):
        return LOGIN
    return _short_page(source, title, text)


def _short_page(source: str, title: str, text: str) -> str | None:
    """Why a page with little text is no document."""
    title, words = title.casefold(), len(_words(text))
    said = f"{title}\n{text.casefold()}"
    scripted = _SCRIPT.search(source) or _NO_SCRIPT.search(source)
    if scripted and (_CHECK.search(said) or (_TITLE_OF_A_CHECK.search(title) and words <= FEW_WORDS)):
        return CHECK
    if words <= 2 * FEW_WORDS and _NOT_FOUND.search(said if words <= FEW_WORDS else title):
        return MISSING
    if words <= FEW_WORDS and _sends_on(source):
        return MOVED
    asks_for_consent = _COOKIES.search(said) and _CONSENT.search(said) and _BUTTON.search(source)
    if asks_for_consent and words <= 2 * FEW_WORDS:
        return CONSENT
    return SHELL if scripted and words <= 1 else None


def _sends_on(source: str) -> bool:
    return any(_REFRESH.search(tag) and _AT_ONCE.search(tag) for tag in _META.findall(source))


def _words(text: str) -> list[str]:
    """The words of a text; where no spaces are set, three characters count as one."""
    return _WORD.findall(text)
