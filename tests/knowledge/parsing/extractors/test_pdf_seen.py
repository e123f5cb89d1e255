"""What a person sees on the pages of a PDF is its text: fields, notes, layers, scripts, raised numbers, tables."""

import io

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ContentStream

from chatbot.knowledge.parsing import parse
from chatbot.knowledge.parsing.extractors import pdf
from chatbot.knowledge.parsing.extractors.pdf import extract
from chatbot.knowledge.parsing.limits import DEFAULT
from chatbot.knowledge.parsing.pdf import layers
from tests.knowledge.parsing.counting import calls_of
from tests.knowledge.parsing.makers import composite_font, make_pdf, pdf_of_objects, stream


def text_of(data: bytes) -> str:
    return extract(data, DEFAULT).text


def shown(*lines: tuple[int, int, str], size: int = 12) -> bytes:
    """A content stream with these texts, each at its x and y."""
    return b" ".join(f"BT /F1 {size} Tf {x} {y} Td ({line}) Tj ET".encode("cp1252") for x, y, line in lines)


def form(content: bytes, *widgets: str, fields: str = "", more: tuple[bytes, ...] = (), page: str = "") -> bytes:
    """A page with these widgets; `more` are objects from number 6 on."""
    notes = "".join(f"<< /Type /Annot {widget} >> " for widget in widgets)
    acro_form = f"/AcroForm << /Fields [{fields}] >>"
    return pdf_of_objects(stream(content), *more, page=f"/Annots [{notes}] {page}", catalogue=acro_form)


def widget(kind: str, box: str, rest: str) -> str:
    return f"/Subtype /Widget /FT /{kind} /Rect [{box}] {rest}"


# --- forms ---


def test_text_field_is_behind_its_printed_label_once():
    page = shown((72, 700, "Surname:"), (72, 680, "Village"))
    fields = [
        widget("Tx", "150 696 400 712", "/T (a1) /TU (Family name) /V (Odermatt)"),
        widget("Tx", "150 676 400 692", "/T (a2) /V (Trub)"),
    ]
    assert text_of(form(page, *fields)) == "Surname: Odermatt\nVillage Trub"


def test_field_below_its_label_follows_it():
    page = shown((72, 700, "Name of the club"), (72, 600, "Thank you"))
    assert text_of(form(page, widget("Tx", "72 680 400 696", "/T (x) /V (Rowers)"))) == (
        "Name of the club\nRowers\nThank you"
    )


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("/T (form1[0].q_07[0]) /TU (Date of birth)", "Date of birth: 3 May"),
        ("/T (birth_date[0])", "birth date: 3 May"),
        ("/T (f1_01[0])", "3 May"),
    ],
)
def test_field_without_printed_label_has_its_name(names, line):
    assert text_of(form(shown((72, 700, "Visitors")), widget("Tx", "72 500 300 516", f"{names} /V (3 May)"))) == (
        f"Visitors\n{line}"
    )


@pytest.mark.parametrize(
    "rest",
    [
        "/F 2 /V (secret)",
        "/F 32 /V (secret)",
        "/Ff 8192 /V (secret)",
        "/V ()",
        "/OC 6 0 R /V (secret)",
        "/V 17",
    ],
    ids=["hidden", "no view", "password", "empty", "layer off", "no text"],
)
def test_field_that_shows_nothing_is_left_out(rest):
    data = pdf_of_objects(
        stream(shown((72, 700, "Code:"))),
        b"<< /Type /OCG /Name (Office) >>",
        page=f"/Annots [<< {widget('Tx', '150 696 400 712', '/T (a) ' + rest)} >>]",
        catalogue="/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
    )
    assert text_of(data) == "Code:"


def test_value_and_kind_are_inherited_from_the_field_above():
    parent = b"<< /FT /Tx /T (who) /V (B\xe9atrice) /Kids [] >>"
    page = shown((72, 700, "Guide:"))
    data = form(page, "/Subtype /Widget /Rect [150 696 400 712] /Parent 6 0 R", fields="6 0 R", more=(parent,))
    assert text_of(data) == "Guide: Béatrice"


def test_fields_that_are_their_own_parents_end():
    parent = b"<< /T (who) /Parent 6 0 R >>"
    data = form(shown((72, 700, "Guide:")), "/Subtype /Widget /Rect [1 1 9 9] /Parent 6 0 R", more=(parent,))
    assert text_of(data) == "Guide:"


