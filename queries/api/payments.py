"""Payment history: pages with filters and search, sums for a chart, one payment with its refunds."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy import select
from starlette.responses import Response

from domain.errors import NotFoundHere
from domain.payment import PaymentKind, PaymentStatus
from domain.payment_history import ALL, HistoryFilter
from domain.periods import DEFAULT_ZONE
from infrastructure.auth.caller import Caller
from infrastructure.http.authentication import AnyCallerRoute, CurrentCaller, UserRoute
from infrastructure.http.problems import responses
from infrastructure.http.shapes import PaymentList, PaymentWithRefunds, Summary
from infrastructure.postgres.documents import money, payment_document, payment_rows
from infrastructure.postgres.tables import payments, users
from queries.api.parameters import (
    Amount,
    ConsistencyToken,
    CurrentSources,
    Cursor,
    Instant,
    Limit,
    finished_reply,
    json_reply,
    read_amount,
    read_instant,
    sources,
)
from queries.history_page import finished_page, position_of
from queries.newest_page import ROWS
from queries.rows import rows_of
from queries.sources import Sources

router = APIRouter(route_class=UserRoute, tags=["payments"])
anybody = APIRouter(route_class=AnyCallerRoute, tags=["payments"])
_PROBLEMS = responses(401, 403, 404, 422, 503)


async def newest_page(request: Request, caller: Caller) -> Response | None:
    """What almost every visit asks for: the finished JSON from Redis, sent as it is."""
    read_from = sources(request)
    assert caller.user_id is not None  # the route admits persons only
    if not await read_from.caught_up(request, "history"):
        return None
    return finished_reply(await read_from.newest_page.of(caller.user_id, fresh=request.state.written is not None))


@router.get("/v1/payments", response_model=None, responses={200: {"model": PaymentList}, **_PROBLEMS})
async def list_payments(
    request: Request,
    caller: CurrentCaller,
    sources: CurrentSources,
    status: PaymentStatus | None = None,
    kind: PaymentKind | None = None,
    plan_code: Annotated[str | None, Query(max_length=64)] = None,
    created_from: Annotated[Instant, Query(alias="from")] = None,
    created_to: Annotated[Instant, Query(alias="to")] = None,
    min_amount: Amount = None,
    max_amount: Amount = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200, description="Words, or an id.")] = None,
    limit: Limit = ROWS,
    cursor: Cursor = None,
    consistency: ConsistencyToken = None,
) -> Response:
    """The caller's payments, newest first."""
    assert caller.user_id is not None
    zone = await zone_of(sources, caller)
    wanted = HistoryFilter(
        status=status.value if status else None,
        kind=kind.value if kind else None,
        plan_code=plan_code,
        created_from=read_instant("from", created_from, zone),
        created_to=read_instant("to", created_to, zone, end=True),
        min_amount=read_amount("min_amount", min_amount),
        max_amount=read_amount("max_amount", max_amount),
        q=q,
    )
    after = position_of(caller.user_id, wanted, cursor)
    caught_up = await sources.caught_up(request, "history")
    if wanted == ALL and after is None and limit == ROWS and caught_up:
        return finished_reply(await sources.newest_page.of(caller.user_id, fresh=request.state.written is not None))
    page = await sources.history.page(caller.user_id, wanted, after, limit, from_books=not caught_up)
    return finished_reply(finished_page(caller.user_id, wanted, page))


@router.get("/v1/payments/summary", response_model=None, responses={200: {"model": Summary}, **_PROBLEMS})
async def summarize_payments(
    request: Request,
    caller: CurrentCaller,
    sources: CurrentSources,
    created_from: Annotated[Instant, Query(alias="from")] = None,
    created_to: Annotated[Instant, Query(alias="to")] = None,
    consistency: ConsistencyToken = None,
) -> Response:
    """Sums for each month, by when the payments were made, in the person's zone."""
    assert caller.user_id is not None
    zone = await zone_of(sources, caller)
    months = await sources.history.summary(
        caller.user_id,
        zone,
        read_instant("from", created_from, zone),
        read_instant("to", created_to, zone, end=True),
        from_books=not await sources.caught_up(request, "history"),
    )
    items = [
        {
            "month": month.month,
            "paid": money(month.paid.minor, month.paid.currency),
            "refunded": money(month.refunded.minor, month.refunded.currency),
            "count": month.count,
        }
        for month in months
    ]
    return json_reply({"items": items})


@anybody.get(
    "/v1/payments/{payment_id}", response_model=None, responses={200: {"model": PaymentWithRefunds}, **_PROBLEMS}
)
async def get_payment(
    payment_id: UUID, caller: CurrentCaller, sources: CurrentSources, consistency: ConsistencyToken = None
) -> Response:
    """One payment with its refunds; for its owner and for services."""
    async with sources.engine.connect() as connection:
        row = (await connection.execute(payment_rows().where(payments.c.id == payment_id))).mappings().first()
        if row is None or not (caller.internal or row["user_id"] == caller.user_id):
            raise NotFoundHere("payment")
        refunds = await sources.documents(connection).refunds_of(payment_id)
    return json_reply({**payment_document(row, sources.base_url), "refunds": refunds})


async def zone_of(sources: Sources, caller: Caller) -> str:
    """The person's zone: as the token says, else as the books know it, else Moscow's."""
    if caller.zoneinfo is not None:
        return caller.zoneinfo
    found = await rows_of(sources.engine, select(users.c.zone).where(users.c.id == caller.user_id))
    return (found[0]["zone"] if found else None) or DEFAULT_ZONE
