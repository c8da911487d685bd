"""The person's commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from commands.api.bodies import (
    CancelBody,
    ChangePlanBody,
    NoBody,
    PayBody,
    PaymentMethodChangeBody,
    RefundBody,
    SubscribeBody,
    choice,
)
from commands.api.replies import (
    Paid,
    PaidOrNothingDue,
    Refunded,
    Sale,
    SaleOrNothingDue,
    Subscribed,
    WillEndReply,
    replies,
)
from commands.api.routes import UserCommandRoute, execute, side_of
from commands.cancel_subscription import CancelSubscription, cancel_subscription
from commands.change_plan import ChangePlan, PlanChanged, change_plan
from commands.choose_payment_method import ChoosePaymentMethod, choose_payment_method
from commands.pay_subscription import PaySubscription, StillWaits, pay_subscription
from commands.remove_payment_method import RemovePaymentMethod, WillEnd, remove_payment_method
from commands.renew_from_credit import RenewedFromCredit
from commands.request_refund import RequestRefund, request_refund
from commands.resume_subscription import ResumeSubscription, resume_subscription
from commands.settle_payment import Collected
from commands.subscribe import Subscribe, subscribe
from domain.errors import PersonErased
from domain.payment_method import PaymentMethod
from domain.person import Person
from domain.ports import Documents, Present, UnitOfWork
from domain.refund import Refund
from domain.subscription import Subscription
from infrastructure.auth.caller import Caller
from infrastructure.http.authentication import CurrentCaller, current_caller
from infrastructure.http.problems import responses
from infrastructure.http.shapes import PaymentMethodShape

router = APIRouter(prefix="/v1", route_class=UserCommandRoute, tags=["User: commands"])

Shown = tuple[int, dict[str, Any]]


def _user_id(caller: Caller) -> UUID:
    if caller.user_id is None:
        raise AssertionError("the route lets persons in only")
    return caller.user_id


def person_of(caller: Caller) -> Person:
    return Person(_user_id(caller), caller.email, caller.name, caller.locale, caller.zoneinfo)


async def _execute_for_them(
    request: Request,
    body: BaseModel | None,
    handle: Callable[[UnitOfWork], Awaitable[object]],
    present: Present,
) -> Response:
    """As `execute`; what the token says of the person, of a new address perhaps, is kept beside it (AUTH-5)."""
    person = person_of(current_caller(request))

    async def handle_and_keep(uow: UnitOfWork) -> object:
        outcome = await handle(uow)
        with suppress(PersonErased):
            await uow.remember_person(person)
        return outcome

    return await execute(request, body, handle_and_keep, present)


async def show_sale(done: Collected, documents: Documents) -> Shown:
    payment = await documents.payment(done.payment_id)
    subscription = await documents.subscription(done.subscription_id)
    return (202 if payment["status"] == "unknown" else 201), {"subscription": subscription, "payment": payment}


async def show_payment(done: Collected | StillWaits | RenewedFromCredit, documents: Documents) -> Shown:
    if isinstance(done, RenewedFromCredit):
        return 200, {"payment": None}
    payment = await documents.payment(done.payment_id)
    if isinstance(done, StillWaits):
        return 200, {"payment": payment}
    return (202 if payment["status"] == "unknown" else 201), {"payment": payment}


async def show_subscription(subscription: Subscription, documents: Documents) -> Shown:
    return 200, {"subscription": await documents.subscription(subscription.id)}


async def show_refund(refund: Refund, documents: Documents) -> Shown:
    return 202, {"refund": await documents.refund(refund.id)}


@router.post("/subscriptions", status_code=201, responses={**replies(Sale, 201, 202), **responses(404)})
async def post_subscription(request: Request, body: SubscribeBody, caller: CurrentCaller) -> Response:
    """Subscribe to a plan at the price the person was shown, and pay for its first period."""
    command = Subscribe(
        person_of(caller), body.plan_code, body.price.money(), choice(body.payment), body.payment_system
    )
    world = side_of(request).world
    return await execute(request, body, lambda uow: subscribe(command, uow, world), show_sale)


@router.post(
    "/subscriptions/{subscription_id}/payments",
    status_code=201,
    responses={**replies(Paid, 201, 202), **replies(PaidOrNothingDue, 200)},
)
async def post_payment(request: Request, subscription_id: UUID, body: PayBody, caller: CurrentCaller) -> Response:
    """Pay a past-due subscription."""
    command = PaySubscription(_user_id(caller), subscription_id, choice(body.payment), body.payment_system)
    world = side_of(request).world
    return await _execute_for_them(request, body, lambda uow: pay_subscription(command, uow, world), show_payment)


@router.post("/subscriptions/{subscription_id}/cancel", responses=replies(Subscribed, 200))
async def post_cancel(
    request: Request, subscription_id: UUID, caller: CurrentCaller, body: CancelBody | None = None
) -> Response:
    """End the subscription at its period's end, or now."""
    asked = body or CancelBody()
    command = CancelSubscription(_user_id(caller), subscription_id, asked.when, asked.reason)
    world = side_of(request).world
    return await _execute_for_them(
        request, asked, lambda uow: cancel_subscription(command, uow, world), show_subscription
    )


