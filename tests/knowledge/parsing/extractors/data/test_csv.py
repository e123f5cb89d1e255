import json

import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.data import csv
from chatbot.knowledge.parsing.extractors.data.csv import extract
from chatbot.knowledge.parsing.formats import CSV
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from tests.knowledge.parsing.counting import calls_of


def text_of(source: str) -> str:
    return extract(source.encode(), DEFAULT).text


def code_of(data: bytes, limits: Limits = DEFAULT) -> str:
    """The code, which has to be the same in this process and in the child."""
    here = json.loads(answer(data, CSV, limits)).get("error", "no_text")
    with pytest.raises(ParseError) as caught:
        parse(data, "a.csv", limits=limits)
    assert caught.value.code == here
    return here


@pytest.mark.parametrize(("name", "sign"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "|")])
def test_each_row_names_its_columns_whatever_separates_them(name, sign):
    source = "Stanley cups,,\nTeam,City,Wins\nLeafs,Toronto,13\nBlues,,1\n".replace(",", sign)

    parsed = parse(source.encode(), name)

    assert parsed.text == (
        "Stanley cups\nTeam | City | Wins\nTeam: Leafs; City: Toronto; Wins: 13\nTeam: Blues; Wins: 1"
    )
    assert (parsed.title, parsed.pages) == (None, ())


def test_decimal_commas_and_commas_in_quotes_do_not_separate():
    assert (
        text_of("Ware;Preis\nBrot;1,50\nMilch;0,99")
        == "Ware | Preis\nWare: Brot; Preis: 1,50\nWare: Milch; Preis: 0,99"
    )
    assert text_of('name,motto\nAda,"plain, and\nsimple"') == "name | motto\nname: Ada; motto: plain, and simple"
    assert text_of("sep=;\na,b;c,d\n") == "a,b | c,d"


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ('name, note\n"Lamp", "red, small"\n', ["name: Lamp; note: red, small"]),
        ('name,note\nBell,"says \\"ding\\", twice"\n', ['name: Bell; note: says "ding", twice']),
        ('name,path\nLamp,"C:\\files\\"\n', ["name: Lamp; path: C:\\files\\"]),
        ('name,note\nLamp, "red" they say\n', ['name: Lamp; note: "red" they say']),
        ("Artikel, Farbe;Fach\nSeil, rot;A 12\n", ["Artikel, Farbe: Seil, rot; Fach: A 12"]),
        ("Apfel;1,20;0,50\nBirne;2,40;0,75\n", ["Birne | 2,40 | 0,75"]),
        ("Ware|Farben\nSeil|rot, blau; grün\n", ["Ware: Seil; Farben: rot, blau; grün"]),
    ],
)
def test_cells_are_cut_as_the_program_meant_that_wrote_them(source, rows):
    assert text_of(source).split("\n")[1:] == rows


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (r'"say \"hi\" x"', 'say "hi" x'),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"says \"ding\", twice, \"dong\", now"', 'says "ding", twice, "dong", now'),
        (r'"C:\x\"', "C:\\x\\"),
        (r'"5\" in C:\"', '5" in C:\\'),
        (r'"the ""C:\x\"", as it is"', r'the "C:\x\", as it is'),
        (r'"the ""C:\x\"""', r'the "C:\x\"'),
        (r'"\\host\share\\"', "\\\\host\\share\\\\"),
        (r"b\"c\"", r"b\"c\""),
        (r'"\""', '"'),
    ],
)
@pytest.mark.parametrize("before", ["", "x,y,z\n" * 20_000], ids=["at the beginning", "behind 64 KB"])
def test_backslash_before_quote_in_quoted_cell_is_a_quote_and_any_other_stays(before, cell, value):
    rows = rf'{before}A,"\"a\" b",C:\new{chr(10)}B,{cell},C:\n{chr(10)}C,"d",e' + "\n"
    assert text_of("name,note,path\n" + rows).split("\n")[-3:] == [
        r'name: A; note: "a" b; path: C:\new',
        rf"name: B; note: {value}; path: C:\n",
        "name: C; note: d; path: e",
    ]