@pytest.mark.parametrize(
    ("value", "line"),
    [("(b)", "Room: Attic"), ("[(a) (b)]", "Room: Cellar, Attic"), ("(Barn)", "Room: Barn")],
    ids=["one", "several", "written in"],
)
def test_choice_is_stored_as_it_is_shown(value, line):
    choice = widget("Ch", "150 696 400 712", f"/T (r) /Opt [[(a) (Cellar)] [(b) (Attic)]] /V {value}")
    assert text_of(form(shown((72, 700, "Room:")), choice)) == line


def test_boxes_are_ticked_or_empty_beside_their_words():
    page = shown((90, 700, "Vegetarian"), (90, 680, "With fish"), (72, 660, "Gluten"), (90, 640, "Late"))
    boxes = [
        widget("Btn", "72 698 86 712", "/T (v) /V /Yes /AS /Yes"),
        widget("Btn", "72 678 86 692", "/T (f) /V /Off /AS /Off"),
        widget("Btn", "120 658 134 672", "/T (g) /V /1 /AS /1"),
        widget("Btn", "72 638 86 652", "/T (push) /Ff 65536"),
    ]
    assert text_of(form(page, *boxes)) == "☒ Vegetarian\n☐ With fish\nGluten ☒\nLate"


def test_radio_buttons_without_words_have_the_names_of_their_states():
    looks = "/AP << /N << /{} 6 0 R /Off 6 0 R >> >>"
    group = b"<< /FT /Btn /Ff 32768 /TU (Payment) /V /cash /T (p) >>"
    boxes = [
        f"/Subtype /Widget /Rect [72 {y} 86 {y + 14}] /Parent 7 0 R /AS /{state} {looks.format(name)}"
        for y, state, name in ((500, "cash", "cash"), (400, "Off", "by_card"))
    ]
    data = form(shown((72, 700, "Bill")), *boxes, more=(stream(b"", "/Subtype /Form /BBox [0 0 9 9]"), group))
    assert text_of(data) == "Bill\n☒ Payment: cash\n☐ Payment: by card"


def test_fields_of_a_page_that_is_turned_are_beside_their_labels():
    page = b"BT /F1 12 Tf 0 1 -1 0 100 72 Tm (Surname:) Tj ET BT /F1 12 Tf 0 1 -1 0 130 72 Tm (Notes) Tj ET"
    field = widget("Tx", "90 150 106 400", "/T (a) /V (Odermatt)")
    assert text_of(form(page, field, page="/Rotate 90")) == "Surname: Odermatt\nNotes"


def test_fields_of_an_encrypted_form_are_read():
    data = form(shown((72, 700, "Surname:")), widget("Tx", "150 696 400 712", "/T (a) /V (Odermatt)"))
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt("", "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    assert text_of(out.getvalue()) == "Surname: Odermatt"


@pytest.mark.parametrize("broken", ["/Rect [0 0]", "/Rect [(a) 1 2 3]", "/Rect [1 1 9 9] /V 99 0 R", "/FT 7"])
def test_broken_field_does_not_cost_the_page(broken):
    assert text_of(form(shown((72, 700, "Kept")), f"/Subtype /Widget /FT /Tx {broken}")) == "Kept"


# --- notes on the page ---


def test_free_text_is_read_in_its_place_unless_hidden():
    page = shown((72, 700, "Rules"), (72, 500, "End"))
    notes = ["/Rect [72 600 200 620] /Contents (New:\\rclosed on Monday)", "/F 2 /Rect [72 560 200 580] /Contents (no)"]
    data = form(
        page, *(f"/Subtype /FreeText {note}" for note in notes), "/Subtype /Text /Rect [1 1 9 9] /Contents (no)"
    )
    assert text_of(data) == "Rules\nNew:\nclosed on Monday\nEnd"


def test_free_text_is_all_the_text_of_a_page():
    assert text_of(form(b"", "/Subtype /FreeText /Rect [72 600 200 620] /Contents (Only a note)")) == "Only a note"


# --- what stands for what is drawn ---


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"(weighs 5 ) Tj /Span << /ActualText (tonnes) >> BDC (t) Tj EMC ( today) Tj", "weighs 5 tonnes today"),
        (b"(two caf) Tj /Span << /ActualText <FEFF00E9> >> BDC (e') Tj EMC (s) Tj", "two cafés"),
    ],
)
def test_actual_text_replaces_what_is_drawn(content, text):
    assert text_of(pdf_of_objects(stream(b"BT /F1 12 Tf 72 700 Td " + content + b" ET"))) == text