@router.post("/subscriptions/{subscription_id}/resume", responses=replies(Subscribed, 200))
async def post_resume(
    request: Request, subscription_id: UUID, caller: CurrentCaller, body: NoBody | None = None
) -> Response:
    """Take a planned cancellation back."""
    command = ResumeSubscription(_user_id(caller), subscription_id)
    world = side_of(request).world
    return await _execute_for_them(
        request, body or NoBody(), lambda uow: resume_subscription(command, uow, world), show_subscription
    )


@router.post(
    "/subscriptions/{subscription_id}/change-plan",
    status_code=201,
    responses={**replies(Sale, 201, 202), **replies(SaleOrNothingDue, 200)},
)
async def post_change_plan(
    request: Request, subscription_id: UUID, body: ChangePlanBody, caller: CurrentCaller
) -> Response:
    """Change to another plan, now or at the period's end, at the price the person was shown.

    200 with `payment` null where nothing is due; otherwise the plan changes when the payment has succeeded.
    """

    async def show(done: Collected | PlanChanged, documents: Documents) -> Shown:
        if isinstance(done, PlanChanged):
            return 200, {"subscription": await documents.subscription(done.subscription_id), "payment": None}
        return await show_sale(done, documents)

    command = ChangePlan(
        _user_id(caller),
        subscription_id,
        body.plan_code,
        body.price.money(),
        body.when,
        choice(body.payment) if body.payment is not None else None,
    )
    world = side_of(request).world
    return await _execute_for_them(request, body, lambda uow: change_plan(command, uow, world), show)


@router.post("/subscriptions/{subscription_id}/refunds", status_code=202, responses=replies(Refunded, 202))
async def post_refund(
    request: Request, subscription_id: UUID, caller: CurrentCaller, body: RefundBody | None = None
) -> Response:
    """Ask for the money of the current period back, as much as the policy gives."""
    asked = body or RefundBody()
    command = RequestRefund(_user_id(caller), subscription_id, asked.reason)
    world = side_of(request).world
    return await _execute_for_them(request, asked, lambda uow: request_refund(command, uow, world), show_refund)


@router.patch("/payment-methods/{payment_method_id}", responses=replies(PaymentMethodShape, 200))
async def patch_payment_method(
    request: Request, payment_method_id: UUID, body: PaymentMethodChangeBody, caller: CurrentCaller
) -> Response:
    """Offer this method first."""

    async def show(method: PaymentMethod, documents: Documents) -> Shown:
        return 200, await documents.payment_method(method.id)

    command = ChoosePaymentMethod(_user_id(caller), payment_method_id)
    return await _execute_for_them(request, body, lambda uow: choose_payment_method(command, uow), show)


@router.delete("/payment-methods/{payment_method_id}", responses=replies(WillEndReply, 200))
async def delete_payment_method(request: Request, payment_method_id: UUID, caller: CurrentCaller) -> Response:
    """Never charge this method again; tells which subscriptions will end for lack of one."""

    async def show(done: WillEnd, documents: Documents) -> Shown:
        return 200, {"subscriptions": [await documents.subscription(one) for one in done.subscription_ids]}

    command = RemovePaymentMethod(_user_id(caller), payment_method_id)
    world = side_of(request).world
    return await _execute_for_them(request, None, lambda uow: remove_payment_method(command, uow, world), show)
