"""OpenDocument packages, as LibreOffice and Pandoc write them, made in the test that needs them."""

import io
import zipfile

NAMES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "style": "style",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "fo": "xsl-fo-compatible",
        "svg": "svg-compatible",
        "number": "datastyle",
        "chart": "chart",
        "presentation": "presentation",
        "meta": "meta",
        "form": "form",
    }.items()
) + (
    ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:loext="urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0"'
    ' xmlns:field="urn:openoffice:names:experimental:ooo-ms-interop:xmlns:field:1.0"'
    ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
)


def content_xml(kind: str, body: str, automatic: str = "", before: str = "") -> str:
    """A content.xml with this body, these automatic styles and, before the root, this declaration."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{before}<office:document-content {NAMES} office:version="1.3">'
        f"<office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )


def styles_xml(styles: str, automatic: str = "") -> str:
    """A styles.xml with these named styles."""
    return (
        f"<office:document-styles {NAMES}><office:styles>{styles}</office:styles>"
        f"<office:automatic-styles>{automatic}</office:automatic-styles></office:document-styles>"
    )


def packed(members: dict[str, str | bytes], media_type: str) -> bytes:
    """A package whose first member is `mimetype`, stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(zipfile.ZipInfo("mimetype"), media_type)
        for name, body in members.items():
            package.writestr(name, body)
    return out.getvalue()


def open_document(
    kind: str,
    body: str,
    *,
    automatic: str = "",
    styles: str = "",
    title: str = "",
    before: str = "",
    more: dict[str, str | bytes] | None = None,
    template: str = "",
) -> bytes:
    """A document of a kind: "text", "spreadsheet" or "presentation"."""
    media_type = f"application/vnd.oasis.opendocument.{kind}{template}"
    entries = {"/": media_type, "content.xml": "text/xml", "styles.xml": "text/xml", "meta.xml": "text/xml"}
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
    for path, kind_of_entry in entries.items():
        manifest += f'<manifest:file-entry manifest:full-path="{path}" manifest:media-type="{kind_of_entry}"/>'
    members = {
        "content.xml": content_xml(kind, body, automatic, before),
        "styles.xml": styles_xml(styles),
        "meta.xml": f"<office:document-meta {NAMES}><office:meta><dc:title>{title}</dc:title></office:meta>"
        "</office:document-meta>",
        "META-INF/manifest.xml": manifest + "</manifest:manifest>",
    }
    return packed(members | (more or {}), media_type)


def make_odt(*paragraphs: str) -> bytes:
    """A text of these paragraphs."""
    return open_document("text", "".join(f"<text:p>{paragraph}</text:p>" for paragraph in paragraphs))


def make_ods(**sheets: list[list[str]]) -> bytes:
    """A workbook with these rows of strings in these sheets."""

    def row(values: list[str]) -> str:
        cells = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
            for value in values
        )
        return f"<table:table-row>{cells}</table:table-row>"

    tables = (
        f'<table:table table:name="{name}"><table:table-column/>{"".join(map(row, rows))}</table:table>'
        for name, rows in sheets.items()
    )
    return open_document("spreadsheet", "".join(tables))


def make_odp(*slides: str) -> bytes:
    """A presentation with these titles."""
    pages = (
        f'<draw:page draw:name="page{number}"><draw:frame presentation:class="title"><draw:text-box>'
        f"<text:p>{text}</text:p></draw:text-box></draw:frame></draw:page>"
        for number, text in enumerate(slides, 1)
    )
    return open_document("presentation", "".join(pages))
