"""A cinema to play scenarios in: the real service over HTTP, real Postgres and Valkey, the simulator of YooKassa."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import FastAPI
from sqlalchemy import func, select, update

from bootstrap import Service, build, token_verifier
from commands.app import add_commands
from infrastructure.http.surroundings import surround
from infrastructure.postgres.tables import cases, inbox, mails, payments, refunds, subscriptions
from infrastructure.simulators.auth.signing import issue_token
from infrastructure.simulators.yookassa.client import SimulatorControl
from infrastructure.simulators.yookassa.serve import Running
from jobs.sweeps import Sweeps
from queries.app import add_queries
from settings import Settings

GOOD_CARD = "5555555555554444"
POOR_CARD = "5555555555554600"  # insufficient_funds


class Hands:
    """A clock whose hands are moved by the test."""

    def __init__(self, at: datetime) -> None:
        self._now = at

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> None:
        self._now += by


@dataclass
class Cinema:
    service: Service
    api: httpx.AsyncClient
    yookassa: SimulatorControl
    clock: Hands
    sweeps: Sweeps
    private_key: str

    def token(self, subject: str, **claims: Any) -> str:
        return issue_token(self.private_key, sub=subject, ttl_s=3600, **claims)

    async def person(self, **claims: Any) -> Person:
        user_id = uuid4()
        return Person(self, user_id, self.token(str(user_id), email=f"{user_id.hex}@example.org", **claims))

    async def subscriber(self, **claims: Any) -> tuple[Person, dict[str, Any]]:
        """Somebody who has subscribed to the plan that is for sale, and what they were answered."""
        person = await self.person(**claims)
        reply = await person.subscribes("premium", "499.00")
        assert reply.status_code == 201, reply.text
        return person, reply.json()

    async def as_admin(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token('desk', scope='billing:admin')}"}
        headers["Idempotency-Key"] = key or uuid4().hex
        return await self.api.request(method, path, json=body, headers=headers)

    async def as_service(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token('site', scope='billing:internal')}"}
        headers["Idempotency-Key"] = key or uuid4().hex
        return await self.api.request(method, path, json=body, headers=headers)

    async def sells(self, code: str, price: str, **more: Any) -> None:
        body = {
            "code": code,
            "name": code.title(),
            "price": {"value": price, "currency": "RUB"},
            "period": {"unit": "month", "count": 1},
            **more,
        }
        reply = await self.as_admin("POST", "/internal/v1/plans", body)
        assert reply.status_code in (201, 409), reply.text

    async def works(self) -> None:
        """The workers do all that is due now."""
        for _ in range(20):
            if not await self.sweeps.everything():
                return
        raise AssertionError("the workers do not come to rest")

    async def time_passes(self, **by: float) -> None:
        """Time goes on, stopping wherever something falls due."""
        until = self.clock.now() + timedelta(**by)
        while (due := await self._next_due(until)) is not None:
            self.clock.move(due - self.clock.now())
            await self.works()
        self.clock.move(until - self.clock.now())
        await self.works()

    async def _next_due(self, until: datetime) -> datetime | None:
        table, instants = subscriptions.c, []
        columns = (table.next_charge_at, table.remind_at, table.end_at, payments.c.ask_again_at, refunds.c.ask_again_at)
        async with self.service.engine.connect() as connection:
            for column in columns:
                query = select(column).where(column > self.clock.now(), column <= until).order_by(column).limit(1)
                instants.append((await connection.execute(query)).scalar_one_or_none())
        return min((at for at in instants if at is not None), default=None)

    async def notifications_fall_due(self, *, older_by: timedelta = timedelta(0)) -> None:
        """As if the pauses between their tries were over, and no stranger's had to wait for its turn."""
        older = inbox.c.received_at - older_by
        due = {"retry_by": func.clock_timestamp(), "stranger": False, "received_at": older}
        async with self.service.engine.begin() as connection:
            await connection.execute(update(inbox).where(inbox.c.status == "new").values(**due))

    async def open_cases(self) -> list[str]:
        async with self.service.engine.connect() as connection:
            return list((await connection.execute(select(cases.c.kind).where(cases.c.resolved_at.is_(None)))).scalars())


@dataclass
class Person:
    cinema: Cinema
    id: UUID
    token: str
    keys: list[str] = field(default_factory=list)

    async def posts(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key or uuid4().hex}
        return await self.cinema.api.post(path, json=body, headers=headers)

    async def reads(self, path: str) -> Any:
        reply = await self.cinema.api.get(path, headers={"Authorization": f"Bearer {self.token}"})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def subscribes(
        self,
        plan: str,
        price: str,
        card: str | None = GOOD_CARD,
        key: str | None = None,
    ) -> httpx.Response:
        """By a card's one-time token, or on the payment page where `card` is None."""
        payment: dict[str, str] = {"type": "redirect", "return_url": "https://cinema.example/back"}
        if card is not None:
            payment = {"type": "token", "payment_token": await self.cinema.yookassa.token(card)}
        body = {"plan_code": plan, "price": {"value": price, "currency": "RUB"}, "payment": payment}
        return await self.posts("/v1/subscriptions", body, key)

    async def subscription(self) -> dict[str, Any]:
        items = (await self.reads("/v1/subscriptions"))["items"]
        assert len(items) == 1
        return dict(items[0])

    async def payments(self) -> list[tuple[str, str, str]]:
        """(kind, status, amount), newest first, straight from the books."""
        listed = (await self.reads("/v1/payments?limit=100&status=succeeded"))["items"]
        return [(one["kind"], one["status"], one["amount"]["value"]) for one in listed]

    async def mails(self) -> list[str]:
        async with self.cinema.service.engine.connect() as connection:
            query = select(mails.c.events).where(mails.c.user_id == self.id).order_by(mails.c.id)
            return list((await connection.execute(query)).scalars())

    async def charged(self) -> list[str]:
        """What the payment system's own books say that this person's cards were charged."""
        ledger = await self.cinema.yookassa.ledger()
        return [
            one["amount"]
            for one in ledger.payments
            if one["status"] == "succeeded" and (one.get("metadata") or {}).get("user_id") == str(self.id)
        ]


@cache
def key_pair(whose: str = "the auth service's") -> tuple[str, str]:
    """A private key and the public one that belongs to it, both PEM; one pair serves a test session, as all that made
    one of their own would take a minute longer.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def settings_for(database_url: str, redis_url: str, yookassa: Running, public_key: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        elasticsearch_url="none",
        yookassa_api_url=yookassa.api_url,
        yookassa_shop_id=yookassa.shop_id,
        yookassa_secret_key=yookassa.secret_key,
        auth_public_key=public_key,
        smtp_url="smtp://127.0.0.1:9",
        card_keys="test:" + base64.b64encode(bytes(32)).decode(),
        payment_deadline_s=2.0,
    )


async def open_cinema(settings: Settings, clock: Hands, yookassa: Running, private_key: str) -> Cinema:
    service = await build(settings, clock)
    app = FastAPI()
    verifier = token_verifier(settings)
    add_commands(app, service.command_side())
    add_queries(app, service.query_side(), verifier)
    surround(app)
    api = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing", timeout=30)
    cinema = Cinema(service, api, yookassa.control, clock, Sweeps(service), private_key)
    await cinema.sells("premium", "499.00")
    return cinema


async def close_cinema(cinema: Cinema) -> None:
    await cinema.api.aclose()
    await cinema.service.close()
    await asyncio.sleep(0)


def start_of_story() -> datetime:
    return datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
