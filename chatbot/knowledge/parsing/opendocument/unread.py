"""What an OpenDocument file has besides the text that is read of it, as warnings."""

from chatbot.knowledge.parsing.office.ooxml import Element
from chatbot.knowledge.parsing.opendocument.names import DRAW, OFFICE, TEXT
from chatbot.knowledge.parsing.warnings import note


def note_left_out(body: Element) -> None:
    """Notes pictures, comments and deleted text. A picture beside an object in its frame only stands for that."""
    frames = list(body.iter(DRAW + "frame"))
    shown = [frame for frame in frames if frame.find(DRAW + "object") is None]
    note("pictures_not_read", sum(frame.find(DRAW + "image") is not None for frame in shown))
    note("comments_left_out", sum(1 for _ in body.iter(OFFICE + "annotation")))
    note("hidden_left_out", sum(1 for _ in body.iter(TEXT + "deletion")))
