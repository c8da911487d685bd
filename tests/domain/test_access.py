"""Who may watch, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.access import PaidSubscription, active_subscriptions, token_claims
from domain.rules import Rules

END = datetime(2026, 3, 1, 12, 30, 15, 900_000, tzinfo=UTC)
RULES = Rules()
INSTANT = timedelta(microseconds=1)


def paid(
    status: str = "active", *, canceling: bool = False, end: datetime | None = END, plan: str = "premium", n: int = 1
) -> PaidSubscription:
    return PaidSubscription(UUID(int=n), plan, status, end, canceling)


@pytest.mark.parametrize("status", ["trialing", "active", "past_due"])
def test_access_lasts_until_the_grace_is_over(status: str) -> None:
    end_of_grace = END + timedelta(days=3)
    assert active_subscriptions([paid(status)], end_of_grace - INSTANT, RULES)[0].ends_at == end_of_grace
    assert active_subscriptions([paid(status)], end_of_grace, RULES) == []


def test_a_planned_cancellation_has_no_grace() -> None:
    assert active_subscriptions([paid(canceling=True)], END - INSTANT, RULES)[0].ends_at == END
    assert active_subscriptions([paid(canceling=True)], END, RULES) == []


@pytest.mark.parametrize("status", ["pending", "canceled", "expired"])
def test_what_has_not_begun_or_has_ended_gives_no_access(status: str) -> None:
    assert active_subscriptions([paid(status)], END - timedelta(days=5), RULES) == []


def test_a_subscription_without_a_period_gives_no_access() -> None:
    assert active_subscriptions([paid("trialing", end=None)], END, RULES) == []


def test_a_shorter_grace_is_obeyed() -> None:
    rules = Rules(grace=timedelta(0))
    assert active_subscriptions([paid("past_due")], END - INSTANT, rules)
    assert not active_subscriptions([paid("past_due")], END, rules)


def test_claims_are_short_and_never_promise_more_than_there_is() -> None:
    subscriptions = [paid(plan="sport", canceling=True, n=2), paid()]
    claims = token_claims(active_subscriptions(subscriptions, END - timedelta(days=1), RULES), 17)
    assert claims == {
        "subs": [["premium", int((END + timedelta(days=3)).timestamp())], ["sport", int(END.timestamp())]],
        "sub_ver": 17,
    }


def test_somebody_without_subscriptions_has_empty_claims() -> None:
    assert token_claims([], 0) == {"subs": [], "sub_ver": 0}
