"""What services read: plans and payment systems as they are registered, and who may watch."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy import select
from starlette.responses import Response

from domain.access import Access, token_claims
from domain.errors import NotFoundHere
from infrastructure.auth.caller import Caller
from infrastructure.http.authentication import InternalRoute
from infrastructure.http.problems import responses
from infrastructure.http.shapes import (
    ActiveSubscriptionsShape,
    NotificationList,
    PaymentSystemList,
    PaymentSystemShape,
    PlanList,
    PlanShape,
)
from infrastructure.http.shapes import TokenClaims as TokenClaimsShape
from infrastructure.postgres.documents import (
    moment,
    notification_document,
    notification_rows,
    payment_system_document,
    plan_document,
    plan_rows,
)
from infrastructure.postgres.tables import inbox, payment_systems, plans
from queries.api.parameters import ConsistencyToken, CurrentSources, Cursor, Limit, json_reply, sources
from queries.rows import by_code, newest_first, rows_of
from queries.sources import Sources

router = APIRouter(prefix="/internal/v1", route_class=InternalRoute, tags=["internal"])
Code = Annotated[str, Path(max_length=64)]
_PROBLEMS = responses(401, 403, 404, 422, 503)


@router.get("/plans", response_model=None, responses={200: {"model": PlanList}, **_PROBLEMS})
async def list_all_plans(sources: CurrentSources, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """Every plan, also those not for sale, by code."""
    query = plan_rows(sources.clock.now())
    page = await by_code(
        sources.engine, query, plans.c.code, listed="all plans", limit=limit, cursor=cursor, show=plan_document
    )
    return json_reply(page)


@router.get("/plans/{code}", response_model=None, responses={200: {"model": PlanShape}, **_PROBLEMS})
async def get_plan(code: Code, sources: CurrentSources) -> Response:
    found = await rows_of(sources.engine, plan_rows(sources.clock.now()).where(plans.c.code == code))
    if not found:
        raise NotFoundHere("plan")
    return json_reply(plan_document(found[0]))


@router.get("/payment-systems", response_model=None, responses={200: {"model": PaymentSystemList}, **_PROBLEMS})
async def list_payment_systems(sources: CurrentSources, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """The registry, by code; settings are never read."""
    page = await by_code(
        sources.engine,
        select(payment_systems),
        payment_systems.c.code,
        listed="payment systems",
        limit=limit,
        cursor=cursor,
        show=payment_system_document,
    )
    return json_reply(page)


@router.get("/payment-systems/{code}", response_model=None, responses={200: {"model": PaymentSystemShape}, **_PROBLEMS})
async def get_payment_system(code: Code, sources: CurrentSources) -> Response:
    found = await rows_of(sources.engine, select(payment_systems).where(payment_systems.c.code == code))
    if not found:
        raise NotFoundHere("payment system")
    return json_reply(payment_system_document(found[0]))


@router.get("/notifications", response_model=None, responses={200: {"model": NotificationList}, **_PROBLEMS})
async def list_notifications(
    sources: CurrentSources,
    status: Literal["new", "done", "set_aside"] | None = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """What payment systems have notified us of, newest first; `outcome` is the last error where one was set aside."""
    query = notification_rows()
    page = await newest_first(
        sources.engine,
        query if status is None else query.where(inbox.c.status == status),
        (inbox.c.received_at, inbox.c.id),
        listed=f"notifications {status}",
        limit=limit,
        cursor=cursor,
        show=notification_document,
    )
    return json_reply(page)


async def quick_active_subscriptions(request: Request, _: Caller) -> Response | None:
    user_id = _user_id(request)
    return None if user_id is None else json_reply(_shown(await _access(request, sources(request), user_id)))


async def quick_token_claims(request: Request, _: Caller) -> Response | None:
    user_id = _user_id(request)
    return None if user_id is None else json_reply(_claims(await _access(request, sources(request), user_id)))


@router.get(
    "/users/{user_id}/active-subscriptions",
    response_model=None,
    responses={200: {"model": ActiveSubscriptionsShape}, **_PROBLEMS},
)
async def get_active_subscriptions(
    user_id: UUID, request: Request, sources: CurrentSources, consistency: ConsistencyToken = None
) -> Response:
    """What gives the user access now; `ends_at` includes the grace. Nobody unknown is refused: their list is empty."""
    return json_reply(_shown(await _access(request, sources, user_id)))


@router.get(
    "/users/{user_id}/token-claims", response_model=None, responses={200: {"model": TokenClaimsShape}, **_PROBLEMS}
)
async def get_token_claims(
    user_id: UUID, request: Request, sources: CurrentSources, consistency: ConsistencyToken = None
) -> Response:
    """Ready to merge into the user's JWT."""
    return json_reply(_claims(await _access(request, sources, user_id)))


def _user_id(request: Request) -> UUID | None:
    """None for what FastAPI should judge."""
    try:
        return UUID(request.path_params["user_id"])
    except ValueError:
        return None


async def _access(request: Request, sources: Sources, user_id: UUID) -> Access:
    caught_up = await sources.caught_up(request, "access")
    knows_of_change = request.state.written is not None
    return await sources.active_subscriptions.of(user_id, fresh=knows_of_change, from_books=not caught_up)


def _shown(access: Access) -> dict[str, Any]:
    return {
        "user_id": str(access.user_id),
        "version": access.version,
        "subscriptions": [
            {"id": str(one.id), "plan_code": one.plan_code, "status": one.status, "ends_at": moment(one.ends_at)}
            for one in access.subscriptions
        ],
    }


def _claims(access: Access) -> dict[str, Any]:
    return token_claims(access.subscriptions, access.version)
