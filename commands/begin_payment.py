"""The intent to collect money, written before anybody is asked for it (invariant 1)."""

from __future__ import annotations

from commands import facts
from commands.instruments import PaymentChoice, put_instrument
from commands.patience import IN_FLIGHT
from commands.world import World
from domain.errors import PaymentInProgress
from domain.events import Event, EventType
from domain.payment import Payment, PaymentKind, PaymentStatus, PaysWith
from domain.plan import Plan
from domain.plan_change import Bill
from domain.ports import PaymentSystem, UnitOfWork
from domain.subscription import Subscription


async def begin_payment(
    subscription: Subscription,
    plan: Plan,
    kind: PaymentKind,
    choice: PaymentChoice,
    system: PaymentSystem,
    uow: UnitOfWork,
    world: World,
    *,
    by_person: bool = True,
    payment_system: str | None = None,
    owed: Bill | None = None,
) -> Payment:
    """Reserve the next period of a subscription for one payment; the caller holds the person's lock.

    `payment_system`: another than the subscription's, which follows only once it was paid there. `owed`: what is left
    of the plan's price to be paid, where credit pays a part of it.

    The janitor owns it from the instant when a call made right now must have ended.
    """
    if subscription.open_payment_id is not None:
        raise PaymentInProgress(subscription.open_payment_id)
    now, number = world.clock.now(), subscription.period_number + 1
    payment = Payment(
        id=world.new_id(),
        user_id=subscription.user_id,
        subscription_id=subscription.id,
        plan_id=plan.id,
        kind=kind,
        attempt=await uow.payments.attempts(subscription.id, number) + 1,
        status=PaymentStatus.PENDING,
        amount=owed.charge if owed is not None else plan.price,
        credit=owed.credit if owed is not None else plan.price.zero(),
        period_number=number,
        description=f"{plan.name} — {plan.code}"[:128],
        pays_with=PaysWith.REDIRECT,
        created_at=now,
        payment_system=payment_system or subscription.payment_system,
        by_person=by_person,
    )
    await put_instrument(payment, choice, system, uow, world)
    payment.ask_again_at, payment.ask_again_by = now + IN_FLIGHT, world.wall.now() + IN_FLIGHT
    subscription.open_payment_id = payment.id
    uow.payments.add(payment)
    _record(payment, plan, uow)
    return payment


def _record(payment: Payment, plan: Plan, uow: UnitOfWork) -> None:
    uow.record(
        Event(
            EventType.PAYMENT_REQUESTED,
            payment.created_at,
            payment.user_id,
            payment.subscription_id,
            payment_id=payment.id,
            data=facts.of_payment(payment, plan),
        )
    )
