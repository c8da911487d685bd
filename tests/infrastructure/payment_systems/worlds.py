"""The payment systems of the conformance suite, each with the hands that people and banks have there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from domain.money import Money
from domain.payment_system import Cancellation
from domain.ports import PaymentSystem
from infrastructure.payment_systems.imitation import Imitation
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account
from infrastructure.simulators.yookassa.serve import Running, running

_OPERATIONS = {"create_binding": "create_method"}  # the port's names → the simulator's, where they differ


class MovableClock:
    def __init__(self) -> None:
        self._now = datetime(2026, 7, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class World(ABC):
    system: PaymentSystem
    clock: MovableClock

    @abstractmethod
    async def pay(self, provider_id: str, number: str) -> None:
        """The person enters a card on the payment system's page."""

    @abstractmethod
    async def token(self, number: str) -> str:
        """The widget turns a card into a one-time token."""

    @abstractmethod
    async def decline_saved(self, method_id: str, reason: str) -> None:
        """From now on charges of a saved method are declined for that reason, by the bank."""

    @abstractmethod
    async def lose_answer(self, call: str) -> None:
        """The next such call is carried out; its answer is lost."""

    @abstractmethod
    async def lose_request(self, call: str) -> None:
        """The next such call never arrives."""

    @abstractmethod
    async def hold_refund(self) -> None:
        """The next refund stays pending."""

    @abstractmethod
    async def cancel_refund(self, provider_refund_id: str, reason: str) -> None: ...

    @abstractmethod
    async def refund_in_cabinet(self, provider_payment_id: str, amount: Money) -> str: ...


class ImitationWorld(World):
    def __init__(self) -> None:
        self.clock = MovableClock()
        self.system = self._imitation = Imitation(self.clock)

    async def pay(self, provider_id: str, number: str) -> None:
        self._imitation.pay(provider_id, number)

    async def token(self, number: str) -> str:
        return self._imitation.tokenise(number)

    async def decline_saved(self, method_id: str, reason: str) -> None:
        number = {"insufficient_funds": "5555555555554600", "card_expired": "5555555555554543"}[reason]
        self._imitation.replace_card(method_id, number)

    async def lose_answer(self, call: str) -> None:
        self._imitation.on(call).charge_and_say_nothing()

    async def lose_request(self, call: str) -> None:
        self._imitation.on(call).say_nothing_before()

    async def hold_refund(self) -> None:
        self._imitation.on("create_refund").leave_pending()

    async def cancel_refund(self, provider_refund_id: str, reason: str) -> None:
        self._imitation.finish(provider_refund_id, Cancellation(reason, "refund_network"))

    async def refund_in_cabinet(self, provider_payment_id: str, amount: Money) -> str:
        return self._imitation.refund_in_cabinet(provider_payment_id, amount).provider_refund_id


class YooKassaWorld(World):
    """The real adapter with the real SDK, against the simulator."""

    def __init__(self, simulator: Running, clock: MovableClock) -> None:
        self.clock = clock
        self._control = simulator.control
        account = Account(simulator.api_url, simulator.shop_id, simulator.secret_key)
        self.system = YooKassa(account, threads=4, deadline_s=5)

    async def pay(self, provider_id: str, number: str) -> None:
        await self._control.pay(provider_id, number)

    async def token(self, number: str) -> str:
        return await self._control.token(number)

    async def decline_saved(self, method_id: str, reason: str) -> None:
        await self._control.behave(method_id, reason)

    async def lose_answer(self, call: str) -> None:
        await self._control.fault(_OPERATIONS.get(call, call), "reset", when="after")

    async def lose_request(self, call: str) -> None:
        await self._control.fault(_OPERATIONS.get(call, call), "reset", when="before")

    async def hold_refund(self) -> None:
        await self._control.fault("create_refund", "refund_pending", seconds=0)

    async def cancel_refund(self, provider_refund_id: str, reason: str) -> None:
        await self._control.settle_refund(provider_refund_id, reason)

    async def refund_in_cabinet(self, provider_payment_id: str, amount: Money) -> str:
        return await self._control.cabinet_refund(provider_payment_id, amount.value)


@asynccontextmanager
async def world(name: str) -> AsyncIterator[World]:
    """A fresh payment system by its adapter's name."""
    if name == "imitation":
        yield ImitationWorld()
        return
    clock = MovableClock()
    with running(clock=clock) as simulator:
        it = YooKassaWorld(simulator, clock)
        yield it
        await it.system.close()
