"""Why a URL was not fetched, in a sentence for people that repeats nothing a stranger's server has said."""

from __future__ import annotations

from chatbot.errors import BadGateway, Invalid


class UrlNotAllowed(Invalid):
    """It is refused for what it is or where it leads; nothing was sent there."""

    code, detail = "url_not_allowed", "This address may not be fetched."


class FetchFailed(BadGateway):
    """It was asked for and did not come. `may_pass` says whether one more try could help."""

    code, detail = "fetch_failed", "The address could not be fetched."

    def __init__(self, detail: str, *, may_pass: bool = False) -> None:
        super().__init__(detail)
        self.may_pass = may_pass
