"""Remove a payment method: it is never charged again (invariant 13)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.ask_for_method import ask_the_person
from commands.world import World
from domain.errors import NotFoundHere
from domain.events import Event, EventType
from domain.plan_change import bill
from domain.ports import UnitOfWork
from domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class RemovePaymentMethod:
    user_id: UUID
    payment_method_id: UUID


@dataclass(frozen=True, slots=True)
class WillEnd:
    """Subscriptions that will end for lack of a method; not those whose person has canceled them anyway."""

    subscription_ids: tuple[UUID, ...]


async def remove_payment_method(command: RemovePaymentMethod, uow: UnitOfWork, world: World) -> WillEnd:
    """Forget it here, since the payment system has no call for it, and take it from every subscription."""
    await uow.lock_person(command.user_id)
    method = await uow.payment_methods.lock(command.payment_method_id)
    if method is None or method.user_id != command.user_id or method.removed_at is not None:
        raise NotFoundHere("payment method")
    now = world.clock.now()
    method.removed_at, method.is_default = now, False
    affected = await uow.subscriptions.lock_of_method(method.id)
    for subscription in affected:
        owes = subscription.lose_method(world.rules)
        uow.record(
            Event(
                EventType.PAYMENT_METHOD_REMOVED,
                now,
                command.user_id,
                subscription.id,
                data={"payment_method_id": str(method.id), "title": method.title},
            )
        )
        if owes and not await _credit_pays(subscription, uow):
            ask_the_person(subscription, await uow.plans.by_id(subscription.plan_id), uow, world)
    return WillEnd(tuple(one.id for one in affected if one.is_running and not one.cancel_at_period_end))


async def _credit_pays(subscription: Subscription, uow: UnitOfWork) -> bool:
    """The price has fallen since the charge was refused: the next try needs no method."""
    coming = await uow.plans.by_id(subscription.renews_to)
    return bill(coming.price, subscription.balance).is_waived
