"""How often something may be done, by whom: the table of the limits, whose hits they count, and how answers tell it.

A view wears one of the decorators below between its guard and its arguments; what wears none is not limited, like
health and the documentation. A password is counted where it is checked, in chatbot.auth.login_throttle; its view is
marked as one that `counts_inside`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, g, request

from chatbot.config import Settings
from chatbot.current import services
from chatbot.errors import TooMany
from chatbot.metrics import LIMITS_HIT
from chatbot.web.limits.rate_limit_store import Counts, Hit, Usage, Window

log = structlog.get_logger(__name__)

View = TypeVar("View", bound=Callable[..., Any])
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Limit:
    """At most `amount` in `seconds` for each `key`; where the key is None the limit does not apply.

    `name` is what clients read, and `amount` a number or where it stands in the settings.
    """

    name: str
    amount: int | Callable[[Settings], int]
    seconds: int
    key: Callable[[], str | None]


class Limits:
    """The limits of an application, and where it counts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secret = settings.secret().encode()[:64]
        self.counts = Counts(settings.redis_url.get_secret_value() if settings.redis_url else None)

    def take(self, what: str, wanted: Sequence[Limit], *, opened: bool = False) -> Hit:
        """Counts a hit against all these limits, or against none. With `opened`, close the tally it gives.

        Raises:
            TooMany: one of them is used up.
        """
        scopes = [self._scope(what, limit, whose) for limit in wanted if (whose := limit.key()) is not None]
        tally = self.counts.take(scopes, opened=opened)
        _note(tally.standings)
        if not tally.taken:
            for scope in tally.full():
                LIMITS_HIT.labels(what, scope.name).inc()
            log.info("too_many_requests", what=what, limits=[scope.name for scope in tally.full()])
            raise TooMany(retry_after=tally.retry_after)
        return tally

    def close(self, tally: Hit, give_back: Sequence[Window], clear: Sequence[Window]) -> None:
        """Takes the tally's hit out of the first scopes, and every hit out of the others."""
        self.counts.close(tally, give_back, clear)
        used = {scope: tally.standings[scope].used - 1 for scope in give_back} | dict.fromkeys(clear, 0)
        _note({scope: replace(tally.standings[scope], used=count) for scope, count in used.items()})

    def _scope(self, what: str, limit: Limit, whose: str) -> Window:
        """Its key is a keyed digest: no address and no name lies in Redis."""
        digest = hashlib.blake2b(whose.encode(), key=self._secret, digest_size=16).hexdigest()
        amount = limit.amount if isinstance(limit.amount, int) else limit.amount(self._settings)
        return Window(limit.name, f"limits:{what}:{limit.name}:{digest}", amount, limit.seconds)


def init_app(app: Flask) -> None:
    """Lets answers tell how the limits stand."""
    app.after_request(_tell)


def limited(what: str, *wanted: Limit) -> Callable[[View], View]:
    """Counts each call of the view as `what`, before its body is looked at."""

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(*args: object, **kwargs: object) -> object:
            if bound := services().rate_limits:
                bound.take(what, wanted)
            return view(*args, **kwargs)

        return counts_inside(counted)  # type: ignore[return-value]

    return decorate


def counts_inside(view: View) -> View:
    """Marks a view that is limited, for the OpenAPI document; here one that counts only what it finds out itself."""
    view.limited = True  # type: ignore[attr-defined]
    return view


def _note(standings: dict[Window, Usage]) -> None:
    """Lets the answer to this request say how these scopes stand."""
    g.standings = g.get("standings", {}) | standings


def _tell(response: Response) -> Response:
    """The two headers of the IETF's draft (ratelimit-headers-10), with every limit that applied."""
    standings: dict[Window, Usage] = g.get("standings", {})
    if standings:
        policy = [f'"{scope.name}";q={scope.amount};w={scope.seconds}' for scope in standings]
        left = [
            f'"{scope.name}";r={max(0, scope.amount - stand.used)};t={math.ceil(stand.left)}'
            for scope, stand in standings.items()
        ]
        response.headers["RateLimit-Policy"] = ", ".join(policy)
        response.headers["RateLimit"] = ", ".join(left)
    return response


# Whose hits ---------------------------------------------------------------------------------------------------------


def by_address() -> str:
    """The client's network; behind TRUSTED_PROXY_HOPS proxies the one that the outermost of them saw."""
    return network(request.remote_addr or "")


def network(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: whoever has one address there has all of them.

    What is no address stays what it is; some proxies add a port, which is left out.
    """
    host = address.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def by_caller() -> str:
    """Who the guard has let pass; each visitor of an API key counts apart from its owner."""
    who = g.caller
    return f"{who.user_id}/{getattr(who, 'visitor', '')}"


def by_all() -> str:
    """Everybody together."""
    return "all"


# The table ----------------------------------------------------------------------------------------------------------

signup = limited("signup", Limit("ip", 100, HOUR, by_address), Limit("global", 1_000, HOUR, by_all))
password_reset = limited("password_reset", Limit("ip", 20, HOUR, by_address))
export = limited("export", Limit("caller", 10, HOUR, by_caller))
send = limited("send", Limit("caller", lambda settings: settings.chat_rate_limit_per_minute, MINUTE, by_caller))


def letters(what: str, by_account: Callable[[], str | None]) -> Callable[[View], View]:
    """For what sends an e-mail to an address that anybody may name."""
    return limited(
        what,
        Limit("account", 3, 6 * HOUR, by_account),
        Limit("ip", 20, HOUR, by_address),
        Limit("global", 500, HOUR, by_all),
    )