@pytest.mark.parametrize(
    ("letters", "text"), [("ﬂat", "flat"), ("aﬃx", "affix"), ("ﺳﻼﻡ", "سلام")], ids=["fl", "ffi", "shapes of Arabic"]
)
def test_ligatures_and_shapes_are_letters(letters, text):
    codes = "".join(f"{code:04x}" for code in range(1, len(letters) + 1))
    line = f"BT /F2 12 Tf 72 700 Td <{codes}> Tj ET".encode()
    found = text_of(pdf_of_objects(stream(line), *composite_font(6, letters), fonts="/F2 6 0 R"))
    assert sorted(found) == sorted(text)


# --- scripts ---


def placed(letters: str, step: tuple[int, int], start: tuple[int, int] = (400, 700)) -> bytes:
    """Each letter on its own, `step` from the one before; a blank begins another line or column."""
    x, y = start
    out = []
    for code, letter in enumerate(letters, 1):
        if letter == " ":
            start = (start[0], start[1] - 24) if step[0] else (start[0] - 24, start[1])
            x, y = start
            continue
        out.append(f"1 0 0 1 {x} {y} Tm <{code:04x}> Tj")
        x, y = x + step[0], y + step[1]
    return f"BT /F2 12 Tf {' '.join(out)} ET".encode()


@pytest.mark.parametrize(
    ("letters", "step"),
    [("שלום ספריה", (-8, 0)), ("سوق مدينة", (-8, 0)), ("東京駅前 図書館", (0, -12)), ("市立美術館 入口", (0, -12))],
    ids=["Hebrew", "Arabic", "Japanese", "Chinese"],
)
def test_letters_placed_one_by_one_are_words_in_reading_order(letters, step):
    """In a font that neither the file nor the machine has: without glyphs, PDFium would leave the letters out."""
    data = pdf_of_objects(stream(placed(letters, step)), *composite_font(6, letters), fonts="/F2 6 0 R")
    assert text_of(data).split() == letters.split()


@pytest.mark.parametrize(
    ("encoding", "ordering", "codec", "text"),
    [
        ("KSCms-UHC-H", "Korea1", "cp949", "서울역 광장"),
        ("KSC-EUC-H", "Korea1", "euc_kr", "회의실"),
        ("90ms-RKSJ-H", "Japan1", "cp932", "会議室"),
        ("EUC-H", "Japan1", "euc_jp", "東京駅"),
        ("UniJIS-UCS2-H", "Japan1", "utf-16-be", "図書館"),
        ("ETen-B5-H", "CNS1", "big5", "台北車站"),
        ("GBK-EUC-H", "GB1", "gbk", "图书馆"),
        ("UniGB-UTF16-H", "GB1", "utf-16-be", "上海车站"),
    ],
)
def test_predefined_character_maps_are_decoded(encoding, ordering, codec, text):
    line = f"BT /F2 12 Tf 72 700 Td <{text.encode(codec).hex()}> Tj ET".encode()
    font = composite_font(6, "", encoding, ordering)
    assert text_of(pdf_of_objects(stream(line), *font, fonts="/F2 6 0 R")) == text


# --- letters that cannot be known ---

GLYPHS = "<0037004b004800030047004400510046>"


def test_page_of_unknown_letters_has_no_text():
    data = pdf_of_objects(
        stream(f"BT /F2 12 Tf 72 700 Td {GLYPHS} Tj ET".encode()), *composite_font(6, ""), fonts="/F2 6 0 R"
    )
    assert text_of(data) == ""


def test_font_with_invented_glyph_names_has_no_text():
    glyph = stream(b"500 0 0 0 400 700 d1 0 0 400 700 re f")
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 500 700] /FontMatrix [.001 0 0 .001 0 0] /FirstChar 65 "
        b"/LastChar 67 /Widths [500 500 500] /CharProcs << /g1 7 0 R /g2 7 0 R /g3 7 0 R >> "
        b"/Encoding << /Type /Encoding /Differences [65 /g1 /g2 /g3] >> >>"
    )
    data = pdf_of_objects(stream(b"BT /F2 12 Tf 72 700 Td (ABCBA) Tj ET"), font, glyph, fonts="/F2 6 0 R")
    assert text_of(data) == ""


