"""Keeping what a reasoning model thinks out of what it says.

Services that do not separate the two write the thoughts into the text, between tags: at its beginning, sometimes in
the middle, and where the template of the model has opened the tag already, with the closing one only.
"""

from __future__ import annotations

import re

# Opening and closing tag, as models and their templates write them.
_PAIRS = (
    *(
        (f"<{name}>", f"</{name}>")
        for name in (
            "think",
            "thinking",
            "thought",
            "thoughts",
            "reasoning",
            "reflection",
            "seed:think",
            "antthinking",
        )
    ),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<unused94>", "<unused95>"),
)
_CLOSING = dict(_PAIRS)
_TAGS = sorted({tag for pair in _PAIRS for tag in pair})
_ANY_TAG = re.compile("|".join(map(re.escape, _TAGS)), re.IGNORECASE)
_LONGEST_TAG = max(map(len, _TAGS))
_FIRST_LETTERS = "<[◁"
_QUOTES = tuple("`'\"“‘«")


class Thoughts:
    """Takes the thoughts out of one answer. `unopened` says that the model is known to write the closing tag only:
    everything before it is then held back, and shown after all if the tag does not come."""

    def __init__(self, unopened: bool = False) -> None:
        # What may be the beginning of a tag, and what may be a thought.
        self._held, self._kept = "", list[str]()
        self._waits = unopened
        # What closes the thought that is being read.
        self._inside: str | None = None
        self._opened = self._shown = self._in_code = False
        self._tail = ""
        # Whether a closing tag came without an opening one.
        self.came_unopened = False

    def feed(self, text: str) -> tuple[bool, str]:
        """Whether everything that was shown so far was a thought, and what can be shown now."""
        held, done, taken_back, shown = self._held + text, 0, False, list[str]()
        for tag in _ANY_TAG.finditer(held):
            shown.append(self._pass(held[done : tag.start()]))
            done, name = tag.start(), tag[0].lower()
            if self._inside is not None:
                if name == self._inside:
                    self._inside, self._kept, done = None, [], tag.end()
            elif self._tail[-1:] in _QUOTES or self._in_code:
                continue
            elif name in _CLOSING:
                shown.append(self._release())
                self._inside, self._opened = _CLOSING[name], True
            elif not self._opened:
                taken_back, shown, done = self._shown, [], tag.end()
                self._kept, self._waits, self._shown = [], False, False
                self._opened = self.came_unopened = True
        ready, self._held = _without_begun_tag(held[done:])
        return taken_back, "".join([*shown, self._pass(ready)])

    def end(self) -> str:
        """What is left at the end of the answer: nothing of a thought that began it and was never closed."""
        shown, self._held = self._pass(self._held), ""
        return shown + self._release()

    def _pass(self, text: str) -> str:
        """Text without a tag: what of it is shown. A thought in the middle may be none as long as it is not closed."""
        self._in_code ^= (self._tail + text).count("```") % 2 == 1
        self._tail = (self._tail + text)[-2:]
        if self._inside is None and not self._waits:
            return self._show(text)
        if self._inside is None or self._shown:
            self._kept.append(text)
        return ""

    def _release(self) -> str:
        kept, self._kept, self._waits, self._inside = "".join(self._kept), [], False, None
        return self._show(kept)

    def _show(self, text: str) -> str:
        text = text if self._shown else text.lstrip()
        self._shown = self._shown or bool(text)
        return text


def _without_begun_tag(text: str) -> tuple[str, str]:
    """A text, and the end of it that may be the beginning of a tag."""
    for begin in range(max(0, len(text) - _LONGEST_TAG), len(text)):
        rest = text[begin:].lower() if text[begin] in _FIRST_LETTERS else ""
        if rest and any(tag.startswith(rest) and tag != rest for tag in _TAGS):
            return text[:begin], text[begin:]
    return text, ""


def without_thoughts(text: str) -> str:
    """What a whole text says, without what its model thought."""
    thoughts = Thoughts()
    _, shown = thoughts.feed(text)
    return shown + thoughts.end()
