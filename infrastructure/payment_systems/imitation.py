"""An imitation of a payment system, in memory: YooKassa's behaviour with its test cards, and faults on demand.

It also takes card data, which YooKassa takes from certified shops only. Several processes do not share
it: where that matters the simulator is the right neighbour. Production refuses it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from domain.payment_system import (
    BindingRequest,
    Capabilities,
    ChargeRequest,
    NotFound,
    Notification,
    PaymentSnapshot,
    ProviderStatus,
    RefundRequest,
    RefundSnapshot,
    Refused,
    Silence,
)
from domain.ports import Clock, PaymentSystem
from infrastructure.payment_systems.imitation_faults import Fault, Faults, Script
from infrastructure.payment_systems.imitation_shop import Shop
from infrastructure.payment_systems.notification import read_notification

_Answer = TypeVar("_Answer")

BEST_FIRST = (ProviderStatus.SUCCEEDED, ProviderStatus.PENDING, ProviderStatus.CANCELED)
"""Of several tries under one id of ours, the one that took the money is the one to know of."""


class Imitation(Shop, PaymentSystem):
    capabilities = Capabilities(redirect=True, token=True, saved=True, card=True, binding=True, reconciled=False)

    def __init__(self, clock: Clock, *, seed: str = "imitation", page_url: str = "https://imitation.invalid") -> None:
        super().__init__(clock, seed=seed, page_url=page_url)
        self._faults = Faults()
        self.calls: list[str] = []
        """The names of all calls so far, in their order."""

    # --- the port --------------------------------------------------------------------------------
    async def create_payment(self, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        return await self._call("create_payment", lambda fault: self.charge(request, pending=fault.pending))

    async def create_binding(self, request: BindingRequest) -> PaymentSnapshot | Refused | Silence:
        return await self._call("create_binding", lambda _fault: self.bind(request))

    async def get_payment(self, provider_payment_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._call("get_payment", lambda _fault: self.look_up(provider_payment_id, binding=False))

    async def get_binding(self, provider_method_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._call("get_binding", lambda _fault: self.look_up(provider_method_id, binding=True))

    async def find_payment(
        self, payment_id: UUID, created_from: datetime, created_to: datetime
    ) -> PaymentSnapshot | NotFound | Silence:
        def find(_fault: Fault) -> PaymentSnapshot | NotFound:
            of_time = [each for each in self.payments() if created_from <= each.created_at <= created_to]
            ours = [each.snapshot() for each in reversed(of_time) if each.our_id == payment_id]
            return min(ours, key=lambda each: BEST_FIRST.index(each.status), default=NotFound())

        return await self._call("find_payment", find)

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot | Refused | Silence:
        return await self._call("create_refund", lambda fault: self.refund(request, pending=fault.pending))

    async def get_refund(self, provider_refund_id: str) -> RefundSnapshot | NotFound | Silence:
        def get(_fault: Fault) -> RefundSnapshot | NotFound:
            refund = self._books.refunds.get(provider_refund_id)
            return refund.snapshot() if refund else NotFound()

        return await self._call("get_refund", get)

    async def find_refund(
        self, refund_id: UUID, created_from: datetime, created_to: datetime
    ) -> RefundSnapshot | NotFound | Silence:
        def find(_fault: Fault) -> RefundSnapshot | NotFound:
            of_time = [each for each in self.refunds() if created_from <= each.created_at <= created_to]
            ours = [each.snapshot() for each in reversed(of_time) if each.our_id == refund_id]
            return min(ours, key=lambda each: BEST_FIRST.index(each.status), default=NotFound())

        return await self._call("find_refund", find)

    async def list_payments(self, created_from: datetime, created_to: datetime) -> AsyncIterator[PaymentSnapshot]:
        listed = await self._call("list_payments", lambda _fault: self.payments())
        if isinstance(listed, Silence):
            raise ConnectionError(listed.why)
        for payment in reversed(listed):
            if created_from <= payment.created_at < created_to:
                yield payment.snapshot()

    async def list_refunds(self, created_from: datetime, created_to: datetime) -> AsyncIterator[RefundSnapshot]:
        listed = await self._call("list_refunds", lambda _fault: self.refunds())
        if isinstance(listed, Silence):
            raise ConnectionError(listed.why)
        for refund in reversed(listed):
            if created_from <= refund.created_at < created_to:
                yield refund.snapshot()

    def parse_notification(self, body: bytes) -> Notification:
        return read_notification(body)

    def is_sender(self, address: str) -> bool:
        """It lives on this machine."""
        try:
            return ipaddress.ip_address(address).is_loopback
        except ValueError:
            return False

    async def close(self) -> None:
        self._faults.clear()

    # --- what the world around it does -----------------------------------------------------------
    def on(self, call: str) -> Script:
        """Script the next calls of that name, e.g. `on("create_payment").refuse("forbidden")`."""
        if not hasattr(PaymentSystem, call):
            raise ValueError(f"a payment system has no {call}")
        return Script(self._faults, call)

    async def _call(self, call: str, act: Callable[[Fault], _Answer]) -> _Answer | Any:
        """Carry a call out under the fault that waits for it; what a `lie` makes of the answer is anything."""
        self.calls.append(call)
        fault = self._faults.next_of(call)
        if fault.hold is not None:
            await fault.hold.wait()
        if fault.instead is not None:
            return fault.instead
        answer = act(fault)
        return fault.after(answer) if fault.after else answer
