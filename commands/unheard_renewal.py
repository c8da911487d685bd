"""A renewal that never gets through is made anew, with nobody refused anything: from the second on a person looks."""

from __future__ import annotations

from datetime import datetime

from domain.payment import Payment, PaymentStatus
from domain.ports import UnitOfWork

_KIND = "renewal_never_arrives"


async def flag_unheard_renewal(payment: Payment, uow: UnitOfWork, now: datetime) -> None:
    """`payment` was given up because the payment system never got it, a day after it was made."""
    if payment.attempt == 1:
        return
    detail = (
        f"{payment.attempt} charges of this period came to nothing, the last of them because the payment system never "
        "got it. It goes on with a new one each day; the person has not been told."
    )
    its = str(payment.subscription_id)
    known: dict[str, object] = {"attempt": payment.attempt, "last_silence": payment.last_silence}
    await uow.cases.open(_KIND, its, detail, now, user_id=payment.user_id, payment_id=payment.id, facts=known)


async def close_unheard_renewal(payment: Payment, uow: UnitOfWork, now: datetime) -> None:
    """A later one has got through."""
    if payment.attempt > 1 and payment.status is PaymentStatus.SUCCEEDED:
        await uow.cases.resolve(_KIND, str(payment.subscription_id), now)
