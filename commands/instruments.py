"""What a person pays with, as a command says it, and what of it a payment may keep."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.world import World
from domain.cards import check_expiry
from domain.errors import CardNotSupported, NotFoundHere, PaymentSystemUnavailable
from domain.payment import Payment, PaysWith
from domain.payment_method import PaymentMethod
from domain.payment_system import BindingRequest, CardData, ChargeRequest, Instrument, Redirect, Saved, Token
from domain.ports import PaymentSystem, UnitOfWork
from domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """One of the person's saved payment methods, by our id."""

    payment_method_id: UUID


@dataclass(frozen=True, slots=True)
class ChosenCard:
    """One of the person's stored cards, by our id. Its CVC comes beside it and is no part of what is written down."""

    card_id: UUID
    return_url: str | None = None


PaymentChoice = Redirect | Token | SavedMethod | ChosenCard


async def usable_system(code: str, uow: UnitOfWork, world: World) -> PaymentSystem:
    """The payment system that the caller named, taken into use; raises PaymentSystemUnavailable."""
    registration = await uow.registrations.by_code(code)
    if registration is not None and not registration.used:
        registration = await uow.registrations.lock_by_code(code)  # who deletes it meanwhile is waited for
    if registration is None or not registration.usable:
        raise PaymentSystemUnavailable(f"The payment system {code} is not in use.")
    registration.used = True
    return await world.payment_systems.by_code(code)


async def method_to_charge(subscription: Subscription, system: PaymentSystem, uow: UnitOfWork) -> PaymentMethod | None:
    """What a renewal may charge: the saved method, if it is still the person's and this payment system can."""
    if subscription.payment_method_id is None or not system.capabilities.saved:
        return None
    method = await uow.payment_methods.find(subscription.payment_method_id)
    return method if _is_usable(method, subscription.user_id, subscription.payment_system) else None


def _is_usable(method: PaymentMethod | None, user_id: UUID, payment_system: str | None) -> bool:
    if method is None or method.removed_at is not None:
        return False
    return method.user_id == user_id and method.payment_system == payment_system


async def put_instrument(
    payment: Payment, choice: PaymentChoice, system: PaymentSystem, uow: UnitOfWork, world: World
) -> None:
    """Note on the payment how it is paid. A one-time token is sealed: it may have to be sent again under its key."""
    can = system.capabilities
    match choice:
        case Redirect(return_url=return_url) if can.redirect:
            payment.pays_with, payment.return_url = PaysWith.REDIRECT, return_url
        case Token(payment_token=token, return_url=return_url) if can.token:
            payment.pays_with, payment.return_url = PaysWith.TOKEN, return_url
            payment.sealed_token = world.vault.seal(token.encode(), payment.user_id, payment.id)
        case SavedMethod(payment_method_id=method_id) if can.saved:
            method = await uow.payment_methods.find(method_id)
            if method is None or not _is_usable(method, payment.user_id, payment.payment_system):
                raise NotFoundHere("payment method")
            payment.pays_with = PaysWith.SAVED
            payment.payment_method_id, payment.provider_method_id = method.id, method.provider_method_id
        case ChosenCard(card_id=card_id, return_url=return_url) if can.card:
            card = await uow.cards.find(card_id)
            if card is None or card.user_id != payment.user_id or card.removed_at is not None:
                raise NotFoundHere("card")
            check_expiry(card.exp_month, card.exp_year, world.clock.now())
            payment.pays_with, payment.card_id, payment.return_url = PaysWith.CARD, card.id, return_url
        case _:
            raise CardNotSupported("This payment system cannot be paid in that way.")


def charge_request(payment: Payment, world: World, card: CardData | None = None) -> ChargeRequest:
    """The same request each time it is asked for: same key, same data (invariants 1 and 4).

    `card`: what a payment with a stored card takes, which is not kept.
    """
    return ChargeRequest(
        payment_id=payment.id,
        idempotency_key=str(payment.id),
        amount=payment.amount,
        description=payment.description,
        instrument=card or _instrument(payment, world),
        save_method=payment.pays_with is not PaysWith.SAVED,
        user_id=payment.user_id,
        subscription_id=payment.subscription_id,
    )


def binding_request(payment: Payment) -> BindingRequest:
    """As `charge_request`, for a method that is bound without a charge."""
    if payment.return_url is None:
        raise ValueError(f"payment {payment.id} cannot be asked for again")
    return BindingRequest(
        payment_id=payment.id,
        idempotency_key=str(payment.id),
        user_id=payment.user_id,
        subscription_id=payment.subscription_id,
        return_url=payment.return_url,
    )


def _instrument(payment: Payment, world: World) -> Instrument:
    match payment.pays_with:
        case PaysWith.REDIRECT if payment.return_url is not None:
            return Redirect(payment.return_url)
        case PaysWith.SAVED if payment.provider_method_id is not None:
            return Saved(payment.provider_method_id)
        case PaysWith.TOKEN if payment.sealed_token is not None:
            token = world.vault.open(payment.sealed_token, payment.user_id, payment.id).decode()
            return Token(token, payment.return_url)
    raise ValueError(f"payment {payment.id} cannot be asked for again")
