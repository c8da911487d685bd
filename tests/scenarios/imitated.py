"""The imitated payment system beside the simulated one: it takes card data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from domain.payment_system import ProviderStatus
from infrastructure.payment_systems.guarded import Guarded
from infrastructure.payment_systems.imitation import Imitation
from infrastructure.postgres.tables import payments
from tests.scenarios.cinema import Cinema, Person
from tests.waiting import eventually

CVC = "123"


@dataclass
class Imitated:
    cinema: Cinema
    guarded: Guarded
    system: Imitation

    @property
    def sent(self) -> int:
        """How many calls asked it for money so far."""
        return self.system.calls.count("create_payment")

    async def hears(self, call: str, times: int) -> None:
        """Wait until it was called so often."""
        await eventually(lambda: self.system.calls.count(call) >= times)

    async def stores(self, person: Person, number: str, month: int = 12, year: int = 2030) -> str:
        """The card's id."""
        reply = await person.posts("/v1/cards", {"number": number, "exp_month": month, "exp_year": year})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    async def subscribes(
        self,
        person: Person,
        card: str,
        key: str | None = None,
        *,
        cvc: Any = CVC,
        system: str = "imitation",
        **more: Any,
    ) -> httpx.Response:
        payment = {"type": "card", "card_id": card, "cvc": cvc, **more}
        price = {"value": "499.00", "currency": "RUB"}
        body = {"plan_code": "premium", "price": price, "payment": payment, "payment_system": system}
        return await person.posts("/v1/subscriptions", body, key or uuid4().hex)

    async def charged(self, person: Person) -> list[str]:
        """What the payment system's own books say that this person's cards were charged."""
        async with self.cinema.service.engine.connect() as connection:
            query = select(payments.c.id).where(payments.c.user_id == person.id)
            theirs = set((await connection.execute(query)).scalars())
        made = [one for one in self.system.payments() if one.our_id in theirs]
        return [one.amount.value for one in made if one.status is ProviderStatus.SUCCEEDED]


@pytest.fixture(scope="module")
async def imitated(cinema: Cinema) -> Imitated:
    body = {"code": "imitation", "name": "Имитация", "adapter": "imitation"}
    reply = await cinema.as_admin("POST", "/internal/v1/payment-systems", body)
    assert reply.status_code == 201, reply.text
    return await imitated_in(cinema)


async def imitated_in(cinema: Cinema) -> Imitated:
    """The one that this service speaks to; it lives in the service's memory."""
    guarded = cast("Guarded", await cinema.service.payment_systems.by_code("imitation"))
    return Imitated(cinema, guarded, cast("Imitation", guarded._inner))
