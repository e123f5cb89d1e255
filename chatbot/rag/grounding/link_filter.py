"""Which links and images survive in an answer: those whose address stands in a passage.

An image is fetched by whoever shows an answer, and a link may be followed; with an address that a document made up,
or that the model was talked into, either would carry words of the conversation to a stranger. So

    [text](address)   becomes  text                 <https://host/path>   becomes  host
    ![alt](address)   becomes  alt                  https://host/path     becomes  host
    <b>, </script>    are left out                  <anything else>       gets a blank behind the `<`

unless the address is one of the passages'. Code, in fences or on one line in backticks, stays as it is. The filter
reads pieces of any size and holds back only what could still become one of these. It errs on the side of plain text:
what it takes for code is code for every reader of Markdown, and nothing that it leaves out joins what is around it
to something new.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from chatbot.rag.grounding.known_urls import BARE, Addresses, host_of, is_active, without_marks

LONGEST_TEXT = 300
# No label of a definition is longer, for any reader.
LONGEST_LABEL = 1_000
LONGEST_ADDRESS = 2_000
LONGEST_CODE = 500
LONGEST_TAG = 300
LONGEST_PART = 4_000

_NEXT = re.compile(r"[\\`~<\[\]!\n【]|(?:https?|ftp)://|www\.|mailto:|xmpp:|//", re.IGNORECASE)
_STARTS = ("https://", "ftp://", "www.", "mailto:", "xmpp:", "//")
_BEGUN = re.compile(
    "(?:" + "|".join(sorted({s[:n] for s in (*_STARTS, "http://") for n in range(1, len(s))}, key=len)[::-1]) + ")$",
    re.IGNORECASE,
)
_MARKS_OF_A_LINE = re.compile(r"[\s>*+\-.)0-9]*")
_BACKTICKS = re.compile("`+")
_FENCE = re.compile(r"( {0,3})(`{3,}+(?=[^`\n]*+(?:\n|$))|~{3,}+)([^\n]*+)(\n|$)")
_MAY_BE_FENCE = re.compile(r" {0,3}(?:`*+|~*+|`{3,}+[^`\n]*+|~{3,}+[^\n]*+)$")
_TITLE = r"(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\))"
_DESTINATION = re.compile(
    r"\((?:\s*+(<[^<>\n]*+>|[^\s()<][^\s()]*+(?:\([^\s()]*+\)[^\s()]*+)*+|)"
    rf"(?:\s++{_TITLE})?+\s*+|\s++{_TITLE}\s*+)\)"
)
# What may be a marker of a citation, and be taken out after this.
_NUMBERED = re.compile(r"[\[【][\w\s,;:#^†.-]{0,60}\d[\w\s,;:#^†.-]{0,60}[\]】]")
_ANGLED = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>`]*)>")
_LETTER = re.compile(r"<([^\s<>@:]+@[^\s<>@]+)>")
_ATTRIBUTE = r"(?>\s+[A-Za-z_:][\w.:-]*(?:\s*=\s*(?:[^\s\"'=<>`]+|'[^']*'|\"[^\"]*\"))?)"
_TAG = re.compile(rf"<(?:/([A-Za-z][A-Za-z0-9-]*)\s*|([A-Za-z][A-Za-z0-9-]*)((?:{_ATTRIBUTE})*)\s*/?)>")
_RAISED = re.compile(r"<sup>\s{0,3}\[?+(\d{1,3})\]?+\s{0,3}</sup>", re.IGNORECASE)
_RAISED_BEGUN = re.compile(r"<sup>\s{0,3}\[?+\d{0,3}+\]?+\s{0,3}+(?:<(?:/(?:s(?:up?)?)?)?)?", re.IGNORECASE)
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# What browsers take for a tag though the standard does not.
_LOOSE = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)(?:[\s/][^<>]*)?(>|$)")
_MAY_BE_ANGLED = re.compile(
    rf"<(?:/[A-Za-z][A-Za-z0-9-]*+\s*+|/|[A-Za-z][A-Za-z0-9-]*+(?:{_ATTRIBUTE})*\s*+"
    r"(?:(?<=\s)[A-Za-z_:][\w.:-]*+\s*+(?:=\s*+(?:[^\s\"'=<>`]*+|'[^']*+|\"[^\"]*+))?+)?+/?"
    r"|[A-Za-z][A-Za-z0-9+.-]{0,31}:[^\s<>`]*+|[^\s<>@:]++@?+[^\s<>@]*+)$"
)
_HTML = frozenset(
    "a abbr address area article aside audio b base bdi bdo blockquote body br button canvas caption center cite code "
    "col colgroup data datalist dd del details dfn dialog div dl dt em embed fieldset figcaption figure font footer "
    "form frame frameset h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend li link main "
    "map mark marquee math menu meta meter nav noscript object ol optgroup option output p param picture pre progress "
    "q rp rt ruby s samp script search section select slot small source span strike strong style sub summary sup svg "
    "table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr".split()
)
_ENDS_AN_ADDRESS = ("", " ", "\n", "\t")
# Behind what is left out these join nothing.
_APART = frozenset(" \n\t)\"'*_|、。，；！？）")
_STOPS = frozenset(".,;:!?")


class LinkFilter:
    """Filters one answer that arrives in pieces. `removed` counts the links, images, addresses and tags so far.

    `known` are the addresses that survive, `images` those that do in an image; they may become more on the way.
    """

    def __init__(self, known: Addresses, images: Addresses | None = None) -> None:
        self.removed = 0
        self._known = known
        self._images = known if images is None else images
        self._held = ""
        self._last = "\n"
        # Of the line so far: whether nothing but the marks of a list or a quotation stands on it, and what stands last.
        self._fresh = True
        self._last_visible = ""
        self._fence: tuple[str, int, int] | None = None
        self._fences_count = True
        self._loose = False
        self._cut = False
        self._ends_sentence = False

    @property
    def waiting(self) -> int:
        """How many characters are held back."""
        return len(self._held)

    def feed(self, piece: str) -> str:
        """Takes the next piece; gives the text that is certain by now."""
        out: list[str] = []
        # A long piece in parts: each step copies what is held.
        for start in range(0, len(piece), LONGEST_PART):
            self._held += piece[start : start + LONGEST_PART]
            out.append(self._run(final=False))
        return "".join(out)

    def end(self) -> str:
        """The rest, when no more comes."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> str:
        out: list[str] = []
        while self._held:
            done = self._in_fence(final) if self._fence else self._step(final)
            if done is None:
                break
            if done:
                out.append(done)
                self._note(done)
        return "".join(out)

    def _note(self, text: str) -> None:
        self._last = text[-1]
        _, newline, after = text.rpartition("\n")
        if newline:
            self._fresh, self._last_visible = True, ""
        self._fresh = self._fresh and _MARKS_OF_A_LINE.fullmatch(after) is not None
        self._last_visible = after.rstrip()[-1:] or self._last_visible

    def _take(self, count: int) -> str:
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    # Code in fences -------------------------------------------------------------------------------------------------

    def _in_fence(self, final: bool) -> str | None:
        """A line of code as it is; a line that ends the fence ends it."""
        mark, least, indent = self._fence or ("", 0, 0)
        line, newline, _ = self._held.partition("\n")
        if self._last != "\n":
            return self._take(len(line) + len(newline))
        undecided = not newline and not final and len(line) < LONGEST_LABEL
        if undecided and not line.strip().strip(mark):
            return None
        if line.strip() and len(line) - len(line.lstrip(" ")) < indent:
            # It stood in a list that has ended, and with it the code; for other readers it may go on.
            self._fence, self._fences_count = None, False
            return ""
        body = line.lstrip(" ")
        marks = body.rstrip(" \t")
        if len(line) - len(body) <= 3 and len(marks) >= least and not marks.strip(mark):
            self._fence = None
        return self._take(len(line) + len(newline))

    def _opened_fence(self, final: bool) -> str | None:
        """The line that opens a fence; nothing if this line opens none; None while it cannot be told."""
        match = _FENCE.match(self._held)
        if match and ("|" in match[3] or match.end() > LONGEST_LABEL):
            # Some readers see the head of a table here. A line as long as that is not waited for.
            self._fences_count = False
            return ""
        if match and (match[4] or final):
            self._fence = (match[2][0], len(match[2]), len(match[1]))
            return self._take(match.end())
        return None if not final and _MAY_BE_FENCE.match(self._held) else ""

    # Everything else ------------------------------------------------------------------------------------------------

    def _step(self, final: bool) -> str | None:
        """The next stretch of the answer as it goes out; an empty one when only the held text has changed."""
        if self._cut:
            return self._joint(final)
        if self._last == "\n" and self._fences_count and self._held[0] in " `~":
            opened = self._opened_fence(final)
            if opened != "":
                return opened
        match = _NEXT.search(self._held)
        if match is None:
            begun = None if final else _BEGUN.search(self._held[-8:])
            return self._take(len(self._held) - (len(begun[0]) if begun else 0)) or None
        if match.start():
            return self._take(match.start())
        return _BY_MARK.get(match[0], LinkFilter._address)(self, final)

    def _joint(self, final: bool) -> str | None:
        """A blank where what was left out kept two things apart."""
        if self._last in "]】" and self._ends_sentence and self._held[0] in ".,;!?":
            self._cut = False
            return ""
        if self._held[0] in _STOPS and len(self._held) == 1 and not final:
            return None
        self._cut = False
        if self._last in "]】" and (self._held[0] in "[【" or not self._held[0].isascii()):
            return ""
        if self._last == "]" and self._held[0] == ":":
            # That would define a link.
            return " "
        stops = self._held[0] in _STOPS and self._held[1:2] in ("", " ", "\n")
        return "" if stops or self._held[0] in _APART or self._last in " \n\t" else " "

    def _left_out(self, instead: str, end: int) -> str:
        """Puts plain text in the place of the first characters."""
        self._take(end)
        self.removed += 1
        self._cut, self._ends_sentence = True, False
        apart = not instead or self._last in " \n\t(\"'*_|" or not self._last.isascii()
        return instead if apart else f" {instead}"

    def _newline(self, _final: bool) -> str:
        self._loose = self._loose and self._last != "\n"
        return self._take(1)

    def _escape(self, final: bool) -> str | None:
        """A backslash goes with what is behind it."""
        if len(self._held) == 1 and not final:
            return None
        if self._held[1:2] in ("/", ":") or (self._held[1:2] == "." and self._last in "wW"):
            # Shown without the backslash it would be an address.
            self._take(1)
            return "\\ "
        return self._take(1 if self._held[1:2] in ("\n", "") or self._held[1].isalnum() else 2)

    def _code(self, final: bool) -> str | None:
        """Code in backticks on one line stays as it is."""
        ticks = len(self._held) - len(self._held.lstrip("`"))
        if ticks == len(self._held) < LONGEST_CODE and not final:
            return None
        if ticks >= 3 and self._fresh:
            self._fences_count = False
        line, newline, _ = self._held[:LONGEST_CODE].partition("\n")
        closing = next((run for run in _BACKTICKS.finditer(line, ticks) if len(run[0]) == ticks), None)
        if closing and not newline and closing.end() == len(self._held) and not final:
            # One more backtick would make it another mark.
            return None
        if closing and not self._loose and "|" not in line[: closing.end()]:
            return self._take(closing.end())
        if not closing and not newline and not final and len(self._held) < LONGEST_CODE:
            return None
        # It may be closed on a later line of its paragraph: there, what opens and what closes cannot be told.
        self._loose = True
        return self._take(ticks)

    def _tilde(self, _final: bool) -> str:
        tildes = len(self._held) - len(self._held.lstrip("~"))
        if self._fresh:
            self._fences_count = False
        return self._take(tildes)

    def _bang(self, final: bool) -> str | None:
        if len(self._held) == 1 and not final:
            return None
        return self._bracket(final) if self._held[1:2] == "[" else self._take(1)

    def _bracket(self, final: bool) -> str | None:
        """A link or an image, if it is one."""
        start = 1 if self._held[0] == "!" else 0
        close = _closing(self._held, start, LONGEST_LABEL if self._fresh else LONGEST_TEXT)
        if close == 0 or (close is None and final):
            return self._take(start + 1)
        if close is None or (close + 1 == len(self._held) and not final):
            return None
        if self._held[close + 1 : close + 2] == ":" and self._fresh:
            # What follows would be the address of every link of that name.
            self._held = f"{self._held[: close + 1]} {self._held[close + 1 :]}"
        if self._held[close + 1 : close + 2] != "(":
            return self._marker(close) or self._take(start + 1)
        return self._link(start, close, final)

    def _marker(self, close: int) -> str:
        """A marker of a citation; if it is taken out later, what is around it must not join. Nothing if it is none."""
        marker = self._held[: close + 1]
        if not _NUMBERED.fullmatch(marker) or BARE.search(marker):
            return ""
        self._cut = True
        # Behind `www` a full stop would go on with an address.
        self._ends_sentence = self._last_visible not in ("w", "W")
        return self._take(close + 1)

    def _wide_bracket(self, final: bool) -> str | None:
        close = self._held.find("】", 0, LONGEST_TEXT)
        if close < 0:
            return None if not final and len(self._held) < LONGEST_TEXT else self._take(1)
        return self._marker(close) or self._take(1)

    def _link(self, start: int, close: int, final: bool) -> str | None:
        end, address = self._destination(close + 1, final)
        if end is None:
            return None
        text = self._held[start + 1 : close]
        if address is None or "`" in text:
            return self._take(start + 1)
        inner = LinkFilter(self._known, self._images)
        inner._last, inner._fences_count = "[", False
        plain = inner.feed(text) + inner.end()
        self.removed += inner.removed
        if address in (self._images if start else self._known):
            return f"{self._take(end)[: start + 1]}{plain}]({address})"
        if BARE.search(plain):
            plain += " "
        return self._left_out(f"[{plain}]" if plain.isdigit() else plain, end)

    def _destination(self, at: int, final: bool) -> tuple[int | None, str | None]:
        """Where a link's address ends, and the address; no end while it cannot be told, no address if it is none."""
        match = _DESTINATION.match(self._held, at)
        if match:
            return match.end(), (match[1] or "").removeprefix("<").removesuffix(">")
        rest = self._held[at : at + LONGEST_ADDRESS]
        quoted = '"' in rest or "'" in rest or "(" in rest[1:]
        over = "\n\n" in rest or (")" in rest and not quoted) or len(rest) == LONGEST_ADDRESS
        return (at, None) if over or final else (None, None)

    def _close(self, final: bool) -> str | None:
        """The end of a link whose beginning is out already, or was no beginning."""
        if len(self._held) == 1 and not final:
            return None
        if self._held[1:2] != "(":
            return self._take(1)
        end, address = self._destination(1, final)
        if end is None:
            return None
        if address is None:
            self._take(1)
            return "] "
        # It may be an image's.
        if address in self._known and address in self._images:
            self._take(end)
            return f"]({address})"
        self._held = "]" + self._held[end:]
        self.removed += 1
        return ""

    def _angle(self, final: bool) -> str | None:
        """An address in angle brackets, or a tag."""
        if len(self._held) == 1 and not final:
            return None
        if not re.match(r"<[A-Za-z/!?]", self._held):
            return self._take(1)
        return self._angled(final)

    def _angled(self, final: bool) -> str | None:
        if raised := _RAISED.match(self._held):
            # A power or the number of a source: as a character it means the same without a tag.
            self._take(raised.end())
            return raised[1].translate(_SUPERSCRIPTS)
        if not final and _RAISED_BEGUN.fullmatch(self._held):
            return None
        angled = _ANGLED.match(self._held)
        if angled:
            return self._in_angles(angled[1], angled.end())
        letter, tag = _LETTER.match(self._held), _TAG.match(self._held)
        if letter:
            return self._left_out(letter[1], letter.end())
        if tag:
            return self._tag(tag)
        loose = _LOOSE.match(self._held[:LONGEST_TAG])
        loose = loose if loose and loose[1].lower() in _HTML and "\n\n" not in loose[0] else None
        if loose and loose[2]:
            return self._left_out("", loose.end())
        if not final and len(self._held) < LONGEST_TAG and (loose or _MAY_BE_ANGLED.match(self._held)):
            return None
        self._take(1)
        return "< "

    def _in_angles(self, address: str, end: int) -> str:
        if address in self._known:
            return self._take(end)
        return self._left_out("" if is_active(address) else host_of(address), end)

    def _tag(self, tag: re.Match[str]) -> str:
        name = (tag[1] or tag[2]).lower()
        if name in _HTML:
            return self._left_out("", tag.end())
        if self._fresh or tag[3]:
            self._take(1)
            return "< "
        return self._take(tag.end())

    def _address(self, final: bool) -> str | None:
        """A bare address."""
        match = BARE.match(self._held)
        if match is None or (self._held.startswith("//") and (self._last in ":/" or self._last.isalnum())):
            return self._take(2)
        if match.end() == len(self._held) and not final and len(self._held) < LONGEST_ADDRESS:
            return None
        if self._known.know(match[0]):
            # For some readers an address goes on to the next blank.
            apart = self._held[match.end() : match.end() + 1] not in _ENDS_AN_ADDRESS
            return self._take(match.end()) + (" " if apart else "")
        plain = without_marks(match[0])
        if plain.startswith("//") and "." not in plain:
            return self._take(2)
        return self._left_out(host_of(plain), max(len(plain), 1))


_BY_MARK: dict[str, Callable[[LinkFilter, bool], str | None]] = {
    "\n": LinkFilter._newline,
    "\\": LinkFilter._escape,
    "`": LinkFilter._code,
    "~": LinkFilter._tilde,
    "!": LinkFilter._bang,
    "[": LinkFilter._bracket,
    "]": LinkFilter._close,
    "<": LinkFilter._angle,
    "【": LinkFilter._wide_bracket,
}


def _closing(text: str, start: int, longest: int) -> int | None:
    """Where the bracket that opens at `start` is closed; None if it is not yet, 0 if it will not be."""
    if "]" not in text[start : start + longest] and len(text) >= start + longest:
        return 0
    depth, at = 0, start
    while at < min(len(text), start + longest):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return at
        elif text.startswith("\n\n", at):
            return 0
        at += 1
    return 0 if at >= start + longest else None
