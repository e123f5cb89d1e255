"""Counting password checks: against guessing at one account, from one address, and everywhere at once. Names of
accounts that somebody tries are counted in the same way.

A check is counted before the hash is computed, so of any number of guesses that arrive together no more than the limit
reach the hasher. A right password takes its hit back, and clears the account's count; the address keeps what it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from flask import request

from chatbot.auth.accounts import AccountNotFound
from chatbot.auth.credentials import passwords
from chatbot.auth.credentials.email_addresses import canonical_email
from chatbot.current import services
from chatbot.errors import Invalid, Unauthorized
from chatbot.web.limits.rate_limits import HOUR, MINUTE, Limit, Limits, by_address, by_all, by_caller

# Failures, and the seconds in which they count. An account's limit holds wherever the guesses come from.
SECONDS = 5 * MINUTE
FOR_ACCOUNT, FOR_ADDRESS, FOR_ALL = 10, 10, 1_000
# Names that no account has, an hour. Signing up tells as much of a name, as often for an address and for everybody.
UNKNOWN_NAMES = (
    Limit("caller", 20, HOUR, by_caller),
    Limit("ip", 100, HOUR, by_address),
    Limit("global", 1_000, HOUR, by_all),
)


def account_of(email: str) -> str:
    """What stands for an account, however its address is written, and whether or not there is one."""
    try:
        return canonical_email(email)
    except Invalid:
        return email.strip().casefold()[:320]


def by_account() -> str | None:
    """For limits: the account that the body's `email` names. None where it names none; the body is refused then.

    Raises:
        BadRequest, UnsupportedMedia, TooLarge: there is no body to read.
    """
    body = request.get_json()
    email = body.get("email") if isinstance(body, dict) else None
    return account_of(email) if isinstance(email, str) else None


@contextmanager
def attempt(account: str) -> Iterator[None]:
    """Around a password check: an Unauthorized raised inside is a failure, everything else is none.

    `account` is `account_of` the address that was given, or the id of a user who is signed in.

    Raises:
        Busy: too many passwords are being hashed.
        TooMany: there were too many failures; nothing was counted.
    """
    with passwords.reserve():
        bound = services().rate_limits
        with _counted(bound, account) if bound else nullcontext():
            yield


@contextmanager
def _counted(bound: Limits, account: str) -> Iterator[None]:
    wanted = [
        Limit("account", FOR_ACCOUNT, SECONDS, lambda: account),
        Limit("ip", FOR_ADDRESS, SECONDS, by_address),
        Limit("global", FOR_ALL, SECONDS, by_all),
    ]
    tally = bound.take("password", wanted, opened=True)
    mine, *others = tally.standings
    give_back, clear = [mine, *others], []
    try:
        yield
        give_back, clear = others, [mine]
    except Unauthorized:
        give_back = []
        raise
    finally:
        bound.close(tally, give_back, clear)


@contextmanager
def naming() -> Iterator[None]:
    """Around looking for the account of a name that the caller gives: an AccountNotFound raised inside is counted,
    everything else is not.

    Raises:
        TooMany: there were too many such names; nothing was looked for.
    """
    bound = services().rate_limits
    if bound is None:
        yield
        return
    tally = bound.take("names", UNKNOWN_NAMES, opened=True)
    give_back = list(tally.standings)
    try:
        yield
    except AccountNotFound:
        give_back = []
        raise
    finally:
        bound.close(tally, give_back, [])
