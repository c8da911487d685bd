"""GET /v1/payment-methods: what the person may pay with."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import Response

from infrastructure.http.authentication import CurrentCaller, UserRoute
from infrastructure.http.problems import responses
from infrastructure.http.shapes import PaymentMethodList
from infrastructure.postgres.documents import payment_method_document
from infrastructure.postgres.tables import payment_methods
from queries.api.parameters import ConsistencyToken, CurrentSources, Cursor, Limit, json_reply
from queries.rows import newest_first

router = APIRouter(route_class=UserRoute, tags=["payment methods"])


@router.get(
    "/v1/payment-methods",
    response_model=None,
    responses={200: {"model": PaymentMethodList}, **responses(401, 403, 422, 503)},
)
async def list_payment_methods(
    caller: CurrentCaller,
    sources: CurrentSources,
    limit: Limit = 20,
    cursor: Cursor = None,
    consistency: ConsistencyToken = None,
) -> Response:
    """The caller's saved methods, newest first; removed ones are gone."""
    kept = select(payment_methods).where(
        payment_methods.c.user_id == caller.user_id, payment_methods.c.removed_at.is_(None)
    )
    page = await newest_first(
        sources.engine,
        kept,
        (payment_methods.c.created_at, payment_methods.c.id),
        listed=f"payment methods {caller.user_id}",
        limit=limit,
        cursor=cursor,
        show=payment_method_document,
    )
    return json_reply(page)
