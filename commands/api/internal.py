"""Commands of services and administrators."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from commands import facts
from commands.api.bodies import (
    CancelBody,
    ExternalPaymentBody,
    ExternalRefundBody,
    InternalRefundBody,
    PaymentLinkBody,
    PaymentSystemBody,
    PaymentSystemChangeBody,
    PlanBody,
    PlanChangeBody,
    RenewalBody,
    ResolveCaseBody,
)
from commands.api.replies import (
    ErasedReply,
    Paid,
    PaidOrNothingDue,
    Refunded,
    RefundedOutside,
    ReplayedReply,
    ResolvedReply,
    Sale,
    SaleOrNothingDue,
    Subscribed,
    replies,
)
from commands.api.routes import AdminCommandRoute, InternalCommandRoute, execute, side_of
from commands.api.user import show_payment, show_refund, show_sale, show_subscription
from commands.cancel_subscription import CancelSubscription, cancel_subscription
from commands.create_plan import CreatePlan, create_plan
from commands.deleted import Deleted
from commands.edit_payment_system import EditPaymentSystem, edit_payment_system
from commands.edit_plan import EditPlan, edit_plan
from commands.erase_person import Erased, ErasePerson, erase_person
from commands.introduce_person import introduce_person
from commands.pay_subscription import PaySubscription, StillWaits, pay_subscription
from commands.record_external_payment import RecordedPayment, RecordExternalPayment, record_external_payment
from commands.record_external_refund import RecordedRefund, RecordExternalRefund, record_external_refund
from commands.refund_payment import RefundPayment, refund_payment
from commands.register_payment_system import RegisterPaymentSystem, register_payment_system
from commands.renew_from_credit import RenewedFromCredit
from commands.renew_subscription import RenewSubscription, renew_subscription
from commands.replay_notification import Replayed, ReplayNotification, replay_notification
from commands.resolve_case import ResolveCase, Resolved, resolve_case
from commands.retire_payment_system import RetirePaymentSystem, retire_payment_system
from commands.retire_plan import RetirePlan, retire_plan
from commands.settle_payment import Collected
from commands.subscribe import Subscribe, subscribe
from domain.errors import NotFoundHere
from domain.payment_system import Redirect
from domain.payment_system_registration import PaymentSystemRegistration
from domain.plan import Plan
from domain.ports import Documents, UnitOfWork
from infrastructure.http.authentication import current_caller
from infrastructure.http.problems import Problem, invalid, responses
from infrastructure.http.shapes import PaymentSystemShape, PlanShape

router = APIRouter(prefix="/internal/v1", route_class=InternalCommandRoute, tags=["Internal: commands"])
admin = APIRouter(prefix="/internal/v1", route_class=AdminCommandRoute, tags=["Administration"])

Code = Annotated[str, Path(max_length=64)]
Shown = tuple[int, dict[str, Any]]


@router.post("/renewals", responses={**replies(PaidOrNothingDue, 200), **replies(Paid, 202), **responses(404)})
async def post_renewal(request: Request, body: RenewalBody) -> Response:
    """Renew a subscription now, if it is due; an administrator's tool may try a refused charge before its time."""
    if body.early and not current_caller(request).admin:
        raise Problem("forbidden", "To charge early needs the scope billing:admin.")
    world = side_of(request).world

    async def show(done: Collected | RenewedFromCredit, documents: Documents) -> Shown:
        if isinstance(done, RenewedFromCredit):
            return 200, {"payment": None}
        payment = await documents.payment(done.payment_id)
        return (202 if payment["status"] == "unknown" else 200), {"payment": payment}

    command = RenewSubscription(body.subscription_id, body.early)
    return await execute(request, body, lambda uow: renew_subscription(command, uow, world), show)


