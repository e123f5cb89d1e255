"""What answers cost: tokens counted for each day (UTC), and the budgets that bound them.

An account's budget, DAILY_TOKENS, is for the account and all its visitors together; a visitor may have one beside it.
A budget is looked at before a question is stored, so answers that are under way come to their end.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import ColumnElement, CursorResult, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chatbot.auth.callers import Caller
from chatbot.auth.models import User, that_stay
from chatbot.chat.models import DailyUsage, Owner
from chatbot.db import utcnow
from chatbot.errors import TooMany
from chatbot.metrics import LIMITS_HIT
from chatbot.rag.types import Usage

# Only today's tokens are ever asked for; an export shows the others.
KEPT_DAYS = 90
MICROS = 1_000_000


class QuotaExceeded(TooMany):
    code, detail = "quota_exceeded", "Today's tokens are used up; there are new ones after midnight (UTC)."


def check_budget(session: Session, caller: Caller, account_budget: int | None) -> None:
    """Lets pass who has tokens left for today.

    Raises:
        QuotaExceeded: the visitor's budget or the account's is spent; it says in how many seconds the day ends.
    """
    own = (caller.daily_tokens, Owner.of(caller).owns(DailyUsage))
    for budget, whose in (own, (account_budget, DailyUsage.user_id == caller.user_id)):
        if budget is not None and _spent(session, whose).tokens >= budget:
            now = utcnow()
            LIMITS_HIT.labels("tokens", "daily").inc()
            raise QuotaExceeded(retry_after=math.ceil((_day_after(now) - now).total_seconds()))


def count(session: Session, owner: Owner, taken: Usage, answers: int = 1) -> bool:
    """Counts an answer in the transaction that stores it, or what belongs to one already counted: `answers=0`.

    Of an account that is gone nothing is counted; returns whether it is there.
    """
    if not hold_account(session, owner):
        return False
    more = {
        "whose": owner.user_id,
        "guest": owner.visitor,
        "date": utcnow().date(),
        "more_answers": answers,
        "more_tokens": taken.total_tokens,
        "more_cost": 0 if taken.cost_usd is None else int(Decimal(taken.cost_usd) * MICROS),
        "more_unpriced": answers if taken.cost_usd is None else 0,
    }
    connection = session.connection()
    done = connection.execute(_MORE, more)
    assert isinstance(done, CursorResult)  # noqa: S101 - an UPDATE's result has a row count.
    if done.rowcount == 0:
        # Another answer may be the day's first at this moment.
        with suppress(IntegrityError), session.begin_nested():
            session.add(DailyUsage(user_id=owner.user_id, visitor=owner.visitor, day=more["date"]))
        connection.execute(_MORE, more)
    return True


_USAGE = DailyUsage.metadata.tables[DailyUsage.__tablename__].c
# Built once: for so short a statement that takes many times as long as to run it.
_MORE = (
    update(_USAGE.user_id.table)
    .where(_USAGE.user_id == bindparam("whose"), _USAGE.visitor == bindparam("guest"), _USAGE.day == bindparam("date"))
    .values(
        answers=_USAGE.answers + bindparam("more_answers"),
        tokens=_USAGE.tokens + bindparam("more_tokens"),
        cost_micros=_USAGE.cost_micros + bindparam("more_cost"),
        unpriced=_USAGE.unpriced + bindparam("more_unpriced"),
    )
)
_ACCOUNT = that_stay(select(User.id).where(User.id == bindparam("whose")))


def hold_account(session: Session, owner: Owner) -> bool:
    """Whether the account is there; if so, it stays until the transaction has ended."""
    return session.connection().scalar(_ACCOUNT, {"whose": owner.user_id}) is not None


def forget_old(session: Session) -> None:
    """Deletes, in the caller's transaction, what was counted more than KEPT_DAYS days ago."""
    session.execute(delete(DailyUsage).where(DailyUsage.day < utcnow().date() - timedelta(days=KEPT_DAYS)))


def today(session: Session, caller: Caller, account_budget: int | None) -> dict[str, object]:
    """What has been used today of the caller's budget: a visitor's own, or the whole account's."""
    mine = Owner.of(caller).owns(DailyUsage) if caller.visitor else DailyUsage.user_id == caller.user_id
    spent = _spent(session, mine)
    now = utcnow()
    return {
        "day": now.date(),
        "answers": spent.answers,
        "tokens": spent.tokens,
        "cost_usd": f"{Decimal(spent.cost_micros) / MICROS:.6f}",
        "unpriced_answers": spent.unpriced,
        "budget": caller.daily_tokens if caller.visitor else account_budget,
        "resets_at": _day_after(now),
    }


class _Spent(NamedTuple):
    answers: int
    tokens: int
    cost_micros: int
    unpriced: int


def _spent(session: Session, whose: ColumnElement[bool]) -> _Spent:
    """What today has taken so far."""
    columns = (DailyUsage.answers, DailyUsage.tokens, DailyUsage.cost_micros, DailyUsage.unpriced)
    sums = [func.coalesce(func.sum(column), 0) for column in columns]
    return _Spent(*map(int, session.execute(select(*sums).where(whose, DailyUsage.day == utcnow().date())).one()))


def _day_after(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC)
