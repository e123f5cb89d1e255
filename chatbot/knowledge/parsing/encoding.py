"""From bytes to text, in the encoding that is declared or, when nobody said which, a guess."""

import codecs
import re
from typing import Final

import chardet

from chatbot.knowledge.parsing.warnings import note

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Only encodings that people still meet; among equals the first.
_CANDIDATES: Final = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp874",
    "cp866",
    "koi8-r",
    "cp932",
    "euc-jp",
    "gb18030",
    "big5",
    "cp949",
    "cp437",
    "cp850",
    "mac-roman",
)
_OTHER_ALPHABET: Final = re.compile("[\u0370-\u06ff\u0e00-\u0e7f]")
# A Latin letter next to one of another alphabet.
_MIXED_ALPHABETS: Final = re.compile("[a-zA-Z][\u0370-\u06ff\u0e00-\u0e7f]|[\u0370-\u06ff\u0e00-\u0e7f][a-zA-Z]")
# A page that says Latin-1 means its superset (https://encoding.spec.whatwg.org/#names-and-labels).
_SUPERSETS: Final = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
}
# Ideographs, kana and hangul, lines of boxes and signs of arithmetic; and those of them beside a Latin letter.
_SIGNS: Final = "\u00b1\u00d7\u00f7\u2500-\u25ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff61-\uff9f"
_SIGN: Final = re.compile(f"[{_SIGNS}]")
_SIGN_IN_WORD: Final = re.compile(f"(?<=[a-zA-Z])[{_SIGNS}]|[{_SIGNS}](?=[a-zA-Z])")
# In a wrong guess nearly each letter of another alphabet has a Latin neighbour; words such as SMSку have some.
_MAX_MIXED: Final = 0.2
# Chinese and Japanese write Latin words without blanks around them: only nearly all signs in words tell a wrong guess.
_MAX_IN_WORDS: Final = 0.8
_SAMPLE: Final = 256 * 1024
_MULTIBYTE: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# ASCII, kana and CJK punctuation, unified ideographs, hangul, full-width forms.
_EAST_ASIAN: Final = re.compile("[\t-~\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]")
_ASCII: Final = bytes(range(128))
_AS_CP1252: Final = "chatbot-cp1252"
_REPLACEMENT: Final = "\ufffd"
# The encodings that can say U+FFFD.
_UNICODE: Final = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030")


def decode(data: bytes, declared: str | None = None) -> str:
    """`data` as text: byte order mark, then NUL pattern, UTF-8, the declared encoding, a guess, cp1252.

    Bytes that stand for nothing become U+FFFD, which is noted.
    """
    text = _decoded(data, declared)
    note("characters_replaced", _replaced(data, text))
    return text


def _replaced(data: bytes, text: str) -> int:
    """How many U+FFFD of a text are not in its bytes."""
    found = text.count(_REPLACEMENT)
    return max(0, found - max(data.count(_REPLACEMENT.encode(name)) for name in _UNICODE)) if found else 0


def _decoded(data: bytes, declared: str | None) -> str:
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    wide = wide_encoding(data)
    if wide:
        return data.decode(wide, "replace")
    return _narrow(data, _usable(declared))


def as_utf8(data: bytes, declared: str) -> bytes:
    """A text in the encoding that its sender declares, as UTF-8; unchanged where that is what it is, where it begins
    with a byte order mark, or where it is not in the encoding."""
    codec = _usable(declared)
    if codec in (None, "utf-8") or any(data.startswith(mark) for mark, _ in _BOMS) or wide_encoding(data):
        return data
    try:
        if not data.isascii():
            data.decode()
            return data
    except UnicodeDecodeError:
        pass
    try:
        return data.decode(codec or "").encode()
    except UnicodeError:
        return data