@router.post(
    "/payments",
    status_code=201,
    responses={**replies(Sale, 201, 202), **replies(SaleOrNothingDue, 200), **responses(404)},
)
async def post_payment_link(request: Request, body: PaymentLinkBody) -> Response:
    """A payment link: for a new subscription to a plan, or for one that is past due (PAY-6)."""
    if (body.subscription_id is None) == (body.plan_code is None):
        raise invalid("plan_code", "give either a subscription_id or a plan_code")
    world, pays_with, code = side_of(request).world, Redirect(body.return_url), body.payment_system
    newcomer = await introduce_person(body.user_id, side_of(request).directory) if body.plan_code is not None else None

    async def handle(uow: UnitOfWork) -> object:
        if body.plan_code is not None and newcomer is not None:
            command = Subscribe(newcomer, body.plan_code, None, pays_with, code or "yookassa")
            return await subscribe(command, uow, world)
        if body.subscription_id is None:
            raise NotFoundHere("subscription")
        return await pay_subscription(PaySubscription(body.user_id, body.subscription_id, pays_with, code), uow, world)

    async def show(done: Collected | StillWaits | RenewedFromCredit, documents: Documents) -> Shown:
        if isinstance(done, Collected):
            return await show_sale(done, documents)
        status, shown = await show_payment(done, documents)
        if isinstance(done, RenewedFromCredit):
            subscription_id = done.subscription_id
        else:
            subscription_id = UUID(shown["payment"]["subscription_id"])
        return status, {"subscription": await documents.subscription(subscription_id), **shown}

    return await execute(request, body, handle, show)


@router.post("/refunds", status_code=202, responses={**replies(Refunded, 202), **responses(404)})
async def post_refund(request: Request, body: InternalRefundBody) -> Response:
    """Return a payment, all that is left of it or an amount."""
    command = RefundPayment(body.payment_id, body.amount.money() if body.amount else None, body.reason)
    world = side_of(request).world
    return await execute(request, body, lambda uow: refund_payment(command, uow, world), show_refund)


@router.delete("/users/{user_id}/personal-data", status_code=202, responses=replies(ErasedReply, 202))
async def delete_personal_data(request: Request, user_id: UUID) -> Response:
    """Erase a person, not the books: their subscriptions end now, their payment methods are never charged again."""

    async def show(done: Erased, _: Documents) -> Shown:
        ended = [str(each) for each in done.subscription_ids]
        return 202, {"user_id": str(done.user_id), "erased_at": facts.moment(done.erased_at), "ended": ended}

    world = side_of(request).world
    return await execute(request, None, lambda uow: erase_person(ErasePerson(user_id), uow, world), show)


@router.post("/subscriptions/{subscription_id}/external-payments", status_code=201, responses=replies(Sale, 200, 201))
async def post_external_payment(request: Request, subscription_id: UUID, body: ExternalPaymentBody) -> Response:
    """This subscription was paid outside. The same source and reference again: 200 with what is there."""
    command = RecordExternalPayment(subscription_id, body.amount.money(), body.paid_at, body.source, body.reference)
    world = side_of(request).world

    async def show(done: RecordedPayment, documents: Documents) -> Shown:
        subscription = await documents.subscription(done.subscription_id)
        payment = await documents.payment(done.payment_id)
        return (201 if done.is_new else 200), {"subscription": subscription, "payment": payment}

    return await execute(request, body, lambda uow: record_external_payment(command, uow, world), show)


@router.post(
    "/subscriptions/{subscription_id}/external-refunds", status_code=201, responses=replies(RefundedOutside, 200, 201)
)
async def post_external_refund(request: Request, subscription_id: UUID, body: ExternalRefundBody) -> Response:
    """Its money was returned outside. The same source and reference again: 200 with what is there."""
    command = RecordExternalRefund(
        subscription_id,
        body.amount.money(),
        body.refunded_at,
        body.source,
        body.reference,
        body.payment_reference,
    )
    world = side_of(request).world

    async def show(done: RecordedRefund, documents: Documents) -> Shown:
        subscription = await documents.subscription(done.subscription_id)
        refund = await documents.refund(done.refund_id)
        return (201 if done.is_new else 200), {"subscription": subscription, "refund": refund}

    return await execute(request, body, lambda uow: record_external_refund(command, uow, world), show)


@admin.post("/notifications/{entry_id}/replay", status_code=202, responses=replies(ReplayedReply, 202))
async def post_replay(request: Request, entry_id: UUID) -> Response:
    """Follow a notification that was set aside once more."""

    async def show(done: Replayed, documents: Documents) -> Shown:
        return 202, {"notification": await documents.notification(done.entry_id)}

    return await execute(request, None, lambda uow: replay_notification(ReplayNotification(entry_id), uow), show)


