"""Store a card, to be paid with by its CVC alone (PAY-13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from commands.world import World
from domain.cards import CardNumber, check_expiry
from domain.person import Person
from domain.ports import UnitOfWork
from domain.stored_card import CardSecret, StoredCard


@dataclass(frozen=True, slots=True)
class StoreCard:
    person: Person
    number: CardNumber
    exp_month: int
    exp_year: int
    holder: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CardStored:
    card_id: UUID
    is_new: bool


async def store_card(command: StoreCard, uow: UnitOfWork, world: World) -> CardStored:
    """Seal and keep it; a number that the person has stored already gets the date and holder that were entered last.

    For a bank that issues a card anew often leaves its number. Raises CardInvalid and PersonErased.
    """
    now, person = world.clock.now(), command.person
    check_expiry(command.exp_month, command.exp_year, now)
    await uow.lock_person(person.id)
    await uow.remember_person(person)
    fingerprints = world.vault.fingerprints(command.number.digits, person.id)
    card = await uow.cards.by_fingerprint(person.id, fingerprints)
    is_new = card is None
    if card is None:
        shown = (command.number.first6, command.number.last4)
        card = StoredCard(world.new_id(), person.id, *shown, command.exp_month, command.exp_year, created_at=now)
        uow.cards.add(card)
    card.exp_month, card.exp_year = command.exp_month, command.exp_year
    secret = CardSecret(command.number, command.holder)
    card.fingerprint, card.key_id = fingerprints[0], world.vault.current_key_id
    card.sealed = world.vault.seal(secret.to_bytes(), person.id, card.id)
    return CardStored(card.id, is_new)
