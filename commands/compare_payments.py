"""Hold the payment system's payments of some hours against ours, both ways; repair what is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from commands.comparison import Comparison, why
from commands.settle_payment import SettlePayment, settle_payment
from domain.differences import payment_differences
from domain.payment import Payment
from domain.payment_system import NotFound, PaymentSnapshot, Silence, Unreadable
from domain.reconciliation import YOUNG, Finding, FindingKind, Outcome


class ComparePayments(Comparison[Payment, PaymentSnapshot]):
    what = "payments"

    def listed(self, created_from: datetime, created_to: datetime) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        return self._system.list_payments(created_from, created_to)

    async def _differing(
        self, ours: list[Payment], listed: list[PaymentSnapshot]
    ) -> Callable[[Payment | None, PaymentSnapshot], bool]:
        now = self._world.clock.now()
        return lambda mine, theirs: bool(payment_differences(self._code, mine, theirs, now))

    async def _treat(self, ours: Payment | None, theirs: PaymentSnapshot | None) -> list[Finding]:
        outside, lately, now = 0, list[int](), self._world.clock.now()
        if ours is not None and ours.refunded:
            async with self._open_uow() as uow:
                outside = await uow.reconciliations.returned_outside(ours.id)
                lately = await uow.reconciliations.returned_since(ours.id, now - YOUNG)
        found = payment_differences(self._code, ours, theirs, now, outside, lately)
        for finding in found:
            if finding.kind is FindingKind.UNKNOWN_HERE and theirs is not None:
                finding.facts = await self._what_is_known(theirs)
            if finding.outcome is Outcome.REPAIRING and ours is not None and theirs is not None:
                await self._begin_repair(replace(finding))
                await self._repair(finding, ours, theirs)
        return found

    async def _repair(self, finding: Finding, ours: Payment, theirs: PaymentSnapshot) -> None:
        finding.outcome = Outcome.CASE
        try:
            settled = await settle_payment(SettlePayment(ours.id, theirs), self._open_uow, self._world)
        except Exception as error:  # noqa: BLE001 -- one that cannot be settled must not stop the others
            finding.detail += f"; it could not be settled: {why(error)}"
            return
        if settled.status.value == theirs.status.value:
            finding.outcome, finding.detail = Outcome.REPAIRED, f"settled as {settled.status}, as it is there"

    async def _what_is_known(self, theirs: PaymentSnapshot) -> dict[str, object]:
        """What the object itself says, and our history of it, which no deleted row takes along."""
        metadata = theirs.raw.get("metadata")
        known: dict[str, object] = {"metadata": metadata}
        subscription_id = metadata.get("subscription_id") if isinstance(metadata, dict) else None
        try:
            subscription = UUID(subscription_id) if isinstance(subscription_id, str) else None
        except ValueError:
            subscription = None
        if subscription is not None and theirs.payment_id is not None:
            async with self._open_uow() as uow:
                known["history"] = await uow.reconciliations.told_of(subscription, theirs.payment_id)
        return known

    def _names(self, theirs: PaymentSnapshot) -> tuple[str, UUID | None]:
        return theirs.provider_payment_id, theirs.payment_id

    def _id_there(self, ours: Payment) -> str | None:
        return ours.provider_payment_id

    async def _rows(self, provider_ids: list[str], our_ids: list[UUID]) -> list[Payment]:
        async with self._open_uow() as uow:
            return await uow.reconciliations.payments(self._codes, provider_ids, our_ids)

    async def _made(
        self, created_from: datetime, created_to: datetime, after: Payment | None, limit: int
    ) -> list[Payment]:
        async with self._open_uow() as uow:
            return await uow.reconciliations.payments_made(self._codes, created_from, created_to, after, limit)

    async def _get(self, provider_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._system.get_payment(provider_id)

    async def _find(self, our_id: UUID, since: datetime, until: datetime) -> PaymentSnapshot | NotFound | Silence:
        return await self._system.find_payment(our_id, since, until)
