"""Our clocks were far off for a while, the payment system's was right: nobody is charged, or paid back, twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from domain.payment_system import NotFound
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.tables import payments
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, Person, close_cinema, key_pair, open_cinema, settings_for


@dataclass
class Astray:
    """A cinema whose clocks may go astray; the payment system has its own, which is right."""

    cinema: Cinema
    truth: Hands

    def clocks_go_wrong(self, by: timedelta) -> None:
        self.cinema.clock.move(by)

    async def time_passes(self, by: timedelta, step: timedelta = timedelta(minutes=30)) -> None:
        """True time, and by the wrong clocks as much; the workers come by at each step."""
        left = by
        while left > timedelta(0):
            moved = min(step, left)
            self.truth.move(moved)
            self.cinema.clock.move(moved)
            left -= moved
            await self.cinema.works()


@pytest.fixture(scope="module")
async def astray(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Astray]:
    private, public = key_pair()
    now = datetime.now(UTC)
    ours, truth = Hands(now), Hands(now)
    with running(clock=truth) as yookassa:
        cinema = await open_cinema(settings_for(database_url, valkey.url, yookassa, public), ours, yookassa, private)
        cinema.service.world = replace(cinema.service.world, wall=ours)  # as in production: one clock is the other
        yield Astray(cinema, truth)
        await close_cinema(cinema)


async def _subscriber(cinema: Cinema) -> Person:
    person = await cinema.person()
    reply = await person.subscribes("premium", "499.00")
    assert reply.status_code == 201, reply.text
    return person


async def _database_wrote(cinema: Cinema, later: timedelta) -> None:
    """What is open was written so much later by the database's clock than it seems, or earlier."""
    async with cinema.service.engine.begin() as connection:
        await connection.execute(
            update(payments).where(payments.c.ask_again_by.is_not(None)).values(sent_by=payments.c.sent_by + later)
        )


@pytest.mark.parametrize("database", ["right", "wrong as well"])
async def test_a_charge_made_by_a_clock_that_was_ahead_is_found_and_not_made_again(
    astray: Astray, database: str
) -> None:
    cinema = astray.cinema
    anna, ahead = await _subscriber(cinema), timedelta(days=32)
    astray.clocks_go_wrong(ahead)
    await cinema.yookassa.fault("create_payment", "error_500", when="after")
    await cinema.sweeps.renewals()
    if database == "wrong as well":
        await _database_wrote(cinema, ahead)
    await cinema.yookassa.outage("unavailable")
    await astray.time_passes(timedelta(hours=5))

    astray.clocks_go_wrong(-ahead)
    await astray.time_passes(timedelta(hours=1))
    await cinema.yookassa.lift()
    await astray.time_passes(timedelta(hours=4))

    assert await anna.charged() == ["499.00"] * 2
    assert [kind for kind, _, _ in await anna.payments()] == ["renewal", "first"]


async def test_a_charge_that_nobody_looked_for_until_its_instant_came_is_not_sent_again_under_its_old_key(
    astray: Astray,
) -> None:
    """The payment system has forgotten the key by then, and would charge once more."""
    cinema = astray.cinema
    boris, ahead = await _subscriber(cinema), timedelta(days=32)
    astray.clocks_go_wrong(ahead)
    await cinema.yookassa.fault("create_payment", "error_500", when="after")
    await cinema.sweeps.renewals()
    astray.clocks_go_wrong(-ahead)

    astray.truth.move(ahead)
    astray.clocks_go_wrong(ahead)
    await _database_wrote(cinema, -ahead)  # its clock was right, and so much time has passed
    await astray.time_passes(timedelta(hours=30))

    assert await boris.charged() == ["499.00"] * 2
    assert [kind for kind, _, _ in await boris.payments()] == ["renewal", "first"]


