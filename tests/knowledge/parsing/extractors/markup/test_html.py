import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.markup.html import extract
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from tests.knowledge.parsing.counting import calls_of


def text_of(source: str) -> str:
    return extract(source.encode(), DEFAULT).text


def test_a_page_becomes_text_with_its_structure():
    page = """<html><head><title>The manual</title><style>b{}</style></head><body>
    <h1>Travel <i>policy</i></h1><p>First  line<br>second&nbsp;line.</p>
    <ul><li>One</li><li><p>Two</p></li></ul><h3>Rates</h3>
    <table><caption>Euro</caption><tr><th>City</th><th>Rate</th></tr><tr><td>Bonn</td><td>28</td></tr></table>
    <pre>if x:\n    y</pre>tail</body></html>"""

    parsed = parse(page.encode(), "a.html")

    assert parsed.title == "The manual"
    assert parsed.media_type == "text/html"
    assert parsed.pages == ()
    assert parsed.text == (
        "# Travel policy\n\nFirst line\nsecond\xa0line.\n\n- One\n- Two\n\n### Rates\n\nEuro\n\n"
        "City | Rate\nBonn | 28\n\n```\nif x:\n    y\n```\n\ntail"
    )


def test_without_a_title_the_first_heading_is_the_title():
    assert extract(b"<title>Untitled</title><h1>Real\n one</h1><h1>Other</h1>", DEFAULT).title == "Real one"
    assert extract(b"<p>none</p>", DEFAULT).title is None


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>secret()</script>",
        "<style>secret{}</style>",
        "<noscript>secret</noscript>",
        "<template>secret</template>",
        "<!-- secret -->",
        "<p hidden>secret</p>",
        "<svg><text>secret</text></svg>",
        '<div style="color:red; Display : none"><p>secret</p></div>',
        '<b style="visibility:hidden">secret</b>',
        '<b style="font-size:0px">secret</b>',
        '<b style="opacity: 0">secret</b>',
        "<iframe>secret</iframe>",
        "<meta http-equiv=refresh content='0;url=http://secret'>",
        "<base href='http://secret/'>",
        '<b style="color:#FFF">secret</b>',
        '<b style="color : white">secret</b>',
        '<b style="color:transparent">secret</b>',
        '<p style="color:#123; background-color: #123">secret</p>',
    ],
)
def test_nothing_invisible_comes_out(hidden):
    """H6 J6"""
    assert text_of(f"<body><p>before</p>{hidden}<p>after</p>") == "before\n\nafter"


@pytest.mark.parametrize(
    "page",
    [
        '<div style="background:#000"><b style="color:white">x</b></div>',
        '<style>body{background:black}</style><b style="color:white">x</b>',
        '<link rel="stylesheet" href="a.css"><b style="color:white">x</b>',
        '<b style="color:white;background:navy">x</b>',
        '<b style="background-color:white">x</b>',
    ],
)
def test_white_text_on_another_colour_is_visible(page):
    """J6"""
    assert text_of(page) == "x"


def test_small_or_translucent_text_is_visible():
    assert text_of('<b style="font-size:0.8em">x</b> <i style="opacity:0.5" hidden-x>y</i>') == "x y"


def test_tables_used_for_layout_keep_the_order_of_the_page():
    page = (
        "<table><tr><td>menu</td><td>intro<table><tr><td>a</td><td>b</td></tr></table>outro</td></tr></table>"
        "<table><tr><td><h2>Head</h2><p>one</p><p>two</p><ul><li>x</li></ul></td></tr></table>after"
    )
    assert text_of(page) == "menu | intro\na | b\noutro\n\n## Head\n\none two\n\n- x\n\nafter"


def test_nested_lists_and_text_before_marks_are_kept():
    assert text_of("lead<ul><li>a<ul><li>b</li></ul>c</li></ul>") == "lead\n\n- a\n- b\nc"
    assert text_of("<td>stray cell</td><tr>row</tr>") == "stray cellrow"


def test_code_with_a_fence_in_it_gets_a_longer_fence_and_empty_code_none():
    assert text_of("<pre>```\nx\n```</pre><pre> </pre>") == "````\n```\nx\n```\n````"


