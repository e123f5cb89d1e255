"""The traps that all formats in zip packages share: each is tried on every one of them."""

import io
import json
import random
import socket
import zipfile
from dataclasses import dataclass

import pytest

from chatbot.knowledge.parsing import ParseError, parse
from chatbot.knowledge.parsing.child import answer
from chatbot.knowledge.parsing.formats import DOCX, EPUB, ODP, ODS, ODT, PPTX, XLSX
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from tests.knowledge.parsing.epub_makers import make_epub
from tests.knowledge.parsing.makers import changed, make_docx, make_pptx, make_xlsx, member_of, rezipped
from tests.knowledge.parsing.open_document_makers import make_odp, make_ods, make_odt


@dataclass(frozen=True)
class Kind:
    """A format: a whole file, its text, the part that holds it, and where its relationships stand."""

    media_type: str
    package: bytes
    text: str
    part: str
    relations: str
    root: bytes

    @property
    def xml(self) -> bytes:
        return member_of(self.package, self.part)


OFFICE_KINDS = [
    pytest.param(
        Kind(DOCX, make_docx("kept"), "kept", "word/document.xml", "word/_rels/document.xml.rels", b"<w:document"),
        id="docx",
    ),
    pytest.param(
        Kind(
            PPTX, make_pptx("kept"), "## kept", "ppt/slides/slide1.xml", "ppt/slides/_rels/slide1.xml.rels", b"<p:sld "
        ),
        id="pptx",
    ),
    pytest.param(
        Kind(
            XLSX,
            make_xlsx(s=[["kept"]]),
            "## s\n\nkept",
            "xl/worksheets/sheet1.xml",
            "xl/worksheets/_rels/sheet1.xml.rels",
            b"<worksheet",
        ),
        id="xlsx",
    ),
]
OPEN_KINDS = [
    pytest.param(Kind(ODT, make_odt("kept"), "kept", "content.xml", "", b"<office:document-content"), id="odt"),
    pytest.param(
        Kind(ODS, make_ods(s=[["kept"]]), "## s\n\nkept", "content.xml", "", b"<office:document-content"), id="ods"
    ),
    pytest.param(Kind(ODP, make_odp("kept"), "## kept", "content.xml", "", b"<office:document-content"), id="odp"),
    pytest.param(Kind(EPUB, make_epub("kept"), "kept", "OEBPS/c1.xhtml", "", b"<html"), id="epub"),
]
every_kind = pytest.mark.parametrize("kind", OFFICE_KINDS + OPEN_KINDS)
every_office_kind = pytest.mark.parametrize("kind", OFFICE_KINDS)


def code_of(kind: Kind, data: bytes, limits: Limits = DEFAULT) -> str:
    """The code, which has to be the same in this process and in the child."""
    here = json.loads(answer(data, kind.media_type, limits))["error"]
    with pytest.raises(ParseError) as caught:
        parse(data, "upload", limits=limits)
    assert caught.value.code == here
    return here


def outcome(data: bytes) -> str:
    """The text, or the code of the refusal."""
    try:
        return parse(data, "upload").text
    except ParseError as error:
        return error.code


@pytest.fixture
def door():
    """A server that nobody may knock at, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server.getsockname()[1]
        with pytest.raises(BlockingIOError):
            server.accept()


@every_kind
def test_the_text_itself_comes_out(kind):
    assert parse(kind.package, "upload").text == kind.text


@every_kind
def test_a_member_that_grows_a_thousandfold_is_too_complex(kind):
    """H3"""
    bomb = rezipped(kind.package, {kind.part: kind.xml + b" " * 5_000_000})
    assert len(bomb) < 100_000
    assert code_of(kind, bomb) == "too_complex"


@every_kind
def test_more_than_a_thousand_members_are_too_complex(kind):
    """H3"""
    assert code_of(kind, rezipped(kind.package, {f"media/{n}": b"" for n in range(1001)})) == "too_complex"


@every_kind
def test_more_than_a_hundred_megabytes_in_all_are_too_complex(kind):
    """H3: each member grows fiftyfold only."""
    block = random.Random(1).randbytes(1000) + bytes(49_000)
    media = {f"media/{n}": block * 700 for n in range(3)}
    bomb = rezipped(kind.package, media)
    assert len(bomb) < 4_000_000
    assert code_of(kind, bomb) == "too_complex"
    assert parse(rezipped(kind.package, {"media/1": block * 100}), "upload").text == kind.text


@every_kind
def test_a_member_larger_than_it_says_is_too_complex(kind):
    """H3"""
    body = kind.xml + b" " * 4000
    honest = rezipped(kind.package, {kind.part: body})
    lying = honest.replace(len(body).to_bytes(4, "little"), (300).to_bytes(4, "little"))
    assert lying != honest
    assert code_of(kind, lying) == "too_complex"


@every_kind
def test_a_zip_inside_is_never_opened(kind):
    """H3"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("bomb", bytes(200_000_000))
    nested = rezipped(kind.package, {"embeddings/inner.zip": out.getvalue()}, zipfile.ZIP_STORED)
    assert parse(nested, "upload").text == kind.text