def test_quoted_cells_behind_blanks_are_read_behind_64_kilobytes_too():
    assert text_of("a,b\n" + "x,y\n" * 20_000 + 'x, "y, z"\n').endswith("\na: x; b: y, z")


@pytest.mark.parametrize("cell", [r'"5\" C:\",', r'"5\" C:\",a,', r"\"", r'"\",', '   "', "\\"])
def test_reading_cells_of_backslashes_and_quotes_is_linear(cell):
    def calls(count: int) -> int:
        text = 'a,"' + cell * count + '"\\"'
        return calls_of(lambda: list(csv._rows(text, ",")))

    assert calls(2000) < 2.5 * calls(1000) + 100


def test_only_tabs_separate_in_a_file_of_tabs():
    source = "Article, colour\tShelf, row\nRope, red\tA12, 1\n"
    assert parse(source.encode(), "a.tsv").text.split("\n")[1] == "Article, colour: Rope, red; Shelf, row: A12, 1"
    assert parse(b"a,b\n1,2\n", "a.tsv").text == "a,b\n1,2"
    assert parse(b"Bread, fresh\nMilk, cold|warm\n", "a.tsv").text == "Bread, fresh\nMilk, cold|warm"
    assert parse(b"sep=;\na;b\n1;2\n", "a.tsv").text == "a | b\na: 1; b: 2"


def test_years_are_a_header_and_other_numbers_are_not():
    assert text_of(",2023,2024\nNorth,5,6") == "2023 | 2024\nNorth; 2023: 5; 2024: 6"
    assert text_of("Leafs,13\nBlues,1") == "Leafs | 13\nBlues | 1"
    assert text_of("Ada,2024-05-01\nBob,2024-05-02") == "Ada | 2024-05-01\nBob | 2024-05-02"


def test_a_title_after_an_empty_row_begins_another_table():
    assert text_of("a,b\nx,y\n,\nRates\ncity,rate\nBonn,28") == (
        "a | b\na: x; b: y\n\nRates\ncity | rate\ncity: Bonn; rate: 28"
    )
    assert text_of("a,b\n,\nx,y") == "a | b\n\na: x; b: y"


def test_cells_beyond_the_header_and_lines_of_one_cell_are_kept():
    assert text_of("a,b\n1,2,3") == "a | b\na: 1; b: 2; 3"
    assert text_of("one\ntwo") == "one\ntwo"


def test_a_number_sign_makes_no_heading():
    assert text_of("#,Team\n1,Leafs") == "\\# | Team\n#: 1; Team: Leafs"


def test_a_formula_is_a_text_like_any_other():
    """H7"""
    source = "name,value\nAda,=cmd|'/c calc'!A0\nBob,@SUM(1+1)\n"
    assert text_of(source) == "name | value\nname: Ada; value: =cmd|'/c calc'!A0\nname: Bob; value: @SUM(1+1)"


def test_a_long_name_of_a_column_is_not_repeated_in_full():
    """H7"""
    lines = text_of(f"{'n' * 500},b\n{'v,w' + chr(10)}").split("\n")
    assert lines == [f"{'n' * 500} | b", f"{'n' * 79}…: v; b: w"]


def test_a_million_columns_and_a_line_of_a_hundred_megabytes_are_too_complex():
    """H7"""
    assert code_of(b"1," * 1_000_000) == "too_complex"
    assert code_of(b"x" * 100_000_000) == "too_complex"


def test_a_cell_of_a_megabyte_is_read_whole():
    """H7"""
    assert text_of(f'a,b\n1,"{"x" * 1_000_000}"').count("x") == 1_000_000


def test_names_that_multiply_the_text_are_bounded():
    """H7"""
    data = (",".join(["n" * 80] * 100) + "\n" + ("1," * 99 + "1\n") * 50).encode()
    assert code_of(data, Limits(text_bytes=10 * len(data))) == "too_complex"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_found(encoding):
    assert parse("Größe;Preis\nklein;3 €\n".encode(encoding), "a.csv").text.endswith("Größe: klein; Preis: 3 €")


def test_nothing_but_separators_is_no_text():
    """H8"""
    assert code_of(b",,,\n , \n") == "no_text"
