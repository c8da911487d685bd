"""How a command comes to the subscription that it is about."""

from __future__ import annotations

from uuid import UUID

from domain.errors import NotFoundHere
from domain.ports import UnitOfWork
from domain.subscription import Subscription


async def own_subscription(subscription_id: UUID, owner: UUID | None, uow: UnitOfWork) -> Subscription:
    """Lock the person, then the subscription. Someone else's is not found; `owner` None asks nobody."""
    found = await uow.subscriptions.owner(subscription_id)
    if found is None or (owner is not None and found != owner):
        raise NotFoundHere("subscription")
    await uow.lock_person(found)
    subscription = await uow.subscriptions.lock(subscription_id)
    if subscription is None:
        raise NotFoundHere("subscription")
    return subscription
