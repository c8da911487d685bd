"""Hold the payment system's refunds of some hours against ours, both ways; repair what is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from commands.book_cabinet_refund import BookCabinetRefund, book_cabinet_refund
from commands.compare_payments import MARGIN, TOO_MANY, BeginRepair, why
from commands.settle_payment import SettlePayment, settle_payment
from commands.settle_refund import SettleRefund, settle_refund
from commands.world import World
from domain.differences import refund_differences
from domain.money import Money
from domain.payment import Payment
from domain.payment_system import NotFound, PaymentSnapshot, RefundSnapshot, Silence
from domain.ports import OpenUnitOfWork, PaymentSystem
from domain.reconciliation import Finding, Outcome, PaymentSystemSilent
from domain.refund import Refund

_LOOKS = 3
_BATCH = 200


class CompareRefunds:
    """As ComparePayments does."""

    def __init__(
        self,
        codes: Sequence[str],
        system: PaymentSystem,
        open_uow: OpenUnitOfWork,
        world: World,
        begin_repair: BeginRepair,
    ) -> None:
        self._codes, self._code, self._system = codes, codes[0], system
        self._open_uow, self._world, self._begin_repair = open_uow, world, begin_repair

    def listed(self, created_from: datetime, created_to: datetime) -> AsyncIterator[RefundSnapshot]:
        return self._system.list_refunds(created_from, created_to)

    async def compare(
        self, listed: list[RefundSnapshot], created_from: datetime, created_to: datetime
    ) -> list[Finding]:
        """All that differs. `listed`: everything that the payment system has of that time."""
        found: list[Finding] = []
        async with self._open_uow() as uow:
            ours = await uow.reconciliations.refunds(
                self._codes,
                [each.provider_refund_id for each in listed],
                [each.refund_id for each in listed if each.refund_id is not None],
            )
            payments = await uow.reconciliations.payments(
                self._codes, [each.provider_payment_id for each in listed], [each.payment_id for each in ours]
            )
        by_provider_id = {each.provider_refund_id: each for each in ours}
        by_id = {each.id: each for each in ours}
        payments_here = {each.id: each for each in payments}
        payments_there = {each.provider_payment_id: each for each in payments}
        seen: set[UUID] = set()
        for theirs in listed:
            refund = by_provider_id.get(theirs.provider_refund_id)
            if refund is None and theirs.refund_id is not None:
                refund = by_id.get(theirs.refund_id)
            if refund is not None and refund.provider_refund_id in (None, theirs.provider_refund_id):
                seen.add(refund.id)
            named = payments_there.get(theirs.provider_payment_id)
            of = payments_here.get(refund.payment_id) if refund else named
            if refund_differences(self._code, refund, of, theirs, self._world.clock.now()):
                found += await self._look(theirs.provider_refund_id, refund.id if refund else theirs.refund_id)
        return found + await self._not_listed(seen, created_from, created_to)

    async def _not_listed(self, seen: set[UUID], created_from: datetime, created_to: datetime) -> list[Finding]:
        found: list[Finding] = []
        after: Refund | None = None
        while True:
            async with self._open_uow() as uow:
                made = await uow.reconciliations.refunds_made(self._codes, created_from, created_to, after, _BATCH)
            for refund in made:
                if refund.id not in seen:
                    found += await self._look(refund.provider_refund_id, refund.id)
                if len(found) > TOO_MANY:
                    raise PaymentSystemSilent(f"it does not know {len(found)} refunds of ours: is this the same shop?")
            if len(made) < _BATCH:
                return found
            after = made[-1]

    async def _look(self, provider_id: str | None, our_id: UUID | None) -> list[Finding]:
        """See ComparePayments._look."""
        for _ in range(_LOOKS):
            before = await self._ours(provider_id, our_id)
            theirs = await self._theirs(provider_id, before)
            ours = await self._ours(provider_id, our_id)
            if (before and (before.id, before.version)) == (ours and (ours.id, ours.version)):
                return await self._treat(ours, theirs)
        return []

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

    async def _ours(self, provider_id: str | None, our_id: UUID | None) -> Refund | None:
        async with self._open_uow() as uow:
            found = await uow.reconciliations.refunds(
                self._codes, [provider_id] if provider_id else [], [our_id] if our_id else []
            )
        by_provider_id = [each for each in found if provider_id and each.provider_refund_id == provider_id]
        return next(iter(by_provider_id or found), None)

    async def _theirs(self, provider_id: str | None, ours: Refund | None) -> RefundSnapshot | None:
        answer: RefundSnapshot | NotFound | Silence = NotFound()
        if provider_id is not None:
            answer = await self._system.get_refund(provider_id)
        elif ours is not None:
            until = (ours.settled_at or self._world.clock.now()) + MARGIN
            answer = await self._system.find_refund(ours.id, ours.created_at - MARGIN, until)
        if isinstance(answer, Silence):
            raise PaymentSystemSilent(answer.why)
        return None if isinstance(answer, NotFound) else answer


def _money(payment: Payment, minor: int) -> str:
    return str(Money(minor, payment.amount.currency))
