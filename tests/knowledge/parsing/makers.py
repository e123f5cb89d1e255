"""Real documents, made in the test that needs them."""

import io
import zipfile
import zlib

from docx import Document
from openpyxl import Workbook
from pptx import Presentation
from pypdf import PdfReader, PdfWriter


def make_pdf(*pages: str, title: str | None = None, password: str | None = None) -> bytes:
    """A PDF with one line of text on each page, optionally encrypted by RC4 (needs no package)."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_plain_pdf([_show(page) for page in pages]))))
    if title:
        writer.add_metadata({"/Title": title})
    if password is not None:
        writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def pdf_of_streams(*streams: bytes, extra: str = "", compress: bool = False) -> bytes:
    """A hand-made PDF whose pages have these content streams; `extra` goes into the catalogue."""
    return _plain_pdf(list(streams), extra, compress)


def _show(text: str) -> bytes:
    return f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode("latin-1") if text else b""


def _plain_pdf(streams: list[bytes], extra: str = "", compress: bool = False) -> bytes:
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(streams)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {extra} >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, stream in enumerate(streams):
        body = zlib.compress(stream, 9) if compress else stream
        flate = "/Filter /FlateDecode" if compress else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(f"<< /Length {len(body)} {flate} >>\nstream\n".encode() + body + b"\nendstream")
    return with_xref(objects)


def with_xref(objects: list[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1, the first of them its catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def stream(body: bytes, entries: str = "") -> bytes:
    """A stream with these further entries in its dictionary."""
    return f"<< /Length {len(body)} {entries} >>\nstream\n".encode("latin-1") + body + b"\nendstream"


def pdf_of_objects(
    *more: bytes,
    contents: str = "5 0 R",
    font: str = "",
    fonts: str = "",
    resources: str = "",
    page: str = "",
    catalogue: str = "",
    size: str = "0 0 612 792",
    pages: int = 1,
) -> bytes:
    """A PDF that lists its one page `pages` times; object 5 and those after it are given."""
    kids = " ".join(["4 0 R"] * pages)
    resources = f"/Resources << /Font << /F1 3 0 R {fonts} >> {resources} >>"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {catalogue} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica {font} >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{size}] /Contents {contents} {resources} {page} >>",
    ]
    return with_xref([*(body.encode("latin-1") for body in objects), *more])


def composite_font(first: int, letters: str, encoding: str = "Identity-H", ordering: str = "Identity") -> list[bytes]:
    """Objects from number `first` on: a font that the file does not contain; code n + 1 is `letters[n]`, if any."""
    pairs = "".join(f"<{code:04x}> <{letter.encode('utf-16-be').hex()}> " for code, letter in enumerate(letters, 1))
    signs = f"1 begincodespacerange <0000> <ffff> endcodespacerange {len(letters)} beginbfchar {pairs}endbfchar endcmap"
    bodies = [
        f"<< /Type /Font /Subtype /Type0 /BaseFont /Sample /Encoding /{encoding} /DescendantFonts [{first + 1} 0 R] "
        + (f"/ToUnicode {first + 3} 0 R >>" if letters else ">>"),
        f"<< /Type /Font /Subtype /CIDFontType{2 if ordering == 'Identity' else 0} /BaseFont /Sample /DW 1000 "
        f"/CIDSystemInfo << /Registry (Adobe) /Ordering ({ordering}) /Supplement 0 >> "
        f"/FontDescriptor {first + 2} 0 R >>",
        "<< /Type /FontDescriptor /FontName /Sample /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 /Ascent 800 "
        "/Descent -200 /CapHeight 700 /StemV 80 >>",
    ]
    return [*(body.encode("latin-1") for body in bodies), stream(signs.encode())]


def make_docx(*paragraphs: str) -> bytes:
    """A Word document with these paragraphs."""
    document = Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    return saved(document)


def saved(document) -> bytes:
    """The bytes of a document, a presentation or a workbook."""
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def rezipped(data: bytes, replace: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A package with some members replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            if name not in replace:
                new.writestr(name, old.read(name))
        for name, body in replace.items():
            new.writestr(name, body)
    return out.getvalue()


def document_xml(body: str, before: str = "") -> bytes:
    """A word/document.xml with this body and, before the root, this declaration."""
    names = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:v="urn:schemas-microsoft-com:vml"'
    )
    return f"{before}<w:document {names}><w:body>{body}</w:body></w:document>".encode()


def word(body: str, before: str = "") -> bytes:
    """A Word document with a hand-written body."""
    return rezipped(make_docx("x"), {"word/document.xml": document_xml(body, before)})


def make_pptx(*slides: str, title: str = "") -> bytes:
    """A presentation with these titles."""
    presentation = Presentation()
    presentation.core_properties.title = title
    for text in slides:
        presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = text
    return saved(presentation)


def make_xlsx(**sheets: list[list]) -> bytes:
    """A workbook with these rows in these sheets."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(book)


def member_of(package: bytes, name: str) -> bytes:
    """One member of a package."""
    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        return opened.read(name)


def changed(package: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """A package with `old` replaced by `new` in one member, where it must be."""
    body = member_of(package, name)
    assert old in body
    return rezipped(package, {name: body.replace(old, new)})
