"""Accept that a subscription was paid outside the service: an app store, a bank transfer (SUB-4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commands import facts
from commands.outside_money import require_past
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import InvalidField, NothingToPay, ReferenceUsed
from domain.events import Event, EventType
from domain.money import Money
from domain.payment import PAID_OTHERWISE, Payment, PaymentKind, PaymentStatus, PaysWith
from domain.plan import Plan
from domain.ports import UnitOfWork
from domain.subscription import Subscription, SubscriptionStatus


@dataclass(frozen=True, slots=True)
class RecordExternalPayment:
    """`source` and `reference` name the payment outside; together they are never used for another."""

    subscription_id: UUID
    amount: Money
    paid_at: datetime
    source: str
    reference: str


@dataclass(frozen=True, slots=True)
class RecordedPayment:
    """`is_new`: False where it was here already."""

    subscription_id: UUID
    payment_id: UUID
    is_new: bool


async def record_external_payment(command: RecordExternalPayment, uow: UnitOfWork, world: World) -> RecordedPayment:
    """Book it and let it pay the next period, as a renewal would, or the first one.

    The money has moved already, so nothing under way stands against it; only what has ended is not paid any more.
    """
    subscription = await own_subscription(command.subscription_id, None, uow)
    known = await uow.payments.find_by_reference(command.source, command.reference)
    if known is not None:
        _require_same(known, command)
        return RecordedPayment(known.subscription_id, known.id, is_new=False)
    require_past("paid_at", command.paid_at, world)
    if subscription.has_ended:
        raise NothingToPay("The subscription has ended: what was paid for it has to be returned where it was paid.")
    first = subscription.status is SubscriptionStatus.PENDING
    plan = await uow.plans.by_id(subscription.plan_id if first else subscription.renews_to)
    if command.amount.currency != plan.price.currency:
        raise InvalidField("amount.currency", f"has to be the plan's, {plan.price.currency}")
    payment = await _booked(command, subscription, plan, uow, world)
    await _let_open_payment_give_way(subscription, uow)
    had_another_plan = subscription.plan_id != plan.id
    at, rules = payment.created_at, world.rules
    payment.period = subscription.activate(at, rules) if first else subscription.renew(at, rules, plan)
    happened = EventType.SUBSCRIPTION_ACTIVATED if first else EventType.SUBSCRIPTION_RENEWED
    told = facts.of_subscription(subscription, plan)
    _record(EventType.PAYMENT_SUCCEEDED, payment, facts.of_payment(payment, plan), uow)
    if had_another_plan:  # as the person had planned
        _record(EventType.SUBSCRIPTION_PLAN_CHANGED, payment, {**told, "quiet": True}, uow)
    _record(happened, payment, told, uow)
    if subscription.refunding:
        detail = (
            "It was paid outside while a refund that ends it is under way: return that money there, or let it go on."
        )
        await uow.cases.open(
            "paid_while_refunding",
            str(payment.id),
            detail,
            payment.created_at,
            user_id=payment.user_id,
            payment_id=payment.id,
        )
    return RecordedPayment(subscription.id, payment.id, is_new=True)


def _require_same(known: Payment, command: RecordExternalPayment) -> None:
    said = (command.subscription_id, command.amount, command.paid_at)
    if (known.subscription_id, known.amount, known.settled_at) != said:
        raise ReferenceUsed("This source and reference name another payment.")


async def _booked(
    command: RecordExternalPayment, subscription: Subscription, plan: Plan, uow: UnitOfWork, world: World
) -> Payment:
    number = subscription.period_number + 1
    payment = Payment(
        id=world.new_id(),
        user_id=subscription.user_id,
        subscription_id=subscription.id,
        plan_id=plan.id,
        kind=PaymentKind.EXTERNAL,
        attempt=await uow.payments.attempts(subscription.id, number) + 1,
        status=PaymentStatus.SUCCEEDED,
        amount=command.amount,
        period_number=number,
        description=f"{plan.name} — {plan.code}"[:128],
        pays_with=PaysWith.OUTSIDE,
        created_at=world.clock.now(),
        payment_system=None,
        settled_at=command.paid_at,
        source=command.source,
        reference=command.reference,
    )
    uow.payments.add(payment)
    return payment


async def _let_open_payment_give_way(subscription: Subscription, uow: UnitOfWork) -> None:
    """A page that waits, a renewal nobody knows of: its period is paid now, what it still brings is returned.

    The subscription keeps it as its open payment: until it has ended no other is begun (invariant 3).
    """
    if subscription.open_payment_id is None:
        return
    payment = await uow.payments.lock(subscription.open_payment_id)
    if payment is not None and payment.is_open:
        payment.period_number = PAID_OTHERWISE


def _record(happened: EventType, payment: Payment, told: facts.Facts, uow: UnitOfWork) -> None:
    who = (payment.user_id, payment.subscription_id, payment.id)
    uow.record(Event(happened, payment.created_at, *who, data=told))
