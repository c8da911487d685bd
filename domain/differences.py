"""In what a payment or a refund of ours differs from the payment system's: pure comparison, nothing is claimed lightly.

A finding whose outcome is `repairing` may be repaired: ours is open, theirs is final, and nothing else differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.money import Money
from domain.payment import Payment, PaymentStatus
from domain.payment_system import PaymentSnapshot, ProviderStatus, RefundSnapshot, Unreadable
from domain.reconciliation import YOUNG, Finding, FindingKind, Outcome
from domain.refund import Refund, RefundStatus

_NOTHING = "–"
_LAGGING = 8
"""Of so many refunds each may be missing in their sum yet; that there are more within an hour is no lag."""


def payment_differences(
    code: str,
    ours: Payment | None,
    theirs: PaymentSnapshot | None,
    now: datetime,
    returned_outside: int = 0,
    returned_lately: Sequence[int] = (),
) -> list[Finding]:
    """`code`: the payment system's. Both sides as they are at one moment; None where there is no such payment.

    `returned_outside`: minor units of our refunds of it that went another way than through the payment system.
    `returned_lately`: those that went through it and have been settled for less than `YOUNG`, the latest first.
    """
    if ours is None:
        return [_unknown_payment(code, theirs)] if theirs is not None and _matters(theirs, now) else []
    if theirs is None:
        lacking = ours.status is not PaymentStatus.CANCELED and not _is_young(ours, now)
        return [_of_payment(FindingKind.UNKNOWN_THERE, ours, None, "paid here, and not known there")] if lacking else []
    if ours.provider_payment_id not in (None, theirs.provider_payment_id):
        if not _matters(theirs, now):
            return []
        told = f"a second payment there, beside {ours.provider_payment_id}, names the same payment of ours"
        doubled = _of_payment(FindingKind.DOUBLED, ours, theirs, told)
        doubled.subject = f"{code}:{theirs.provider_payment_id}"
        return [doubled]
    if _is_young(ours, now):
        return []
    found = []
    if ours.amount != theirs.amount:
        told = f"the amount is {ours.amount} here and {theirs.amount} there"
        found.append(_of_payment(FindingKind.AMOUNT_DIFFERS, ours, theirs, told))
    if _same_state(ours.is_open, ours.status.value, theirs.status):
        returned = Money(ours.refunded - returned_outside, ours.amount.currency)
        if _refunds_differ(ours, theirs, returned, returned_lately):
            told = f"{returned} were returned through it here and {theirs.refunded} there"
            found.append(_of_payment(FindingKind.REFUNDS_DIFFER, ours, theirs, told))
    elif ours.is_open or not _young_there(theirs, now):
        told = f"it is {ours.status} here and {theirs.status} there"
        found.append(_of_payment(FindingKind.STATE_DIFFERS, ours, theirs, told))
    return _mark_repairable(found, FindingKind.STATE_DIFFERS, open_here=ours.is_open)


def refund_differences(
    code: str, ours: Refund | None, of: Payment | None, theirs: RefundSnapshot | None, now: datetime
) -> list[Finding]:
    """`of`: our payment that it returns money of; without `ours`, the one that `theirs` names."""
    if ours is None:
        return [_unknown_refund(code, of, theirs)] if theirs is not None and _matters(theirs, now) else []
    if theirs is None:
        lacking = ours.status is not RefundStatus.CANCELED and not _is_young(ours, now)
        told = "returned here, and not known there"
        return [_of_refund(FindingKind.REFUND_UNKNOWN_THERE, ours, None, told)] if lacking else []
    if ours.provider_refund_id not in (None, theirs.provider_refund_id):
        if not _matters(theirs, now):
            return []
        told = f"a second refund there, beside {ours.provider_refund_id}, names the same refund of ours"
        doubled = _of_refund(FindingKind.REFUND_DOUBLED, ours, theirs, told)
        doubled.subject = f"{code}:{theirs.provider_refund_id}"
        return [doubled]
    if _is_young(ours, now):
        return []
    found = []
    if of is None or of.provider_payment_id != theirs.provider_payment_id:
        told = f"there it belongs to payment {theirs.provider_payment_id}"
        found.append(_of_refund(FindingKind.REFUND_FOREIGN, ours, theirs, told))
    if ours.amount != theirs.amount:
        told = f"the amount is {ours.amount} here and {theirs.amount} there"
        found.append(_of_refund(FindingKind.REFUND_AMOUNT_DIFFERS, ours, theirs, told))
    same = _same_state(ours.is_open, ours.status.value, theirs.status)
    if not same and (ours.is_open or not _young_there(theirs, now)):
        told = f"it is {ours.status} here and {theirs.status} there"
        found.append(_of_refund(FindingKind.REFUND_STATE_DIFFERS, ours, theirs, told))
    return _mark_repairable(found, FindingKind.REFUND_STATE_DIFFERS, open_here=ours.is_open)


def _matters(theirs: PaymentSnapshot | RefundSnapshot, now: datetime) -> bool:
    """Money that moved, or may still: what was canceled there moved none, what has just begun may settle itself."""
    return theirs.status is not ProviderStatus.CANCELED and not _young_there(theirs, now)


def _young_there(theirs: PaymentSnapshot | RefundSnapshot, now: datetime) -> bool:
    pending = theirs.status is ProviderStatus.PENDING
    return pending and theirs.created_at is not None and now - theirs.created_at < YOUNG


def _is_young(ours: Payment | Refund, now: datetime) -> bool:
    """The janitor is at it."""
    return ours.is_open and now - ours.created_at < YOUNG


def _same_state(open_here: bool, here: str, there: ProviderStatus) -> bool:
    return open_here if there is ProviderStatus.PENDING else here == there.value


def _refunds_differ(ours: Payment, theirs: PaymentSnapshot, returned: Money, lately: Sequence[int]) -> bool:
    """What is on its way may be counted there already, and what has just been settled not yet."""
    if ours.status is not PaymentStatus.SUCCEEDED or theirs.refunded is None:
        return False
    expected = {returned.minor}
    for amount in lately[:_LAGGING]:
        expected |= {counted - amount for counted in expected}
    expected.add(returned.minor + ours.refund_reserved)
    return theirs.refunded.minor not in expected or theirs.refunded.currency != returned.currency


def _mark_repairable(found: list[Finding], kind: FindingKind, *, open_here: bool) -> list[Finding]:
    if open_here and len(found) == 1 and found[0].kind is kind:
        found[0].outcome = Outcome.REPAIRING
    return found


def _unknown_payment(code: str, theirs: PaymentSnapshot) -> Finding:
    return Finding(
        kind=FindingKind.UNKNOWN_HERE,
        subject=f"{code}:{theirs.provider_payment_id}",
        provider_id=theirs.provider_payment_id,
        our_id=theirs.payment_id,
        ours=_NOTHING,
        theirs=_shown(theirs),
        detail="known there, and not here",
        payment_id=theirs.payment_id,
    )


def _unknown_refund(code: str, of: Payment | None, theirs: RefundSnapshot) -> Finding:
    finding = Finding(
        kind=FindingKind.REFUND_UNKNOWN_HERE,
        subject=f"{code}:{theirs.provider_refund_id}",
        provider_id=theirs.provider_refund_id,
        our_id=theirs.refund_id,
        ours=_NOTHING,
        theirs=_shown(theirs),
        detail=f"returned there of {theirs.provider_payment_id}, and not known here",
        user_id=of.user_id if of else None,
        payment_id=of.id if of else None,
        refund_id=theirs.refund_id,
        facts={"provider_payment_id": theirs.provider_payment_id},
    )
    if theirs.status is ProviderStatus.SUCCEEDED and of is not None:
        finding.outcome = Outcome.REPAIRING
    return finding


def unreadable(payment_system: str, what: str, theirs: Unreadable, ours: Payment | Refund | None) -> Finding:
    """What it is about can't be read there; `what`: payments or refunds."""
    return Finding(
        kind=FindingKind.UNREADABLE,
        subject=f"{payment_system}:{what}:{theirs.provider_id or (ours.id if ours else 'without an id')}",
        provider_id=theirs.provider_id,
        our_id=ours.id if ours else None,
        ours=f"{ours.status} {ours.amount}" if ours else _NOTHING,
        theirs="unreadable",
        detail=theirs.why,
        user_id=ours.user_id if ours else None,
    )


