"""What is left out of a document or cannot be read is told: a small file for each code and format."""

from __future__ import annotations

import io
import re
import threading
from email.message import EmailMessage

import pytest
from docx import Document
from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from PIL import Image as Picture
from pptx import Presentation
from pptx.util import Inches
from pypdf import PdfWriter

from chatbot.knowledge.parsing import formats, parse
from chatbot.knowledge.parsing.child import extract_with_warnings
from chatbot.knowledge.parsing.limits import DEFAULT
from chatbot.knowledge.parsing.warnings import MAX_PLACES, SENTENCES, ParseWarning, collected, line, note, noted_at
from tests.conftest import ROOT
from tests.knowledge.parsing.makers import (
    changed,
    composite_font,
    make_docx,
    make_pdf,
    make_pptx,
    make_xlsx,
    member_of,
    pdf_of_objects,
    pdf_of_streams,
    rezipped,
    saved,
    stream,
    word,
)
from tests.knowledge.parsing.open_document_makers import open_document

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RED_SQUARE = b"1 0 0 rg 100 100 200 200 re f"
INLINE_PICTURE = b"q 400 0 0 400 72 72 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"
WORDS = b"BT /F1 12 Tf 72 720 Td (Some words) Tj ET"
INVISIBLE_WORDS = b"BT /F1 12 Tf 3 Tr 72 720 Td (Some words) Tj ET"


def warnings_of(data: bytes, kind: str) -> list[tuple]:
    found = extract_with_warnings(formats.extractor(kind), data, DEFAULT).warnings
    return [(each.code, each.count, each.pages, each.names) for each in found]


def text_and_codes(data: bytes, kind: str) -> tuple[str, dict[str, int]]:
    found = extract_with_warnings(formats.extractor(kind), data, DEFAULT)
    return found.text, {each.code: each.count for each in found.warnings}


def picture() -> io.BytesIO:
    out = io.BytesIO()
    Picture.new("RGB", (8, 8), "red").save(out, "PNG")
    out.seek(0)
    return out


# The list of codes


def test_note_with_unknown_code_is_refused():
    with pytest.raises(KeyError):
        note("made_up")


def test_note_without_collector_does_nothing():
    note("shortened")
    with collected() as found:
        pass
    assert found.warnings() == ()


def test_notes_are_added_up_in_the_order_of_the_codes_with_the_first_places():
    with collected() as found:
        note("hidden_left_out", 2, name="B")
        note("hidden_left_out", 0, name="never")
        for page in range(30, 0, -1):
            with noted_at(page=page):
                note("pages_not_read")
        for number in range(30):
            note("attachments_not_read", name=f"a\n{number}" + 200 * "x")
    pages, attached, hidden = found.warnings()
    assert (pages.code, pages.count, pages.pages) == ("pages_not_read", 30, tuple(range(1, MAX_PLACES + 1)))
    assert (attached.count, len(attached.names), len(attached.names[0])) == (30, MAX_PLACES, 100)
    assert attached.names[1].startswith("a 1xxx")
    assert hidden == ParseWarning("hidden_left_out", 2, (), ("B",))


def test_notes_of_another_thread_are_not_mixed_in():
    with collected() as found:
        thread = threading.Thread(target=note, args=("shortened",))
        thread.start()
        thread.join()
    assert found.warnings() == ()


def test_line_for_a_terminal_names_the_places():
    warning = {"code": "pages_not_read", "count": 2, "pages": [3, 7], "names": []}
    assert line(warning) == f"pages_not_read: 2 (pages 3, 7): {SENTENCES['pages_not_read']}"
    assert line(warning | {"pages": [3], "names": ["A", "B"]}).startswith("pages_not_read: 2 (page 3; A, B): Pages")
    assert line(warning | {"pages": [], "code": "of a later version"}) == "of a later version: 2: "
    assert ", 20, ...)" in line(warning | {"pages": list(range(1, 21))})


def test_warnings_come_out_of_the_child_process():
    parsed = parse(pdf_of_streams(WORDS, RED_SQUARE), "a.pdf")
    assert parsed.warnings == (ParseWarning("pages_not_read", 1, (2,)),)


# PDF


