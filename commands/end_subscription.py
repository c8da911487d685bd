"""End a subscription whose time has come, or ask its person to pay where its period is over (SUB-5)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.ask_for_method import ask_the_person
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

    Where credit pays the next period, as after a price has fallen, nothing has to end and nobody has to be asked.
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
        return subscription
    coming = await uow.plans.by_id(subscription.renews_to)
    owed = bill(coming.price, subscription.balance)
    if owed.is_waived:
        return renew_from_credit(subscription, coming, owed, uow, world)
    if subscription.status is SubscriptionStatus.PAST_DUE:
        subscription.expire(now)
        _record(EventType.SUBSCRIPTION_EXPIRED, subscription, plan, uow, world)
    else:
        ask_the_person(subscription, plan, uow, world)
    return subscription


def _record(happened: EventType, subscription: Subscription, plan: Plan, uow: UnitOfWork, world: World) -> None:
    told = facts.of_subscription(subscription, plan)
    uow.record(Event(happened, world.clock.now(), subscription.user_id, subscription.id, data=told))
