"""Begin a trial: a payment method is bound without a charge."""

from __future__ import annotations

from commands import facts
from commands.begin_payment import begin_payment
from commands.instruments import PaymentChoice, SavedMethod
from commands.settle_payment import Collected
from commands.world import World
from domain.errors import BindingNotPossible
from domain.events import Event, EventType
from domain.payment import Payment, PaymentKind
from domain.payment_system import Redirect
from domain.plan import Plan
from domain.plan_change import nothing_due
from domain.ports import PaymentSystem, UnitOfWork
from domain.subscription import Subscription


async def begin_trial(
    subscription: Subscription,
    plan: Plan,
    choice: PaymentChoice,
    system: PaymentSystem,
    uow: UnitOfWork,
    world: World,
) -> Payment | Collected:
    """The binding that the person has to confirm, or the trial itself where they choose a method that is saved already.

    YooKassa binds a card on a page of its own (`POST /payment_methods`); a token or a card's data can only be charged.
    """
    can = system.capabilities
    if not (can.binding if isinstance(choice, Redirect) else isinstance(choice, SavedMethod) and can.saved):
        raise BindingNotPossible(
            "A trial begins by redirect or with a saved method: nothing else binds without a charge."
        )
    owed = nothing_due(plan.price)
    binding = await begin_payment(subscription, plan, PaymentKind.BINDING, choice, system, uow, world, owed=owed)
    if isinstance(choice, Redirect):
        return binding
    _bind_at_once(binding, subscription, plan, uow, world)
    return Collected(subscription.id, binding.id)


def _bind_at_once(binding: Payment, subscription: Subscription, plan: Plan, uow: UnitOfWork, world: World) -> None:
    """The method is saved there already: nobody has to be asked."""
    now = world.clock.now()
    binding.succeed(now)
    subscription.open_payment_id, subscription.payment_method_id = None, binding.payment_method_id
    binding.period = subscription.begin_trial(now, plan.trial_days, world.rules)
    happened = (
        (EventType.PAYMENT_SUCCEEDED, facts.of_payment(binding, plan)),
        (EventType.SUBSCRIPTION_TRIAL_STARTED, facts.of_trial(subscription, plan)),
    )
    who = (binding.user_id, binding.subscription_id, binding.id)
    for type_, told in happened:
        uow.record(Event(type_, now, *who, data=told))
