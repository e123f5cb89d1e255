import json
from datetime import date, datetime, time, timedelta

import pytest
from openpyxl import Workbook

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.office.xlsx import extract
from chatbot.knowledge.parsing.formats import XLSX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.office.number_format import shown_duration, shown_number, shown_text
from tests.knowledge.parsing.makers import changed, make_xlsx, member_of, rezipped, saved

SHEET = "xl/worksheets/sheet1.xml"
CUPS = [["Team", "Wins"], ["Leafs", 3], ["Blues", 1]]
CUPS_TEXT = "Team | Wins\nTeam: Leafs; Wins: 3\nTeam: Blues; Wins: 1"


def code_of(data: bytes, limits: Limits = DEFAULT) -> str:
    """The code, which has to be the same in this process and in the child."""
    here = json.loads(answer(data, XLSX, limits)).get("error", "no_text")
    with pytest.raises(ParseError) as caught:
        parse(data, "a.xlsx", limits=limits)
    assert caught.value.code == here
    return here


def sheet_xml(rows: str, before: str = "", declared: str = "") -> bytes:
    names = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    return f"{before}<worksheet {names}>{declared}<sheetData>{rows}</sheetData></worksheet>".encode()


def with_rows(rows: str, before: str = "", declared: str = "") -> bytes:
    return rezipped(make_xlsx(s=[["x"]]), {SHEET: sheet_xml(rows, before, declared)})


def test_each_sheet_is_a_section_and_each_row_names_its_columns():
    parsed = parse(make_xlsx(**{"Stanley cups": CUPS, "Empty": [], "Notes": [["Only a remark"]]}), "a.xlsx")

    assert parsed.text == f"## Stanley cups\n\n{CUPS_TEXT}\n\n## Notes\n\nOnly a remark"
    assert (parsed.title, parsed.media_type, parsed.pages) == (None, XLSX, ())


def test_values_come_out_as_excel_shows_them():
    book = Workbook()
    sheet = book.active
    sheet.title = "v"
    book.properties.title = "Prices"
    for value in [
        0.1 + 0.2,
        10**15,
        2.0,
        True,
        False,
        date(2024, 5, 1),
        datetime(2024, 5, 1, 9, 30),
        time(9, 30),
        "#N/A",
        "two\nlines",
    ]:
        sheet.append([value])
    for value in (0.19, 0.075):
        sheet.append([value])
        sheet.cell(sheet.max_row, 1).number_format = "0.0%"

    parsed = extract(saved(book), DEFAULT)

    assert parsed.title == "Prices"
    assert parsed.text.split("\n")[2:] == [
        "0.3",
        "1000000000000000",
        "2",
        "TRUE",
        "FALSE",
        "2024-05-01",
        "2024-05-01 09:30:00",
        "09:30:00",
        # The error is nothing, and what follows an empty row stands apart.
        "",
        "two lines",
        "19.0%",
        "7.5%",
    ]


def test_a_formula_gives_the_value_saved_with_it_and_never_itself():
    """H7"""
    row = '<row r="1"><c r="A1"><f>6*7</f><v>42</v></c><c r="B1" t="str"><f>CMD()</f></c></row>'
    text = '<row r="2"><c r="A2" t="inlineStr"><is><t>=cmd|\'/c calc\'!A0</t></is></c></row>'
    assert extract(with_rows(row + text), DEFAULT).text == "## s\n\n42\n=cmd|'/c calc'!A0"


def test_hidden_sheets_are_left_out():
    """J6"""
    book = Workbook()
    book.active.append(["seen"])
    for state in ("hidden", "veryHidden"):
        sheet = book.create_sheet(state)
        sheet.append(["unseen"])
        sheet.sheet_state = state
    assert extract(saved(book), DEFAULT).text == "## Sheet\n\nseen"


def test_a_sheet_that_says_it_is_huge_is_read_for_what_it_is():
    """H3 H7"""
    row = '<row r="1"><c r="A1"><v>1</v></c></row><row r="9"><c r="A9"><v>9</v></c></row>'
    data = with_rows(row, declared='<dimension ref="A1:XFD1048576"/>')
    # In the child only: were the sheet believed, it would take hours here.
    assert parse(data, "a.xlsx").text == "## s\n\n1\n\n9"


