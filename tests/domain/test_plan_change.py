"""Proration in integers: credit and what was used are all of what was paid, and a price is met to the kopeck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import NotChangeable, RefundInProgress
from domain.money import Money
from domain.payment import Payment, PaymentKind, PaymentStatus, PaysWith
from domain.periods import Period, PeriodLength, PeriodUnit
from domain.plan import Plan
from domain.plan_change import ChangeWhen, bill, quote_change, unused_credit
from domain.rules import Rules
from domain.subscription import Subscription, SubscriptionStatus

_START = datetime(2027, 1, 31, 9, tzinfo=UTC)
_MONTH = PeriodLength(PeriodUnit.MONTH, 1)
_ID = UUID(int=1)


def _subscription(days: int = 28, **more: Any) -> Subscription:
    period = Period(_START, _START + timedelta(days=days))
    it = Subscription(
        *(_ID, _ID, _ID, "basic", _MONTH, SubscriptionStatus.ACTIVE, "Europe/Moscow", "yookassa", _START),
        period_number=1,
        period=period,
        anchor_at=_START,
    )
    for name, value in more.items():
        setattr(it, name, value)
    return it


def _payment(minor: int, refunded: int = 0) -> Payment:
    return Payment(
        *(_ID, _ID, _ID, _ID, PaymentKind.FIRST, 1, PaymentStatus.SUCCEEDED, Money(minor), 1, "basic"),
        *(PaysWith.TOKEN, _START, "yookassa"),
        refunded=refunded,
    )


def _plan(minor: int, length: PeriodLength = _MONTH) -> Plan:
    return Plan(UUID(int=2), "other", "Other", "", Money(minor), length, trial_days=0, available=True)


@given(price=st.integers(1, 35_000_000), credit=st.integers(0, 70_000_000))
def test_a_price_is_met_by_credit_and_money_and_no_more_than_a_waived_kopeck_short_of_a_rouble(
    price: int, credit: int
) -> None:
    owed = bill(Money(price), Money(credit))
    waived = price - owed.credit.minor - owed.charge.minor
    assert 0 <= waived < 100
    assert not (waived and owed.charge.minor)
    assert owed.credit.minor + owed.balance.minor == credit
    assert owed.charge.minor == 0 or owed.charge.minor >= 100


@given(
    paid=st.integers(0, 35_000_000),
    earlier=st.integers(0, 35_000_000),
    refunded=st.integers(0, 35_000_000),
    second=st.integers(-10, 28 * 86400 + 10),
)
def test_credit_is_the_unused_share_of_all_that_was_paid_and_never_more_than_was_kept(
    paid: int, earlier: int, refunded: int, second: int
) -> None:
    subscription = _subscription(period_credit=Money(earlier))
    payment, refunded = _payment(paid, min(refunded, paid)), min(refunded, paid)
    credit = unused_credit(subscription, payment, _START + timedelta(seconds=second)).minor
    left, whole = min(max(28 * 86400 - second, 0), 28 * 86400), 28 * 86400
    exact = (paid + earlier) * left / whole
    assert credit <= paid + earlier - refunded
    assert credit == paid + earlier - refunded or abs(credit - exact) <= 0.5 + 1e-6 * exact


def test_a_period_that_is_over_leaves_no_credit() -> None:
    past_due = _subscription(status=SubscriptionStatus.PAST_DUE)
    assert unused_credit(past_due, _payment(49900), _START + timedelta(days=29)) == Money(0)


def test_half_a_period_of_499_roubles_is_249_roubles_50() -> None:
    quote = quote_change(
        _subscription(), _payment(49900), _plan(99900), ChangeWhen.NOW, _START + timedelta(days=14), Rules()
    )
    assert (quote.unused, quote.bill.charge, quote.bill.balance) == (Money(24950), Money(74950), Money(0))
    assert quote.period == Period(_START + timedelta(days=14), datetime(2027, 3, 14, 9, tzinfo=UTC))


def test_the_present_balance_takes_part() -> None:
    subscription = _subscription(balance=Money(10000))
    quote = quote_change(
        subscription, _payment(49900), _plan(99900), ChangeWhen.NOW, _START + timedelta(days=14), Rules()
    )
    assert (quote.unused, quote.bill.charge) == (Money(24950), Money(64950))
    assert subscription.balance == Money(10000)  # a quote changes nothing


def test_another_length_is_counted_from_its_own_beginning_the_same_one_keeps_the_31st() -> None:
    subscription = _subscription()
    ahead = (ChangeWhen.PERIOD_END, _START + timedelta(days=1), Rules())
    same = quote_change(subscription, _payment(49900), _plan(99900), *ahead)
    assert same.period.end == datetime(2027, 3, 31, 9, tzinfo=UTC)
    weekly = quote_change(subscription, _payment(49900), _plan(9900, PeriodLength(PeriodUnit.WEEK, 1)), *ahead)
    assert weekly.period.end - weekly.period.start == timedelta(days=7)
    yearly = quote_change(subscription, _payment(49900), _plan(499900, PeriodLength(PeriodUnit.YEAR, 1)), *ahead)
    assert yearly.period.end == datetime(2028, 2, 28, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "when", "refused"),
    [
        ({"status": SubscriptionStatus.PENDING, "period": None}, ChangeWhen.NOW, NotChangeable),
        ({"status": SubscriptionStatus.EXPIRED}, ChangeWhen.NOW, NotChangeable),
        ({"cancel_at_period_end": True}, ChangeWhen.PERIOD_END, NotChangeable),
        ({"refunding": True}, ChangeWhen.NOW, RefundInProgress),
        ({"period": Period(_START - timedelta(days=9), _START)}, ChangeWhen.PERIOD_END, NotChangeable),
        (
            {"period": Period(_START + timedelta(days=2), _START + timedelta(days=9))},
            ChangeWhen.NOW,
            NotChangeable,
        ),
    ],
)
def test_what_cannot_be_changed_is_refused(more: dict[str, Any], when: ChangeWhen, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        quote_change(_subscription(**more), None, _plan(99900), when, _START + timedelta(days=1), Rules())
