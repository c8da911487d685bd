"""A clock that goes back brings no idempotency key to life again: a second sending would be a second charge."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from infrastructure.postgres.tables import payments, refunds
from tests.scenarios.cinema import Cinema

_DAY = timedelta(days=1)


async def _calls(cinema: Cinema, operation: str) -> int:
    return sum((await cinema.yookassa.ledger()).calls.get(operation, {}).values())


async def _an_hour_of_the_wall_clock_later(cinema: Cinema) -> None:
    """The janitor comes by then, wherever the service's clock stands."""
    async with cinema.service.engine.begin() as connection:
        for table in (payments, refunds):
            waiting = update(table).where(table.c.ask_again_by.is_not(None))
            await connection.execute(waiting.values(ask_again_by=table.c.ask_again_by - timedelta(hours=1)))
    await cinema.works()


async def test_a_charge_whose_key_was_seen_as_lapsed_is_only_looked_for(cinema: Cinema) -> None:
    anna, sale = await cinema.subscriber()
    end = datetime.fromisoformat(sale["subscription"]["current_period"]["end"])
    cinema.clock.move(end - timedelta(minutes=1) - cinema.clock.now())
    await cinema.works()  # of others, who shall not meet the fault
    cinema.clock.move(timedelta(minutes=1))
    await cinema.yookassa.fault("create_payment", "error_500", when="after")
    await cinema.sweeps.renewals()
    await cinema.yookassa.fault("list_payments", "error_500", times=None)
    cinema.clock.move(_DAY)
    await cinema.works()
    sent = await _calls(cinema, "create_payment")

    cinema.clock.move(-_DAY + timedelta(minutes=1))
    await _an_hour_of_the_wall_clock_later(cinema)
    assert await _calls(cinema, "create_payment") == sent
    await cinema.yookassa.lift()
    await _an_hour_of_the_wall_clock_later(cinema)

    assert await _calls(cinema, "create_payment") == sent
    assert await anna.charged() == ["499.00"] * 2
    assert [kind for kind, _, _ in await anna.payments()] == ["renewal", "first"]


async def test_a_refund_whose_key_was_seen_as_lapsed_is_only_looked_for(cinema: Cinema) -> None:
    boris, sale = await cinema.subscriber()
    await cinema.yookassa.fault("create_refund", "error_500", when="after")
    await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    await cinema.works()
    await cinema.yookassa.fault("list_refunds", "error_500", times=None)
    cinema.clock.move(_DAY)
    await cinema.works()
    sent = await _calls(cinema, "create_refund")

    cinema.clock.move(-_DAY + timedelta(minutes=1))
    await _an_hour_of_the_wall_clock_later(cinema)
    assert await _calls(cinema, "create_refund") == sent
    await cinema.yookassa.lift()
    await _an_hour_of_the_wall_clock_later(cinema)

    assert await _calls(cinema, "create_refund") == sent
    assert (await boris.subscription())["status"] == "canceled"


async def test_what_was_begun_in_the_future_is_looked_for_and_not_sent_again(cinema: Cinema) -> None:
    """The clock was ahead when it was sent: nobody can say how old its key is."""
    vera, sale = await cinema.subscriber()
    end = datetime.fromisoformat(sale["subscription"]["current_period"]["end"])
    cinema.clock.move(end - timedelta(minutes=1) - cinema.clock.now())
    await cinema.works()  # of others, who shall not meet the fault
    cinema.clock.move(timedelta(minutes=1))
    await cinema.yookassa.fault("create_payment", "error_500", when="before")
    await cinema.sweeps.renewals()
    sent = await _calls(cinema, "create_payment")

    cinema.clock.move(timedelta(hours=-3))
    await _an_hour_of_the_wall_clock_later(cinema)
    assert await _calls(cinema, "create_payment") == sent

    await cinema.time_passes(hours=30)  # when its key is forgotten for certain it is charged anew, under another
    assert await vera.charged() == ["499.00"] * 2


async def test_what_was_recorded_from_outside_is_found_by_its_reference_though_it_lies_ahead_now(
    cinema: Cinema,
) -> None:
    _, sale = await cinema.subscriber()
    path = f"/internal/v1/subscriptions/{sale['subscription']['id']}/external-payments"
    body = {"amount": {"value": "499.00", "currency": "RUB"}, "paid_at": cinema.clock.now().isoformat()}
    body |= {"source": "bank", "reference": "told twice"}
    first = await cinema.as_service("POST", path, body)

    cinema.clock.move(timedelta(hours=-3))
    again = await cinema.as_service("POST", path, body)
    cinema.clock.move(timedelta(hours=3))

    assert (first.status_code, again.status_code) == (201, 200), again.text
    assert again.json()["payment"]["id"] == first.json()["payment"]["id"]


async def test_a_plan_keeps_its_first_price_for_a_clock_that_stands_before_it(cinema: Cinema) -> None:
    cinema.clock.move(_DAY)
    await cinema.sells("late", "10.00")
    cinema.clock.move(-2 * _DAY)

    reply = await (await cinema.person()).subscribes("late", "10.00")
    again = await cinema.as_admin("GET", "/internal/v1/plans/late")
    cinema.clock.move(_DAY)

    assert (reply.status_code, reply.json()["payment"]["status"]) == (201, "succeeded")
    assert again.json()["price"]["value"] == "10.00"
