"""GET /v1/cards: the person's stored cards, as far as they may be shown."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import Response

from infrastructure.http.authentication import CurrentCaller, UserRoute
from infrastructure.http.problems import responses
from infrastructure.http.shapes import CardList
from infrastructure.postgres.documents import CARD, card_document
from infrastructure.postgres.tables import cards
from queries.api.parameters import ConsistencyToken, CurrentSources, Cursor, Limit, json_reply
from queries.rows import newest_first

router = APIRouter(route_class=UserRoute, tags=["cards"])


@router.get(
    "/v1/cards",
    response_model=None,
    responses={200: {"model": CardList}, **responses(401, 403, 422, 503)},
)
async def list_cards(
    caller: CurrentCaller,
    sources: CurrentSources,
    limit: Limit = 20,
    cursor: Cursor = None,
    consistency: ConsistencyToken = None,
) -> Response:
    """The caller's stored cards, newest first; removed ones are gone. Numbers are never shown."""
    kept = select(*CARD, cards.c.created_at).where(cards.c.user_id == caller.user_id, cards.c.removed_at.is_(None))
    page = await newest_first(
        sources.engine,
        kept,
        (cards.c.created_at, cards.c.id),
        listed=f"cards {caller.user_id}",
        limit=limit,
        cursor=cursor,
        show=card_document,
    )
    return json_reply(page)
