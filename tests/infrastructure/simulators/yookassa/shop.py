"""A shop for these tests: it calls the API, takes notifications, and holds the clock."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiohttp import web

from infrastructure.simulators.yookassa.serve import Running

SUCCEEDS = "4111111111111111"
WITH_BANK_STEP = "2200000000000004"
NO_MONEY = "5555555555554600"

Body = dict[str, Any]


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self._now = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, **by: float) -> None:
        self._now += timedelta(**by)


class Mailbox:
    """Where notifications arrive. `answers` are given in order, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int] = []
        self.all: list[Body] = []
        self.open = asyncio.Event()  # cleared: takes everything, answers nothing yet
        self.open.set()
        self._new: asyncio.Queue[Body] = asyncio.Queue()

    async def next(self, timeout_s: float = 5.0) -> Body:
        """The next one that arrives, or has and was not taken yet."""
        return await asyncio.wait_for(self._new.get(), timeout_s)

    async def take(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.all.append(body)
        self._new.put_nowait(body)
        await self.open.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    app = web.Application()
    app.router.add_post("/notifications", box.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    box.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notifications"
    try:
        yield box
    finally:
        await runner.cleanup()


class Shop:
    """One merchant of the simulator."""

    def __init__(self, simulator: Running, client: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.control = simulator.control
        self.client = client

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """With a fresh Idempotence-Key unless one is given."""
        headers = {"Idempotence-Key": key or str(uuid.uuid4())}
        return await self.client.post(f"{self.simulator.api_url}{path}", json=body, headers=headers)

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.client.get(f"{self.simulator.api_url}{path}", params=query)

    async def pay(self, key: str | None = None, **changes: Any) -> Body:
        """A payment of 499.00 on the payment page, unless told otherwise; must be accepted."""
        return ok(await self.post("/payments", page_payment(**changes), key))

    async def pay_with(self, number: str, **changes: Any) -> Body:
        """A payment by a token of that card, without the person."""
        token = await self.control.token(number)
        return ok(await self.post("/payments", charge(payment_token=token, **changes)))

    async def saved_method(self, number: str = SUCCEEDS) -> str:
        payment = await self.pay_with(number, save_payment_method=True)
        assert payment["payment_method"]["saved"] is True
        method_id: str = payment["payment_method"]["id"]
        return method_id

    async def recur(self, method_id: str, **changes: Any) -> Body:
        return ok(await self.post("/payments", charge(payment_method_id=method_id, **changes)))

    async def refund(self, payment_id: str, value: str, **changes: Any) -> httpx.Response:
        return await self.post("/refunds", {"payment_id": payment_id, "amount": rub(value), **changes})

    async def payment(self, payment_id: str) -> Body:
        return ok(await self.get(f"/payments/{payment_id}"))


def ok(answer: httpx.Response) -> Body:
    assert answer.status_code == 200, answer.text
    body: Body = answer.json()
    return body


def rub(value: str) -> Body:
    return {"value": value, "currency": "RUB"}


def charge(value: str = "499.00", **changes: Any) -> Body:
    return {"amount": rub(value), "capture": True, **changes}


def page_payment(value: str = "499.00", **changes: Any) -> Body:
    confirmation = {"type": "redirect", "return_url": "https://cinema.example/back"}
    return charge(value) | {"payment_method_data": {"type": "bank_card"}, "confirmation": confirmation} | changes


def binding(**changes: Any) -> Body:
    confirmation = {"type": "redirect", "return_url": "https://cinema.example/back"}
    return {"type": "bank_card", "confirmation": confirmation} | changes