@every_kind
def test_other_compression_is_unsupported_and_an_encrypted_member_encrypted(kind):
    assert code_of(kind, rezipped(kind.package, {}, zipfile.ZIP_LZMA)) == "unsupported"
    data = bytearray(kind.package)
    data[data.find(b"PK\x01\x02") + 8] |= 1
    assert code_of(kind, bytes(data)) == "encrypted"


def with_entity(kind: Kind, doctype: str, name: str) -> bytes:
    """The package with this declaration before its text and a reference to the entity in it."""
    body = kind.xml.replace(kind.root, doctype.encode() + kind.root, 1)
    if kind.media_type == XLSX:
        cell = b'<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>kept</t></is></c></row></sheetData>'
        body = body[: body.index(b"<sheetData>")] + cell + b"</worksheet>"
    body = body.replace(b"<!DOCTYPE html>", b"")
    assert body.count(b"kept") == body.count(doctype.encode()) == 1
    return rezipped(kind.package, {kind.part: body.replace(b"kept", f"kept&{name};".encode())})


@every_kind
@pytest.mark.parametrize("target", ["file", "network"])
def test_an_external_entity_is_not_read(kind, target, tmp_path, door):
    """H4"""
    secret = tmp_path / "secret.txt"
    secret.write_text("root:x:0:0")
    address = secret.as_uri() if target == "file" else f"http://127.0.0.1:{door}/x"
    for doctype in (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "{address}">]>',
        f'<!DOCTYPE x SYSTEM "{address}" [<!ENTITY e "ha">]>',
        f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{address}"> %p; <!ENTITY e "ha">]>',
    ):
        result = outcome(with_entity(kind, doctype, "e"))
        assert "root" not in result
        assert result in (kind.text, kind.text + "ha", "damaged")


@every_office_kind
def test_an_external_entity_among_the_relationships_is_not_read(kind, tmp_path):
    """H4"""
    secret = tmp_path / "secret.txt"
    secret.write_text("root:x:0:0")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'.encode()
    rels = member_of(kind.package, "_rels/.rels").replace(b"<Relationships", doctype + b"<Relationships", 1)
    assert outcome(rezipped(kind.package, {"_rels/.rels": rels})) in (kind.text, "damaged")


@every_kind
def test_a_billion_laughs_stay_inert(kind):
    """H4"""
    entities = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    assert outcome(with_entity(kind, f"<!DOCTYPE x [{entities}]>", "l11")) in (kind.text, "damaged", "too_complex")


@every_office_kind
@pytest.mark.parametrize("name", ["attachedTemplate", "image", "hyperlink", "oleObject", "externalLinkPath"])
def test_what_is_outside_is_not_fetched(kind, name, door):
    """H4"""
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    extra = f'<Relationship Id="x9" Type="{office}/{name}" Target="http://127.0.0.1:{door}/x" TargetMode="External"/>'
    with zipfile.ZipFile(io.BytesIO(kind.package)) as package:
        there = package.read(kind.relations).decode() if kind.relations in package.namelist() else ""
    rels = there.replace("</Relationships>", f"{extra}</Relationships>")
    rels = rels or f'<Relationships xmlns="{space}">{extra}</Relationships>'
    assert f":{door}" in rels
    assert parse(rezipped(kind.package, {kind.relations: rels.encode()}), "upload").text == kind.text


def strict(package: bytes) -> bytes:
    """The package as "Strict Open XML" writes it: other namespaces, the same elements."""
    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        bodies = {name: opened.read(name) for name in opened.namelist()}
    for name, body in bodies.items():
        for room in (b"officeDocument", b"wordprocessingml", b"presentationml", b"spreadsheetml", b"drawingml"):
            old = b"http://schemas.openxmlformats.org/" + room + b"/2006/"
            body = body.replace(old, b"http://purl.oclc.org/ooxml/" + room + b"/")
        bodies[name] = body
    return rezipped(package, bodies)


@every_office_kind
def test_strict_open_xml_is_read_like_any_other(kind):
    data = strict(kind.package)
    assert b"purl.oclc.org" in member_of(data, kind.part)
    assert parse(data, "upload").text == kind.text


@every_office_kind
def test_a_bomb_in_strict_open_xml_is_refused_before_it_is_rewritten(kind):
    """H3"""
    data = changed(strict(kind.package), "_rels/.rels", b"</Relationships>", b"</Relationships>" + b" " * 5_000_000)
    assert code_of(kind, data) == "too_complex"


@every_kind
def test_a_file_cut_off_is_no_crash(kind):
    """H14"""
    for end in (100, len(kind.package) // 2, len(kind.package) - 30):
        with pytest.raises(ParseError) as caught:
            parse(kind.package[:end], "upload")
        assert caught.value.code in ("damaged", "unsupported")
