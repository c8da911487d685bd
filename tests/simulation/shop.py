"""The payment system of a simulated world: the imitation, with faults, outages and notifications by chance.

Its ledger is what really happened to people's money; the auditor compares all else with it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from domain.money import Money
from domain.payment_system import (
    BindingRequest,
    Cancellation,
    ChargeRequest,
    NotFound,
    Notification,
    PaymentSnapshot,
    ProviderStatus,
    RefundRequest,
    RefundSnapshot,
    Refused,
    Saved,
    Silence,
)
from domain.ports import PaymentSystem
from infrastructure.payment_systems.imitation import Imitation
from tests.simulation.chance import Chance
from tests.simulation.heard import LedgerPayment, LedgerRefund
from tests.simulation.turns import Turns

T = TypeVar("T")


class Hands:
    """The one clock of a world, moved by the simulation."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def move(self, to: datetime) -> None:
        self._at = to


@dataclass(order=True, slots=True)
class Delivery:
    """A notification on its way."""

    at: datetime
    number: int
    body: bytes = field(compare=False)


class Books(Protocol):
    """What the service has committed, asked for past everything that it could know itself."""

    async def is_written(self, table: str, object_id: UUID) -> bool: ...
    async def removed(self, provider_method_id: str) -> UUID | None: ...


_FAULTS = ("no answer, not done", "no answer, done", "stays pending", "asked for patience", "refused")
_LOOKS = ("no answer, not done", "asked for patience")
_REFUND_REFUSALS = (None, None, "insufficient_funds", "general_decline")


