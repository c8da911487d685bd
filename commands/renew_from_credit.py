"""Renew a subscription without a charge: credit of an earlier plan pays the period."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.world import World
from domain.events import Event, EventType
from domain.plan import Plan
from domain.plan_change import Bill
from domain.ports import UnitOfWork
from domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class RenewedFromCredit:
    """What a command that was to collect money says where there is none to collect."""

    subscription_id: UUID


def renew_from_credit(
    subscription: Subscription, plan: Plan, owed: Bill, uow: UnitOfWork, world: World
) -> RenewedFromCredit:
    """The balance pays all of the price, or all but less than a payment system takes, which is waived."""
    now, had_another_plan = world.clock.now(), subscription.plan_id != plan.id
    subscription.renew(now, world.rules, plan, owed.credit)
    told = facts.of_subscription(subscription, plan)
    if had_another_plan:
        _record(EventType.SUBSCRIPTION_PLAN_CHANGED, subscription, {**told, "quiet": True}, uow, world)
    _record(EventType.SUBSCRIPTION_RENEWED, subscription, {**told, **facts.of_bill(owed)}, uow, world)
    return RenewedFromCredit(subscription.id)


def _record(happened: EventType, subscription: Subscription, told: facts.Facts, uow: UnitOfWork, world: World) -> None:
    uow.record(Event(happened, world.clock.now(), subscription.user_id, subscription.id, data=told))