def _of_payment(kind: FindingKind, ours: Payment, theirs: PaymentSnapshot | None, told: str) -> Finding:
    return Finding(
        kind=kind,
        subject=str(ours.id),
        provider_id=theirs.provider_payment_id if theirs else ours.provider_payment_id,
        our_id=ours.id,
        ours=f"{ours.status} {ours.amount}",
        theirs=_shown(theirs),
        detail=told,
        user_id=ours.user_id,
        payment_id=ours.id,
        facts={"subscription_id": str(ours.subscription_id)},
    )


def _of_refund(kind: FindingKind, ours: Refund, theirs: RefundSnapshot | None, told: str) -> Finding:
    return Finding(
        kind=kind,
        subject=str(ours.id),
        provider_id=theirs.provider_refund_id if theirs else ours.provider_refund_id,
        our_id=ours.id,
        ours=f"{ours.status} {ours.amount}",
        theirs=_shown(theirs),
        detail=told,
        user_id=ours.user_id,
        payment_id=ours.payment_id,
        refund_id=ours.id,
        facts={"subscription_id": str(ours.subscription_id)},
    )


def _shown(theirs: PaymentSnapshot | RefundSnapshot | None) -> str:
    return f"{theirs.status} {theirs.amount}" if theirs is not None else _NOTHING
