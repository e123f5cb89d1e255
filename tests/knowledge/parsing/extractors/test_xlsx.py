import json
from datetime import date, datetime, time

import pytest
from openpyxl import Workbook

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.extractors.xlsx import extract
from chatbot.knowledge.parsing.formats import XLSX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
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
    for value in [0.1 + 0.2, 10**15, 2.0, True, False, date(2024, 5, 1), datetime(2024, 5, 1, 9, 30), time(9, 30),
                  "#N/A", "two\nlines"]:  # fmt: skip
        sheet.append([value])
    for value in (0.19, 0.075):
        sheet.append([value])
        sheet.cell(sheet.max_row, 1).number_format = "0.0%"

    parsed = extract(saved(book), DEFAULT)

    assert parsed.title == "Prices"
    assert parsed.text.split("\n")[2:] == [
        "0.3", "1000000000000000", "2", "TRUE", "FALSE", "2024-05-01", "2024-05-01 09:30:00", "09:30:00",
        # The error is nothing, and what follows an empty row stands apart.
        "", "two lines", "19%", "7.5%",
    ]  # fmt: skip


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
