import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.extractors.office.ods import extract
from chatbot.knowledge.parsing.formats import ODS
from chatbot.knowledge.parsing.limits import DEFAULT
from tests.knowledge.parsing.open_document_makers import make_ods, open_document

EMPTY_END = (
    '<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/>'
    "</table:table-row>"
)


def cell(text: str = "", more: str = "", kind: str = "string") -> str:
    return f'<table:table-cell office:value-type="{kind}" {more}><text:p>{text}</text:p></table:table-cell>'


def row(*cells: str, more: str = "") -> str:
    """A row of cells, or of texts."""
    written = (each if each.startswith("<") else cell(each) for each in cells)
    return f"<table:table-row {more}>{''.join(written)}</table:table-row>"


def sheet(*rows: str, name: str = "s", columns: str = "", more: str = "") -> str:
    return f'<table:table table:name="{name}" {more}>{columns}{"".join(rows)}</table:table>'


def text_of(*parts: str, automatic: str = "") -> str:
    return extract(open_document("spreadsheet", "".join(parts), automatic=automatic), DEFAULT).text


def rows_of(*rows: str, columns: str = "", automatic: str = "") -> list[str]:
    """The lines below the name of the sheet."""
    return text_of(sheet(*rows, columns=columns), automatic=automatic).split("\n")[2:]


def test_each_row_says_what_its_columns_are_called():
    data = open_document(
        "spreadsheet",
        sheet(
            row("City", "Rate"),
            row("Bonn", cell("28.50 €", 'office:value="28.5"', "currency")),
            EMPTY_END,
            name="Rates",
        ),
        title="Rates 2026",
    )
    parsed = parse(data, "upload")
    assert parsed.text == "## Rates\n\nCity | Rate\nCity: Bonn; Rate: 28.50 €"
    assert parsed.title == "Rates 2026"
    assert parsed.media_type == ODS
    assert parse(open_document("spreadsheet", sheet(row("x")), template="-template"), "a.ots").text == "## s\n\nx"


def test_empty_rows_and_cells_cost_nothing_however_many_a_file_says():
    gap = '<table:table-row table:number-rows-repeated="999999999"><table:table-cell/></table:table-row>'
    wide = '<table:table-cell table:number-columns-repeated="999999"/>'
    text = text_of(sheet(row("a", "b"), gap, row("1", "2", wide), EMPTY_END))
    assert text == "## s\n\na | b\n\na: 1; b: 2"


def test_repeated_rows_and_cells_are_written_as_often_as_they_stand():
    rows = rows_of(
        row("a", "b", "c"),
        row(
            cell("1", 'table:number-columns-repeated="2"'), "<table:table-cell/>", more='table:number-rows-repeated="2"'
        ),
    )
    assert rows == ["a | b | c", "a: 1; b: 1", "a: 1; b: 1"]


def test_row_that_fills_a_sheet_is_written_a_thousand_times():
    assert len(rows_of(row("x", more='table:number-rows-repeated="1048576"'))) == 1000


def test_value_far_to_the_right_keeps_its_column_up_to_the_widest_sheet():
    def far(columns: int) -> str:
        return text_of(sheet(row(f'<table:table-cell table:number-columns-repeated="{columns}"/>', "x")))

    assert far(16_000) == "## s\n\nx"
    with pytest.raises(ParseError) as caught:
        far(16_384)
    assert caught.value.code == "too_complex"


def test_hidden_sheets_rows_and_columns_are_left_out():
    """J6"""
    automatic = "".join(
        f'<style:style style:name="{name}" style:family="table"><style:table-properties table:display="{seen}"/>'
        "</style:style>"
        for name, seen in (("ta1", "true"), ("ta2", "false"))
    )
    columns = (
        '<table:table-column/><table:table-column table:visibility="collapse"/>'
        '<table:table-column-group table:display="false"><table:table-column/></table:table-column-group>'
        '<table:table-column table:number-columns-repeated="9"/>'
    )
    shown = sheet(
        row("a", "secret", "closed", "d"),
        row("1", "secret", "closed", "2"),
        row("secret", more='table:visibility="collapse"'),
        row("secret", more='table:visibility="filter"'),
        f'<table:table-row-group table:display="false">{row("secret")}</table:table-row-group>',
        f"<table:table-row-group>{row('3', 'secret', 'closed', '4')}</table:table-row-group>",
        columns=columns,
        more='table:style-name="ta1"',
    )
    hidden = sheet(row("secret"), name="hidden", more='table:style-name="ta2"')
    assert text_of(shown, hidden, automatic=automatic) == "## s\n\na | d\na: 1; d: 2\na: 3; d: 4"


def test_comments_and_errors_are_nothing():
    rows = rows_of(
        row("a", "b", "c"),
        row(
            "1<office:annotation><text:p>who?</text:p></office:annotation>",
            cell("#DIV/0!", 'calcext:value-type="error"'),
            cell("Err:502", 'calcext:value-type="error"'),
        ),
        row(
            '<table:table-cell office:value-type="string"><office:annotation><text:p>who?</text:p>'
            "</office:annotation><text:p>2</text:p></table:table-cell>"
        ),
    )
    assert rows == ["a | b | c", "a: 1", "a: 2"]