@admin.post("/subscriptions/{subscription_id}/cancel", responses=replies(Subscribed, 200))
async def post_cancel(request: Request, subscription_id: UUID, body: CancelBody | None = None) -> Response:
    """End somebody's subscription, at its period's end or now; no money is returned by it."""
    asked = body or CancelBody()
    command = CancelSubscription(None, subscription_id, asked.when, asked.reason)
    world = side_of(request).world
    return await execute(request, asked, lambda uow: cancel_subscription(command, uow, world), show_subscription)


@admin.post("/cases/{case_id}/resolve", responses=replies(ResolvedReply, 200))
async def post_resolution(request: Request, case_id: UUID, body: ResolveCaseBody) -> Response:
    """Close a case with what was found."""
    command, world = ResolveCase(case_id, body.resolution), side_of(request).world

    async def show(done: Resolved, documents: Documents) -> Shown:
        return 200, {"case": await documents.case(done.case_id)}

    return await execute(request, body, lambda uow: resolve_case(command, uow, world), show)


@admin.post("/plans", status_code=201, responses=replies(PlanShape, 201))
async def post_plan(request: Request, body: PlanBody) -> Response:
    """Put a plan on sale."""
    command = CreatePlan(
        body.code,
        body.name,
        body.description,
        body.price.money(),
        body.period.length(),
        body.trial_days,
        body.available,
    )
    world = side_of(request).world

    async def show(plan: Plan, documents: Documents) -> Shown:
        return 201, await documents.plan(plan.id)

    return await execute(request, body, lambda uow: create_plan(command, uow, world), show)


async def _show_plan(plan: Plan | Deleted, documents: Documents) -> Shown:
    return (204, {}) if isinstance(plan, Deleted) else (200, await documents.plan(plan.id))


@admin.patch("/plans/{code}", responses=replies(PlanShape, 200))
async def patch_plan(request: Request, code: Code, body: PlanChangeBody) -> Response:
    """Change a plan; a new price is a new version of it."""
    price = body.price.money() if body.price else None
    command = EditPlan(code, body.name, body.description, price, body.available)
    world = side_of(request).world
    return await execute(request, body, lambda uow: edit_plan(command, uow, world), _show_plan)


@admin.delete("/plans/{code}", status_code=204, responses=replies(PlanShape, 200))
async def delete_plan(request: Request, code: Code) -> Response:
    """Delete a plan; one in use is archived instead, and shown."""
    world = side_of(request).world
    return await execute(request, None, lambda uow: retire_plan(RetirePlan(code), uow, world), _show_plan)


@admin.post("/payment-systems", status_code=201, responses=replies(PaymentSystemShape, 201))
async def post_payment_system(request: Request, body: PaymentSystemBody) -> Response:
    """Register a payment system."""
    command = RegisterPaymentSystem(body.code, body.name, body.adapter, body.enabled, body.settings)
    side = side_of(request)

    async def show(made: PaymentSystemRegistration, documents: Documents) -> Shown:
        return 201, await documents.payment_system(made.id)

    return await execute(
        request, body, lambda uow: register_payment_system(command, uow, side.world, side.adapters), show
    )


async def _show_payment_system(done: PaymentSystemRegistration | Deleted, documents: Documents) -> Shown:
    return (204, {}) if isinstance(done, Deleted) else (200, await documents.payment_system(done.id))


@admin.patch("/payment-systems/{code}", responses=replies(PaymentSystemShape, 200))
async def patch_payment_system(request: Request, code: Code, body: PaymentSystemChangeBody) -> Response:
    """Change a payment system; of its settings those that are named."""
    command = EditPaymentSystem(code, body.name, body.enabled, body.settings)
    side = side_of(request)
    return await execute(
        request,
        body,
        lambda uow: edit_payment_system(command, uow, side.world, side.adapters),
        _show_payment_system,
    )


@admin.delete("/payment-systems/{code}", status_code=204, responses=replies(PaymentSystemShape, 200))
async def delete_payment_system(request: Request, code: Code) -> Response:
    """Delete a payment system; one in use is archived instead, and shown."""
    world = side_of(request).world
    command = RetirePaymentSystem(code)
    return await execute(request, None, lambda uow: retire_payment_system(command, uow, world), _show_payment_system)
