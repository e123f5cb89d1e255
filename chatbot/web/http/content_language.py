"""In which language the software itself speaks to this request."""

from __future__ import annotations

from flask import Response, request

from chatbot.translations import ENGLISH, LANGUAGES


def language() -> str:
    """The one of the languages there are that `Accept-Language` likes best, else English."""
    # Werkzeug's own choice would pass over `en-GB` for any other language that is named without a country.
    liked = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality > 0)
    return next((primary for primary in liked if primary in LANGUAGES), ENGLISH)


def name_language(response: Response, spoken: str) -> None:
    """Says in which language a response is, and that another request may get it in another."""
    response.headers["Content-Language"] = spoken
    response.vary.add("Accept-Language")
