"""Cancel a subscription, at its period's end or now (SUB-3)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.own_subscription import own_subscription
from commands.world import World
from domain.events import Event, EventType
from domain.ports import UnitOfWork
from domain.subscription import CancelWhen, Subscription


@dataclass(frozen=True, slots=True)
class CancelSubscription:
    """`user_id` None: asked from inside, whosever it is."""

    user_id: UUID | None
    subscription_id: UUID
    when: CancelWhen
    reason: str | None


async def cancel_subscription(command: CancelSubscription, uow: UnitOfWork, world: World) -> Subscription:
    """End it; what is already on its way to be charged comes back by itself (`settle_payment`)."""
    subscription = await own_subscription(command.subscription_id, command.user_id, uow)
    now = world.clock.now()
    if not subscription.cancel(command.when, now):
        return subscription
    subscription.cancel_reason = command.reason or subscription.cancel_reason
    plan = await uow.plans.by_id(subscription.plan_id)
    happened = (
        EventType.SUBSCRIPTION_CANCELED if subscription.has_ended else EventType.SUBSCRIPTION_CANCELLATION_PLANNED
    )
    told = facts.of_subscription(subscription, plan)  # not why: events are for ever, and a person can be erased
    uow.record(Event(happened, now, subscription.user_id, subscription.id, data=told))
    return subscription
