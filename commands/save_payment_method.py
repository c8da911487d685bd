"""Keep the method that a payment system saved during a payment, for charges to come (PAY-1, PAY-12)."""

from __future__ import annotations

from uuid import UUID

from commands.world import World
from domain.payment import Payment, PaysWith
from domain.payment_method import PaymentMethod
from domain.payment_system import ProviderMethod
from domain.ports import UnitOfWork


async def save_payment_method(
    payment: Payment, used: ProviderMethod | None, uow: UnitOfWork, world: World
) -> UUID | None:
    """Note on the payment what it was paid with; returns the method that later charges may use, if there is one.

    Of a person who was erased meanwhile nothing is noted: the money goes back without a card of theirs being kept.
    """
    if uow.is_erased(payment.user_id):
        return None
    if used is None or payment.payment_system is None:
        earlier = await uow.payment_methods.find(payment.payment_method_id) if payment.payment_method_id else None
        return earlier.id if earlier is not None and earlier.removed_at is None else None
    known = await uow.payment_methods.by_provider_id(payment.user_id, payment.payment_system, used.provider_method_id)
    if known is None:
        kept = used.saved and not await _charged_one_was_removed(payment, uow)
        known = PaymentMethod(
            id=world.new_id(),
            user_id=payment.user_id,
            payment_system=payment.payment_system,
            provider_method_id=used.provider_method_id,
            kind=used.kind,
            title=used.title,
            created_at=world.clock.now(),
            first6=used.first6,
            last4=used.last4,
            exp_month=used.exp_month,
            exp_year=used.exp_year,
            # One that was not saved there can never be charged again: kept for the books only.
            removed_at=None if kept else world.clock.now(),
        )
        mine = await uow.payment_methods.all_of(payment.user_id)
        known.is_default = kept and not any(method.is_default for method in mine)
        uow.payment_methods.add(known)
    elif used.saved and _is_saved_anew(known, payment):
        known.removed_at = None
        mine = await uow.payment_methods.all_of(payment.user_id)
        known.is_default = not any(method.is_default for method in mine)
    payment.payment_method_id = known.id
    return known.id if known.removed_at is None else None


async def _charged_one_was_removed(payment: Payment, uow: UnitOfWork) -> bool:
    """Its owner did so while it was charged: under another id it comes back as little (invariant 13)."""
    if payment.pays_with is not PaysWith.SAVED or payment.payment_method_id is None:
        return False
    charged = await uow.payment_methods.find(payment.payment_method_id)
    return charged is not None and charged.removed_at is not None


def _is_saved_anew(method: PaymentMethod, payment: Payment) -> bool:
    """Its owner has entered the card again, and let it be saved, since it was removed."""
    by_hand = payment.by_person and payment.pays_with is not PaysWith.SAVED
    return by_hand and method.removed_at is not None and payment.created_at > method.removed_at
