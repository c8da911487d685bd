"""Proration: what a change of plan costs now, and what credit does to any charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.errors import AlreadySubscribed, NotChangeable, PaymentInProgress, PlanNotFound, RefundInProgress
from domain.money import Money
from domain.payment import Payment, PaymentStatus
from domain.periods import Period
from domain.plan import Plan
from domain.rules import Rules
from domain.subscription import Subscription, SubscriptionStatus

LEAST_CHARGE = 100
"""Minor units: payment systems take no less than 1.00, so a charge below that is waived."""


class ChangeWhen(StrEnum):
    NOW = "now"
    PERIOD_END = "period_end"


@dataclass(frozen=True, slots=True)
class Bill:
    """How a price is met: `price` = `credit` + `charge` + what is waived; `balance` is the credit that stays."""

    price: Money
    credit: Money
    charge: Money
    balance: Money

    @property
    def is_waived(self) -> bool:
        return not self.charge.minor


def nothing_due(price: Money) -> Bill:
    """Of a trial: the price is met by nobody."""
    return Bill(price, price.zero(), price.zero(), price.zero())


def bill(price: Money, credit: Money) -> Bill:
    """Credit first, money for the rest; the rest is waived where it is less than a payment system takes."""
    used = min(credit, price)
    due = price - used
    charge = due if due.minor >= LEAST_CHARGE else due.zero()
    return Bill(price, used, charge, balance=credit - used)


def unused_credit(subscription: Subscription, payment: Payment | None, now: datetime) -> Money:
    """The share of what was paid for the current period that its unused seconds are, rounded half up.

    `payment`: the one for the current period, None where credit alone paid it. Credit that was used for the period
    counts as paid, what was returned does not; a period that has ended, or was a trial, leaves nothing.
    """
    nothing, period = subscription.balance.zero(), subscription.period
    if period is None or subscription.status is not SubscriptionStatus.ACTIVE:
        return nothing
    paid = kept = subscription.period_credit
    if payment is not None and payment.status is PaymentStatus.SUCCEEDED:
        paid, kept = paid + payment.amount, kept + payment.left_to_refund
    return min(paid.share(period.seconds_left(now), period.seconds()), kept)


def takes_back(subscription: Subscription, plan: Plan, when: ChangeWhen) -> bool:
    """Who planned a change and asks for the present plan at the period's end goes on with that one."""
    return when is ChangeWhen.PERIOD_END and subscription.next_plan_id is not None and plan.id == subscription.plan_id


def require_choice(
    subscription: Subscription, plan: Plan | None, plan_code: str, when: ChangeWhen, theirs: Sequence[UUID]
) -> Plan:
    """The plan, if the subscription may be given it: what a change is refused for before its price is looked at.

    `theirs`: the person's subscriptions that have not ended and have that plan, or will in their next period. While a
    payment of the subscription is open nothing is changed: what it pays for is settled first. Raises
    PaymentInProgress, PlanNotFound or AlreadySubscribed.
    """
    if subscription.open_payment_id is not None:
        raise PaymentInProgress(subscription.open_payment_id)
    if plan is not None and takes_back(subscription, plan, when):
        return plan
    if plan is None or not plan.for_sale:
        raise PlanNotFound(plan_code)
    for taken in theirs:
        if taken != subscription.id or plan.id == subscription.plan_id:
            raise AlreadySubscribed(taken)
    return plan


@dataclass(frozen=True, slots=True)
class ChangeQuote:
    """What a change of plan would come to. `unused`: the credit that it makes; `bill` reckons with the balance too."""

    unused: Money
    bill: Bill
    period: Period


def quote_change(
    subscription: Subscription, payment: Payment | None, plan: Plan, when: ChangeWhen, now: datetime, rules: Rules
) -> ChangeQuote:
    """Raises NotChangeable or RefundInProgress where it cannot be changed like that; changes nothing itself.

    Of a change that is taken back it tells the next renewal of the present plan.
    """
    period = _require_changeable(subscription, plan, when, now)
    then = replace(subscription)  # to see what would become of it
    if when is ChangeWhen.PERIOD_END:
        owed = bill(plan.price, subscription.balance)
        return ChangeQuote(subscription.balance.zero(), owed, then.renew(max(period.end, now), rules, plan))
    if payment is not None and payment.refund_reserved:  # which may lower the credit, or come to nothing
        raise RefundInProgress("A refund of what was paid for this period is under way.")
    unused = unused_credit(subscription, payment, now)
    owed = bill(plan.price, unused + subscription.balance)
    return ChangeQuote(unused, owed, then.change_plan(plan, now, owed.credit, owed.balance, rules))


def _require_changeable(subscription: Subscription, plan: Plan, when: ChangeWhen, now: datetime) -> Period:
    if not subscription.is_running or subscription.period is None:
        raise NotChangeable("Only a subscription that has begun and has not ended can be given another plan.")
    if subscription.refunding:
        raise RefundInProgress("A refund that ends this subscription is under way.")
    if subscription.cancel_at_period_end:
        raise NotChangeable("A cancellation is planned: resume the subscription first.")
    is_over = subscription.period.end <= now
    if when is ChangeWhen.PERIOD_END and is_over and not takes_back(subscription, plan, when):
        raise NotChangeable("Its period is over: the plan can be changed now.")
    if when is ChangeWhen.NOW and subscription.period.start > now:
        raise NotChangeable("Its next period is paid already: the plan can be changed at that period's end.")
    return subscription.period