def test_single_unknown_letters_are_told_in_their_place():
    line = b"BT /F1 12 Tf 72 700 Td (The sign ) Tj /F2 12 Tf <0037> Tj /F1 12 Tf ( means closed) Tj ET"
    assert text_of(pdf_of_objects(stream(line), *composite_font(6, ""), fonts="/F2 6 0 R")) == (
        "The sign \ufffd means closed"
    )


# --- what is not shown ---


LAYERS = (b"<< /Type /OCG /Name (Draft) >>", b"<< /Type /OCG /Name (Draft) >>")
MARKED = b"/OC /L BDC " + shown((72, 700, "ninety")) + b" EMC " + shown((72, 680, "forty"))


@pytest.mark.parametrize(
    ("content", "layers", "text"),
    [
        (MARKED, "/OFF [6 0 R]", "forty"),
        (MARKED, "/OFF [7 0 R]", "ninety\nforty"),
        (MARKED, "/BaseState /OFF", "forty"),
        (MARKED, "/BaseState /OFF /ON [6 0 R]", "ninety\nforty"),
        (MARKED.replace(b"/L ", b"/M "), "/OFF [6 0 R 7 0 R]", "forty"),
        (MARKED.replace(b"/L ", b"/M "), "/OFF [6 0 R]", "ninety\nforty"),
        (MARKED.replace(b"/L ", b"/E "), "/OFF [6 0 R]", "ninety\nforty"),
        (MARKED.replace(b"/L ", b"/E "), "", "forty"),
        (b"/X Do " + shown((72, 680, "forty")), "/OFF [6 0 R]", "forty"),
        (b"/X Do " + shown((72, 680, "forty")), "/OFF [7 0 R]", "ninety\nforty"),
        (b"/Y Do " + shown((72, 680, "forty")), "/OFF [6 0 R]", "forty"),
        (
            b"/OC /L BDC /Span BMC " + shown((9, 9, "no")) + b" EMC BT /F1 9 Tf 72 700 Td 9 TL (no) ' EMC (yes) Tj ET",
            "/OFF [6 0 R]",
            "yes",
        ),
    ],
    ids=[
        "off",
        "another",
        "all off",
        "on",
        "members",
        "one member",
        "not off",
        "not on",
        "form",
        "form of another",
        "within a form",
        "marks in marks",
    ],
)
def test_layers_that_are_switched_off_are_left_out(content, layers, text):
    members = b"<< /Type /OCMD /OCGs [6 0 R 7 0 R] >>"
    expression = b"<< /Type /OCMD /VE [/Not 6 0 R] >>"
    within = "/Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> /Properties << /L 6 0 R >> >>"
    forms = stream(shown((72, 700, "ninety")), within + " /OC 6 0 R"), stream(MARKED[:-40], within)
    data = pdf_of_objects(
        stream(content),
        *LAYERS,
        members,
        expression,
        *forms,
        resources="/Properties << /L 6 0 R /M 8 0 R /E 9 0 R >> /XObject << /X 10 0 R /Y 11 0 R >>",
        catalogue=f"/OCProperties << /OCGs [6 0 R 7 0 R] /D << {layers} >> >>",
    )
    assert text_of(data) == text


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ([b"<< /Type /OCMD /OCGs [" + b"8 0 R " * 50 + b"] >>"], "ninety\nforty"),
        ([b"<< /Type /OCMD /VE 9 0 R >>", b"[/And " + b"9 0 R " * 50 + b"]"], "ninety\nforty"),
        (
            [
                b"<< /Type /OCMD /VE 9 0 R >>",
                *(b"[/And " + b"%d 0 R " % n * 50 + b"]" for n in range(10, 21)),
                b"[/Or 6 0 R]",
            ],
            "forty",
        ),
    ],
    ids=["members", "expression", "shared expressions"],
)
def test_layers_that_are_made_of_each_other_are_looked_at_once(groups, text):
    data = pdf_of_objects(
        stream(MARKED),
        *LAYERS,
        *groups,
        resources="/Properties << /L 8 0 R >>",
        catalogue="/OCProperties << /OCGs [6 0 R 7 0 R] /D << /OFF [6 0 R] >> >>",
    )
    assert text_of(data) == text


