"""The blueprint of /api/knowledge/, and what its views ask of the process."""

from __future__ import annotations

import time

from sqlalchemy.orm import Session

from chatbot.knowledge.documents import service
from chatbot.knowledge.models import Document
from chatbot.web.http.blueprint import Blueprint
from chatbot.web.http.request_resources import release

blp = Blueprint("knowledge", __name__, url_prefix="/api/knowledge", description="Documents and search.")
blp.teardown_request(release)


def waited(session: Session, document: Document, seconds: float) -> Document:
    """The document as it is when it is done or the wait is over; no connection is held in between."""
    until = time.monotonic() + seconds
    while document.status in ("queued", "processing") and time.monotonic() < until:
        session.rollback()
        time.sleep(0.05)
        document = service.get_document(session, document.id)
    return document
