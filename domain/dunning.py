"""Dunning: what follows a refused renewal (callers see `past_due`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.cancellation_reasons import RetryAdvice, advice_for
from domain.rules import Rules


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The saved method is charged again then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class AskThePerson:
    """Only the person can help, with another card or a confirmed payment; until then the subscription waits."""

    until: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The last try has failed: the subscription expires."""


def after_refusal(
    reason: str, first_failed_at: datetime, tries: int, tried_at: datetime, now: datetime, rules: Rules
) -> TryAgain | AskThePerson | GiveUp:
    """What to do once a renewal was refused for `reason`.

    `tries`: how many were made after the first failure; `tried_at`: when this one was made, which may be days before
    its refusal is known. Tries stand at fixed distances from the first failure; one that downtime has overslept, or
    the wait for an answer, is made at once; two overslept ones are one.
    """
    advice = advice_for(reason)
    if advice not in (RetryAdvice.TRY_LATER, RetryAdvice.FEW_TRIES):
        return AskThePerson(until=now + rules.patience_after_asking)
    allowed = rules.retries[: rules.few_retries] if advice is RetryAdvice.FEW_TRIES else rules.retries
    left = [first_failed_at + delay for delay in allowed[tries:]]
    ahead = [at for at in left if at > tried_at]
    if ahead:
        return TryAgain(ahead[0])
    return GiveUp()
