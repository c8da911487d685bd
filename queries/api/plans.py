"""GET /v1/plans: what is for sale, for anybody."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from infrastructure.http.authentication import PublicRoute
from infrastructure.http.problems import responses
from infrastructure.http.shapes import PlanList
from infrastructure.postgres.documents import plan_document, plan_rows
from infrastructure.postgres.tables import plans
from queries.api.parameters import CurrentSources, Cursor, Limit, json_reply
from queries.rows import by_code

router = APIRouter(route_class=PublicRoute, tags=["plans"])


@router.get("/v1/plans", response_model=None, responses={200: {"model": PlanList}, **responses(422, 503)})
async def list_plans(sources: CurrentSources, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """Plans for sale, by code, each at the price that holds now."""
    offered = plan_rows(sources.clock.now())
    query = offered.where(
        plans.c.available, plans.c.archived_at.is_(None), offered.selected_columns.price_amount.is_not(None)
    )
    page = await by_code(
        sources.engine, query, plans.c.code, listed="plans", limit=limit, cursor=cursor, show=plan_document
    )
    return json_reply(page)