@pytest.mark.parametrize(
    "row",
    ['<row r="999999999"><c r="A999999999"><v>1</v></c></row>', '<row r="1"><c r="ZZZ1"><v>1</v></c></row>'],
    ids=["rows", "columns"],
)
def test_more_rows_or_columns_than_excel_has_are_too_complex(row):
    """H3 H7"""
    with pytest.raises(ParseError) as caught:
        parse(with_rows(row), "a.xlsx", limits=Limits(cpu_seconds=20))
    assert caught.value.code == "too_complex"


def test_a_style_that_is_not_there_costs_only_the_style():
    row = '<row r="1"><c r="A1" s="77"><v>5</v></c></row>'
    assert extract(with_rows(row), DEFAULT).text == "## s\n\n5"


def test_too_much_text_is_too_complex():
    """H3"""
    assert code_of(make_xlsx(a=CUPS, b=CUPS), Limits(text_bytes=80)) == "too_complex"


def test_a_workbook_without_values_has_no_text():
    """H8"""
    assert code_of(make_xlsx(a=[], b=[[None]])) == "no_text"


def test_a_binary_workbook_is_unsupported_and_a_broken_one_damaged():
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    binary = changed(make_xlsx(a=CUPS), "[Content_Types].xml", kind, b"application/vnd.ms-excel.sheet.binary.main")
    assert code_of(binary) == "unsupported"
    body = member_of(make_xlsx(a=CUPS), SHEET)
    assert code_of(rezipped(make_xlsx(a=CUPS), {SHEET: body[:150]})) == "damaged"


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (501, "00000", "00501"),
        (5550104567, "(000) 000-0000", "(555) 010-4567"),
        (0.5, '0%" done"', "50% done"),
        (0.19, "0.0%", "19.0%"),
        (12, '0" kg"', "12 kg"),
        (42, '"AX-"0000', "AX-0042"),
        (70707, ";;;", ""),
        (3.5, "Standard", "3.5"),
        (3.5, 'General" pt"', "3.5 pt"),
        (1234.5, "#,##0.00 [$€-407]", "1,234.50 €"),
        (1234567, "#,##0", "1,234,567"),
        (1234567, "0.0,,", "1.2"),
        (-1234.5, "#,##0.00", "-1,234.50"),
        (-5, "0;(0)", "(5)"),
        (0, '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)', "-"),
        (-0.001, "0.00", "0.00"),
        (2.5, "0", "3"),
        (1.5, "0.##", "1.5"),
        (3, "[Red]0.##", "3"),
        (0.25, "# ?/?", "0.25"),
        (12000, "0.00E+00", "12000"),
        (5, "[>100]0;0.0", "5"),
        (7, '"fixed"', "fixed"),
        (7, "\\#0", "#7"),
        (1.898e27, "0.00", "1898000000000000000000000000.00"),
        (1e23, "#,##0.00000", "100,000,000,000,000,000,000,000.00000"),
        (1.989e30, 'General" kg"', "1989000000000000000000000000000 kg"),
    ],
)
def test_number_is_shown_by_its_format(value, number_format, shown):
    assert shown_number(value, number_format) == shown


def test_durations_and_texts_are_shown_by_their_formats():
    long = timedelta(days=1, hours=12, minutes=5, seconds=6)
    formats = ["[h]:mm", "[hh]:mm:ss", "[mm]:ss", "[s]"]
    assert [shown_duration(long, each) for each in formats] == ["36:05", "36:05:06", "2165:06", "129906"]
    assert shown_duration(-timedelta(minutes=90), "[h]:mm") == "-1:30"
    assert [shown_text("x", each) for each in ("General", "@", '"No. "@', ";;;", "0;0;0;@")] == [
        "x",
        "x",
        "No. x",
        "",
        "x",
    ]


def test_dates_show_what_their_format_shows():
    book = Workbook()
    sheet = book.active
    for value, number_format in [
        (datetime(2026, 1, 1), "mmm-yy"),
        (1.5, "h:mm"),
        (0.75, "h:mm AM/PM"),
        (1.5, "[h]:mm"),
        (3.5, "Standard"),
        (datetime(2026, 1, 5), "dd.mm.yyyy"),
    ]:
        sheet.append([value])
        sheet.cell(sheet.max_row, 1).number_format = number_format
    found = extract(saved(book), DEFAULT).text.split("\n")[2:]
    assert found == ["Jan 2026", "12:00:00", "18:00:00", "36:00", "3.5", "2026-01-05"]