async def test_a_refund_asked_for_by_a_clock_that_was_ahead_is_returned_once(astray: Astray) -> None:
    cinema = astray.cinema
    vera, ahead = await _subscriber(cinema), timedelta(days=20)
    astray.clocks_go_wrong(ahead)
    subscription = await vera.subscription()
    await cinema.yookassa.fault("create_refund", "error_500", when="after")
    reply = await vera.posts(f"/v1/subscriptions/{subscription['id']}/refunds", {})
    assert reply.status_code == 202, reply.text
    await cinema.sweeps.unresolved()
    await cinema.yookassa.outage("unavailable")
    await astray.time_passes(timedelta(hours=5))

    astray.clocks_go_wrong(-ahead)
    await astray.time_passes(timedelta(hours=1))
    await cinema.yookassa.lift()
    await astray.time_passes(timedelta(days=22), timedelta(hours=6))

    ledger = await cinema.yookassa.ledger()
    paid = next(one for one in ledger.payments if (one.get("metadata") or {}).get("user_id") == str(vera.id))
    assert len(ledger.refunds_of(paid["id"])) == 1
    assert (await vera.subscription())["status"] == "canceled"


async def test_a_charge_sent_just_before_a_late_clock_was_put_right_is_not_made_anew_as_never_received(
    astray: Astray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days old by the clock, it is on its way still, and so on no list yet."""
    cinema = astray.cinema
    zoya, late = await _subscriber(cinema), timedelta(days=3)
    astray.truth.move(late)
    for _ in range(32):
        await astray.time_passes(timedelta(days=1) - timedelta(minutes=1), timedelta(days=1))
        if (await zoya.subscription())["next_charge_at"] < (cinema.clock.now() + timedelta(days=1)).isoformat():
            break
    due = datetime.fromisoformat((await zoya.subscription())["next_charge_at"])
    await cinema.yookassa.fault("create_payment", "error_500", when="after")
    await astray.time_passes(due - cinema.clock.now(), timedelta(days=1))

    astray.clocks_go_wrong(late)
    listed = YooKassa.find_payment
    asked: list[datetime] = []

    async def lagging(self: YooKassa, payment_id: UUID, since: datetime, until: datetime) -> Any:
        asked.append(cinema.clock.now())
        if cinema.clock.now() - asked[0] < timedelta(seconds=30):
            return NotFound()
        return await listed(self, payment_id, since, until)

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "find_payment", lagging)
        await cinema.works()
        await astray.time_passes(timedelta(hours=1), timedelta(seconds=20))

    assert asked
    assert await zoya.charged() == ["499.00"] * 2
    assert [kind for kind, _, _ in await zoya.payments()] == ["renewal", "first"]


async def test_a_clock_that_is_ahead_makes_no_repeated_request_a_new_one(astray: Astray) -> None:
    cinema = astray.cinema
    yan = await _subscriber(cinema)
    [sale] = (await yan.reads("/v1/payments"))["items"]
    part: dict[str, Any] = {"payment_id": sale["id"], "amount": {"value": "100.00", "currency": "RUB"}, "reason": "x"}
    first = await cinema.as_service("POST", "/internal/v1/refunds", part, key="a part of it")
    await cinema.works()

    astray.clocks_go_wrong(timedelta(days=9))
    await cinema.sweeps.old_keys()
    astray.clocks_go_wrong(timedelta(days=-9))
    again = await cinema.as_service("POST", "/internal/v1/refunds", part, key="a part of it")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()


async def _costs(cinema: Cinema, code: str) -> str:
    listed = (await cinema.api.get("/v1/plans")).json()["items"]
    return next(str(plan["price"]["value"]) for plan in listed if plan["code"] == code)


async def _reprices(cinema: Cinema, code: str, value: str) -> None:
    body = {"price": {"value": value, "currency": "RUB"}}
    reply = await cinema.as_admin("PATCH", f"/internal/v1/plans/{code}", body)
    assert (reply.status_code, reply.json()["price"]["value"]) == (200, value)


@pytest.mark.parametrize("corrected", ["349.00", "299.00"])  # to another price, or back to the one that it had
async def test_a_price_of_a_clock_that_was_ahead_takes_no_effect_over_a_correction_made_since(
    astray: Astray, corrected: str
) -> None:
    cinema, code = astray.cinema, f"corrected_{corrected[:3]}"
    await cinema.sells(code, "299.00")
    astray.clocks_go_wrong(timedelta(days=2))
    await _reprices(cinema, code, "3990.00")
    astray.clocks_go_wrong(-timedelta(days=2))
    assert await _costs(cinema, code) == "299.00"

    await _reprices(cinema, code, corrected)
    at_once = await _costs(cinema, code)
    await astray.time_passes(timedelta(days=3), timedelta(days=1))

    assert (at_once, await _costs(cinema, code)) == (corrected, corrected)
