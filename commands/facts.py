"""What events tell, as JSON: the facts that histories and mails are written from."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.payment import PAID_OTHERWISE, Payment
from domain.plan import Plan
from domain.plan_change import Bill, bill
from domain.refund import Refund, RefundOrigin
from domain.rules import Rules
from domain.subscription import Subscription

Facts = dict[str, object]


def moment(at: datetime | None) -> str | None:
    """A time in RFC 3339, UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def of_plan(plan: Plan) -> Facts:
    return {"plan_code": plan.code, "plan_name": plan.name}


def of_payment(payment: Payment, plan: Plan) -> Facts:
    facts: Facts = {
        **of_plan(plan),
        "amount": payment.amount.value,
        "currency": payment.amount.currency,
        **({"credit": payment.credit.value} if payment.credit.minor else {}),
        "kind": payment.kind.value,
        "attempt": payment.attempt,
        "payment_id": str(payment.id),
        "subscription_id": str(payment.subscription_id),
    }
    if payment.period:
        facts |= {"period_start": moment(payment.period.start), "period_end": moment(payment.period.end)}
    if payment.source is not None:
        facts |= {"source": payment.source, "reference": payment.reference, "paid_at": moment(payment.settled_at)}
    if payment.cancellation:
        facts |= {"reason": payment.cancellation.reason, "party": payment.cancellation.party}
    return facts


def of_bill(owed: Bill) -> Facts:
    """How the price of a period is met where credit takes part."""
    facts: Facts = {"plan_price": owed.price.value, "credit": owed.credit.value, "currency": owed.price.currency}
    if owed.balance.minor:
        facts["balance"] = owed.balance.value
    return facts


def of_subscription(subscription: Subscription, plan: Plan) -> Facts:
    facts: Facts = {**of_plan(plan), "subscription_id": str(subscription.id), "status": subscription.status.value}
    if subscription.period:
        facts |= {"period_start": moment(subscription.period.start), "period_end": moment(subscription.period.end)}
    if subscription.next_charge_at:
        facts |= {"next_charge_at": moment(subscription.next_charge_at), **_of_next_charge(subscription, plan)}
    return facts


def _of_next_charge(subscription: Subscription, plan: Plan) -> Facts:
    """Whether money will be charged then, at the prices of now, and whether a reminder comes before it.

    Of another plan's price nothing is known here: where there is credit, no reminder is promised.
    """
    reminder = subscription.remind_at is not None
    if plan.id != subscription.renews_to:
        return {"will_remind": reminder and not subscription.balance.minor}
    covered = bill(plan.price, subscription.balance).is_waived
    return {"paid_from_balance": True} if covered else {"will_remind": reminder}


def of_access(subscription: Subscription, now: datetime, rules: Rules) -> Facts:
    """Until when access lasts while nothing is paid; nothing where the grace is over."""
    until = subscription.access_until(rules)
    return {"access_until": moment(until)} if until is not None and until > now else {}


def of_trial(subscription: Subscription, plan: Plan) -> Facts:
    """And what will be charged when it is over."""
    return {**of_subscription(subscription, plan), "price": plan.price.value, "currency": plan.price.currency}


def of_refund(refund: Refund, payment: Payment, plan: Plan) -> Facts:
    facts: Facts = {
        **of_plan(plan),
        "amount": refund.amount.value,
        "currency": refund.amount.currency,
        "full": refund.amount == payment.amount,
        "refund_id": str(refund.id),
        "payment_id": str(payment.id),
        "subscription_id": str(refund.subscription_id),
        "origin": refund.origin.value,
    }
    if refund.origin is RefundOrigin.LATE_MONEY:
        facts |= {"kind": payment.kind.value, "paid_otherwise": payment.period_number == PAID_OTHERWISE}
    if refund.source is not None:
        facts |= {"source": refund.source, "reference": refund.reference, "refunded_at": moment(refund.settled_at)}
    if refund.cancellation:
        facts |= {"reason": refund.cancellation.reason, "party": refund.cancellation.party}
    return facts
