"""A person's subscriptions, what has happened to them, and what a refund would return."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import Response

from domain.errors import NotFoundHere, PaymentInProgress
from domain.plan_change import ChangeWhen
from infrastructure.http.authentication import CurrentCaller, UserRoute
from infrastructure.http.problems import Problem, responses
from infrastructure.http.shapes import ChangePlanPreview, EventList, RefundPreview, SubscriptionList, SubscriptionShape
from infrastructure.postgres.documents import event_document, subscription_document, subscription_rows
from infrastructure.postgres.tables import events, subscriptions
from queries.api.parameters import ConsistencyToken, CurrentSources, Cursor, Limit, PlanCode, json_reply
from queries.change_plan_preview import change_plan_preview
from queries.refund_preview import refund_preview
from queries.rows import newest_first, rows_of
from queries.sources import Sources

router = APIRouter(route_class=UserRoute, tags=["subscriptions"])
_PROBLEMS = responses(401, 403, 404, 422, 503)


@router.get("/v1/subscriptions", response_model=None, responses={200: {"model": SubscriptionList}, **_PROBLEMS})
async def list_subscriptions(
    caller: CurrentCaller,
    sources: CurrentSources,
    limit: Limit = 20,
    cursor: Cursor = None,
    consistency: ConsistencyToken = None,
) -> Response:
    """The caller's, those that have ended included, newest first."""
    page = await newest_first(
        sources.engine,
        subscription_rows(sources.clock.now()).where(subscriptions.c.user_id == caller.user_id),
        (subscriptions.c.created_at, subscriptions.c.id),
        listed=f"subscriptions {caller.user_id}",
        limit=limit,
        cursor=cursor,
        show=subscription_document,
    )
    return json_reply(page)


@router.get(
    "/v1/subscriptions/{subscription_id}",
    response_model=None,
    responses={200: {"model": SubscriptionShape}, **_PROBLEMS},
)
async def get_subscription(
    subscription_id: UUID, caller: CurrentCaller, sources: CurrentSources, consistency: ConsistencyToken = None
) -> Response:
    own = subscription_rows(sources.clock.now()).where(
        subscriptions.c.id == subscription_id, subscriptions.c.user_id == caller.user_id
    )
    found = await rows_of(sources.engine, own)
    if not found:
        raise NotFoundHere("subscription")
    return json_reply(subscription_document(found[0]))


@router.get(
    "/v1/subscriptions/{subscription_id}/events",
    response_model=None,
    responses={200: {"model": EventList}, **_PROBLEMS},
)
async def list_events(
    subscription_id: UUID,
    caller: CurrentCaller,
    sources: CurrentSources,
    limit: Limit = 20,
    cursor: Cursor = None,
    consistency: ConsistencyToken = None,
) -> Response:
    """What has happened to one subscription, newest first."""
    await _require_own(sources, subscription_id, caller.user_id)
    page = await newest_first(
        sources.engine,
        select(events).where(events.c.subscription_id == subscription_id),
        (events.c.at, events.c.id),
        listed=f"events {subscription_id}",
        limit=limit,
        cursor=cursor,
        show=event_document,
    )
    return json_reply(page)


@router.get(
    "/v1/subscriptions/{subscription_id}/refund-preview",
    response_model=None,
    responses={200: {"model": RefundPreview}, **_PROBLEMS},
)
async def preview_refund(
    subscription_id: UUID, caller: CurrentCaller, sources: CurrentSources, consistency: ConsistencyToken = None
) -> Response:
    """What would be returned if a refund were asked for now; 0.00 where nothing is due."""
    await _require_own(sources, subscription_id, caller.user_id)
    return json_reply(await refund_preview(sources.engine, subscription_id, sources.clock.now(), sources.rules))


@router.get(
    "/v1/subscriptions/{subscription_id}/change-plan-preview",
    response_model=None,
    responses={200: {"model": ChangePlanPreview}, **responses(409), **_PROBLEMS},
)
async def preview_change_plan(
    subscription_id: UUID,
    caller: CurrentCaller,
    sources: CurrentSources,
    plan_code: PlanCode,
    when: ChangeWhen = ChangeWhen.NOW,
    consistency: ConsistencyToken = None,
) -> Response:
    """What a change to that plan would come to now, or at the period's end; refused as the change itself would be."""
    await _require_own(sources, subscription_id, caller.user_id)
    now, rules = sources.clock.now(), sources.rules
    try:
        shown = await change_plan_preview(sources.engine, subscription_id, plan_code, when, now, rules)
    except PaymentInProgress as broken:
        status_url = f"{sources.base_url}/v1/payments/{broken.payment_id}"
        raise Problem(broken.code, broken.detail, extra={"status_url": status_url}) from broken
    return json_reply(shown)


async def _require_own(sources: Sources, subscription_id: UUID, user_id: UUID | None) -> None:
    own = select(subscriptions.c.id).where(subscriptions.c.id == subscription_id, subscriptions.c.user_id == user_id)
    if not await rows_of(sources.engine, own):
        raise NotFoundHere("subscription")
