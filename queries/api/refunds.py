"""GET /v1/refunds/{id}: how a refund stands."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import Response

from domain.errors import NotFoundHere
from infrastructure.http.authentication import AnyCallerRoute, CurrentCaller
from infrastructure.http.problems import responses
from infrastructure.http.shapes import RefundShape
from infrastructure.postgres.documents import refund_document
from infrastructure.postgres.tables import refunds
from queries.api.parameters import ConsistencyToken, CurrentSources, json_reply
from queries.rows import rows_of

router = APIRouter(route_class=AnyCallerRoute, tags=["refunds"])


@router.get(
    "/v1/refunds/{refund_id}",
    response_model=None,
    responses={200: {"model": RefundShape}, **responses(401, 403, 404, 422, 503)},
)
async def get_refund(
    refund_id: UUID, caller: CurrentCaller, sources: CurrentSources, consistency: ConsistencyToken = None
) -> Response:
    """One refund; for its owner and for services."""
    found = await rows_of(sources.engine, select(refunds).where(refunds.c.id == refund_id))
    if not found or not (caller.internal or found[0]["user_id"] == caller.user_id):
        raise NotFoundHere("refund")
    return json_reply(refund_document(found[0], sources.base_url))
