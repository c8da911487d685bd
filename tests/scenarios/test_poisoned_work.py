"""Work that cannot be done steps aside for all other work; it is tried more and more rarely, and shown to a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update
from structlog.testing import capture_logs

from infrastructure.postgres.tables import cases, payments, plan_prices, setbacks, subscriptions
from tests.queries.books import Books
from tests.scenarios.cinema import Cinema, Person

_MORE_THAN_A_BATCH = 120
_DUTIES = {"reminder": "remind_at", "ending": "end_at", "renewal": "next_charge_at"}


@pytest.fixture(autouse=True)
def _few_words() -> Iterator[None]:
    """A hundred tracebacks, painted as for a person at a terminal, take minutes."""
    with capture_logs():
        yield


async def _poisoned(cinema: Cinema, due: str, how_many: int) -> UUID:
    """Subscriptions to a plan that lost its price, due for longer than all others; the plan."""
    books, now = Books(cinema.service.engine), cinema.clock.now()
    plan = await books.plan()
    async with cinema.service.engine.begin() as connection:
        await connection.execute(delete(plan_prices).where(plan_prices.c.plan_id == plan))
    for _ in range(how_many):
        person = await books.person()
        start, end = now - timedelta(days=31), now - timedelta(days=1)
        period: dict[str, Any] = {"period_start": start, "period_end": end, "anchor_at": start}
        method = await books.method(person)
        given: dict[str, Any] = {**period, "payment_method_id": method, "next_charge_at": now}
        if due == "end_at":
            given = {**period, "cancel_at_period_end": True}
        if due == "remind_at":
            given["next_charge_at"] = now + timedelta(days=3)
        await books.subscription(person, plan, **{**given, due: now - timedelta(days=90)})
    return plan


async def _gone(cinema: Cinema, plan: UUID) -> None:
    """Nothing is due of them any more."""
    quiet = update(subscriptions).where(subscriptions.c.plan_id == plan)
    async with cinema.service.engine.begin() as connection:
        await connection.execute(quiet.values(next_charge_at=None, remind_at=None, end_at=None))


async def _due_of(cinema: Cinema, person: Person, due: str) -> datetime | None:
    query = select(subscriptions.c[due]).where(subscriptions.c.user_id == person.id)
    async with cinema.service.engine.connect() as connection:
        found: datetime | None = (await connection.execute(query)).scalar_one()
        return found


@pytest.mark.parametrize("duty", _DUTIES)
async def test_a_hundred_poisoned_rows_never_stand_before_a_sound_one(cinema: Cinema, duty: str) -> None:
    due, anna = _DUTIES[duty], await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    if duty == "ending":
        await anna.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "period_end"})
    at = await _due_of(cinema, anna, due)
    assert at is not None
    cinema.clock.move(at - cinema.clock.now())
    plan = await _poisoned(cinema, due, _MORE_THAN_A_BATCH)
    sweep = {
        "reminder": cinema.sweeps.reminders,
        "ending": cinema.sweeps.endings,
        "renewal": cinema.sweeps.renewals,
    }[duty]

    assert await sweep() == 0  # the poisoned ones are due for longer: the first hundred fill a round
    assert await sweep() >= 1

    assert await _due_of(cinema, anna, due) != at
    await _gone(cinema, plan)


async def test_what_fails_is_tried_more_and_more_rarely_shown_at_the_third_time_and_closed_when_done(
    cinema: Cinema,
) -> None:
    plan = await _poisoned(cinema, "next_charge_at", 1)
    async with cinema.service.engine.connect() as connection:
        mine = (await connection.execute(select(subscriptions).where(subscriptions.c.plan_id == plan))).one()

    async def open_cases() -> list[str]:
        query = select(cases.c.kind).where(cases.c.subject == str(mine.id), cases.c.resolved_at.is_(None))
        async with cinema.service.engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def failures() -> int:
        query = select(setbacks.c.failures).where(setbacks.c.object_id == mine.id)
        async with cinema.service.engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

    seen = []
    for minutes in (0, 0, 1, 1, 5, 1, 25, 1):
        cinema.clock.move(timedelta(minutes=minutes))
        await cinema.works()
        seen.append((await failures(), await open_cases()))
    shown = ["renewal_stuck"]
    assert seen == [(1, []), (1, []), (2, []), (2, []), (3, shown), (3, shown), (4, shown), (4, shown)]

    await Books(cinema.service.engine).price(plan, 100, cinema.clock.now())
    cinema.clock.move(timedelta(hours=1))
    await cinema.sweeps.renewals()

    assert (await failures(), await open_cases()) == (0, [])
    async with cinema.service.engine.connect() as connection:
        query = select(payments.c.status).where(payments.c.subscription_id == mine.id)
        assert (await connection.execute(query)).scalars().all() == ["canceled"]  # no such method at the payment system


async def test_what_failed_and_is_not_due_any_more_is_forgotten_with_its_case(cinema: Cinema) -> None:
    plan = await _poisoned(cinema, "end_at", 1)
    for minutes in (0, 1, 5):
        cinema.clock.move(timedelta(minutes=minutes))
        await cinema.works()
    assert "ending_stuck" in await cinema.open_cases()
    await _gone(cinema, plan)

    old = update(setbacks).values(retry_by=setbacks.c.retry_by - timedelta(days=9))
    async with cinema.service.engine.begin() as connection:
        await connection.execute(old)
    await cinema.sweeps.old_keys()

    assert "ending_stuck" not in await cinema.open_cases()
