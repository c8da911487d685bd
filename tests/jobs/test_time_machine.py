"""Time that is held goes from one due instant to the next; nothing is done too early, too late or for ever."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bootstrap import Service, build
from infrastructure.clock import HeldClock
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres.exclusive import exclusive
from infrastructure.postgres.tables import events, payments
from jobs.sweeps import Sweeps
from jobs.time_machine import _LOCK, AlreadyAdvancingError, NotHeldError, advance
from settings import ClockKind, Settings, load
from tests.queries.books import Books

_DAY = timedelta(days=1)


@pytest.fixture
def settings(database_url: str, valkey: EmbeddedValkey) -> Settings:
    """Nobody listens where the payment system and the mail server should be, and no projector runs."""
    return load(
        database_url=database_url,
        redis_url=valkey.url,
        elasticsearch_url="none",
        yookassa_api_url="http://127.0.0.1:9/v3",
        yookassa_shop_id="1",
        yookassa_secret_key="test_secret",
        smtp_url="smtp://127.0.0.1:9",
        card_keys="one:" + base64.b64encode(bytes(32)).decode(),
        clock=ClockKind.HELD,
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    service = await build(settings)
    assert isinstance(service.clock, HeldClock)
    service.clock.start()
    yield service
    await service.close()


async def _go(service: Service, by: timedelta, *, leap: bool = False) -> tuple[datetime, list[str]]:
    told: list[str] = []
    now = await advance(service, Sweeps(service), by, leap=leap, say=told.append, patience_s=0.2)
    return now, told


async def _ends_in(service: Service, *after: timedelta) -> dict[datetime, str]:
    """Subscriptions whose planned end comes after these times; by their ends, their ids."""
    books, now = Books(service.engine), service.clock.now()
    plan, ends = await books.plan(), dict[datetime, str]()
    for one in after:
        given: dict[str, Any] = {"period_start": now - 20 * _DAY, "period_end": now + one, "end_at": now + one}
        person = await books.person()
        ends[now + one] = str(await books.subscription(person, plan, cancel_at_period_end=True, **given))
    return ends


async def _ended(service: Service, ids: list[str]) -> dict[datetime, str]:
    query = select(events.c.at, events.c.subscription_id).where(events.c.type == "subscription.canceled")
    async with service.engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    return {at: str(subscription) for at, subscription in rows if str(subscription) in ids}


async def test_what_falls_due_is_done_at_its_own_instant(service: Service) -> None:
    ends = await _ends_in(service, _DAY, 2 * _DAY, 3 * _DAY)
    begin = service.clock.now()
    now, _ = await _go(service, 2 * _DAY)
    assert now == begin + 2 * _DAY == service.clock.now()
    assert await _ended(service, list(ends.values())) == {at: one for at, one in ends.items() if at <= now}


async def test_a_leap_does_everything_at_its_end_as_after_a_downtime(service: Service) -> None:
    ends = await _ends_in(service, _DAY)
    now, _ = await _go(service, 5 * _DAY, leap=True)
    assert await _ended(service, list(ends.values())) == dict.fromkeys([now], *ends.values())


async def test_what_does_not_end_in_time_is_told_once_and_holds_nothing_up(service: Service) -> None:
    await _ends_in(service, _DAY, 2 * _DAY, 3 * _DAY)
    _, told = await _go(service, 4 * _DAY)
    assert sum("changes for the projections" in line for line in told) == 1, told


async def test_what_waits_for_a_refund_holds_nothing_up(service: Service) -> None:
    books, now = Books(service.engine), service.clock.now()
    to_come: list[dict[str, Any]] = [{"remind_at": now, "next_charge_at": now + 9 * _DAY}, {"end_at": now + _DAY}]
    for due in to_come:
        given = {"period_start": now - 31 * _DAY, "period_end": now, "refunding": True, **due}
        await books.subscription(await books.person(), await books.plan(), **given)

    _, told = await _go(service, 2 * _DAY)

    assert [line for line in told if "reminders" in line or "endings" in line] == []


async def test_two_do_not_move_the_clock_at_once(service: Service) -> None:
    before = service.clock.now()
    async with exclusive(service.engine, _LOCK):
        with pytest.raises(AlreadyAdvancingError, match="somebody else"):
            await _go(service, _DAY)
    assert service.clock.now() == before


async def test_time_that_goes_by_itself_is_not_moved(settings: Settings) -> None:
    service = await build(settings.model_copy(update={"clock": ClockKind.SYSTEM}))
    try:
        with pytest.raises(NotHeldError, match="BILLING_CLOCK=held"):
            await _go(service, _DAY)
    finally:
        await service.close()


@pytest.mark.parametrize(
    ("claimed", "waited_for"), [(timedelta(hours=1), True), (-timedelta(hours=1), False), (None, False)]
)
async def test_what_the_janitor_holds_is_waited_for_and_nothing_that_only_looks_so(
    service: Service, claimed: timedelta | None, waited_for: bool
) -> None:
    """Its next question a minute from now is no sign of a claim."""
    [end] = await _ends_in(service, _DAY)
    books = Books(service.engine)
    person, wall = await books.person(), service.world.wall.now()
    subscription = await books.subscription(person, await books.plan())
    payment = await books.payment(
        person,
        subscription,
        status="unknown",
        asks=1,
        ask_again_at=end + timedelta(seconds=60),
        ask_again_by=wall + timedelta(hours=1),
        claimed_until=wall + claimed if claimed is not None else None,
    )
    _, told = await _go(service, _DAY)
    assert any("payments" in line for line in told) is waited_for, told
    ended: dict[str, Any] = {"status": "canceled", "settled_at": wall, "cancel_reason": "by_hand"}
    await books.set(payments, payment, **ended, ask_again_at=None, ask_again_by=None, claimed_until=None)
