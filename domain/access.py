"""Who may watch: the subscriptions that give access, until when, and the claims that say so in a token (AUTH-2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.rules import Rules

ACCESS_STATUSES: Final = ("trialing", "active", "past_due")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PaidSubscription:
    """What access depends on, of one subscription."""

    id: UUID
    plan_code: str
    status: str
    period_end: datetime | None
    cancel_at_period_end: bool


@dataclass(frozen=True, slots=True)
class ActiveSubscription:
    """A subscription that gives access while the time is before `ends_at` (aware; the grace included)."""

    id: UUID
    plan_code: str
    status: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """What a user may watch, at a version of the user; `subscriptions` may hold some that have ended since."""

    user_id: UUID
    version: int
    subscriptions: Sequence[ActiveSubscription]


def with_access(subscriptions: Iterable[PaidSubscription], rules: Rules) -> list[ActiveSubscription]:
    """Those that give access until some instant, past or to come, by plan; `still_active` leaves out what is over.

    The grace follows the period's end, except where a cancellation was planned.
    """
    found = [
        ActiveSubscription(
            one.id,
            one.plan_code,
            one.status,
            one.period_end if one.cancel_at_period_end else one.period_end + rules.grace,
        )
        for one in subscriptions
        if one.status in ACCESS_STATUSES and one.period_end is not None
    ]
    return sorted(found, key=lambda one: (one.plan_code, one.id))


def still_active(subscriptions: Iterable[ActiveSubscription], now: datetime) -> list[ActiveSubscription]:
    """Access lasts while `now` is before the end, not at it."""
    return [one for one in subscriptions if now < one.ends_at]


def active_subscriptions(
    subscriptions: Iterable[PaidSubscription], now: datetime, rules: Rules
) -> list[ActiveSubscription]:
    """The subscriptions that give access at `now`."""
    return still_active(with_access(subscriptions, rules), now)


def token_claims(active: Iterable[ActiveSubscription], version: int) -> dict[str, Any]:
    """Claims ready to merge into a JWT: `{"subs": [["premium", 1799999999], …], "sub_ver": 17}`.

    Ends are whole seconds since 1970, cut: a token never promises more than there is.
    """
    return {
        "subs": [[one.plan_code, (one.ends_at - _EPOCH) // timedelta(seconds=1)] for one in active],
        "sub_ver": version,
    }
