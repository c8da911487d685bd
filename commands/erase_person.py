"""Erase a person, not the books: who it was is forgotten, what was paid stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commands import facts
from commands.world import World
from domain.errors import NotFoundHere
from domain.events import Event, EventType
from domain.ports import UnitOfWork
from domain.subscription import CancelWhen, Subscription


@dataclass(frozen=True, slots=True)
class ErasePerson:
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Erased:
    """`subscription_ids`: those that ended with it."""

    user_id: UUID
    erased_at: datetime
    subscription_ids: tuple[UUID, ...]


async def erase_person(command: ErasePerson, uow: UnitOfWork, world: World) -> Erased:
    """Nobody is left to be charged or told: methods and cards are removed (invariant 13), subscriptions end now.

    Money that is on its way meanwhile is returned by itself, as after any cancellation. Payments, refunds and events
    keep an id that leads to nobody, and nothing begins under it again. Asked again it changes nothing.
    """
    now = world.clock.now()
    erased_at = await uow.erase_person(command.user_id, now)
    if erased_at is None:
        raise NotFoundHere("user")
    for method in await uow.payment_methods.all_of(command.user_id):
        method.removed_at, method.is_default = now, False
    for card in await uow.cards.all_of(command.user_id):
        card.remove(now)
    ended = await uow.subscriptions.lock_running(command.user_id)
    for subscription in ended:
        await _end(subscription, now, uow)
    return Erased(command.user_id, erased_at, tuple(one.id for one in ended))


async def _end(subscription: Subscription, now: datetime, uow: UnitOfWork) -> None:
    subscription.cancel(CancelWhen.NOW, now)
    subscription.payment_method_id = None
    plan = await uow.plans.by_id(subscription.plan_id)
    told = {**facts.of_subscription(subscription, plan), "cancel_reason": "erased", "quiet": True}
    uow.record(Event(EventType.SUBSCRIPTION_CANCELED, now, subscription.user_id, subscription.id, data=told))
