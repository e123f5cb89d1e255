"""How a passage stands in a prompt: as a quotation that cannot end itself or speak in another's name.

Only what the model reads is changed, never what is stored: offsets and quotes count in the stored text. The changes
keep every word and are as small as they can be: a space inside a mark, a `>` before a line that begins with a speaker.
"""

from __future__ import annotations

import re

from chatbot.rag.text.invisible_characters import without_invisible

# <|im_start|>, <|eot_id|>, and the same with the wide bars of some models.
_TOKEN = re.compile(r"<([|\uff5c])(\w[\w \u2581]{0,40})([|\uff5c])>")
# [INST], <<SYS>>, <s>, <start_of_turn>, <system>, <tool_call>: what chat templates and tool calls are made of.
_BRACKETED = re.compile(r"\[(/?)(INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]", re.IGNORECASE)
_TAG = re.compile(
    r"<(<?/?(?:s|bos|eos|sys|system|user|assistant|human|developer|instructions?|start_of_turn|end_of_turn"
    r"|tool_calls?|tool_results?|(?:\w{1,20}:)?(?:function_calls?|function_results?|invoke))(?:\s[^<>\n]{0,200})?>?>)",
    re.IGNORECASE,
)
# `user:` in small letters is a key of many a settings file.
_SPEAKER = re.compile(
    r"^([ \t]*)(?=(?:\#{1,6}[ \t]*)?[*_]{0,2}"
    r"(?:(?i:human|assistant|system|developer)|User|USER|Tool|TOOL|Instructions?|Response)[*_]{0,2}[ \t]*[:\uff1a])",
    re.MULTILINE,
)
# Ours, whatever the number in it: a look-alike of another request ends nothing, but need not be there.
_BOUNDARY = re.compile(r"(?<!=)={2,}+[ \t]*+(passage-[0-9a-z]*+)[ \t]*+=*+", re.IGNORECASE)


def as_quotation(text: str, boundary: str) -> str:
    """The text of a passage as the model reads it, which has no boundary and no role marker in it."""
    text = without_invisible(text).replace(boundary, " ")
    text = _BOUNDARY.sub(r"(\1)", text)
    text = _TOKEN.sub(r"< \1\2\3 >", text)
    text = _BRACKETED.sub(r"[ \1\2 ]", text)
    text = _TAG.sub(r"< \1", text)
    return _SPEAKER.sub(r"\1> ", text)


def on_one_line(title: str, boundary: str) -> str:
    """A title as the model reads it: it cannot begin a line of its own."""
    return as_quotation(" ".join(title.split()), boundary)
