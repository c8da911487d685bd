"""Ask a person to pay what cannot be charged to any method of theirs: until then it is past due (SUB-5)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.instruments import method_to_charge
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import NotDue
from domain.events import Event, EventType
from domain.plan import Plan
from domain.ports import UnitOfWork
from domain.subscription import Subscription


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
    ask_the_person(subscription, plan, uow, world)
    return subscription


def ask_the_person(subscription: Subscription, plan: Plan, uow: UnitOfWork, world: World) -> None:
    """Their days to pay begin now; the mail that comes of it tells them until when."""
    now = world.clock.now()
    subscription.lacks_method(now, world.rules)
    told = {
        **facts.of_subscription(subscription, plan),
        **facts.of_access(subscription, now, world.rules),
        "pay_until": facts.moment(subscription.end_at),
    }
    uow.record(Event(EventType.SUBSCRIPTION_PAST_DUE, now, subscription.user_id, subscription.id, data=told))