def test_escaped_characters_are_decoded_and_escaped_underscores_kept():
    data = make_xlsx(s=[["Street 1_x000D_\nStreet 2"], ["tab_x0009_here"], ["code _x005F_x0041_"], ["bell_x0007_"]])
    assert extract(data, DEFAULT).text.split("\n")[2:] == ["Street 1 Street 2", "tab here", "code _x0041_", "bell"]


def test_hidden_rows_and_columns_are_left_out():
    """J6"""
    book = Workbook()
    sheet = book.active
    for row in (["Article", "Cost", "Price"], ["Lamp", 4, 12], ["Draft", 1, 2], ["Rope", 2, 7]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["B"].hidden = True
    assert extract(saved(book), DEFAULT).text.split("\n")[2:] == [
        "Article | Price",
        "Article: Lamp; Price: 12",
        "Article: Rope; Price: 7",
    ]


def test_value_merged_over_rows_stands_in_each_of_them():
    book = Workbook()
    sheet = book.active
    for row in (["Room", "Day"], ["Blue", "Mon"], [None, "Tue"], [None, "Wed"], ["Red", "Thu"], ["Notes"], [], []):
        sheet.append(row)
    sheet.merge_cells("A2:A4")
    sheet.merge_cells("A6:A8")
    assert extract(saved(book), DEFAULT).text.split("\n")[3:] == [
        "Room: Blue; Day: Mon",
        "Room: Blue; Day: Tue",
        "Room: Blue; Day: Wed",
        "Room: Red; Day: Thu",
        "Room: Notes",
    ]


def test_value_merged_in_the_last_column_stands_in_each_of_its_rows():
    book = Workbook()
    sheet = book.active
    for row in (["Team", "City", "Region"], ["a", "b", "North"], ["c", "d"], ["e", "f"]):
        sheet.append(row)
    sheet.merge_cells("C2:C4")
    assert extract(saved(book), DEFAULT).text.split("\n")[-2:] == [
        "Team: c; City: d; Region: North",
        "Team: e; City: f; Region: North",
    ]


def test_groups_above_the_names_of_columns_are_part_of_them():
    book = Workbook()
    sheet = book.active
    for row in ([None, "2025", None, "2026"], ["Team", "Budget", "Spent", "Budget"], ["Design", 100, 80, 120]):
        sheet.append(row)
    sheet.merge_cells("B1:C1")
    sheet.merge_cells("D1:E1")
    assert extract(saved(book), DEFAULT).text.split("\n")[2:] == [
        "Team | 2025 Budget | 2025 Spent | 2026 Budget",
        "Team: Design; 2025 Budget: 100; 2025 Spent: 80; 2026 Budget: 120",
    ]


def test_title_merged_over_the_columns_is_written_once():
    book = Workbook()
    for row in (["Prices"], ["Article", "Price"], ["Lamp", 12]):
        book.active.append(row)
    book.active.merge_cells("A1:B1")
    assert extract(saved(book), DEFAULT).text.split("\n")[2:] == [
        "Prices",
        "Article | Price",
        "Article: Lamp; Price: 12",
    ]


def test_values_without_names_of_columns_keep_their_places():
    data = make_xlsx(s=[["Size", 36, 38], ["Jacket", None, 12], ["Trousers", 5]])
    assert extract(data, DEFAULT).text.split("\n")[2:] == ["Size | 36 | 38", "Jacket | | 12", "Trousers | 5"]


def test_formula_without_a_saved_value_is_told():
    row = '<row r="1"><c r="A1"><f>6*7</f></c><c r="B1"><f>1-1</f><v>0</v></c><c r="C1"><f>1+1</f><v>2</v></c></row>'
    saved_by_excel = with_rows(row)
    calc = b'<calcPr calcId="124519" fullCalcOnLoad="1"'
    assert calc in member_of(saved_by_excel, "xl/workbook.xml")
    later = extract(saved_by_excel, DEFAULT).text
    at_once = extract(changed(saved_by_excel, "xl/workbook.xml", calc, b'<calcPr calcId="124519"'), DEFAULT).text
    assert later.split("\n")[2:] == ["[not calculated] | [not calculated] | 2"]
    assert at_once.split("\n")[2:] == ["[not calculated] | 0 | 2"]


@pytest.mark.parametrize("mark", ['ht="0" customHeight="1"', 'hidden="1"'])
def test_row_without_height_is_hidden(mark):
    """J6"""
    rows = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="2" {mark}><c r="A2"><v>2</v></c></row>'
    assert extract(with_rows(rows), DEFAULT).text == "## s\n\n1"