def test_pdf_page_with_only_a_picture_is_not_read():
    data = pdf_of_streams(WORDS, INLINE_PICTURE, WORDS, RED_SQUARE, b"", b"1 1 1 rg 0 0 612 792 re f")
    assert warnings_of(data, formats.PDF) == [("pages_not_read", 2, (2, 4), ())]


def test_pdf_picture_beside_words_is_not_read_unless_its_words_were_recognised():
    small = INLINE_PICTURE.replace(b"400 0 0 400", b"40 0 0 40")
    data = pdf_of_streams(
        WORDS + b"\n" + INLINE_PICTURE, INLINE_PICTURE + b"\n" + INVISIBLE_WORDS, WORDS + b"\n" + small
    )
    assert warnings_of(data, formats.PDF) == [("pictures_not_read", 1, (1,), ())]


def test_pdf_picture_in_a_form_counts_by_the_place_of_the_form():
    form = stream(
        INLINE_PICTURE.replace(b"400 0 0 400 72 72", b"1 0 0 1 0 0"), "/Type /XObject /Subtype /Form /BBox [0 0 1 1]"
    )
    contents = stream(WORDS + b"\nq 300 0 0 300 72 72 cm /X Do Q")
    data = pdf_of_objects(contents, form, resources="/XObject << /X 6 0 R >>")
    assert warnings_of(data, formats.PDF) == [("pictures_not_read", 1, (1,), ())]


def test_pdf_font_without_map_leaves_its_page_without_text():
    shown = stream(WORDS + b" BT /F2 12 Tf 72 600 Td <00010002000300040005000600070008000900100011> Tj ET")
    data = pdf_of_objects(shown, *composite_font(6, ""), fonts="/F2 6 0 R")
    text, codes = text_and_codes(data, formats.PDF)
    assert (text, codes) == ("", {"fonts_not_read": 1})


def test_pdf_single_unknown_glyphs_are_replaced():
    shown = stream(WORDS + b" BT /F2 12 Tf 72 600 Td <00010002> Tj ET")
    data = pdf_of_objects(shown, *composite_font(6, ""), fonts="/F2 6 0 R")
    text, codes = text_and_codes(data, formats.PDF)
    assert (text.count("\ufffd"), codes) == (2, {"characters_replaced": 2})


def test_pdf_comments_stamps_files_and_media_are_told():
    def note_of(kind: str, more: str = "") -> str:
        return f"<< /Type /Annot /Subtype /{kind} /Rect [10 10 30 30] {more} >>"

    notes = [
        note_of("Text", "/Contents (Please check)"),
        note_of("Highlight", "/Contents (Really?)"),
        note_of("Highlight"),
        note_of("Text", "/Contents (hidden) /F 2"),
        note_of("Stamp"),
        note_of("FileAttachment"),
        note_of("Movie"),
        note_of("Link"),
    ]
    data = pdf_of_objects(stream(WORDS), page=f"/Annots [{' '.join(notes)}]")
    assert warnings_of(data, formats.PDF) == [
        ("objects_not_read", 1, (1,), ()),
        ("attachments_not_read", 1, (1,), ()),
        ("comments_left_out", 3, (1,), ()),
    ]


def test_pdf_attached_files_are_named():
    writer = PdfWriter(clone_from=io.BytesIO(make_pdf("Some words")))
    writer.add_attachment("prices.csv", b"a,b")
    out = io.BytesIO()
    writer.write(out)
    assert warnings_of(out.getvalue(), formats.PDF) == [("attachments_not_read", 1, (), ("prices.csv",))]


def test_pdf_dynamic_form_is_told():
    form = "/AcroForm << /Fields [] /XFA (<x/>) >> /NeedsRendering true"
    assert warnings_of(pdf_of_objects(stream(WORDS), catalogue=form), formats.PDF) == [
        ("dynamic_form_not_read", 1, (), ())
    ]


