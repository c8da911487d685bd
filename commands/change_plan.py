"""Change a subscription to another plan, now or at its period's end."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands import facts
from commands.begin_payment import begin_payment
from commands.instruments import PaymentChoice, SavedMethod, usable_system
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import InvalidField
from domain.events import Event, EventType
from domain.money import Money
from domain.payment import Payment, PaymentKind
from domain.plan import Plan
from domain.plan_change import ChangeQuote, ChangeWhen, quote_change, require_choice, takes_back
from domain.ports import UnitOfWork
from domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """`price`: of the new plan, as the person was shown it; `payment` None charges the subscription's saved method."""

    user_id: UUID
    subscription_id: UUID
    plan_code: str
    price: Money
    when: ChangeWhen
    payment: PaymentChoice | None


@dataclass(frozen=True, slots=True)
class PlanChanged:
    """Nothing is due: it has changed, or will at its period's end."""

    subscription_id: UUID


async def change_plan(command: ChangePlan, uow: UnitOfWork, world: World) -> Payment | PlanChanged:
    """Write the intent to collect the difference, or change the plan where there is none."""
    subscription = await own_subscription(command.subscription_id, command.user_id, uow)
    named = await uow.plans.by_code(command.plan_code)
    theirs = await uow.subscriptions.running_of(command.user_id, named.id) if named is not None else []
    plan = require_choice(subscription, named, command.plan_code, command.when, [one.id for one in theirs])
    plan.require_price(command.price)
    paid = await uow.payments.of_current_period(subscription.id, subscription.period_number)
    quote = quote_change(subscription, paid, plan, command.when, world.clock.now(), world.rules)
    if takes_back(subscription, plan, command.when):
        return _keep_plan(subscription, plan, uow, world)
    if command.when is ChangeWhen.PERIOD_END:
        return _plan_ahead(subscription, plan, quote, uow, world)
    if quote.bill.is_waived:
        if paid is not None:
            paid.turn_into_credit(quote.unused)
        return _change_now(subscription, plan, quote, uow, world)
    choice = command.payment or _saved_method(subscription)
    system = await usable_system(subscription.payment_system, uow, world)
    return await begin_payment(subscription, plan, PaymentKind.PLAN_CHANGE, choice, system, uow, world, owed=quote.bill)


async def still_stands(change: Payment, subscription: Subscription, uow: UnitOfWork) -> bool:
    """Whether a change of plan can be made now that it is being paid; the caller holds the person's lock.

    The person may have subscribed to that plan meanwhile, and money that its credit is a part of may have gone back.
    """
    theirs = await uow.subscriptions.running_of(subscription.user_id, change.plan_id)
    if any(one.id != subscription.id for one in theirs):
        return False
    paid = await uow.payments.of_current_period(subscription.id, subscription.period_number)
    kept = subscription.balance + subscription.period_credit
    return change.credit <= (kept + paid.left_to_refund if paid is not None else kept)


def _keep_plan(subscription: Subscription, plan: Plan, uow: UnitOfWork, world: World) -> PlanChanged:
    """Asked to go on with the plan it has: the planned change is dropped."""
    subscription.next_plan_id = None
    told = facts.of_subscription(subscription, plan)
    return _done(EventType.SUBSCRIPTION_PLAN_CHANGE_DROPPED, subscription, told, uow, world)


def _plan_ahead(
    subscription: Subscription, plan: Plan, quote: ChangeQuote, uow: UnitOfWork, world: World
) -> PlanChanged:
    subscription.next_plan_id = plan.id
    told = {**facts.of_subscription(subscription, plan), **facts.of_bill(quote.bill)}
    return _done(EventType.SUBSCRIPTION_PLAN_CHANGE_PLANNED, subscription, told, uow, world)


def _change_now(
    subscription: Subscription, plan: Plan, quote: ChangeQuote, uow: UnitOfWork, world: World
) -> PlanChanged:
    """The credit pays for all of it; what is left of the credit lowers the next charges."""
    subscription.change_plan(plan, world.clock.now(), quote.bill.credit, quote.bill.balance, world.rules)
    told = {**facts.of_subscription(subscription, plan), **facts.of_bill(quote.bill)}
    return _done(EventType.SUBSCRIPTION_PLAN_CHANGED, subscription, told, uow, world)


def _done(
    happened: EventType, subscription: Subscription, told: facts.Facts, uow: UnitOfWork, world: World
) -> PlanChanged:
    uow.record(Event(happened, world.clock.now(), subscription.user_id, subscription.id, data=told))
    return PlanChanged(subscription.id)


def _saved_method(subscription: Subscription) -> SavedMethod:
    if subscription.payment_method_id is None:
        raise InvalidField("payment", "needed: this subscription has no saved payment method")
    return SavedMethod(subscription.payment_method_id)
