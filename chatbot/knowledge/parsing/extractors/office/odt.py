"""OpenDocument texts (.odt): LibreOffice Writer, Google Docs, Calligra Words, Pandoc."""

from chatbot.knowledge.parsing.clean import clean, sensible_title, squeeze
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.opendocument.package import Package, body_of
from chatbot.knowledge.parsing.opendocument.styles import Styles
from chatbot.knowledge.parsing.opendocument.text import TextReader, joined_blocks
from chatbot.knowledge.parsing.opendocument.unread import note_left_out
from chatbot.knowledge.parsing.result import Extracted


def extract(data: bytes, limits: Limits) -> Extracted:
    """Paragraphs, tables, boxes and notes; headings as '#' lines and list items with their numbers or '- '."""
    package = Package(data, limits)
    content = package.content()
    styles = Styles(content, package.part("styles.xml"))
    reader = TextReader(package, styles, on_white=styles.on_white)
    body = body_of(content, "text")
    note_left_out(body)
    blocks = [*reader.blocks(body), *reader.endnotes]
    text = squeeze(clean(joined_blocks(blocks)))
    return Extracted(text, package.title() or _first_heading(text))


def _first_heading(text: str) -> str | None:
    return sensible_title(text.partition("\n")[0][2:]) if text.startswith("# ") else None