def test_pdf_buttons_signatures_and_broken_fields_are_not_read():
    def field(kind: str, more: str) -> str:
        return f"<< /Type /Annot /Subtype /Widget /FT /{kind} /T (x) /Rect [10 10 90 30] {more} >>"

    seen = "/AP << /N 5 0 R >>"
    fields = [
        field("Btn", f"/Ff 65536 {seen}"),
        field("Sig", seen),
        field("Sig", ""),
        field("Tx", "/V (a value)"),
        field("Tx", "/V (hidden) /F 2"),
        field("Tx", "/V (broken)").replace("10 10 90 30", "10 /x 90 30"),
    ]
    data = pdf_of_objects(stream(WORDS), page=f"/Annots [{' '.join(fields)}]")
    text, codes = text_and_codes(data, formats.PDF)
    assert ("a value" in text, "hidden" in text) == (True, False)
    assert codes == {"fields_not_read": 3, "hidden_left_out": 1}


def test_pdf_that_only_pdfium_opens_is_read_without_forms_and_layers(monkeypatch):
    from chatbot.knowledge.parsing.extractors import pdf

    monkeypatch.setattr(pdf, "PdfReader", lambda _: int("x"))
    assert warnings_of(make_pdf("Some words"), formats.PDF) == [("forms_and_layers_not_read", 1, (), ())]


def test_pdf_words_beside_the_page_and_layers_switched_off_are_hidden():
    beside = pdf_of_streams(WORDS + b" BT /F1 12 Tf 900 720 Td (beside it) Tj ET")
    assert text_and_codes(beside, formats.PDF) == ("Some words", {"hidden_left_out": 2})
    layered = pdf_of_objects(
        stream(WORDS + b" /OC /L BDC BT /F1 12 Tf 72 600 Td (layer) Tj ET EMC"),
        b"<< /Type /OCG /Name (L) >>",
        resources="/Properties << /L 6 0 R >>",
        catalogue="/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
    )
    assert text_and_codes(layered, formats.PDF) == ("Some words", {"hidden_left_out": 1})


def test_pdf_page_that_cannot_be_loaded_is_named():
    broken = pdf_of_streams(WORDS, WORDS).replace(b"6 0 R]", b"9 0 R]")
    assert warnings_of(broken, formats.PDF)[-1] == ("damaged_parts_not_read", 1, (2,), ())


# Word


def test_docx_hidden_and_deleted_text_is_told():
    run = "<w:r><w:t>seen </w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
    deleted = '<w:del w:id="1"><w:r><w:delText>gone</w:delText></w:r></w:del>'
    white = '<w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>white</w:t></w:r>'
    data = word(f"<w:p>{run}{deleted}</w:p><w:p>{white}</w:p>")
    assert text_and_codes(data, formats.DOCX) == ("seen", {"hidden_left_out": 3})


def test_docx_pictures_objects_and_readings_are_told_once():
    document = Document()
    document.add_paragraph("Some words")
    document.add_picture(picture())
    data = saved(document)
    assert warnings_of(data, formats.DOCX) == [("pictures_not_read", 1, (), ())]
    other = (
        "<w:p><w:r><w:t>Some words</w:t></w:r><w:r><w:object><v:shape><v:imagedata/></v:shape></w:object></w:r>"
        "<w:r><w:ruby><w:rt><w:r><w:t>kana</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r>"
        "<w:r><mc:AlternateContent><mc:Fallback><w:pict><v:imagedata/></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
        "<w:altChunk/>"
    )
    text, codes = text_and_codes(word(other), formats.DOCX)
    assert (text, codes) == ("Some words漢", {"objects_not_read": 2, "readings_not_read": 1})