LINES = shown((72, 700, "ninety")), shown((72, 680, "eighty")), shown((72, 660, "forty"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"/OC << /Type /OCG >> BDC %s EMC %s %s", "ninety\neighty\nforty"),
        (b"/OC /Unknown BDC %s EMC %s %s", "ninety\neighty\nforty"),
        (b"/OC [/L] BDC %s EMC %s %s", "ninety\neighty\nforty"),
        (b"/OC (/L) BDC %s EMC %s %s", "ninety\neighty\nforty"),
        (b"/OC null BDC %s EMC %s %s", "ninety\neighty\nforty"),
        (b"/OC BDC %s EMC %s %s", "ninety\neighty\nforty"),
        (b"BDC %s EMC << >> Do [/L] Do Do %s %s", "ninety\neighty\nforty"),
        (b"/OC << >> BDC /OC /L BDC %s EMC %s EMC %s", "eighty\nforty"),
        (b"/OC /L BDC %s %s %s", "eighty\nforty"),
        (b"/OC /L BDC /X Do %s %s %s", "ninety\neighty\nforty"),
        (b"/Span BMC /OC /L BDC %s EMC %s %s", "eighty\nforty"),
        (b"/OC /L BDC %s /Span BMC %s EMC %s", "eighty\nforty"),
        (b"/OC /L BDC %s /OC /L BDC %s EMC %s", "forty"),
        (b"EMC EMC /OC /L BDC %s EMC %s EMC %s", "eighty\nforty"),
        (b"/OC /L BDC %s EMC EMC %s EMC EMC %s", "eighty\nforty"),
        (b"/OC /L BDC /Span BMC %s EMC %s EMC %s", "forty"),
    ],
)
def test_marked_content_that_is_wrong_or_has_no_end_does_not_hide_the_rest(content, text):
    data = pdf_of_objects(
        stream(content % LINES),
        b"<< /Type /OCG /Name (Draft) >>",
        stream(b"", "/Subtype /Form /BBox [0 0 9 9]"),
        resources="/Properties << /L 6 0 R >> /XObject << /X 7 0 R >>",
        catalogue="/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
    )
    assert text_of(data) == text


@pytest.mark.parametrize(
    "content", [b"/OC /L BDC BT (a) Tj ET ", b"/OC /L BDC (a) Tj EMC ", b"/OC /L BDC ", b"EMC "], ids=str
)
def test_taking_hidden_text_out_is_linear(content):
    def calls(count: int) -> int:
        operations = ContentStream(None, None)
        operations.set_data(content * count)
        steps = operations.operations
        return calls_of(lambda: layers._shown(steps, {"/L"}, set()))

    assert calls(2000) < 2.5 * calls(1000)


def test_text_beside_the_page_is_left_out():
    page = shown((72, 700, "On the page"), (700, 650, "to the right"), (72, -40, "below"), (72, 30, "cropped"))
    assert text_of(pdf_of_objects(stream(page), page="/CropBox [0 60 612 792]")) == "On the page"


CROPPED = "/CropBox [100 60 500 700]"


@pytest.mark.parametrize(
    ("box", "page", "seen"),
    [
        ("300 300 400 316", CROPPED, True),
        ("300 692 400 708", CROPPED, True),
        ("20 300 90 316", CROPPED, False),
        ("300 20 400 36", CROPPED, False),
        ("300 720 400 736", CROPPED, False),
        ("510 300 600 316", CROPPED, False),
        ("500 300 600 316", CROPPED, False),
        ("600 316 510 300", CROPPED, False),
        ("700 300 800 316", "", False),
        ("-90 300 -10 316", "", False),
        ("300 720 400 736", "/CropBox [-100 -100 900 900]", True),
        ("300 820 400 836", "/CropBox [-100 -100 900 900]", False),
        ("300 20 400 36", f"{CROPPED} /Rotate 90", False),
        ("20 300 90 316", f"{CROPPED} /Rotate 90", False),
        ("110 300 120 316", f"{CROPPED} /Rotate 270", True),
        ("110 300 120 316", f"{CROPPED} /Rotate -180", True),
    ],
)
@pytest.mark.parametrize("kind", ["/Subtype /FreeText /Contents (Odermatt)", "/Subtype /Widget /FT /Tx /V (Odermatt)"])
def test_field_or_note_is_read_if_it_is_within_what_is_shown(kind, box, page, seen):
    data = form(shown((300, 400, "Kept")), f"{kind} /Rect [{box}]", page=page)
    assert ("Odermatt" in text_of(data), "Kept" in text_of(data)) == (seen, True)


