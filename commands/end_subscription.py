"""What time brings to a subscription beside charges: its end, the end of patience, a reminder (SUB-5, SUB-6)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.instruments import method_to_charge
from commands.own_subscription import own_subscription
from commands.renew_from_credit import RenewedFromCredit, renew_from_credit
from commands.world import World
from domain.errors import NotDue
from domain.events import Event, EventType
from domain.plan import Plan
from domain.plan_change import bill
from domain.ports import UnitOfWork
from domain.subscription import Subscription, SubscriptionStatus


@dataclass(frozen=True, slots=True)
class EndSubscription:
    subscription_id: UUID


async def end_subscription(command: EndSubscription, uow: UnitOfWork, world: World) -> Subscription | RenewedFromCredit:
    """End one whose time has come; ask the person where a period ends and there is no method to charge.

    Where credit pays the next period there is nothing that a method would be needed for.
    """
    subscription = await own_subscription(command.subscription_id, None, uow)
    now = world.clock.now()
    if subscription.end_at is None or subscription.end_at > now or subscription.open_payment_id is not None:
        raise NotDue("This subscription does not end now.")
    if subscription.refunding and not subscription.cancel_at_period_end:
        raise NotDue("A refund that ends it is under way: nobody is asked for money that is being returned.")
    plan = await uow.plans.by_id(subscription.plan_id)
    if subscription.cancel_at_period_end:
        subscription.end_as_canceled(now)
        _record(EventType.SUBSCRIPTION_CANCELED, subscription, plan, uow, world)
    elif subscription.status is SubscriptionStatus.PAST_DUE:
        subscription.expire(now)
        _record(EventType.SUBSCRIPTION_EXPIRED, subscription, plan, uow, world)
    else:
        coming = await uow.plans.by_id(subscription.renews_to)
        owed = bill(coming.price, subscription.balance)
        if owed.is_waived:
            return renew_from_credit(subscription, coming, owed, uow, world)
        _ask_the_person(subscription, plan, uow, world)
    return subscription


@dataclass(frozen=True, slots=True)
class AskForMethod:
    subscription_id: UUID


async def ask_for_method(command: AskForMethod, uow: UnitOfWork, world: World) -> Subscription:
    """A charge is due and there is no method that it could go to: ask the person, who has some days to pay."""
    subscription = await own_subscription(command.subscription_id, None, uow)
    now, due_at = world.clock.now(), subscription.next_charge_at
    if due_at is None or due_at > now or subscription.open_payment_id is not None or subscription.refunding:
        raise NotDue("Nothing of this subscription is due.")
    system = await world.payment_systems.by_code(subscription.payment_system)
    if await method_to_charge(subscription, system, uow) is not None:
        raise NotDue("It has a payment method by now.")
    plan = await uow.plans.by_id(subscription.plan_id)
    _ask_the_person(subscription, plan, uow, world)
    return subscription


def _ask_the_person(subscription: Subscription, plan: Plan, uow: UnitOfWork, world: World) -> None:
    now = world.clock.now()
    subscription.lacks_method(now, world.rules)
    told = {**facts.of_access(subscription, now, world.rules), "pay_until": facts.moment(subscription.end_at)}
    _record(EventType.SUBSCRIPTION_PAST_DUE, subscription, plan, uow, world, told)


@dataclass(frozen=True, slots=True)
class RemindOfCharge:
    subscription_id: UUID


async def remind_of_charge(command: RemindOfCharge, uow: UnitOfWork, world: World) -> Subscription:
    """Tell the person what will be charged and when, once for each charge."""
    subscription = await own_subscription(command.subscription_id, None, uow)
    now, charge_at = world.clock.now(), subscription.next_charge_at
    if subscription.remind_at is None or subscription.remind_at > now or subscription.refunding:
        raise NotDue("There is nothing to remind of.")
    subscription.remind_at = None
    # After a long downtime the charge itself has come: a reminder would be a lie.
    if charge_at is not None and charge_at > now:
        plan = await uow.plans.by_id(subscription.renews_to)
        owed = bill(plan.price, subscription.balance)
        if owed.is_waived:  # nothing will be charged
            return subscription
        price: dict[str, object] = {"amount": owed.charge.value, "currency": owed.charge.currency}
        _record(EventType.SUBSCRIPTION_CHARGE_PLANNED, subscription, plan, uow, world, price)
    return subscription


def _record(
    happened: EventType,
    subscription: Subscription,
    plan: Plan,
    uow: UnitOfWork,
    world: World,
    more: dict[str, object] | None = None,
) -> None:
    told = {**facts.of_subscription(subscription, plan), **(more or {})}
    uow.record(Event(happened, world.clock.now(), subscription.user_id, subscription.id, data=told))
