"""The table of formats. A new one is a module with `extract(data, limits)` and a row here."""

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Final, Protocol, cast

from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted

TEXT: Final = "text/plain"
MARKDOWN: Final = "text/markdown"
HTML: Final = "text/html"
PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
JSON: Final = "application/json"
JSONL: Final = "application/jsonl"
EML: Final = "message/rfc822"
ICS: Final = "text/calendar"
RTF: Final = "application/rtf"
# The languages of source code and settings, by the names that people put behind a fence of Markdown.
_SOURCES: Final = {
    "bash": (".sh", ".bash", ".zsh"),
    "c": (".c", ".h"),
    "clojure": (".clj", ".cljs"),
    "cpp": (".cc", ".cpp", ".cxx", ".hh", ".hpp"),
    "csharp": (".cs",),
    "css": (".css", ".scss", ".less"),
    "dart": (".dart",),
    "diff": (".diff", ".patch"),
    "elixir": (".ex", ".exs"),
    "erlang": (".erl",),
    "fsharp": (".fs",),
    "go": (".go",),
    "graphql": (".graphql", ".gql"),
    "groovy": (".groovy", ".gradle"),
    "haskell": (".hs",),
    "ini": (".ini", ".cfg", ".conf", ".properties"),
    "java": (".java",),
    "javascript": (".js", ".mjs", ".cjs", ".jsx"),
    "kotlin": (".kt", ".kts"),
    "lua": (".lua",),
    "nix": (".nix",),
    "perl": (".pl", ".pm"),
    "php": (".php",),
    "powershell": (".ps1", ".psm1"),
    "protobuf": (".proto",),
    "python": (".py", ".pyi"),
    "r": (".r",),
    "ruby": (".rb",),
    "rust": (".rs",),
    "scala": (".scala",),
    "sql": (".sql",),
    "svelte": (".svelte",),
    "swift": (".swift",),
    "terraform": (".tf",),
    "toml": (".toml",),
    "typescript": (".ts", ".tsx", ".mts"),
    "vue": (".vue",),
    "yaml": (".yaml", ".yml"),
}
ODT: Final = "application/vnd.oasis.opendocument.text"
ODS: Final = "application/vnd.oasis.opendocument.spreadsheet"
MSG: Final = "application/vnd.ms-outlook"
EPUB: Final = "application/epub+zip"
ODP: Final = "application/vnd.oasis.opendocument.presentation"


class Extractor(Protocol):
    """One format's way from bytes to text. It may raise anything; only ParseError says why."""

    def __call__(self, data: bytes, limits: Limits) -> Extracted:
        """Extract the text."""


@dataclass(frozen=True)
class Format:
    """One row: how a format is called, recognised and read.

    `textual` formats are recognised by their extension once the content looks like text. `zip_part` is the
    beginning of a name inside the package that marks an Office format; `zip_type`: the package says what it is in a
    member called `mimetype`. `isolated` formats are read in a child process, because their libraries walk structures
    that a stranger made. `language` is that of source code.
    """

    media_type: str
    extensions: tuple[str, ...]
    module: str
    textual: bool = False
    isolated: bool = True
    zip_part: bytes | None = None
    zip_type: bool = False
    language: str = ""


TABLE: Final = (
    Format(TEXT, (".txt", ".text", ".log", ""), "text", textual=True, isolated=False),
    Format(MARKDOWN, (".md", ".markdown"), "markup.markdown", textual=True, isolated=False),
    Format(HTML, (".html", ".htm", ".xhtml"), "markup.html", textual=True),
    Format(PDF, (".pdf",), "pdf"),
    Format(DOCX, (".docx",), "office.docx", zip_part=b"word/document"),
    Format(PPTX, (".pptx",), "office.pptx", zip_part=b"ppt/presentation"),
    Format(XLSX, (".xlsx",), "office.xlsx", zip_part=b"xl/workbook"),
    Format(CSV, (".csv",), "data.csv", textual=True),
    Format(TSV, (".tsv", ".tab"), "data.tsv", textual=True),
    Format(JSON, (".json",), "data.json", textual=True),
    Format(JSONL, (".jsonl", ".ndjson"), "data.jsonl", textual=True),
    Format(EML, (".eml",), "messages.eml", textual=True),
    Format(ICS, (".ics",), "messages.ics", textual=True),
    Format(RTF, (".rtf",), "office.rtf", textual=True),
    Format("text/x-rst", (".rst", ".rest"), "markup.rst", textual=True),
    Format("text/asciidoc", (".adoc", ".asciidoc", ".asc"), "markup.asciidoc", textual=True),
    Format("text/org", (".org",), "markup.org", textual=True),
    Format("text/x-tex", (".tex", ".latex", ".ltx"), "markup.latex", textual=True),
    Format("text/mdx", (".mdx",), "markup.mdx", textual=True),
    Format("application/x-ipynb+json", (".ipynb",), "ipynb", textual=True),
    Format("text/vtt", (".vtt",), "captions", textual=True),
    Format("application/x-subrip", (".srt",), "captions", textual=True),
    Format("application/xml", (".xml",), "markup.xml", textual=True),
    *(
        Format(f"text/x-{language}", extensions, "source", textual=True, isolated=False, language=language)
        for language, extensions in _SOURCES.items()
    ),
    Format(MSG, (".msg",), "messages.msg"),
    Format(ODT, (".odt", ".ott"), "office.odt", zip_type=True),
    Format(ODS, (".ods", ".ots"), "office.ods", zip_type=True),
    Format(ODP, (".odp", ".otp"), "office.odp", zip_type=True),
    Format(EPUB, (".epub",), "epub", zip_part=b"META-INF/container.xml", zip_type=True),
)
BY_MEDIA_TYPE: Final = {row.media_type: row for row in TABLE}
BY_ZIP_TYPE: Final = {row.media_type.encode(): row for row in TABLE if row.zip_type}
BY_EXTENSION: Final = {extension: row for row in TABLE for extension in row.extensions}


def extractor(media_type: str) -> Extractor:
    """The `extract` of a format, imported when first needed: pypdf and lxml stay out of the web process."""
    row = BY_MEDIA_TYPE[media_type]
    module = import_module(f"chatbot.knowledge.parsing.extractors.{row.module}")
    return partial(module.extract, language=row.language) if row.language else cast(Extractor, module.extract)