def test_docx_headers_comments_and_footnotes_are_told():
    document = Document()
    document.add_paragraph("Some words")
    document.sections[0].header.paragraphs[0].text = "Confidential"
    document.add_comment(document.paragraphs[0].runs, text="Really?")
    with_parts = saved(document)
    assert warnings_of(with_parts, formats.DOCX) == [
        ("comments_left_out", 1, (), ()),
        ("repeated_text_left_out", 1, (), ()),
    ]
    notes = (
        b'<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b'<w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>-</w:t></w:r></w:p></w:footnote>'
        b'<w:footnote w:id="1"><w:p><w:r><w:t>See there.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    assert warnings_of(with_footnotes(notes), formats.DOCX) == [("footnotes_not_read", 1, (), ())]
    assert warnings_of(with_footnotes(b"<broken"), formats.DOCX) == [("damaged_parts_not_read", 1, (), ())]


def with_footnotes(notes: bytes) -> bytes:
    relation = f'<Relationship Id="rId99" Type="{RELATIONS}/footnotes" Target="notes.bin"/></Relationships>'
    data = changed(make_docx("Some words"), "word/_rels/document.xml.rels", b"</Relationships>", relation.encode())
    kinds = b'<Override PartName="/word/notes.bin" ContentType="application/octet-stream"/></Types>'
    data = changed(data, "[Content_Types].xml", b"</Types>", kinds)
    return rezipped(data, {"word/notes.bin": notes})


def test_docx_lost_parts_and_unknown_symbols_are_told():
    lost = f'<Relationship Id="rId98" Type="{RELATIONS}/image" Target="media/lost.png"/></Relationships>'
    data = changed(make_docx("Some words"), "word/_rels/document.xml.rels", b"</Relationships>", lost.encode())
    assert warnings_of(data, formats.DOCX) == [("damaged_parts_not_read", 1, (), ("lost.png",))]
    odd = word(
        '<w:p><w:r><w:t>x</w:t><w:sym w:font="Nobody" w:char="F0AB"/><w:sym w:font="Nobody" w:char="?"/></w:r></w:p>'
    )
    assert text_and_codes(odd, formats.DOCX) == ("x\ufffd\ufffd", {"characters_replaced": 2})


# PowerPoint


def test_pptx_slides_tell_what_is_hidden_or_not_read():
    presentation = Presentation()
    for title in ("One", "Two", "Three"):
        presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = title
    one, two, three = presentation.slides
    one.shapes.add_picture(picture(), 0, 0, Inches(1), Inches(1))
    two._element.set("show", "0")
    box = three.shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "not shown"
    box._element.nvSpPr.cNvPr.set("hidden", "1")
    movie = three.shapes.add_movie(io.BytesIO(b"x"), 0, 0, Inches(1), Inches(1), mime_type="video/mp4")
    assert movie is not None
    text, _ = text_and_codes(saved(presentation), formats.PPTX)
    assert text == "## One\n\n\n\n## Three"
    assert warnings_of(saved(presentation), formats.PPTX) == [
        ("pictures_not_read", 1, (1,), ()),
        ("objects_not_read", 1, (3,), ()),
        ("hidden_left_out", 2, (2, 3), ()),
    ]


def test_pptx_text_of_the_master_is_told_for_the_slides_that_show_it():
    presentation = Presentation()
    for title in ("One", "Two"):
        presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = title
    box = presentation.slides[0].shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "Confidential"
    presentation.slide_master.shapes._spTree.append(box._element)
    presentation.slides[1]._element.set("showMasterSp", "0")
    assert warnings_of(saved(presentation), formats.PPTX) == [("repeated_text_left_out", 1, (1,), ())]


def test_pptx_slide_that_is_missing_is_named():
    data = changed(
        make_pptx("One", "Two"), "ppt/_rels/presentation.xml.rels", b"slides/slide2.xml", b"slides/slide9.xml"
    )
    assert warnings_of(data, formats.PPTX) == [("damaged_parts_not_read", 1, (2,), ())]


def test_pptx_chart_without_values_is_not_read():
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "One"
    data = CategoryChartData()
    data.categories = ["North"]
    data.add_series("Sales", [12.5])
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(3), Inches(3), data)
    whole = saved(presentation)
    assert text_and_codes(whole, formats.PPTX) == ("## One\n\nSales – North: 12.5", {})
    name = "ppt/charts/" + next(
        part.partname.rpartition("/")[2] for part in slide.part.package.iter_parts() if "/charts/" in part.partname
    )
    empty = member_of(whole, name).replace(b"c:pt ", b"c:xx ").replace(b"/c:pt>", b"/c:xx>")
    assert text_and_codes(rezipped(whole, {name: empty}), formats.PPTX)[1] == {"objects_not_read": 1}


def test_chart_of_very_many_points_is_shortened():
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    data = CategoryChartData()
    data.categories = range(10_001)
    data.add_series("Sales", range(10_001))
    slide.shapes.add_chart(XL_CHART_TYPE.LINE, 0, 0, Inches(3), Inches(3), data)
    assert text_and_codes(saved(presentation), formats.PPTX)[1] == {"shortened": 2}


