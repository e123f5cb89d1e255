"""MDX: Markdown without its imports and exports, which a page does not show."""

from collections.abc import Iterator
from typing import Final

from chatbot.knowledge.parsing.extractors.markup import markdown
from chatbot.knowledge.parsing.limits import Limits
from chatbot.knowledge.parsing.result import Extracted
from chatbot.rag.text.headings import open_fence

_CODE: Final = ("import ", "export ", "import{", "export{")


def extract(data: bytes, limits: Limits) -> Extracted:
    """The page's source, with its title."""
    page = markdown.extract(data, limits)
    return page._replace(text="\n".join(_without_code(page.text.split("\n"))))


def _without_code(lines: list[str]) -> Iterator[str]:
    """An import or export begins a paragraph, which ends at the next empty line."""
    fence, inside, begins = "", False, True
    for line in lines:
        fence, is_fence = open_fence(fence, line)
        inside = bool(line.strip()) and (inside or (begins and not (fence or is_fence) and line.startswith(_CODE)))
        begins = line.strip() in ("", "---")
        if not inside:
            yield line