# --- the title ---

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>'
    b'<rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize(
    ("packet", "title"),
    [
        (XMP % "Führer durch die Mühle".encode(), "Führer durch die Mühle"),
        (XMP % b"Microsoft Word - mill.docx", None),
        (b"<x:xmpmeta", None),
        (b"", None),
    ],
    ids=["title", "a program's default", "broken", "empty"],
)
def test_title_is_taken_from_xmp(packet, title):
    catalogue = "/Metadata 6 0 R"
    data = pdf_of_objects(stream(shown((72, 700, "x"))), stream(packet, "/Type /Metadata"), catalogue=catalogue)
    assert extract(data, DEFAULT).title == title


def test_title_of_the_information_dictionary_comes_first():
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("x", title="The mill"))))
    writer.xmp_metadata = XMP % b"Another"
    out = io.BytesIO()
    writer.write(out)
    assert extract(out.getvalue(), DEFAULT).title == "The mill"


# --- raised numbers ---


def raised(before: str, number: str, after: str, rise: int = 4, wide: int = 6) -> bytes:
    """A line in which a small number stands behind text that is `wide` points wide for each letter."""
    return (
        f"BT /F1 12 Tf 72 700 Td ({before}) Tj /F1 7 Tf {rise} Ts ({number}) Tj /F1 12 Tf 0 Ts ({after}) Tj ET"
    ).encode("cp1252")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (raised("Up to 10", "6", " turns"), "Up to 10^6 turns"),
        (raised("It costs 25", "1", " crowns"), "It costs 25^1 crowns"),
        (raised("An area of 40 m", "2", ", at most"), "An area of 40 m^2, at most"),
        (raised("H", "2", "O", rise=-2), "H2O"),
        (raised("The 1", "st", " of May"), "The 1st of May"),
    ],
)
def test_raised_number_stays_apart_from_the_one_before(content, text):
    assert text_of(pdf_of_objects(stream(content))) == text


def test_raised_number_that_is_placed_on_its_own_belongs_to_its_line():
    page = b"BT /F1 11 Tf 72 700 Td (At most 10) Tj /F1 7 Tf 0 4 Td 62 0 Td (6) Tj /F1 11 Tf 6 -4 Td ( turns) Tj ET"
    assert text_of(pdf_of_objects(stream(page))) == "At most 10^6 turns"


# --- tables ---


def grid(*rows: tuple[str, ...], xs: tuple[int, ...] = (72, 220, 320), y: int = 700) -> bytes:
    return shown(*((x, y - 16 * n, cell) for n, row in enumerate(rows) for x, cell in zip(xs, row, strict=False)))


def test_rows_of_a_table_keep_their_cells_apart():
    page = grid(("Team", "Wins", "Goals"), ("Otters", "3", "11"), ("Herons", "", "7"), ("Newts", "1", "4"))
    assert text_of(pdf_of_objects(stream(page))) == (
        "Team | Wins | Goals\nOtters | 3 | 11\nHerons | | 7\nNewts | 1 | 4"
    )


def test_table_without_a_header_keeps_its_columns():
    page = grid(("Owner", "Ida Frei", "Year"), ("Colour", "", "Weight"), ("Place", "Chur", "Price"))
    assert text_of(pdf_of_objects(stream(page))) == "Owner | Ida Frei | Year\nColour | | Weight\nPlace | Chur | Price"


def test_numbers_that_are_flush_right_are_one_column():
    page = b" ".join(
        shown((72, y, name), (x, y, number))
        for y, name, x, number in ((700, "Post", 300, "Rappen"), (684, "Card", 325, "90"), (668, "Parcel", 312, "1250"))
    )
    assert text_of(pdf_of_objects(stream(page))) == "Post | Rappen\nCard | 90\nParcel | 1250"