@pytest.mark.parametrize(
    "data",
    [
        "<meta charset=windows-1252><p>Größe €".encode("cp1252"),
        "<p>Die Größe: sehr schön für 15 €, très bien".encode("cp1252"),
        "<meta charset='iso-8859-1'><p>Größe €".encode(),
        "<p>Größe €".encode("utf-16"),
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-15"><p>Größe €'.encode("iso8859-15"),
    ],
)
def test_the_encoding_is_found(data):
    text = extract(data, DEFAULT).text
    assert "Größe" in text
    assert "€" in text


def test_hopeless_nesting_is_refused_before_it_is_parsed():
    """H6"""
    with pytest.raises(ParseError) as caught:
        extract(b"<div>" * 900_000 + b"x", DEFAULT)
    assert caught.value.code == "too_complex"


def test_nesting_that_only_the_tree_shows_is_refused_too():
    """H6"""
    with pytest.raises(ParseError) as caught:
        extract(b"<table><tr><td>" * 40 + b"x", Limits(html_depth=60))
    assert caught.value.code == "too_complex"


def test_ten_thousand_unclosed_paragraphs_are_not_nesting():
    assert text_of("<p>x" * 20_000).count("x") == 20_000


def test_deep_but_bearable_nesting_is_read():
    assert text_of("<div>" * 5000 + "x" + "</div>" * 5000) == "x"


def test_a_page_of_scripts_has_no_text():
    """H8"""
    with pytest.raises(ParseError) as caught:
        parse(b"<html><script>app()</script></html>", "a.html")
    assert caught.value.code == "no_text"


def test_cells_over_rows_and_columns_keep_the_others_in_their_columns():
    body = (
        "<table><tr><th>Region<th>Article<th>Units<tr><td rowspan=2>North<td>Box<td>7<tr><td>Fuse<td>3"
        "<tr><td colspan=2>All<td>10<tr><td>South<td><td>4<tr><td rowspan=x>East<td>Bulb</table>"
    )
    assert text_of(body).split("\n") == [
        "Region | Article | Units",
        "North | Box | 7",
        "North | Fuse | 3",
        "All | | 10",
        "South | | 4",
        "East | Bulb",
    ]


def test_endless_spans_cost_no_memory():
    body = "<table><tr><td rowspan=999999999 colspan=999999999>a<tr><td>b</table>"
    assert text_of(body).split("\n")[0] == "a"


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("at most 10<sup>6</sup> units", "at most 10^6 units"),
        ("25<sup><a href='#n'>1</a></sup> crowns", "25^1 crowns"),
        ("48 m<sup>2</sup>, H<sub>2</sub>O, 10<sub>2</sub>", "48 m^2, H2O, 10_2"),
        ("the 1<sup>st</sup> floor", "the 1st floor"),
        ("<s>90</s> 70 <del>and eight </del>nine", "~~90~~ 70 ~~and eight~~ nine"),
        ("<del><p>one</p><p>two</p></del><p>three</p>", "~~one~~\n\n~~two~~\n\nthree"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>の", "漢字の"),
    ],
)
def test_raised_struck_and_ruby_text_is_written_as_it_is_seen(body, seen):
    assert text_of(body) == seen