# Excel


def test_xlsx_hidden_sheets_rows_and_columns_are_told():
    book = Workbook()
    sheet = book.active
    sheet.title = "Prices"
    for row in (["Name", "Price", "Note"], ["Box", 7, "secret"], ["Bag", 8, "secret"]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.row_dimensions[9].hidden = True
    sheet.column_dimensions["C"].hidden = True
    book.create_sheet("Draft").sheet_state = "hidden"
    text, _ = text_and_codes(saved(book), formats.XLSX)
    assert text == "## Prices\n\nName | Price\nName: Box; Price: 7"
    assert warnings_of(saved(book), formats.XLSX) == [("hidden_left_out", 3, (), ("Draft", "Prices"))]


def test_xlsx_formulas_without_value_and_errors_are_counted_by_sheet():
    data = make_xlsx(Sums=[["a", "b"], [1, "=A2*2"], [2, "=A3*2"]], Errors=[["a", "b"], ["x", "#N/A"]])
    assert warnings_of(data, formats.XLSX) == [
        ("formulas_not_read", 2, (), ("Sums",)),
        ("errors_left_out", 1, (), ("Errors",)),
    ]


def test_xlsx_charts_pictures_comments_and_text_boxes_are_told():
    book = Workbook()
    sheet = book.active
    sheet.title = "Sales"
    for row in (["Name", "Price"], ["Box", 7]):
        sheet.append(row)
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=2))
    sheet.add_chart(chart)
    sheet.add_image(Image(picture()), "D4")
    sheet["A1"].comment = Comment("Really?", "Ada")
    data = saved(book)
    text_box = (
        b"<xdr:twoCellAnchor><xdr:sp><xdr:nvSpPr/><xdr:txBody><a:p xmlns:a='a'><a:r><a:t>Boxed</a:t></a:r></a:p>"
        b"</xdr:txBody></xdr:sp></xdr:twoCellAnchor></"
    )
    drawing = member_of(data, "xl/drawings/drawing1.xml")
    tag = drawing.rpartition(b"</")[2]
    prefix = tag.partition(b":")[0] + b":" if b":" in tag else b""
    drawing = drawing[: -len(tag) - 2] + text_box.replace(b"xdr:", prefix) + tag
    assert warnings_of(rezipped(data, {"xl/drawings/drawing1.xml": drawing}), formats.XLSX) == [
        ("pictures_not_read", 1, (), ("Sales",)),
        ("objects_not_read", 2, (), ("Sales",)),
        ("comments_left_out", 1, (), ("Sales",)),
    ]
    assert warnings_of(rezipped(data, {"xl/drawings/drawing1.xml": b"<broken"}), formats.XLSX)[0] == (
        "damaged_parts_not_read",
        1,
        (),
        ("Sales",),
    )


def test_xlsx_sheet_that_is_missing_or_only_a_chart_is_named():
    book = Workbook()
    book.active.append(["a", "b"])
    book.create_chartsheet("Chart").add_chart(BarChart())
    lost = f'<sheet xmlns:r="{RELATIONS}" name="Lost" sheetId="9" r:id="rId77"/>'.encode()
    data = changed(saved(book), "xl/workbook.xml", b"<sheets>", b"<sheets>" + lost)
    relation = (
        f'<Relationship Id="rId77" Type="{RELATIONS}/worksheet" Target="/xl/worksheets/lost.xml"/></Relationships>'
    )
    data = changed(data, "xl/_rels/workbook.xml.rels", b"</Relationships>", relation.encode())
    assert warnings_of(data, formats.XLSX) == [
        ("objects_not_read", 1, (), ("Chart",)),
        ("damaged_parts_not_read", 1, (), ("Lost",)),
    ]


# HTML, e-mails and texts


