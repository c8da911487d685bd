"""Remove a stored card: its number goes for good (PAY-13)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.world import World
from domain.errors import NotFoundHere
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class RemoveCard:
    user_id: UUID
    card_id: UUID


@dataclass(frozen=True, slots=True)
class CardRemoved:
    card_id: UUID


async def remove_card(command: RemoveCard, uow: UnitOfWork, world: World) -> CardRemoved:
    """Nothing can be charged to it from here on; a method that was saved with it is removed by itself.

    Raises NotFoundHere.
    """
    await uow.lock_person(command.user_id)
    card = await uow.cards.lock(command.card_id)
    if card is None or card.user_id != command.user_id or card.removed_at is not None:
        raise NotFoundHere("card")
    card.remove(world.clock.now())
    return CardRemoved(card.id)
