"""E-books, as Sigil, Calibre and Pandoc write them, made in the test that needs them."""

from tests.knowledge.parsing.open_document_makers import packed

CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def xhtml(body: str, head: str = "<title/>", before: str = "<!DOCTYPE html>") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{before}<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head>{head}</head><body>{body}</body></html>'
    )


def opf(items: dict[str, str], spine: list[str], title: str = "", more: str = "") -> str:
    """The package document: a manifest of ids with their files, and a spine of ids, "id no" for linear="no"."""
    manifest = "".join(
        f'<item id="{key}" href="{href}" media-type="application/xhtml+xml"/>' for key, href in items.items()
    )
    entries = (entry.partition(" ") for entry in spine)
    itemrefs = "".join(f'<itemref idref="{key}" linear="{linear or "yes"}"/>' for key, _, linear in entries)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{manifest}{more}</manifest><spine>{itemrefs}</spine></package>"
    )


def book(files: dict[str, str | bytes], package: str, media_type: str = "application/epub+zip") -> bytes:
    """A book of these files below OEBPS; a name that begins with a slash stands at the top."""
    members = {name[1:] if name.startswith("/") else f"OEBPS/{name}": body for name, body in files.items()}
    return packed({"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": package, **members}, media_type)


def make_epub(*chapters: str) -> bytes:
    """A book of one paragraph a chapter."""
    items = {f"c{number}": f"c{number}.xhtml" for number in range(1, len(chapters) + 1)}
    files = {name: xhtml(f"<p>{text}</p>") for name, text in zip(items.values(), chapters, strict=True)}
    return book(files, opf(items, list(items)))
