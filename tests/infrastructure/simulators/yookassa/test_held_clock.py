"""Under a held clock the payment system lives in the service's time, and outlives the loss of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from infrastructure.clock import HeldClock
from infrastructure.local.ports import free_port
from infrastructure.local.throwaway import throwaway_postgres
from tests.infrastructure.simulators.yookassa.processes import process
from tests.infrastructure.simulators.yookassa.shop import Mailbox, Shop

TABLE = "CREATE TABLE held_clock (one boolean PRIMARY KEY DEFAULT true, now timestamptz NOT NULL)"


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    with throwaway_postgres() as postgres:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(TABLE)
        yield postgres.url


async def test_a_payment_expires_when_the_held_clock_says_so(database_url: str, tmp_path: Path, inbox: Mailbox) -> None:
    clock = HeldClock(database_url)
    start = clock.start()
    held = {"--clock": "held", "--database-url": database_url}
    async with httpx.AsyncClient(auth=("1", "s")) as client:
        with process(free_port(), tmp_path / "books", inbox.url, held) as simulator:
            shop = Shop(simulator, client)
            payment = await shop.pay()
            due = await shop.control.tick()
            assert due is not None
            assert abs(due - start - timedelta(hours=1)) < timedelta(milliseconds=2)
            clock.move(due)
            await shop.control.tick()
            assert (await shop.payment(payment["id"]))["status"] == "canceled"
            assert inbox.all[0]["event"] == "payment.canceled"
    clock.close()


async def test_a_lost_clock_stops_payments_and_nothing_else(database_url: str, tmp_path: Path, inbox: Mailbox) -> None:
    clock = HeldClock(database_url)
    clock.start()
    held = {"--clock": "held", "--database-url": database_url}
    async with httpx.AsyncClient(auth=("1", "s"), timeout=30) as client:
        with (
            process(free_port(), tmp_path / "books", inbox.url, held) as simulator,
            psycopg.connect(database_url, autocommit=True) as connection,
        ):
            shop = Shop(simulator, client)
            connection.execute("ALTER TABLE held_clock RENAME TO away")
            waiting = asyncio.create_task(shop.pay())
            for _ in range(20):
                assert (await client.get(f"{simulator.url}/healthz", timeout=1)).status_code == 200
            assert not waiting.done()
            connection.execute("ALTER TABLE away RENAME TO held_clock")
            assert (await waiting)["status"] == "pending"
    clock.close()
