"""One shop at the payment system: its books, its faults, its notifications, its time."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime

from domain.ports import Clock
from infrastructure.clock import ClockLostError, HeldClock
from infrastructure.simulators.yookassa.books import Books
from infrastructure.simulators.yookassa.faults import Faults
from infrastructure.simulators.yookassa.instants import ClockAwayError, to_ms
from infrastructure.simulators.yookassa.notifications import Notifier
from infrastructure.simulators.yookassa.refunds import Refunds
from infrastructure.simulators.yookassa.store import Store


class Shop:
    def __init__(
        self, store: Store, clock: Clock, shop_id: str, secret_key: str, notify_url: str | None, *, pci: bool = False
    ) -> None:
        self.store = store
        self.clock = clock
        self.shop_id = shop_id
        self.pci = pci
        self.authorization = b"Basic " + b64encode(f"{shop_id}:{secret_key}".encode())
        self.faults = Faults(store)
        self.notifier = Notifier(store, self.faults, shop_id, notify_url, self.now_ms)
        self.books = Books(store, self.notifier.announce)
        self.refunds = Refunds(store, self.notifier.announce)

    async def now_ms(self) -> int:
        """The service's present; raises ClockAwayError.

        The held clock asks Postgres and may have to wait for it: not on this loop.
        """
        if isinstance(self.clock, HeldClock):
            try:
                return to_ms(await asyncio.to_thread(self.clock.now))
            except ClockLostError as error:
                raise ClockAwayError from error
        return to_ms(self.clock.now())

    def settle_due(self, now_ms: int) -> int:
        """Everything whose time has come; how many there were."""
        due = self.store.next_due_ms()
        if due is None or due > now_ms:
            return 0
        with self.store.change():
            return self.books.expire_payments(now_ms) + self.refunds.settle_due(now_ms)

    async def beat(self) -> None:
        """What the payment system does without being asked."""
        if self.settle_due(await self.now_ms()):
            self.notifier.wake()

    async def tick(self) -> datetime | None:
        """Do all that has fallen due, try every undelivered notification once; when something is due next."""
        while self.settle_due(await self.now_ms()):
            pass
        await self.notifier.flush()
        dues = [due for due in (self.store.next_due_ms(), self.store.next_held_back_ms()) if due is not None]
        return datetime.fromtimestamp(min(dues) / 1000, UTC) if dues else None
