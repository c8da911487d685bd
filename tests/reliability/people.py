"""The people of a cinema, living on while parts of the stack are killed: they subscribe, pay, are renewed, want out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import psycopg

from infrastructure.simulators.yookassa.client import ControlRefusedError, SimulatorControl
from tests.reliability.caller import Caller, Reply
from tests.reliability.real_stack import RealStack

PLANS = {"premium": "499.00", "kids": "199.90"}
GOOD_CARD = "5555555555554444"
POOR_CARD = "5555555555554600"
_T = TypeVar("_T")
_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    token: str


class Crowd:
    """Some lanes, each one person's life after the other; `leaves` lets each end what it has begun."""

    def __init__(self, stack: RealStack, caller: Caller, *, seed: int, lanes: int, pause_s: float) -> None:
        self._stack = stack
        self._caller = caller
        self._pause_s = pause_s
        self._leaving = asyncio.Event()
        self._service = stack.token("till", scope="billing:internal")
        self.people: list[Person] = []
        self._lanes = [asyncio.create_task(self._lane(random.Random(f"{seed}/{lane}"))) for lane in range(lanes)]

    async def leaves(self, patience_s: float) -> None:
        """No new wishes; raises TimeoutError where a request gets no final answer, and what a lane failed with."""
        self._leaving.set()
        async with asyncio.timeout(patience_s):
            await asyncio.gather(*self._lanes)

    async def close(self) -> None:
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    def raise_failure(self) -> None:
        """What a lane failed with, while the others go on."""
        for lane in self._lanes:
            if lane.done() and not lane.cancelled():
                lane.result()

    async def _lane(self, chance: random.Random) -> None:
        while not self._leaving.is_set():
            await self._life(chance)

    async def _life(self, chance: random.Random) -> None:
        user_id = uuid4()
        person = Person(user_id, self._stack.token(str(user_id), email=f"{user_id.hex}@example.org"))
        self.people.append(person)
        plan = chance.choice(sorted(PLANS))
        sale = await self._subscribes(person, plan, chance)
        if not sale.answered_2xx:
            self._caller.record.complaints.append(f"a new person could not subscribe: {sale.status} {sale.content!r}")
            return
        subscription_id, payment = sale.body["subscription"]["id"], sale.body["payment"]
        await self._sees(person, payment["id"], sale)
        if payment["status"] in ("pending", "unknown") and not await self._pays_on_the_page(person, payment, chance):
            return
        for _ in range(chance.randint(1, 5)):
            if self._leaving.is_set():
                return
            await asyncio.sleep(chance.random() * self._pause_s)
            step = chance.choices(
                (self._renewed, self._renewed_or_poor, self._wants_money_back, self._gets_money_back, self._cancels),
                weights=(8, 2, 2, 2, 2),
            )[0]
            await step(person, subscription_id, payment["id"], chance)
            await self._caller.reads("/v1/subscriptions", person.token)

    # --- paying --------------------------------------------------------------------------------
    async def _subscribes(self, person: Person, plan: str, chance: random.Random) -> Reply:
        how = chance.choices(("token", "page", "poor"), weights=(6, 3, 1))[0]
        choice: dict[str, str] = {"type": "redirect", "return_url": "https://cinema.example/back"}
        if how != "page":
            card = POOR_CARD if how == "poor" else GOOD_CARD
            choice = {"type": "token", "payment_token": await self._of_simulator(lambda control: control.token(card))}
        body = {"plan_code": plan, "price": {"value": PLANS[plan], "currency": "RUB"}, "payment": choice}
        at_once = 3 if chance.random() < 0.2 else 1
        return await self._caller.posts(
            f"subscribe by {'page' if how == 'page' else 'token'}",
            "/v1/subscriptions",
            body,
            person.token,
            user_id=person.id,
            at_once=at_once,
        )

    async def _sees(self, person: Person, payment_id: str, sale: Reply) -> None:
        """Who was answered reads it: the reply's consistency token sees at least that change."""
        listed = await self._caller.reads("/v1/payments", person.token, sale.consistency)
        if payment_id not in [one["id"] for one in listed["items"]]:
            self._caller.record.complaints.append(f"payment {payment_id} was answered, and is not to be seen")

    async def _pays_on_the_page(self, person: Person, payment: dict[str, Any], chance: random.Random) -> bool:
        """Whether the payment has succeeded in the end; a page may be left, too."""
        pays = chance.random() < 0.8
        while payment["status"] in ("pending", "unknown"):
            provider_id = payment["provider_payment_id"]
            if provider_id is not None and payment["confirmation_url"] is not None:
                await self._at_the_page(provider_id, pays=pays)
            if self._leaving.is_set():
                return False
            await asyncio.sleep(_PAUSE_S)
            payment = await self._caller.reads(f"/v1/payments/{payment['id']}", person.token)
        return bool(payment["status"] == "succeeded")

    async def _at_the_page(self, provider_id: str, *, pays: bool) -> None:
        await self._of_simulator(
            lambda control: control.pay(provider_id, GOOD_CARD) if pays else control.leave(provider_id)
        )

    async def _of_simulator(self, do: Callable[[SimulatorControl], Awaitable[_T]]) -> _T:
        """Asked until it answers; a refusal tells that it was done before the answer got lost."""
        while True:
            try:
                return await do(SimulatorControl(self._stack.addresses["yookassa"], timeout_s=10.0))
            except httpx.TransportError:
                self._caller.record.retries["payment page"] += 1
                await asyncio.sleep(_PAUSE_S)
            except ControlRefusedError:
                return None  # type: ignore[return-value] # only of calls whose answer nobody looks at

    # --- a subscription that runs --------------------------------------------------------------
    async def _renewed(self, person: Person, subscription_id: str, _: str, chance: random.Random) -> None:
        """It falls due, and a service asks for the charge while the worker goes for it, too."""
        await self._falls_due(subscription_id)
        body = {"subscription_id": subscription_id}
        at_once = 2 if chance.random() < 0.3 else 1
        await self._caller.posts(
            "renew", "/internal/v1/renewals", body, self._service, user_id=person.id, at_once=at_once
        )

    async def _renewed_or_poor(
        self, person: Person, subscription_id: str, payment_id: str, chance: random.Random
    ) -> None:
        """The card has no money at first; the person pays with another one."""
        method_id = await self._method(payment_id)
        if method_id is not None:
            await self._of_simulator(lambda control: control.behave(method_id, "insufficient_funds", times=1))
        await self._renewed(person, subscription_id, "", chance)
        token = await self._of_simulator(lambda control: control.token(GOOD_CARD))
        body = {"payment": {"type": "token", "payment_token": token}}
        path = f"/v1/subscriptions/{subscription_id}/payments"
        await self._caller.posts("pay what is owed", path, body, person.token, user_id=person.id)

    async def _wants_money_back(self, person: Person, subscription_id: str, _: str, chance: random.Random) -> None:
        path = f"/v1/subscriptions/{subscription_id}/refunds"
        at_once = 3 if chance.random() < 0.3 else 1
        await self._caller.posts(
            "refund by person", path, {"reason": "no time"}, person.token, user_id=person.id, at_once=at_once
        )

    async def _gets_money_back(self, person: Person, _: str, payment_id: str, chance: random.Random) -> None:
        body: dict[str, Any] = {"payment_id": payment_id, "reason": "an apology"}
        if chance.random() < 0.7:
            body["amount"] = {"value": f"{chance.randint(10, 90)}.{chance.randint(0, 99):02d}", "currency": "RUB"}
        await self._caller.posts("internal refund", "/internal/v1/refunds", body, self._service, user_id=person.id)

    async def _cancels(self, person: Person, subscription_id: str, _: str, chance: random.Random) -> None:
        body = {"when": chance.choice(("now", "period_end"))}
        path = f"/v1/subscriptions/{subscription_id}/cancel"
        await self._caller.posts("cancel", path, body, person.token, user_id=person.id)

    async def _falls_due(self, subscription_id: str) -> None:
        """What a month would bring, written into the books by hand: the system's clock cannot be moved."""
        await self._books(
            "UPDATE subscriptions SET next_charge_at = now() WHERE id = %s AND status = 'active' "
            "AND next_charge_at IS NOT NULL AND open_payment_id IS NULL AND NOT refunding",
            subscription_id,
        )

    async def _method(self, payment_id: str) -> str | None:
        found = await self._books(
            "SELECT m.provider_method_id FROM payments p JOIN payment_methods m ON m.id = p.payment_method_id "
            "WHERE p.id = %s",
            payment_id,
        )
        return str(found[0][0]) if found else None

    async def _books(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Nothing where Postgres is away at this moment."""
        try:
            async with await psycopg.AsyncConnection.connect(
                self._stack.addresses["database"], autocommit=True, connect_timeout=2
            ) as connection:
                cursor = await connection.execute(statement.encode(), values)
                return await cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            return []


async def sell_plans(stack: RealStack, caller: Caller) -> None:
    """Put the plans on sale."""
    admin = stack.token("desk", scope="billing:admin")
    for code, price in PLANS.items():
        body = {
            "code": code,
            "name": code.title(),
            "price": {"value": price, "currency": "RUB"},
            "period": {"unit": "month", "count": 1},
        }
        await caller.posts("sell a plan", "/internal/v1/plans", body, admin)
