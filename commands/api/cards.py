"""The person's stored cards."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from commands.api.bodies import StoreCardBody
from commands.api.replies import replies
from commands.api.routes import UserCommandRoute, execute, side_of
from commands.api.user import Shown, person_of
from commands.remove_card import CardRemoved, RemoveCard, remove_card
from commands.store_card import CardStored, StoreCard, store_card
from domain.ports import Documents
from infrastructure.http.authentication import CurrentCaller
from infrastructure.http.shapes import CardShape

router = APIRouter(prefix="/v1", route_class=UserCommandRoute, tags=["User: commands"])


@router.post("/cards", status_code=201, responses=replies(CardShape, 200, 201))
async def post_card(request: Request, body: StoreCardBody, caller: CurrentCaller) -> Response:
    """Store a card: 201 with what may be shown of it. One that the person has stored already: 200, with its new date.

    422 `card_invalid` for a number that is mistyped and for a card that has expired.
    """
    command = StoreCard(person_of(caller), body.card_number(), body.exp_month, body.exp_year, body.holder)
    world = side_of(request).world

    async def show(done: CardStored, documents: Documents) -> Shown:
        return (201 if done.is_new else 200), await documents.card(done.card_id)

    return await execute(request, body, lambda uow: store_card(command, uow, world), show)


@router.delete("/cards/{card_id}", status_code=204)
async def delete_card(request: Request, card_id: UUID, caller: CurrentCaller) -> Response:
    """Delete a card's number for good. What a payment system saved while it was paid with is a payment method."""

    async def show(_done: CardRemoved, _documents: Documents) -> Shown:
        return 204, {}

    command = RemoveCard(person_of(caller).id, card_id)
    world = side_of(request).world
    return await execute(request, None, lambda uow: remove_card(command, uow, world), show)
