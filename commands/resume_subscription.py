"""Take a planned cancellation of a subscription back (SUB-3)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.own_subscription import own_subscription
from commands.world import World
from domain.events import Event, EventType
from domain.ports import UnitOfWork
from domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class ResumeSubscription:
    user_id: UUID
    subscription_id: UUID


async def resume_subscription(command: ResumeSubscription, uow: UnitOfWork, world: World) -> Subscription:
    """Take a planned cancellation back: it will be renewed again."""
    subscription = await own_subscription(command.subscription_id, command.user_id, uow)
    subscription.resume(world.clock.now(), world.rules)
    plan = await uow.plans.by_id(subscription.plan_id)
    told = facts.of_subscription(subscription, plan)
    uow.record(
        Event(EventType.SUBSCRIPTION_RESUMED, world.clock.now(), subscription.user_id, subscription.id, data=told)
    )
    return subscription
