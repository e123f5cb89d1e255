"""Why a document could not be read, in a code for programs and a sentence for people."""

from typing import Final

SENTENCES: Final = {
    "no_text": "No text was found in this file. A scanned document needs text recognition (OCR) first.",
    "encrypted": "This file is protected with a password. Please upload a copy without one.",
    "too_complex": "This file is too large or too complex to be read safely.",
    "unsupported": "This kind of file cannot be read. Please use text, Markdown, HTML, PDF, Word (.docx), "
    "PowerPoint (.pptx), Excel (.xlsx), OpenDocument (.odt, .ods, .odp), an e-book (.epub), CSV, JSON, an e-mail "
    "(.eml, .msg), a calendar (.ics), RTF, reStructuredText, AsciiDoc, Org, LaTeX, a notebook (.ipynb), subtitles "
    "(.vtt, .srt), XML or source code. Save an old Word, PowerPoint or Excel file (.doc, .ppt, .xls) as .docx, .pptx "
    "or .xlsx first.",
    "damaged": "This file is damaged, or it is not the kind of file its name says.",
    "parser_crashed": "Reading this file failed unexpectedly. It was set aside.",
}


class ParseError(Exception):
    """A document that cannot be read.

    `code` is a key of SENTENCES and `str(error)` its sentence. The sentence is fixed for each code, so
    nothing a hostile file or a library says (a path, a stack trace, the file's bytes) can reach a person.
    """

    def __init__(self, code: str) -> None:
        super().__init__(SENTENCES[code])
        self.code = code

    def __reduce__(self) -> tuple[type["ParseError"], tuple[str]]:
        """Rebuild from the code, so that the error survives pickling between worker processes."""
        return type(self), (self.code,)
