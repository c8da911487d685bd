"""A subscription lives on: each period is paid once, on the right day, until somebody or something ends it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from jobs.sweeps import Sweeps
from tests.scenarios.cinema import Cinema, Person


async def _subscribed(cinema: Cinema, **claims: Any) -> tuple[Person, str]:
    person = await cinema.person(**claims)
    reply = await person.subscribes("premium", "499.00")
    assert reply.status_code == 201, reply.text
    return person, reply.json()["subscription"]["id"]


async def _method_of(cinema: Cinema, person: Person) -> str:
    ledger = await cinema.yookassa.ledger()
    mine = [one for one in ledger.payments if (one.get("metadata") or {}).get("user_id") == str(person.id)]
    return str(mine[0]["method_id"])


async def test_a_year_from_the_31st_ends_each_month_on_its_last_day(cinema: Cinema) -> None:
    anna, _ = await _subscribed(cinema)

    ends = []
    for _ in range(12):
        until = datetime.fromisoformat((await anna.subscription())["current_period"]["end"])
        ends.append(until.strftime("%d.%m"))
        await cinema.time_passes(seconds=(until - cinema.clock.now()).total_seconds())

    assert ends[:5] == ["28.02", "31.03", "30.04", "31.05", "30.06"]
    assert await anna.charged() == ["499.00"] * 13
    renewed = [events for events in await anna.mails() if events == "payment.succeeded subscription.renewed"]
    assert len(renewed) == 12
    assert (await anna.mails()).count("subscription.charge_planned") == 12


async def test_a_week_of_downtime_is_one_charge(cinema: Cinema) -> None:
    boris, _ = await _subscribed(cinema)
    end = datetime.fromisoformat((await boris.subscription())["current_period"]["end"])

    cinema.clock.move(end - cinema.clock.now() + timedelta(days=7))
    await cinema.works()

    assert await boris.charged() == ["499.00"] * 2
    began = datetime.fromisoformat((await boris.subscription())["current_period"]["start"])
    assert began == cinema.clock.now()  # out of its grace: nobody pays for days without access


async def test_a_downtime_of_days_is_one_charge_for_a_daily_plan_too(cinema: Cinema) -> None:
    """Each of its periods within the grace was charged, one after the other, though all of them were over."""
    await cinema.sells("daily", "19.00", period={"unit": "day", "count": 1})
    zoya = await cinema.person()
    await zoya.subscribes("daily", "19.00")

    cinema.clock.move(timedelta(hours=83))
    await cinema.works()

    assert await zoya.charged() == ["19.00"] * 2
    began = datetime.fromisoformat((await zoya.subscription())["current_period"]["start"])
    assert began == cinema.clock.now()


async def test_four_workers_at_once_charge_each_period_once(cinema: Cinema) -> None:
    people = [(await _subscribed(cinema))[0] for _ in range(10)]
    end = datetime.fromisoformat((await people[0].subscription())["current_period"]["end"])
    cinema.clock.move(end - cinema.clock.now())

    workers = [Sweeps(cinema.service) for _ in range(4)]
    await asyncio.gather(*(worker.renewals() for worker in workers))
    await cinema.works()

    for person in people:
        assert await person.charged() == ["499.00"] * 2


async def test_a_poor_card_is_tried_again_and_told_of_at_the_start_and_the_end(cinema: Cinema) -> None:
    vera, _ = await _subscribed(cinema)
    await cinema.yookassa.behave(await _method_of(cinema, vera), "insufficient_funds")
    before = len(await vera.mails())

    await cinema.time_passes(days=45)

    assert (await vera.subscription())["status"] == "expired"
    assert await vera.charged() == ["499.00"]
    assert (await vera.mails())[before:] == [
        "subscription.charge_planned",
        "payment.failed subscription.past_due",
        "payment.failed subscription.expired",
    ]


async def test_a_payment_method_that_was_removed_is_never_charged_again(cinema: Cinema) -> None:
    gleb, _ = await _subscribed(cinema)
    method = (await gleb.subscription())["payment_method"]["id"]
    headers = {"Authorization": f"Bearer {gleb.token}", "Idempotency-Key": "remove"}

    reply = await cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)
    assert [one["plan"]["code"] for one in reply.json()["subscriptions"]] == ["premium"]
    await cinema.time_passes(days=60)

    assert await gleb.charged() == ["499.00"]
    assert (await gleb.subscription())["status"] == "expired"


async def test_a_planned_cancellation_ends_it_without_a_charge(cinema: Cinema) -> None:
    dina, subscription_id = await _subscribed(cinema)

    reply = await dina.posts(f"/v1/subscriptions/{subscription_id}/cancel", {"when": "period_end"})
    assert reply.json()["subscription"]["cancel_at_period_end"] is True
    await cinema.time_passes(days=40)

    assert (await dina.subscription())["status"] == "canceled"
    assert await dina.charged() == ["499.00"]


async def test_a_renewal_whose_answer_was_lost_is_settled_once(cinema: Cinema) -> None:
    egor, _ = await _subscribed(cinema)
    await cinema.yookassa.fault("create_payment", "error_500", when="after", times=1)

    await cinema.time_passes(days=32)

    assert await egor.charged() == ["499.00"] * 2
    assert (await egor.subscription())["status"] == "active"


async def test_three_silent_days_resolve_without_a_second_charge(cinema: Cinema) -> None:
    fedor, _ = await _subscribed(cinema)
    end = datetime.fromisoformat((await fedor.subscription())["current_period"]["end"])
    await cinema.time_passes(seconds=(end - cinema.clock.now()).total_seconds() - 60)
    await cinema.yookassa.outage("refuse")
    await cinema.time_passes(days=3)
    await cinema.yookassa.lift()

    await cinema.time_passes(hours=3)

    assert await fedor.charged() == ["499.00"] * 2
    assert (await fedor.subscription())["status"] == "active"


async def test_a_cancellation_that_has_come_is_not_taken_back_though_nobody_was_at_work(cinema: Cinema) -> None:
    """The next period was joined to the old end, so days were paid for in which there was no access."""
    zlata, subscription_id = await _subscribed(cinema)
    until = datetime.fromisoformat((await zlata.subscription())["current_period"]["end"])
    canceled = await zlata.posts(f"/v1/subscriptions/{subscription_id}/cancel", {"when": "period_end"})
    assert canceled.status_code == 200, canceled.text

    cinema.clock.move(until - cinema.clock.now() + timedelta(days=2))
    resumed = await zlata.posts(f"/v1/subscriptions/{subscription_id}/resume", {})
    await cinema.works()

    assert (resumed.status_code, resumed.json()["code"]) == (409, "not_resumable"), resumed.text
    assert await zlata.charged() == ["499.00"]
    assert (await zlata.subscription())["status"] == "canceled"