@pytest.mark.parametrize(
    "rows",
    [
        (
            (
                "The office opens at nine on every working day of the week",
                "and the archive is closed in the month of July",
            ),
            (
                "so that all of its boxes can be counted by the students",
                "who come from the schools of the three valleys",
            ),
            (
                "and are paid by the hour as the council has decided it",
                "in its last meeting before the summer holidays",
            ),
        ),
        (("1.", "Wash it"), ("2.", "Dry it"), ("3.", "Eat it")),
        (("•", "Bread"), ("•", "Butter"), ("•", "Salt")),
        (("Left", "Right"), ("one", "two")),
    ],
    ids=["columns of prose", "numbered list", "bullets", "two lines"],
)
def test_what_is_no_table_is_lines(rows):
    page = b" ".join(
        shown((72 + 250 * n if len(cell) > 20 else 72 + 20 * n, 700 - 16 * line, cell), size=8)
        for line, row in enumerate(rows)
        for n, cell in enumerate(row)
    )
    assert " | " not in text_of(pdf_of_objects(stream(page)))


def test_table_of_three_thousand_rows_is_read_whole():
    rows = [("Otters", str(n), "11") for n in range(3000)]
    page = shown(*((x, 700, cell) for row in rows[:1] for x, cell in zip((72, 220, 320), row, strict=True)))
    body = b" ".join(
        f"BT /F1 1 Tf {x} {7000 - 2 * n} Td ({cell}) Tj ET".encode()
        for n, row in enumerate(rows)
        for x, cell in zip((72, 220, 320), row, strict=True)
    )
    found = text_of(pdf_of_objects(stream(page + b" " + body), size="0 0 612 8000"))
    assert found.count("Otters | ") == 3000


# --- damage ---

DAMAGED = pdf_of_objects(
    stream(MARKED),
    *LAYERS,
    resources="/Properties << /L 6 0 R >>",
    page=f"/Annots [<< {widget('Tx', '150 676 400 692', '/T (a) /V (Odermatt)')} >>]",
    catalogue="/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
)


def damaged(old: bytes, new: bytes) -> bytes:
    assert old in DAMAGED
    return DAMAGED.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"0 8\n", b"0 x\n"),
        (b"xref\n0 8\n", b"xref\n0 65535\n"),
        (b"xref\n0 8\n", b"xref"),
        (b"/Size 8", b"/Size 8 <<"),
    ],
)
def test_damage_that_only_pdfium_repairs_costs_no_field_and_shows_no_layer(old, new, caplog):
    assert parse(damaged(old, new), "a.pdf").text == "forty Odermatt"
    assert not caplog.messages


NOT_LEFT_OUT = "Layers that are switched off are not left out"
READ_OF = "Form fields, notes and layers are read of"


@pytest.mark.parametrize(
    ("old", "new", "text", "messages"),
    [
        (
            b"/Type /Pages",
            b"/Type /Other",
            "ninety\nforty",
            [f"{READ_OF} 0 of 1 pages", "Form fields and notes of page 1 are not read: IndexError"],
        ),
        (b"/Count 1", b"/Count 2", "forty Odermatt", [f"{READ_OF} 1 of 2 pages"]),
        (b"ET EMC", b"ET EMC )", "ninety\nforty Odermatt", [f"{NOT_LEFT_OUT} of a page: PdfReadError"]),
        (b"/Size 8", b"/Size (8)", "ninety\nforty Odermatt", [f"{NOT_LEFT_OUT}: TypeError"]),
    ],
    ids=["no pages", "more pages", "no operations", "no size"],
)
def test_what_pypdf_cannot_read_is_logged_and_the_text_is_read(old, new, text, messages, caplog):
    assert parse(damaged(old, new), "a.pdf").text.strip() == text
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert caplog.messages == [f"document_partly_read: {message}" for message in messages]


def test_document_that_pypdf_cannot_open_at_all_is_logged(monkeypatch, caplog):
    monkeypatch.setattr(pdf, "repaired", lambda _: b"%PDF-1.7")
    assert extract(damaged(b"0 8\n", b"0 x\n"), DEFAULT).text == "ninety\nforty"
    assert caplog.messages[-1] == "Form fields, notes and layers are not read: PdfStreamError"