@pytest.mark.parametrize(
    ("formula", "linear"),
    [
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac>", "(a+b)/2"),
        ("<semantics><msup><mi>c</mi><mn>2</mn></msup><annotation>c^2</annotation></semantics>", "c^2"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><msqrt><mi>y</mi></msqrt>", "x_i^2√y"),
        ("<mroot><mi>y</mi><mn>3</mn></mroot>", "3√y"),
    ],
)
def test_formula_is_written_once(formula, linear):
    drawn = "<span class='katex-html' aria-hidden='true'>drawn again</span>"
    assert text_of(f"<p>It is <math>{formula}</math>{drawn} here.</p>") == f"It is {linear} here."


def test_what_a_browser_does_not_show_is_left_out():
    """J6"""
    body = (
        "<dialog>closed</dialog><dialog open>open</dialog><p popover>hint</p><datalist><option>Alder</datalist>"
        "<p hidden>never</p><p hidden='until-found'>folded</p><template>parts</template><noframes>old</noframes>"
    )
    assert text_of(body) == "open\n\nfolded"


def test_items_of_ordered_lists_have_their_numbers():
    body = (
        "<ol start=3><li>Fill in<li>Sign<ul><li>here</ul></ol><ol type=a><li>x<li value=5>y</ol>"
        "<ol reversed><li>last<li>first</ol><ol start=-x><li>z</ol>"
    )
    assert text_of(body).split("\n") == [
        "3. Fill in",
        "4. Sign",
        "- here",
        "a. x",
        "e. y",
        "2. last",
        "1. first",
        "1. z",
    ]


def test_encoding_of_an_xml_declaration_is_used():
    page = '<?xml version="1.0" encoding="iso-8859-2"?><html><body><p>Książnica</p></body></html>'
    assert extract(page.encode("iso-8859-2"), DEFAULT).text == "Książnica"


@pytest.mark.parametrize(
    "body",
    [
        '<td style="font-size:0px;padding:9px"><div style="font-size:14px">Order 4711 ships.</div>hid</td>',
        '<div style="visibility:hidden">hid<p style="visibility:visible">Order 4711 ships.</p></div>',
        '<ul style="font-size:0"><li style="font-size:1em">Order 4711 ships.</li></ul>',
    ],
)
def test_text_in_hidden_wrapper_that_is_shown_again_is_read(body):
    text = extract(f"<body><table><tr>{body}</tr></table><p>End</p></body>".encode(), DEFAULT).text
    assert "Order 4711 ships." in text
    assert "hid" not in text


def test_size_of_text_does_not_make_it_visible():
    body = '<div style="visibility:hidden"><p style="font-size:14px">hid</p></div><p>End</p>'
    assert extract(body.encode(), DEFAULT).text.strip() == "End"


def test_nested_roots_are_read_once():
    deep = "<mroot><mi>x</mi><mn>2</mn></mroot>"
    for _ in range(18):
        deep = f"<mroot>{deep}<mn>3</mn></mroot>"
    assert extract(f"<math>{deep}</math>".encode(), DEFAULT).text.count("x") == 1


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (
            '<template shadowrootmode="open"><h2>Hours</h2><slot></slot></template><p>From nine.</p>',
            "## Hours\n\nFrom nine.",
        ),
        ('<template shadowrootmode="closed"><p>Only this.</p></template><p>Never shown.</p>', "Only this."),
        (
            '<template shadowrootmode="open"><slot name="b">none</slot><p>and</p><slot name="a">none</slot></template>'
            '<p slot="a">first</p><p slot="b">second</p>',
            "second\n\nand\n\nfirst",
        ),
        ('<template shadowrootmode="open"><slot>the default</slot></template>', "the default"),
        (
            '<template shadowrootmode="open"><x-b><template shadowrootmode="open"><p>inner <slot></slot></p></template>'
            "of all</x-b></template>",
            "inner of all",
        ),
        ("<template><p>No root.</p></template><p>Shown.</p>", "Shown."),
    ],
)
def test_shadow_root_is_shown_with_the_children_that_its_slots_take(inner, shown):
    assert extract(f"<body><x-card>{inner}</x-card></body>".encode(), DEFAULT).text == shown


OPEN = '<template shadowrootmode="open">'


@pytest.mark.parametrize(
    "tag", [*"article aside blockquote body div footer header main nav p section span".split(), "x-a"]
)
def test_element_that_may_be_a_shadow_host_shows_its_root(tag):
    assert text_of(f"<{tag}>{OPEN}root</template>child</{tag}>") == "root"


@pytest.mark.parametrize("level", range(1, 7))
def test_heading_shows_its_shadow_root(level):
    assert text_of(f"<h{level}>{OPEN}root <slot></slot></template>child</h{level}>") == f"{'#' * level} root child"


