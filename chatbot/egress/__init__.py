"""The one way out: no other module of the application speaks HTTP to the world (a test reads the imports).

    fetch(url, limits)    a page or file that somebody has named, whose address nobody vouches for
    check(url, limits)    whether it might be fetched, and its one form; nothing but its name is looked up
    provider_client()     the client of the model provider, whose address the operator has set
    read_deadline(...)    how long and how much that provider is listened to meanwhile
    stream_progress(...)  how much of a stream of events has come, whether it was taken or not
    cancellable(asked)    inside it a call of the provider ends as soon as `asked()` is true

What `fetch` refuses, and why, stands in docs/security.md.
"""

from chatbot.egress.cancellation import Cancelled, cancellable, raise_if_cancelled
from chatbot.egress.connections import HttpError, HttpTimeout, StreamProgress, provider_client, stream_progress
from chatbot.egress.errors import FetchFailed, UrlNotAllowed
from chatbot.egress.fetch import Fetched, check, fetch
from chatbot.egress.ip_addresses import is_public
from chatbot.egress.limits import Limits
from chatbot.egress.read_deadline import ReadDeadline, read_deadline
from chatbot.egress.urls import Target, target_of

__all__ = [
    "Cancelled",
    "FetchFailed",
    "Fetched",
    "HttpError",
    "HttpTimeout",
    "Limits",
    "ReadDeadline",
    "StreamProgress",
    "Target",
    "UrlNotAllowed",
    "cancellable",
    "check",
    "fetch",
    "is_public",
    "provider_client",
    "raise_if_cancelled",
    "read_deadline",
    "stream_progress",
    "target_of",
]
