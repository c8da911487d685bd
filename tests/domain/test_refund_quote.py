"""The refund policy (PAY-4) against exact fractions, for any payment and any instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.money import Money
from domain.payment import Payment, PaymentKind, PaymentStatus, PaysWith
from domain.periods import Period
from domain.refund import quote_refund
from domain.rules import Rules

START = datetime(2027, 1, 31, 9, 0, 0, 250_000, tzinfo=UTC)
ONE = UUID(int=1)
MICROSECOND = timedelta(microseconds=1)
LONGEST = timedelta(days=3 * 366) // MICROSECOND


def paid(
    kopecks: int,
    length: timedelta,
    refunded: int = 0,
    reserved: int = 0,
    kind: PaymentKind = PaymentKind.FIRST,
    status: PaymentStatus = PaymentStatus.SUCCEEDED,
) -> Payment:
    return Payment(
        id=ONE,
        user_id=ONE,
        subscription_id=ONE,
        plan_id=ONE,
        kind=kind,
        attempt=1,
        status=status,
        amount=Money(kopecks),
        period_number=1,
        description="",
        pays_with=PaysWith.REDIRECT,
        created_at=START,
        payment_system="yookassa",
        period=Period(START, START + length),
        refunded=refunded,
        refund_reserved=reserved,
    )


def seconds(span: timedelta) -> int:
    return floor(Fraction(span // MICROSECOND, 1_000_000))


def by_fractions(kopecks: int, length: timedelta, passed: timedelta, left: int) -> int:
    if left == 0 or passed < timedelta(days=7):
        return left
    unused = max(seconds(length - passed), 0)
    due = min(floor(Fraction(kopecks * unused, seconds(length)) + Fraction(1, 2)), left)
    return left if due and 0 < left - due < 100 else due


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, timedelta, timedelta, int, int]:
    """Price, length of the period, how much of it has passed, what was returned, what is on its way back."""
    kopecks = draw(st.integers(100, 10_000_000) | st.integers(100, 600))
    length = MICROSECOND * draw(st.integers(1_000_000, LONGEST))
    near = st.sampled_from([timedelta(days=7), length, timedelta(0), length / 2])
    about = st.builds(lambda at, by: at + MICROSECOND * by, near, st.integers(-2_000_000, 2_000_000))
    passed = draw(about | st.integers(0, LONGEST).map(lambda us: MICROSECOND * us))
    refunded = draw(st.just(0) | st.integers(0, kopecks))
    reserved = draw(st.just(0) | st.integers(0, kopecks - refunded))
    return kopecks, length, passed, refunded, reserved


@settings(max_examples=300, deadline=None)
@given(cases())
def test_it_is_what_fractions_say_and_never_more_than_is_left(case: tuple[int, timedelta, timedelta, int, int]) -> None:
    kopecks, length, passed, refunded, reserved = case
    left = kopecks - refunded - reserved

    quote = quote_refund(paid(kopecks, length, refunded, reserved), START + passed, Rules())

    assert quote.amount == Money(by_fractions(kopecks, length, passed, left))
    assert 0 <= quote.amount.minor <= left
    assert quote.full == (quote.amount.minor == kopecks)
    stays = left - quote.amount.minor
    assert quote.amount.minor == 0 or stays == 0 or stays >= 100  # the payment system keeps no less than a rouble


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, LONGEST))
def test_waiting_never_brings_more(case: tuple[int, timedelta, timedelta, int, int], longer_us: int) -> None:
    kopecks, length, passed, refunded, reserved = case
    payment = paid(kopecks, length, refunded, reserved)

    sooner = quote_refund(payment, START + passed, Rules())
    later = quote_refund(payment, START + passed + MICROSECOND * longer_us, Rules())

    assert later.amount <= sooner.amount


@given(st.integers(100, 600), st.integers(0, 600), st.integers(0, 600), st.integers(1, 700))
def test_whatever_is_credit_by_now_no_less_than_a_rouble_stays_at_the_payment_system(
    kopecks: int, refunded: int, credited: int, wanted: int
) -> None:
    payment = paid(kopecks, timedelta(days=30), refunded := min(refunded, kopecks))
    payment.credited = min(credited, kopecks - refunded)
    left = payment.left_to_refund.minor

    returned = payment.returnable(Money(wanted), 100).minor

    if wanted > left:
        assert returned == wanted, "which is refused as more than is left"
        return
    stays = kopecks - refunded - returned
    assert 0 <= returned <= left
    assert returned == 0 or stays == 0 or stays >= 100
    enough_stays = kopecks - refunded - wanted >= 100
    assert (returned == wanted) or not enough_stays


@pytest.mark.parametrize("kind", [kind for kind in PaymentKind if kind is not PaymentKind.EXTERNAL])
def test_of_whatever_kind_it_was_paid_here(kind: PaymentKind) -> None:
    assert quote_refund(paid(49900, timedelta(days=30), kind=kind), START, Rules()).amount == Money(49900)


def test_what_was_paid_outside_is_not_returned_here() -> None:
    outside = paid(49900, timedelta(days=30), kind=PaymentKind.EXTERNAL)
    assert quote_refund(outside, START, Rules()).amount == Money(0)


@pytest.mark.parametrize("status", [status for status in PaymentStatus if status is not PaymentStatus.SUCCEEDED])
def test_what_has_not_been_paid_has_nothing_to_return(status: PaymentStatus) -> None:
    assert quote_refund(paid(49900, timedelta(days=30), status=status), START, Rules()).amount == Money(0)