def test_html_tells_what_is_hidden_and_what_is_not_read():
    data = (
        b"<html><head><title>T</title><style>x</style></head><body><p>Seen</p><p hidden>gone</p>"
        b'<p style="display:none">gone<b>gone</b></p><p hidden></p><div style="visibility:hidden">gone</div>'
        b"<!-- a comment --><script>x</script><noscript>x</noscript>"
        b'<img src=a alt="A plan"><img src=b><img src=c alt=""><img src=d width=1 height=1>'
        b'<iframe src="x"></iframe><iframe src="x" style="display:none"></iframe><video>x</video>'
        b"<svg><text>Label</text></svg><svg><path/></svg><ruby>k<rp>(</rp><rt>kana</rt></ruby>"
        b'<input value="7"><input type=hidden value=1><input><input type=checkbox></body></html>'
    )
    text, codes = text_and_codes(data, formats.HTML)
    assert text == "Seen\n\nk"
    assert codes == {
        "pictures_not_read": 3,
        "objects_not_read": 2,
        "fields_not_read": 2,
        "readings_not_read": 1,
        "hidden_left_out": 3,
    }


def test_html_frames_are_pages_of_their_own():
    page = b'<html><frameset><frame src="a"><frame src="b"><noframes>Seen</noframes></frameset></html>'
    assert text_and_codes(page, formats.HTML) == ("", {"objects_not_read": 2})


def test_eml_attachments_are_named_and_what_its_page_leaves_out_is_told():
    letter = EmailMessage()
    letter["Subject"] = "Prices"
    letter.set_content('<p>Seen</p><p hidden>gone</p><img src="cid:a" alt="A plan">', subtype="html")
    letter.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="prices.pdf")
    letter.add_attachment(b"x", maintype="application", subtype="x", filename="other.bin")
    assert warnings_of(letter.as_bytes(), formats.EML) == [
        ("pictures_not_read", 1, (), ()),
        ("attachments_not_read", 2, (), ("prices.pdf", "other.bin")),
        ("hidden_left_out", 1, (), ()),
    ]


def test_eml_that_was_cut_or_holds_other_parts_tells_it():
    letter = (
        b"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSome words\n"
        b"--b\nContent-Type: text/calendar\n\nno calendar\n--b\nContent-Type: image/png\n\nx\n"
        b"--b\nContent-Type: text/rtf\n\n{x}\n"
    )
    text, codes = text_and_codes(letter, formats.EML)
    assert text == "Subject: x\n\nSome words\n\nAttachments: text/calendar, image/png, text/rtf"
    assert codes == {"attachments_not_read": 3, "damaged_parts_not_read": 1}


def test_ics_attached_files_are_told():
    data = (
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Talk\nATTACH:http://a/b.pdf\nEND:VEVENT\n"
        b"BEGIN:VJOURNAL\nSUMMARY:Diary\nEND:VJOURNAL\nEND:VCALENDAR\n"
    )
    shown = "Talk\nAttachments: http://a/b.pdf\n\nDiary"
    assert text_and_codes(data, formats.ICS) == (shown, {"attachments_not_read": 1})


@pytest.mark.parametrize(
    ("data", "replaced"),
    [
        ("ab\ufffd".encode(), 0),
        ("ab\ufffd".encode("utf-16"), 0),
        (b"\xef\xbb\xbfgr\xfc\xdfe", 2),
        (b"\xff\xfea\x00b\x00\x00\xd8", 1),
        ("Grüße".encode("cp1252"), 0),
    ],
)
@pytest.mark.parametrize("kind", [formats.TEXT, formats.MARKDOWN, formats.CSV])
def test_text_bytes_that_no_encoding_knows_are_counted(data, replaced, kind):
    text, codes = text_and_codes(data, kind)
    assert codes == ({"characters_replaced": replaced} if replaced else {})
    assert text.count("\ufffd") == (replaced or "\ufffd" in data.decode("utf-8", "ignore") or b"\xfd\xff" in data)


def test_html_bytes_that_its_encoding_does_not_know_are_counted_once_in_an_email():
    page = b'<html><head><meta charset="utf-8"></head><p>gr\xfc\xdfe</p></html>'
    assert text_and_codes(page, formats.HTML)[1] == {}
    letter = b"Subject: x\nContent-Type: text/html; charset=iso-2022-jp\n\n<p>ab\xff</p>"
    assert text_and_codes(letter, formats.EML)[1] == {"characters_replaced": 1}


