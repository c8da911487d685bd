"""Hold the payment system's payments of some hours against ours, both ways; repair what is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from commands.settle_payment import SettlePayment, settle_payment
from commands.world import World
from domain.differences import payment_differences
from domain.errors import RuleBroken
from domain.payment import Payment
from domain.payment_system import NotFound, PaymentSnapshot, Silence
from domain.ports import OpenUnitOfWork, PaymentSystem
from domain.reconciliation import Finding, FindingKind, Outcome, PaymentSystemSilent

BeginRepair = Callable[[Finding], Awaitable[None]]
"""Commits the finding before it is repaired, so that a repair cut short by a crash stays in the report."""

MARGIN = timedelta(hours=1)
TOO_MANY = 500
"""So many payments of one piece that are not known there are no differences but the wrong books."""
_LOOKS = 3
_BATCH = 200


class ComparePayments:
    """`codes`: under which the registry knows the payment system's account. Raises PaymentSystemSilent."""

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

    def listed(self, created_from: datetime, created_to: datetime) -> AsyncIterator[PaymentSnapshot]:
        return self._system.list_payments(created_from, created_to)

    async def compare(
        self, listed: list[PaymentSnapshot], created_from: datetime, created_to: datetime
    ) -> list[Finding]:
        """All that differs. `listed`: everything that the payment system has of that time."""
        found: list[Finding] = []
        async with self._open_uow() as uow:
            ours = await uow.reconciliations.payments(
                self._codes,
                [each.provider_payment_id for each in listed],
                [each.payment_id for each in listed if each.payment_id is not None],
            )
        by_provider_id = {each.provider_payment_id: each for each in ours}
        by_id = {each.id: each for each in ours}
        seen: set[UUID] = set()
        for theirs in listed:
            payment = by_provider_id.get(theirs.provider_payment_id)
            if payment is None and theirs.payment_id is not None:
                payment = by_id.get(theirs.payment_id)
            if payment is not None and payment.provider_payment_id in (None, theirs.provider_payment_id):
                seen.add(payment.id)
            if payment_differences(self._code, payment, theirs, self._world.clock.now()):
                found += await self._look(theirs.provider_payment_id, payment.id if payment else theirs.payment_id)
        return found + await self._not_listed(seen, created_from, created_to)

    async def _not_listed(self, seen: set[UUID], created_from: datetime, created_to: datetime) -> list[Finding]:
        """Ours of that time that the list did not have, each asked for singly before anything is said of it."""
        found: list[Finding] = []
        after: Payment | None = None
        while True:
            async with self._open_uow() as uow:
                made = await uow.reconciliations.payments_made(self._codes, created_from, created_to, after, _BATCH)
            for payment in made:
                if payment.id not in seen:
                    found += await self._look(payment.provider_payment_id, payment.id)
                if len(found) > TOO_MANY:
                    raise PaymentSystemSilent(f"it does not know {len(found)} payments of ours: is this the same shop?")
            if len(made) < _BATCH:
                return found
            after = made[-1]

    async def _look(self, provider_id: str | None, our_id: UUID | None) -> list[Finding]:
        """Look at both sides once more: the list is older than our books by now, and either may have moved."""
        for _ in range(_LOOKS):
            before = await self._ours(provider_id, our_id)
            theirs = await self._theirs(provider_id, before)
            ours = await self._ours(provider_id, our_id)
            if (before and (before.id, before.version)) == (ours and (ours.id, ours.version)):
                return await self._treat(ours, theirs)
        return []  # it is being worked on; the next run sees how it ended

    async def _treat(self, ours: Payment | None, theirs: PaymentSnapshot | None) -> list[Finding]:
        outside = 0
        if ours is not None and ours.refunded:
            async with self._open_uow() as uow:
                outside = await uow.reconciliations.returned_outside(ours.id)
        found = payment_differences(self._code, ours, theirs, self._world.clock.now(), outside)
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

    async def _ours(self, provider_id: str | None, our_id: UUID | None) -> Payment | None:
        async with self._open_uow() as uow:
            found = await uow.reconciliations.payments(
                self._codes, [provider_id] if provider_id else [], [our_id] if our_id else []
            )
        by_provider_id = [each for each in found if provider_id and each.provider_payment_id == provider_id]
        return next(iter(by_provider_id or found), None)

    async def _theirs(self, provider_id: str | None, ours: Payment | None) -> PaymentSnapshot | None:
        answer: PaymentSnapshot | NotFound | Silence = NotFound()
        if provider_id is not None:
            answer = await self._system.get_payment(provider_id)
        elif ours is not None:  # paid, and its id there is not known: only the list can tell
            until = (ours.settled_at or self._world.clock.now()) + MARGIN
            answer = await self._system.find_payment(ours.id, ours.created_at - MARGIN, until)
        if isinstance(answer, Silence):
            raise PaymentSystemSilent(answer.why)
        return None if isinstance(answer, NotFound) else answer


def why(error: Exception) -> str:
    """What can be shown: a driver's message would carry the row's values."""
    return error.detail if isinstance(error, RuleBroken) else type(error).__name__
