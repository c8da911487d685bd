"""What is special about a payment with a stored card: it can be sent only while its CVC is at hand (PAY-13)."""

from __future__ import annotations

from dataclasses import replace

from domain.cancellation_reasons import NEVER_ARRIVED
from domain.cards import Cvc
from domain.errors import RuleBroken
from domain.payment import Payment, PaysWith
from domain.payment_system import BindingRequest, CardData, ChargeRequest, NotFound, PaymentSnapshot, Refused, Silence
from domain.ports import OpenUnitOfWork, Vault
from domain.stored_card import CardSecret


class BringItAgain(RuleBroken):
    """It cannot be sent this moment. A reply that says so would be kept under its key, and lose the CVC or the link."""

    code = "idempotency_key_in_use"

    def __init__(self) -> None:
        super().__init__("This payment cannot be sent right now; send the same request again in a moment.")


def can_be_sent(payment: Payment, cvc: Cvc | None) -> bool:
    """Whether all that its request takes is known here."""
    return payment.pays_with is not PaysWith.CARD or cvc is not None


async def card_data(payment: Payment, cvc: Cvc | None, open_uow: OpenUnitOfWork, vault: Vault) -> CardData:
    """The card in clear, for the call that follows and nothing else; raises ValueError where it cannot be had."""
    if cvc is None:
        raise ValueError("the CVC was never kept")
    if payment.card_id is None:
        raise ValueError("it names no card")
    async with open_uow() as uow:
        card = await uow.cards.find(payment.card_id)
    if card is None or card.sealed is None or card.user_id != payment.user_id:
        raise ValueError("its card was removed")
    secret = CardSecret.from_bytes(vault.open(card.sealed, card.user_id, card.id))
    return CardData(
        number=secret.number.digits,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        cvc=cvc.reveal(),
        holder=secret.holder,
        return_url=payment.return_url,
    )


def what_it_means(
    news: PaymentSnapshot | Refused | Silence | NotFound,
    request: ChargeRequest | BindingRequest | str,
    *,
    first_call: bool,
) -> PaymentSnapshot | Refused | Silence | NotFound:
    """The answer to a card's request. What the only one who could send it has not sent is known not to be charged.

    Nobody can make up for it without the CVC, so it ends, and the person may begin another; other payments wait for
    the janitor's next try. Words that repeat the card are not taken over, for they would be written down. Raises
    BringItAgain.
    """
    if isinstance(request, str):
        return Refused(NEVER_ARRIVED, request) if first_call and not isinstance(news, PaymentSnapshot) else news
    if isinstance(news, Silence) and news.unsent:
        if not first_call:  # the earlier try may have been sent
            raise BringItAgain
        return Refused(NEVER_ARRIVED, news.why)
    card = request.instrument if isinstance(request, ChargeRequest) else None
    if isinstance(news, Silence) and isinstance(card, CardData) and (card.number in news.why or card.cvc in news.why):
        return replace(news, why="the payment system has not said how it stands")
    return news
