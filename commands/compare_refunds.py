"""Hold the payment system's refunds of some hours against ours, both ways; repair what is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from commands.book_cabinet_refund import BookCabinetRefund, book_cabinet_refund
from commands.comparison import Comparison, why
from commands.settle_payment import SettlePayment, settle_payment
from commands.settle_refund import SettleRefund, settle_refund
from domain.differences import refund_differences
from domain.money import Money
from domain.payment import Payment
from domain.payment_system import NotFound, PaymentSnapshot, RefundSnapshot, Silence, Unreadable
from domain.reconciliation import Finding, Outcome, PaymentSystemSilent
from domain.refund import Refund


class CompareRefunds(Comparison[Refund, RefundSnapshot]):
    what = "refunds"

    def listed(self, created_from: datetime, created_to: datetime) -> AsyncIterator[RefundSnapshot | Unreadable]:
        return self._system.list_refunds(created_from, created_to)

    async def _differing(
        self, ours: list[Refund], listed: list[RefundSnapshot]
    ) -> Callable[[Refund | None, RefundSnapshot], bool]:
        """With the payments that they return money of, for all of them read at once."""
        async with self._open_uow() as uow:
            payments = await uow.reconciliations.payments(
                self._codes, [each.provider_payment_id for each in listed], [each.payment_id for each in ours]
            )
        here = {each.id: each for each in payments}
        there = {each.provider_payment_id: each for each in payments}
        now = self._world.clock.now()

        def differ(mine: Refund | None, theirs: RefundSnapshot) -> bool:
            of = here.get(mine.payment_id) if mine else there.get(theirs.provider_payment_id)
            return bool(refund_differences(self._code, mine, of, theirs, now))

        return differ

    async def _treat(self, ours: Refund | None, theirs: RefundSnapshot | None) -> list[Finding]:
        of = await self._payment_of(ours, theirs)
        found = refund_differences(self._code, ours, of, theirs, self._world.clock.now())
        for finding in found:
            if finding.outcome is Outcome.REPAIRING and theirs is not None and of is not None:
                await self._begin_repair(replace(finding))
                finding.outcome = Outcome.CASE
                try:
                    await (self._settle(finding, ours, theirs) if ours else self._book(finding, of, theirs))
                except PaymentSystemSilent:
                    raise
                except Exception as error:  # noqa: BLE001 -- one that cannot be repaired must not stop the others
                    finding.detail += f"; it could not be repaired: {why(error)}"
        return found

    async def _settle(self, finding: Finding, ours: Refund, theirs: RefundSnapshot) -> None:
        settled = await settle_refund(SettleRefund(ours.id, theirs), self._open_uow, self._world)
        if settled.status.value == theirs.status.value:
            finding.outcome, finding.detail = Outcome.REPAIRED, f"settled as {settled.status}, as it is there"

    async def _book(self, finding: Finding, of: Payment, theirs: RefundSnapshot) -> None:
        """A refund made in the cabinet, or one whose row is gone: booked where the payment's sums leave room for it."""
        if of.is_open:
            paid = await self._system.get_payment(theirs.provider_payment_id)
            if isinstance(paid, Silence) and paid.only_this:
                finding.detail += f"; the payment is open here, and how it stands there cannot be read: {paid.why}"
                return
            if isinstance(paid, Silence):
                raise PaymentSystemSilent(paid.why)
            if isinstance(paid, PaymentSnapshot):
                await settle_payment(SettlePayment(of.id, paid), self._open_uow, self._world)
        async with self._open_uow() as uow:
            await uow.lock_person(of.user_id)
            payment = await uow.payments.find(of.id)
            sums = await uow.reconciliations.refund_sums(of.id)
        if payment is None:
            return
        if sums != (payment.refunded, payment.refund_reserved):
            finding.detail = (
                f"returned there of {theirs.provider_payment_id}; the payment counts "
                f"{_money(payment, payment.refunded)} as returned and {_money(payment, payment.refund_reserved)} as on "
                f"their way, the refunds that are left say {_money(payment, sums[0])} and {_money(payment, sums[1])}: "
                "a refund's row is gone"
            )
            return
        if theirs.amount.currency != payment.amount.currency or theirs.amount.minor > payment.left_to_refund.minor:
            finding.detail = f"returned there, more than the {payment.left_to_refund} that are left of the payment here"
            return
        command = BookCabinetRefund(payment.payment_system or self._code, theirs)
        said = await book_cabinet_refund(command, self._open_uow, self._world)
        if said in ("booked", "booked before"):
            finding.outcome, finding.detail = Outcome.REPAIRED, f"{said} as a refund of {theirs.amount}"
        else:
            finding.detail += f"; not booked: {said}"

    async def _payment_of(self, ours: Refund | None, theirs: RefundSnapshot | None) -> Payment | None:
        async with self._open_uow() as uow:
            if ours is not None:
                return await uow.payments.find(ours.payment_id)
            if theirs is None:
                return None
            named = await uow.reconciliations.payments(self._codes, [theirs.provider_payment_id], [])
            return named[0] if named else None

    def _names(self, theirs: RefundSnapshot) -> tuple[str, UUID | None]:
        return theirs.provider_refund_id, theirs.refund_id

    def _id_there(self, ours: Refund) -> str | None:
        return ours.provider_refund_id

    async def _rows(self, provider_ids: list[str], our_ids: list[UUID]) -> list[Refund]:
        async with self._open_uow() as uow:
            return await uow.reconciliations.refunds(self._codes, provider_ids, our_ids)

    async def _made(
        self, created_from: datetime, created_to: datetime, after: Refund | None, limit: int
    ) -> list[Refund]:
        async with self._open_uow() as uow:
            return await uow.reconciliations.refunds_made(self._codes, created_from, created_to, after, limit)

    async def _get(self, provider_id: str) -> RefundSnapshot | NotFound | Silence:
        return await self._system.get_refund(provider_id)

    async def _find(self, our_id: UUID, since: datetime, until: datetime) -> RefundSnapshot | NotFound | Silence:
        return await self._system.find_refund(our_id, since, until)


def _money(payment: Payment, minor: int) -> str:
    return str(Money(minor, payment.amount.currency))