@pytest.mark.parametrize(
    "tag", ["a", "ul", "details", "form", "label", "button", "td", "color-profile", "font-face", "xa", "b", "figure"]
)
def test_element_that_is_no_shadow_host_shows_its_children(tag):
    assert "child" in text_of(f"<table><tr><{tag}>{OPEN}root</template>child</{tag}>")
    assert "root" not in text_of(f"<table><tr><{tag}>{OPEN}root</template>child</{tag}>")


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("=open", "root"),
        ("=closed", "root"),
        ("=OPEN", "root"),
        ("='Closed'", "root"),
        ("", "child"),
        ("=''", "child"),
        ("=none", "child"),
        ("=' open'", "child"),
        ("=openclosed", "child"),
    ],
)
def test_only_the_modes_open_and_closed_make_a_shadow_root(mode, shown):
    assert text_of(f"<div><template shadowrootmode{mode}>root</template>child</div>") == shown


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (f"<!-- note -->{OPEN}<slot>default</slot></template><!-- note -->", "default"),
        (f"{OPEN}<slot>default</slot></template><!-- note -->child", "child"),
        (f"{OPEN}<slot name=a>default</slot></template><!-- note --><b slot=a>child</b>", "child"),
        (f"{OPEN}<slot>default</slot></template>\n", ""),
        (f"{OPEN}<!-- note --><slot></slot></template>one <!-- note -->two", "one two"),
        (f"one {OPEN}<slot></slot></template>two", "one two"),
        (f"<template>no</template>{OPEN}first</template>{OPEN}second</template>", "first"),
        ("<template shadowrootmode=x>no</template>" + f"{OPEN}first</template>", "first"),
        (f"{OPEN}a <slot></slot><slot>b</slot></template>child", "a childb"),
        (f"{OPEN}<slot name=a></slot></template><b slot=A>x</b><b slot=a>y</b><i>z</i>", "y"),
        (f"{OPEN}<slot hidden></slot><slot>b</slot></template>child", "b"),
        (f"{OPEN}<slot name=a><slot>in</slot></slot></template>child", "child"),
        (f"{OPEN}<x-b>{OPEN}<i>[<slot></slot>]</i></template><slot></slot></x-b></template>child", "[child]"),
        (
            f"{OPEN}<x-b>{OPEN}<i>[<slot name=q></slot>]</i></template><slot slot=q></slot></x-b></template>child",
            "[child]",
        ),
        (f"{OPEN}<x-b>{OPEN}none</template><slot></slot></x-b><slot>second</slot></template>child", "nonesecond"),
        (f"{OPEN}<slot></slot></template><x-b>{OPEN}<slot></slot>!</template>child</x-b>", "child!"),
        (f"{OPEN}<a>{OPEN}no</template>kept</a></template>", "kept"),
        (f"{OPEN}<ol><slot></slot></ol></template><li>one</li><li>two</li>", "1. one\n2. two"),
        (f"{OPEN}<p style='visibility:hidden'><slot></slot></p>seen</template>child", "seen"),
        ("<slot>no shadow</slot>", "no shadow"),
    ],
)
def test_slots_take_the_children_that_a_browser_shows_in_them(inner, shown):
    assert text_of(f"<x-a>{inner}</x-a>") == shown


def test_body_may_be_a_shadow_host():
    assert text_of(f"<body>{OPEN}<h1>Root</h1><slot></slot></template><p>child</p>") == "# Root\n\nchild"


def test_a_thousand_shadow_roots_in_each_other_are_read():
    assert text_of(f"<x-a>{OPEN}" * 1000 + "deep") == "deep"
    assert text_of(f"<x-a>{OPEN}<slot></slot></template>" * 1000 + "deep") == "deep"
    assert text_of(f"<p>{OPEN}<i><slot></slot></i></template><i>" * 200 + "deep") == "deep"


@pytest.mark.parametrize("start", [f"<x-a>{OPEN}", f"<x-a>{OPEN}<slot></slot></template>", f"<p>{OPEN}"])
def test_shadow_roots_nested_beyond_the_limit_are_too_complex(start):
    with pytest.raises(ParseError) as caught:
        extract(f"<body>{start * 200}deep".encode(), Limits(html_depth=150))
    assert caught.value.code == "too_complex"


@pytest.mark.parametrize(
    "part",
    [
        f"<x-a>{OPEN}<slot></slot></template>x</x-a>",
        f"<x-a>{OPEN}<slot name=a></slot><slot></slot></template>",
        f"<x-a>{OPEN}",
        "<i slot=a></i>",
        f"<x-b>{OPEN}<slot></slot></template></x-b><!-- -->",
    ],
)
def test_steps_over_hosts_and_slots_are_in_proportion_to_their_number(part):
    def calls(count: int) -> int:
        page = f"<x-c>{OPEN}{'<slot></slot>' * count}<slot name=a></slot></template>{part * count}".encode()
        return calls_of(lambda: extract(page, DEFAULT))

    assert calls(1000) < 2.2 * calls(500)