def encoding_of(data: bytes, declared: str | None = None) -> str:
    """The encoding that `decode` reads `data` in; UTF-8 for UTF-8 with some bytes of another one in it."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    text, said = decode(data, declared), _usable(declared)
    for name in (wide_encoding(data), "utf-8", said, "cp1252", "utf-16-le", "utf-16-be", *_CANDIDATES):
        if name and data.decode(name, "replace") == text:
            return name.replace("_", "-")
    return "utf-8"


def wide_encoding(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, told by where its NUL bytes lie."""
    sample = data[: _SAMPLE - _SAMPLE % 4]
    if b"\0" not in sample:
        return None
    share = [sample[at::4].count(0) / max(1, len(sample[at::4])) for at in range(4)]
    if len(data) % 4 == 0 and share[0] < 0.1 and share[2] > 0.9 and share[3] == 1:
        return "utf-32-le"
    if len(data) % 4 == 0 and share[3] < 0.1 and share[1] > 0.9 and share[0] == 1:
        return "utf-32-be"
    return _utf16_by_nul((share[0] + share[2]) / 2, (share[1] + share[3]) / 2)


def _utf16_by_nul(even: float, odd: float) -> str | None:
    """A quarter of Latin letters in one half and hardly a NUL in the other."""
    if odd > 0.25 and even < 0.05:
        return "utf-16-le"
    if even > 0.25 and odd < 0.05:
        return "utf-16-be"
    return None


# These are no encodings of documents; some of them take seconds, or change what stands there.
_NO_CHARSETS = ("punycode", "idna", "unicode", "raw")


def _usable(declared: str | None) -> str | None:
    """The codec a declaration names. UTF-7 hides markup and UTF-16 would have shown itself: both ignored."""
    try:
        name = codecs.lookup(declared or "").name
        "".encode(name)
    except (LookupError, ValueError, TypeError):
        return None
    return None if name.startswith(("utf-7", "utf-16", "utf-32", *_NO_CHARSETS)) else _SUPERSETS.get(name, name)


def _narrow(data: bytes, declared: str | None) -> str:
    # Pure ASCII says nothing against a declared escape encoding (ISO-2022-JP looks like ASCII).
    if data.isascii() and declared:
        return data.decode(declared, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared and declared != "utf-8":
        return data.decode(declared, "replace")
    return _mixed(data) or _sparse_utf16(data) or _guessed(data)


def _mixed(data: bytes) -> str | None:
    """UTF-8 with some bytes of another encoding in it, as logs and pasted mails have."""
    rest, good = _MULTIBYTE.subn(b"", data)
    strangers = len(rest.translate(None, _ASCII))
    return data.decode("utf-8", _AS_CP1252) if good >= strangers else None


def _strangers_as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """An error handler for codecs: what is not UTF-8 is read as cp1252."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _cp1252(error.object[error.start : error.end]), error.end


codecs.register_error(_AS_CP1252, _strangers_as_cp1252)


def _cp1252(data: bytes) -> str:
    return data.decode("cp1252", "replace")


def _sparse_utf16(data: bytes) -> str | None:
    """Chinese, Japanese or Korean in UTF-16: hardly a NUL but in line ends, hence told by its letters."""
    if b"\0" not in data or len(data) % 2:
        return None
    for encoding in ("utf-16-le", "utf-16-be"):
        sample = data[:_SAMPLE].decode(encoding, "ignore")
        usual = len(_EAST_ASIAN.findall(sample))
        if usual > 0.95 * len(sample) and ("\n" in sample or " " in sample):
            return data.decode(encoding, "replace")
    return None


def _guessed(data: bytes) -> str:
    """The most plausible of the candidates that seldom mixes scripts in a word; cp1252 when nothing fits."""
    sample = _sample(data)
    found = chardet.detect_all(
        sample, ignore_threshold=True, compat_names=False, include_encodings=_CANDIDATES, max_bytes=_SAMPLE
    )
    names = [match["encoding"] or "cp1252" for match in found]
    whole = (name for name in names if not _mixes_scripts(sample.decode(name, "replace")))
    return data.decode(next(whole, names[0] if names else "cp1252"), "replace")


def _mixes_scripts(text: str) -> bool:
    """By the share of letters, not of words: Thai has no blanks between words."""
    alphabets = len(_MIXED_ALPHABETS.findall(text)) > _MAX_MIXED * len(_OTHER_ALPHABET.findall(text))
    return alphabets or len(_SIGN_IN_WORD.findall(text)) > _MAX_IN_WORDS * len(_SIGN.findall(text))


def _sample(data: bytes) -> bytes:
    """The beginning, cut at a line end, since a cut inside a character would rule its encoding out."""
    if len(data) <= _SAMPLE:
        return data
    return data[: data.rfind(b"\n", 0, _SAMPLE) + 1 or _SAMPLE]