def test_value_merged_over_rows_is_in_each_of_them_and_groups_name_their_columns():
    covered = "<table:covered-table-cell/>"
    rows = rows_of(
        row(
            "",
            cell("2025", 'table:number-columns-spanned="2"'),
            covered,
            cell("2026", 'table:number-columns-spanned="2"'),
        ),
        row("Team", "Budget", "Spent", "Budget", "Spent"),
        row(cell("A", 'table:number-rows-spanned="3"'), "1", "2", "3", "4"),
        row(
            "<table:covered-table-cell><text:p>stale</text:p></table:covered-table-cell>",
            "5",
            "6",
            "7",
            "8",
            more='table:number-rows-repeated="2"',
        ),
        row("B", "9", "9", "9", "9"),
    )
    assert rows == [
        "Team | 2025 Budget | 2025 Spent | 2026 Budget | 2026 Spent",
        "Team: A; 2025 Budget: 1; 2025 Spent: 2; 2026 Budget: 3; 2026 Spent: 4",
        *["Team: A; 2025 Budget: 5; 2025 Spent: 6; 2026 Budget: 7; 2026 Spent: 8"] * 2,
        "Team: B; 2025 Budget: 9; 2025 Spent: 9; 2026 Budget: 9; 2026 Spent: 9",
    ]


def date_style(name: str, *parts: str) -> str:
    inner = "".join(f"<number:{part}/>" for part in parts)
    return (
        f'<number:date-style style:name="N{name}">{inner}</number:date-style>'
        f'<style:style style:name="{name}" style:family="table-cell" style:data-style-name="N{name}"/>'
    )


def dated(shown: str, value: str, style: str = "") -> str:
    more = f'office:date-value="{value}"' + (f' table:style-name="{style}"' if style else "")
    return cell(shown, more, "date")


def test_dates_are_in_the_iso_form_as_far_as_they_are_shown():
    automatic = (
        date_style("day", "day", "month", "year")
        + date_style("month", "month", "year")
        + date_style("hour", "hours", "minutes")
        + date_style("both", "day", "month", "year", "hours")
    )
    columns = (
        '<table:table-column table:number-columns-repeated="5"/>'
        '<table:table-column table:default-cell-style-name="month"/>'
    )
    rows = rows_of(
        row("a", "b", "c", "d", "e", "f"),
        row(
            dated("01.03.26", "2026-03-01T12:30:00", "day"),
            dated("Mar 26", "2026-03-01", "month"),
            dated("12:30", "2026-03-01T12:30:00", "hour"),
            dated("1.3.26 12:30", "2026-03-01T12:30:00", "both"),
            dated("1.3.26", "2026-03-01"),
            dated("May 26", "2026-05-01"),
        ),
        row(dated("1.3.0044 BC", "-0044-03-15", "day"), cell("9:30", 'office:time-value="PT09H30M00S"', "time")),
        columns=columns,
        automatic=automatic,
    )
    assert rows == [
        "a | b | c | d | e | f",
        "a: 2026-03-01; b: Mar 2026; c: 12:30:00; d: 2026-03-01 12:30:00; e: 2026-03-01; f: May 2026",
        "a: 1.3.0044 BC; b: 9:30",
    ]


def test_value_without_its_text_is_read_and_a_formula_without_value_says_so():
    bare = '<table:table-cell office:value-type="{}" office:{}="{}"/>'
    rows = rows_of(
        row("a", "b", "c", "d", "e"),
        row(
            bare.format("float", "value", "28.5"),
            bare.format("boolean", "boolean-value", "true"),
            bare.format("string", "string-value", "words"),
            '<table:table-cell table:formula="of:=[.A1]*2"/>',
            '<table:table-cell table:formula="of:=&quot;&quot;" office:value-type="string" office:string-value="">'
            "<text:p/></table:table-cell>",
        ),
    )
    assert rows == ["a | b | c | d | e", "a: 28.5; b: TRUE; c: words; d: [not calculated]"]


def test_lines_and_marks_of_a_cell_are_read():
    automatic = (
        '<style:style style:name="T1" style:family="text"><style:text-properties style:text-position="super 58%"/>'
        "</style:style>"
    )
    two = (
        '<table:table-cell office:value-type="string"><text:p>first</text:p>'
        '<text:p>10<text:span text:style-name="T1">6</text:span> <text:a xlink:href="https://example.org">link</text:a>'
        "</text:p></table:table-cell>"
    )
    assert rows_of(row("a", "b"), row(two, "x"), automatic=automatic) == ["a | b", "a: first 10^6 link; b: x"]


def test_cells_of_changes_that_were_tracked_are_no_rows():
    changes = (
        "<table:tracked-changes><table:deletion><table:cell-content-deletion><table:change-track-table-cell>"
        "<text:p>gone</text:p></table:change-track-table-cell></table:cell-content-deletion></table:deletion>"
        "</table:tracked-changes>"
    )
    assert text_of(changes, sheet(row("kept"))) == "## s\n\nkept"


def test_large_sheet_is_read():
    rows = [["Name", "Number", "Place"], *([f"n{i}", str(i), "here"] for i in range(20_000))]
    text = parse(make_ods(s=rows), "a.ods").text
    assert text.count("\n") == 20_002
    assert text.endswith("Name: n19999; Number: 19999; Place: here")