class SimulatedShop(PaymentSystem):
    """`mishaps`: whether faults happen at present. `outage`: nobody is heard until then."""

    capabilities = replace(Imitation.capabilities, reconciled=True)

    def __init__(self, chance: Chance, turns: Turns, clock: Hands, books: Books) -> None:
        self.imitation = Imitation(clock, page_url="https://pay.example")
        self.mishaps = True
        self.outage_until: datetime | None = None
        self.faults: Counter[str] = Counter()
        self.changed: dict[str, None] = {}
        self.deliveries: list[Delivery] = []
        self.to_finish: list[tuple[datetime, str]] = []
        self.broken: list[str] = []
        self._chance, self._turns, self._clock = chance, turns, clock
        self._books = books
        self._calls: Counter[str] = Counter()
        self._told: dict[str, str] = {}
        self._removed_at: dict[UUID, int] = {}
        self._pages: dict[str, datetime] = {}

    @contextmanager
    def owner_removes(self, method_id: UUID) -> Iterator[None]:
        """While its owner's request to remove a method is under way, a charge may slip in before it; after it, none."""
        self._removed_at.pop(method_id, None)
        try:
            yield
        finally:
            self._removed_at[method_id] = self._turns.number

    async def _is_known_to_be_removed(self, instrument: object) -> bool:
        """Whether whoever charges it could have known: the books told so when it looked there last."""
        method_id = await self._books.removed(instrument.provider_method_id) if isinstance(instrument, Saved) else None
        removed_at = self._removed_at.get(method_id) if method_id is not None else None
        return removed_at is not None and removed_at < self._turns.looked_at

    # --- the port --------------------------------------------------------------------------------
    async def create_payment(self, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        async def act() -> PaymentSnapshot | Refused | Silence:
            if not await self._books.is_written("payments", request.payment_id):
                self.broken.append(f"payment {request.payment_id} was asked for before it was written (invariant 1)")
            if await self._is_known_to_be_removed(request.instrument):
                self.broken.append(f"payment {request.payment_id} charges a removed method (invariant 13)")
            return await self.imitation.create_payment(request)

        return await self._call("create_payment", str(request.payment_id), _FAULTS, act)

    async def create_binding(self, request: BindingRequest) -> PaymentSnapshot | Refused | Silence:
        return await self._call(
            "create_binding", str(request.payment_id), _FAULTS, lambda: self.imitation.create_binding(request)
        )

    async def get_payment(self, provider_payment_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._call(
            "get_payment", provider_payment_id, _LOOKS, lambda: self.imitation.get_payment(provider_payment_id)
        )

    async def get_binding(self, provider_method_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._call(
            "get_binding", provider_method_id, _LOOKS, lambda: self.imitation.get_binding(provider_method_id)
        )

    async def find_payment(
        self, payment_id: UUID, created_from: datetime, created_to: datetime
    ) -> PaymentSnapshot | NotFound | Silence:
        return await self._call(
            "find_payment",
            str(payment_id),
            _LOOKS,
            lambda: self.imitation.find_payment(payment_id, created_from, created_to),
        )

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot | Refused | Silence:
        async def act() -> RefundSnapshot | Refused | Silence:
            if not await self._books.is_written("refunds", request.refund_id):
                self.broken.append(f"refund {request.refund_id} was asked for before it was written (invariant 1)")
            return await self.imitation.create_refund(request)

        return await self._call("create_refund", str(request.refund_id), _FAULTS, act)

    async def get_refund(self, provider_refund_id: str) -> RefundSnapshot | NotFound | Silence:
        return await self._call(
            "get_refund", provider_refund_id, _LOOKS, lambda: self.imitation.get_refund(provider_refund_id)
        )

    async def find_refund(
        self, refund_id: UUID, created_from: datetime, created_to: datetime
    ) -> RefundSnapshot | NotFound | Silence:
        return await self._call(
            "find_refund",
            str(refund_id),
            _LOOKS,
            lambda: self.imitation.find_refund(refund_id, created_from, created_to),
        )

    async def list_payments(self, created_from: datetime, created_to: datetime) -> AsyncIterator[PaymentSnapshot]:
        async with self._listing(f"list_payments since {created_from}"):
            listed = [one async for one in self.imitation.list_payments(created_from, created_to)]
        for one in listed:
            yield one

    async def list_refunds(self, created_from: datetime, created_to: datetime) -> AsyncIterator[RefundSnapshot]:
        async with self._listing(f"list_refunds since {created_from}"):
            listed = [one async for one in self.imitation.list_refunds(created_from, created_to)]
        for one in listed:
            yield one

    @asynccontextmanager
    async def _listing(self, what: str) -> AsyncIterator[None]:
        async with self._turns.call(what.partition(" ")[0]):
            self._calls[what] += 1
            if self._fault(f"{what} #{self._calls[what]}", _LOOKS) is not None:
                self.faults[f"{what.partition(' ')[0]}: no answer"] += 1
                raise ConnectionError("no answer arrived")
            yield

    def parse_notification(self, body: bytes) -> Notification:
        return self.imitation.parse_notification(body)

    def is_sender(self, address: str) -> bool:
        return self.imitation.is_sender(address)

    async def close(self) -> None:
        await self.imitation.close()

    async def _call(self, call: str, about: str, faults: tuple[str, ...], act: Callable[[], Awaitable[T]]) -> T | Any:
        async with self._turns.call(call):
            self._calls[f"{call} {about}"] += 1
            fault = self._fault(f"{call} {about} #{self._calls[f'{call} {about}']}", faults)
            if fault is not None:
                self.faults[f"{call}: {fault}"] += 1
            if fault == "asked for patience":
                return Silence("429", retry_after_s=60)
            if fault == "no answer, not done":
                return Silence("no answer arrived")
            if fault == "refused":
                return Refused("invalid_request", "so it was decided")
            if fault == "stays pending":
                self.imitation.on(call).leave_pending()
            answer = await act()
            self._note(answer, left_open=fault == "stays pending")
            return Silence("no answer arrived") if fault == "no answer, done" else answer

    def _fault(self, name: str, faults: tuple[str, ...]) -> str | None:
        if not self.mishaps:
            return None
        if self.outage_until is not None and self._clock.now() < self.outage_until:
            return self._chance.pick(f"outage {name}", ("no answer, not done", "no answer, not done", faults[1]))
        # Trouble rarely comes alone, and refunds are few: both are met the oftener.
        often = not name.endswith("#1") or name.startswith("create_refund")
        if not self._chance.happens(f"fault: {name}", 0.3 if often else 0.08):
            return None
        return self._chance.pick(f"which {name}", faults)

    # --- what happens there by itself and by people's hands ---------------------------------------
    def pay(self, provider_id: str, card: str) -> None:
        self._note(self.imitation.pay(provider_id, card))

    def is_open(self, provider_id: str) -> bool:
        return self._snapshot(provider_id).status is ProviderStatus.PENDING

    def deliver_again(self, body: bytes) -> None:
        """It was not answered with 200."""
        self.deliveries.append(Delivery(self._clock.now() + timedelta(minutes=10), len(self._told), body))

    def refund_in_cabinet(self, provider_id: str, minor: int) -> None:
        """Nothing where so much is not left there: who asks for it may not have heard of an earlier one."""
        there = self._snapshot(provider_id)
        left = there.amount.minor - (there.refunded or there.amount.zero()).minor
        if minor > left or 0 < left - minor < 100:
            return
        self._note(self.imitation.refund_in_cabinet(provider_id, Money(minor)))

    def tick(self) -> None:
        """Decide what has been pending long enough, and let pages run out."""
        now = self._clock.now()
        due = [provider_id for at, provider_id in self.to_finish if at <= now or not self.mishaps]
        self.to_finish = [one for one in self.to_finish if one[1] not in due]
        for provider_id in due:
            is_refund = provider_id in self.imitation._books.refunds
            why = self._chance.pick(f"finish {provider_id}", _REFUND_REFUSALS) if is_refund else None
            if not is_refund and self._snapshot(provider_id).status is not ProviderStatus.PENDING:
                continue
            if not is_refund and self._chance.draw(f"finish {provider_id}") < 0.2:
                why = "insufficient_funds"
            self._note(self.imitation.finish(provider_id, Cancellation(why, "payment_network") if why else None))
        for provider_id in [one for one, until in self._pages.items() if until <= now]:
            del self._pages[provider_id]
            self._note(self._snapshot(provider_id))

    def due_deliveries(self) -> list[bytes]:
        now = self._clock.now()
        due = sorted(one for one in self.deliveries if one.at <= now or not self.mishaps)
        self.deliveries = [one for one in self.deliveries if one not in due]
        return [one.body for one in due]

    def take_changes(self) -> tuple[list[LedgerPayment], list[LedgerRefund]]:
        """What has changed in the ledger since the last time, as it stands now."""
        changed, self.changed = self.changed, {}
        refunds = self.imitation._books.refunds
        paid = [self._ledger_payment(one) for one in changed if one not in refunds]
        returned = [
            LedgerRefund(one.id, one.payment_id, one.our_id, one.status.value, one.amount.minor)
            for one in (refunds[name] for name in changed if name in refunds)
        ]
        return paid, returned

    def _ledger_payment(self, provider_id: str) -> LedgerPayment:
        found = self.imitation._books.payments[provider_id]
        return LedgerPayment(
            provider_id=found.id,
            payment_id=found.our_id,
            status=found.status.value,
            amount=found.amount.minor,
            refunded=found.refunded,
            method=found.method.provider_method_id if found.method else None,
        )

    def _snapshot(self, provider_id: str) -> PaymentSnapshot:
        found = self.imitation.look_up(provider_id, binding=False)
        assert isinstance(found, PaymentSnapshot)
        return found

    def _note(self, answer: object, *, left_open: bool = False) -> None:
        """Remember what changed, and send word of it, or not, or twice, or late."""
        if isinstance(answer, PaymentSnapshot):
            provider_id = answer.provider_payment_id
            if answer.confirmation_url and answer.status is ProviderStatus.PENDING:
                self._pages.setdefault(provider_id, self._clock.now() + timedelta(hours=1))
        elif isinstance(answer, RefundSnapshot):
            provider_id = answer.provider_refund_id
            self.changed[answer.provider_payment_id] = None
        else:
            return
        if self._told.get(provider_id) == answer.status.value:
            return
        self._told[provider_id] = answer.status.value
        self.changed[provider_id] = None
        if left_open and answer.status is ProviderStatus.PENDING:
            hours = self._chance.between(f"how long {provider_id}", 0.01, 40)
            self.to_finish.append((self._clock.now() + timedelta(hours=hours), provider_id))
        if answer.status is ProviderStatus.PENDING:
            self._forge(provider_id)
            return
        if isinstance(answer, RefundSnapshot) and answer.status is ProviderStatus.CANCELED:
            return  # there is no such event
        self._send(self.imitation.notification_of(provider_id), f"{provider_id} {answer.status}")

    def _send(self, body: bytes, about: str) -> None:
        now = self._clock.now()
        if self.mishaps and self._chance.happens(f"notification lost: {about}", 0.15):
            return
        late = self.mishaps and self._chance.happens(f"notification late: {about}", 0.15)
        at = now + timedelta(hours=self._chance.between(f"how late {about}", 0, 30)) if late else now
        self.deliveries.append(Delivery(at, len(self._told), body))
        if self.mishaps and self._chance.happens(f"notification doubled: {about}", 0.15):
            again = now + timedelta(hours=self._chance.between(f"how doubled {about}", 0, 30))
            # Said once more in other words, so that it is not taken for the same one by its content.
            self.deliveries.append(
                Delivery(again, len(self._told), json.dumps(json.loads(body) | {"again": 1}).encode())
            )
        if self.mishaps and self._chance.happens(f"notification of nothing: {about}", 0.05):
            self._deliver_forged(f"forged-{about[:36]}")

    def _forge(self, provider_id: str) -> None:
        """Somebody who knows a payment's id says that it was paid."""
        if self.mishaps and self._chance.happens(f"notification forged: {provider_id}", 0.2):
            self._deliver_forged(provider_id)

    def _deliver_forged(self, provider_id: str) -> None:
        forged = {"type": "notification", "event": "payment.succeeded", "object": {"id": provider_id, "paid": True}}
        self.deliveries.append(Delivery(self._clock.now(), len(self._told), json.dumps(forged).encode()))
