"""Any payment system behind a circuit breaker and a limit of calls under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from domain.payment_system import (
    BindingRequest,
    ChargeRequest,
    NotFound,
    Notification,
    PaymentSnapshot,
    RefundRequest,
    RefundSnapshot,
    Refused,
    Silence,
    Unreadable,
)
from domain.ports import PaymentSystem
from infrastructure.payment_systems.circuit import Circuit, Pass, State
from infrastructure.payment_systems.deadline import ending_by

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class GuardState:
    """For /metrics. `silent`: different objects that have met silence since the last word; the rest are calls.

    `silences`: how many were made and got no word; `opened`, `held_back` and it only grow.
    """

    circuit: State
    silent: int
    under_way: int
    opened: int
    held_back: int
    silences: int


class Guarded(PaymentSystem):
    """Answers `Silence` by itself where a call would only add to the trouble; otherwise it is the inner one.

    `silences_to_open` different objects without a word open the circuit for `first_open_for_s`, growing to
    `open_for_s`, or for as long as the payment system itself asks, up to `longest_open_s`. A call waits `wait_s` at
    most for one of `calls_at_once`, and has what is left of `deadline_s` for its answer: the whole is what a person
    waits. Where the circuit is open nobody waits in line to hear so. Reads and writes share both: they meet the same
    network and the same outage. What it says itself never reached the payment system (`unsent`), but most callers need
    not know: the same key is asked again either way.
    """

    def __init__(
        self,
        inner: PaymentSystem,
        *,
        silences_to_open: int = 10,
        first_open_for_s: float = 2.0,
        open_for_s: float = 30.0,
        longest_open_s: float = 300.0,
        calls_at_once: int = 16,
        wait_s: float = 7.0,
        deadline_s: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capabilities = inner.capabilities
        self._inner = inner
        self._circuit = Circuit(
            silences_to_open=silences_to_open,
            first_open_for_s=first_open_for_s,
            open_for_s=open_for_s,
            longest_open_s=longest_open_s,
            monotonic=monotonic,
        )
        self._free = asyncio.Semaphore(calls_at_once)
        self._wait_s = wait_s
        self._deadline_s = deadline_s
        self._under_way = 0
        self._held_back = 0
        self._silences = 0

    @property
    def state(self) -> GuardState:
        circuit = self._circuit
        return GuardState(
            circuit.state, circuit.silent, self._under_way, circuit.opened, self._held_back, self._silences
        )

    async def create_payment(self, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        return await self._call(f"payment {request.payment_id}", lambda: self._inner.create_payment(request))

    async def create_binding(self, request: BindingRequest) -> PaymentSnapshot | Refused | Silence:
        return await self._call(f"payment {request.payment_id}", lambda: self._inner.create_binding(request))

    async def get_payment(self, provider_payment_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._call(provider_payment_id, lambda: self._inner.get_payment(provider_payment_id))

    async def get_binding(self, provider_method_id: str) -> PaymentSnapshot | NotFound | Silence:
        return await self._call(provider_method_id, lambda: self._inner.get_binding(provider_method_id))

    async def find_payment(
        self, payment_id: UUID, created_from: datetime, created_to: datetime
    ) -> PaymentSnapshot | NotFound | Silence:
        return await self._call(
            f"payment {payment_id}", lambda: self._inner.find_payment(payment_id, created_from, created_to)
        )

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot | Refused | Silence:
        return await self._call(f"refund {request.refund_id}", lambda: self._inner.create_refund(request))

    async def get_refund(self, provider_refund_id: str) -> RefundSnapshot | NotFound | Silence:
        return await self._call(provider_refund_id, lambda: self._inner.get_refund(provider_refund_id))

    async def find_refund(
        self, refund_id: UUID, created_from: datetime, created_to: datetime
    ) -> RefundSnapshot | NotFound | Silence:
        return await self._call(
            f"refund {refund_id}", lambda: self._inner.find_refund(refund_id, created_from, created_to)
        )

    async def list_payments(
        self, created_from: datetime, created_to: datetime
    ) -> AsyncIterator[PaymentSnapshot | Unreadable]:
        async for snapshot in self._list("payments", self._inner.list_payments(created_from, created_to)):
            yield snapshot

    async def list_refunds(
        self, created_from: datetime, created_to: datetime
    ) -> AsyncIterator[RefundSnapshot | Unreadable]:
        async for snapshot in self._list("refunds", self._inner.list_refunds(created_from, created_to)):
            yield snapshot

    def parse_notification(self, body: bytes) -> Notification:
        return self._inner.parse_notification(body)

    def is_sender(self, address: str) -> bool:
        return self._inner.is_sender(address)

    async def close(self) -> None:
        await self._inner.close()

    async def _call(self, subject: str, call: Callable[[], Awaitable[_Answer | Silence]]) -> _Answer | Silence:
        ends_at = time.monotonic() + self._deadline_s
        if self._circuit.state is State.OPEN:
            return await self._through_circuit(subject, call)
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            self._held_back += 1
            return Silence("too many calls are under way", unsent=True)
        self._under_way += 1
        try:
            with ending_by(ends_at):
                return await self._through_circuit(subject, call)
        finally:
            self._under_way -= 1
            self._free.release()

    async def _through_circuit(
        self, subject: str, call: Callable[[], Awaitable[_Answer | Silence]]
    ) -> _Answer | Silence:
        leave = self._circuit.ask(subject)
        if isinstance(leave, Silence):
            self._held_back += 1
            return replace(leave, unsent=True)
        try:
            answer = await call()
        except BaseException:
            self._circuit.abandoned(leave)
            raise
        self._tell(leave, answer)
        return answer

    def _tell(self, leave: Pass, answer: object) -> None:
        self._silences += isinstance(answer, Silence)
        if isinstance(answer, Silence) and not answer.only_this:
            self._circuit.silence(leave, answer.retry_after_s)
        else:
            self._circuit.answered(leave)

    async def _list(self, what: str, items: AsyncIterator[_Answer]) -> AsyncIterator[_Answer]:
        """Takes no place among the calls under way: a list is read as fast as its reader works, page by page."""
        leave = self._circuit.ask(what)
        if isinstance(leave, Silence):
            self._held_back += 1
            raise ConnectionError(leave.why)
        try:
            async for item in items:
                self._circuit.answered(leave)
                yield item
        except ConnectionError:
            self._silences += 1
            self._circuit.silence(leave, None)
            raise
        except BaseException:
            self._circuit.abandoned(leave)
            raise
        self._circuit.answered(leave)