def test_markdown_comments_are_told():
    text, codes = text_and_codes(b"One <!-- a --> two\n\n`<!-- code -->`\n\n<!--\nb\n-->\n", formats.MARKDOWN)
    assert (text.startswith("One  two"), codes) == (True, {"hidden_left_out": 2})


def test_json_members_of_the_same_name_are_told():
    assert text_and_codes(b'{"a": 1, "a": 2, "b": {"c": 1, "c": 1}}', formats.JSON) == (
        "a: 2\nb.c: 1",
        {"damaged_parts_not_read": 2},
    )
    assert text_and_codes(b'{"a": 1, "a": 2}\n', formats.JSONL)[1] == {"damaged_parts_not_read": 1}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (make_pdf("Some words"), formats.PDF),
        (make_docx("Some words"), formats.DOCX),
        (make_pptx("Some words"), formats.PPTX),
        (make_xlsx(s=[["a", "b"], ["x", 1]]), formats.XLSX),
        (b"<html><p>Some words</p></html>", formats.HTML),
        (b"Some words", formats.TEXT),
        (b"# Some\n\nwords", formats.MARKDOWN),
        (b"a,b\n1,2\n", formats.CSV),
        (b'{"a": [1, null]}', formats.JSON),
        (b"Subject: x\n\nSome words", formats.EML),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Talk\nEND:VEVENT\nEND:VCALENDAR\n", formats.ICS),
    ],
)
def test_document_of_which_everything_is_read_has_no_warnings(data, kind):
    assert warnings_of(data, kind) == []


def test_manual_lists_every_code():
    page = (ROOT / "docs" / "knowledge.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page.partition("### Which parts of a document were not read?")[2], re.M)
    assert listed[: len(SENTENCES)] == list(SENTENCES)
    assert SENTENCES["pages_not_read"] in page


@pytest.mark.parametrize(
    ("kind", "source", "codes"),
    [
        (
            formats.RTF,
            r"{\rtf1 a{\v b}{\pict 00}{\object x}{\header c}{\*\annotation d}}",
            {
                "pictures_not_read": 1,
                "objects_not_read": 1,
                "hidden_left_out": 1,
                "comments_left_out": 1,
                "repeated_text_left_out": 1,
            },
        ),
        (
            "text/x-rst",
            "a\n\n.. b\n\n.. image:: c.png\n\n.. include:: d.rst\n\n.. automodule:: e",
            {"pictures_not_read": 1, "damaged_parts_not_read": 2, "hidden_left_out": 1},
        ),
        (
            "text/asciidoc",
            "a\n\n////\nb\n////\n\nimage::c.png[]\n\ninclude::d.adoc[]",
            {"pictures_not_read": 1, "damaged_parts_not_read": 1, "hidden_left_out": 1},
        ),
        ("text/x-tex", r"a \includegraphics{c.png} \input{d}", {"pictures_not_read": 1, "damaged_parts_not_read": 1}),
        ("text/org", "a\n# b", {"hidden_left_out": 1}),
        ("text/mdx", "a <!-- b --> c", {"hidden_left_out": 1}),
        (
            "application/x-ipynb+json",
            '{"cells": [{"cell_type": "code", "source": "a", "metadata": {"jupyter": {"source_hidden": true}},'
            ' "outputs": [{"data": {"image/png": "x", "text/plain": "b"}}]}]}',
            {"pictures_not_read": 1, "hidden_left_out": 1},
        ),
        ("application/xml", "<a>b<!-- c --></a>", {}),
        ("text/vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\na", {}),
        ("text/x-python", "a = 1  # b", {}),
    ],
)
def test_formats_of_editors_tell_what_is_missing(kind, source, codes):
    assert text_and_codes(source.encode(), kind)[1] == codes


def test_open_documents_tell_what_is_missing():
    body = (
        "<text:p>a<office:annotation><text:p>b</text:p></office:annotation></text:p><text:p><draw:frame><draw:image/>"
        "</draw:frame></text:p>"
    )
    assert text_and_codes(open_document("text", body), formats.ODT)[1] == {
        "pictures_not_read": 1,
        "comments_left_out": 1,
    }
