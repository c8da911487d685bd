"""Subscribe: sell a plan to a person (PAY-1, PAY-9, SUB-3)."""

from __future__ import annotations

from dataclasses import dataclass

from commands import facts
from commands.begin_payment import begin_payment
from commands.begin_trial import begin_trial
from commands.instruments import PaymentChoice, usable_system
from commands.settle_payment import Collected
from commands.world import World
from domain.errors import AlreadySubscribed, PlanNotFound
from domain.events import Event, EventType
from domain.money import Money
from domain.payment import Payment, PaymentKind
from domain.person import Person
from domain.ports import UnitOfWork
from domain.subscription import Subscription, SubscriptionStatus


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`price`: what the person was shown. The payment is collected after this has committed."""

    person: Person
    plan_code: str
    price: Money | None  # None where the caller asks for a link at the price that holds
    payment: PaymentChoice
    payment_system: str


async def subscribe(command: Subscribe, uow: UnitOfWork, world: World) -> Payment | Collected:
    """Write the wish and the intent to collect; `collect_payment` goes on from there.

    A plan with a trial begins with it, once for each person; whoever had theirs pays at once. Nothing is sold to a
    person who was erased: raises PersonErased.
    """
    await uow.lock_person(command.person.id)
    await uow.remember_person(command.person)
    system = await usable_system(command.payment_system, uow, world)
    plan = await uow.plans.by_code(command.plan_code)
    if plan is None or not plan.for_sale:
        raise PlanNotFound(command.plan_code)
    for running in await uow.subscriptions.running_of(command.person.id, plan.id):
        raise AlreadySubscribed(running.id)
    if command.price is not None:
        plan.require_price(command.price)
    subscription = Subscription(
        id=world.new_id(),
        user_id=command.person.id,
        plan_id=plan.id,
        plan_code=plan.code,
        length=plan.period,
        status=SubscriptionStatus.PENDING,
        zone=await uow.zone_of(command.person.id),
        payment_system=command.payment_system,
        created_at=world.clock.now(),
    )
    uow.subscriptions.add(subscription)
    uow.record(
        Event(
            EventType.SUBSCRIPTION_REQUESTED,
            subscription.created_at,
            subscription.user_id,
            subscription.id,
            data=facts.of_subscription(subscription, plan),
        )
    )
    if plan.trial_days and not await uow.subscriptions.had_trial(command.person.id, plan.id):
        return await begin_trial(subscription, plan, command.payment, system, uow, world)
    return await begin_payment(subscription, plan, PaymentKind.FIRST, command.payment, system, uow, world)
