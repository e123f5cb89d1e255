"""The one way out: no other module of the application speaks HTTP to the world (a test reads the imports).

    fetch(url, limits)    a page or file that somebody has named, whose address nobody vouches for
    check(url, limits)    whether it might be fetched, and its one form; nothing but its name is looked up
    provider_client()     the client of the model provider, whose address the operator has set
    waiting(patience)     how long and how much that provider is listened to meanwhile
    heard(response)       how much of a stream of events has come, whether it was taken or not
    stoppable(asked)      inside it a call of the provider ends as soon as `asked()` is true

What `fetch` refuses, and why, stands in docs/security.md.
"""

from chatbot.egress.cancellation import Stopped, stop_if_asked, stoppable
from chatbot.egress.connections import Heard, heard
from chatbot.egress.errors import FetchFailed, UrlNotAllowed
from chatbot.egress.fetch import Fetched, check, fetch
from chatbot.egress.ip_addresses import is_public
from chatbot.egress.limits import Limits
from chatbot.egress.provider import HttpError, HttpTimeout, provider_client
from chatbot.egress.read_deadline import Patience, waiting
from chatbot.egress.urls import Target, target_of

__all__ = [
    "FetchFailed", "Fetched", "Heard", "HttpError", "HttpTimeout", "Limits", "Patience", "Stopped", "Target",
    "UrlNotAllowed", "check", "fetch", "heard", "is_public", "provider_client", "stop_if_asked", "stoppable",
    "target_of", "waiting",
]  # fmt: skip
