"""Remind a person of a charge that is to come (SUB-6)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import NotDue
from domain.events import Event, EventType
from domain.plan_change import bill
from domain.ports import UnitOfWork
from domain.subscription import Subscription


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
        price = {"amount": owed.charge.value, "currency": owed.charge.currency}
        told = {**facts.of_subscription(subscription, plan), **price}
        uow.record(Event(EventType.SUBSCRIPTION_CHARGE_PLANNED, now, subscription.user_id, subscription.id, data=told))
    return subscription
