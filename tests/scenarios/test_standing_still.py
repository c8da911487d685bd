"""Nothing stands still for ever, and nothing is charged after its end: each of these was a hole once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select, update

from infrastructure.payment_systems.guarded import Guarded
from infrastructure.postgres.tables import payments, refunds
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person


async def _to_the_end_of_the_period(cinema: Cinema, person: Person) -> None:
    end = datetime.fromisoformat((await person.subscription())["current_period"]["end"])
    cinema.clock.move(end - cinema.clock.now())


async def test_a_method_removed_while_its_renewal_is_refused_lets_the_subscription_expire(cinema: Cinema) -> None:
    anna, sale = await cinema.subscriber()
    method_id = sale["subscription"]["payment_method"]["id"]
    await cinema.yookassa.fault("create_payment", "payment_pending", times=1)
    await _to_the_end_of_the_period(cinema, anna)
    await cinema.works()
    async with cinema.service.engine.connect() as connection:
        query = select(payments.c.provider_payment_id).where(
            payments.c.user_id == anna.id, payments.c.status == "pending"
        )
        open_payment = (await connection.execute(query)).scalar_one()

    headers = {"Authorization": f"Bearer {anna.token}", "Idempotency-Key": "remove"}
    await cinema.api.delete(f"/v1/payment-methods/{method_id}", headers=headers)
    await cinema.yookassa.settle_payment(open_payment, "insufficient_funds")
    await cinema.time_passes(days=9)

    assert (await anna.subscription())["status"] == "expired"
    assert await anna.charged() == ["499.00"]


@pytest.mark.parametrize("written", ["now", "before the database noted when"])
async def test_a_refund_that_was_never_sent_is_sent_after_a_long_downtime(cinema: Cinema, written: str) -> None:
    boris, sale = await cinema.subscriber()
    await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    if written != "now":
        async with cinema.service.engine.begin() as connection:
            await connection.execute(update(refunds).where(refunds.c.user_id == boris.id).values(sent_by=None))

    cinema.clock.move(timedelta(days=3))
    await cinema.works()
    await cinema.time_passes(minutes=2)

    assert (await boris.subscription())["status"] == "canceled"
    ledger = await cinema.yookassa.ledger()
    assert [one["amount"] for one in ledger.refunds if one["payment_id"] == sale["payment"]["provider_payment_id"]] == [
        "499.00"
    ]


async def test_an_intent_that_was_never_sent_is_not_charged_once_the_person_has_cancelled(cinema: Cinema) -> None:
    vera, sale = await cinema.subscriber()
    await _to_the_end_of_the_period(cinema, vera)
    await cinema.yookassa.outage("refuse")
    await cinema.sweeps.renewals()
    await cinema.yookassa.lift()
    reply = await vera.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "now"})
    assert reply.status_code == 200

    await cinema.time_passes(days=3)

    assert await vera.charged() == ["499.00"]
    async with cinema.service.engine.connect() as connection:
        query = select(payments.c.status).where(payments.c.user_id == vera.id).order_by(payments.c.id)
        assert list((await connection.execute(query)).scalars()) == ["succeeded", "canceled"]


async def _three_days_of_silence(cinema: Cinema, late_on_day_three: Callable[[], Awaitable[None]]) -> None:
    """The payment system refuses every connection until it is back; the workers go on looking all the while."""
    for quarter in range(12):
        await cinema.works()
        if quarter == 10:
            await late_on_day_three()
        cinema.clock.move(timedelta(hours=6))
    await cinema.works()
    await cinema.yookassa.lift()


async def test_three_silent_days_in_the_midst_of_everything_end_each_thing_once(cinema: Cinema) -> None:
    guarded = cast("Guarded", await cinema.service.payment_systems.by_code("yookassa"))
    guarded._circuit._monotonic = lambda: cinema.clock.now().timestamp()  # it lives in the story's time, too
    cases = await cinema.open_cases()
    renewed = [(await cinema.subscriber())[0] for _ in range(3)]
    end = datetime.fromisoformat((await renewed[0].subscription())["current_period"]["end"])
    await cinema.time_passes(seconds=(end - cinema.clock.now()).total_seconds() - 86_400)
    buyers = [await cinema.subscriber() for _ in range(3)]
    returned = [buyer for buyer, _ in buyers]
    paid, left = await cinema.person(), await cinema.person()
    for person, card in ((paid, GOOD_CARD), (left, None)):
        page = (await person.subscribes("premium", "499.00", card=None)).json()["payment"]["provider_payment_id"]
        await (cinema.yookassa.leave(page) if card is None else cinema.yookassa.pay(page, card))
    early, late, page_early, page_late = [await cinema.person() for _ in range(4)]

    async def wants(sales: Sequence[tuple[Person, dict[str, Any]]], token: Person, page: Person) -> None:
        for person, sale in sales:
            reply = await person.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
            assert reply.status_code == 202
        assert (await token.subscribes("premium", "499.00")).status_code == 202
        assert (await page.subscribes("premium", "499.00", card=None)).status_code == 202

    await cinema.yookassa.outage("refuse")
    await wants(buyers[:2], early, page_early)
    await _three_days_of_silence(cinema, lambda: wants(buyers[2:], late, page_late))
    await cinema.time_passes(hours=26)

    for person in renewed:
        assert (await person.subscription())["status"] == "active"
        assert await person.charged() == ["499.00"] * 2
        assert await person.mails() == [
            "payment.succeeded subscription.activated",
            "subscription.charge_planned",
            "payment.succeeded subscription.renewed",
        ]
    ledger = await cinema.yookassa.ledger()
    for person, sale in buyers:
        assert (await person.subscription())["status"] == "canceled"
        assert [one["amount"] for one in ledger.refunds_of(sale["payment"]["provider_payment_id"])] == ["499.00"]
        assert await person.mails() == [
            "payment.succeeded subscription.activated",
            "refund.succeeded subscription.canceled",
        ]
    for person in (paid, late):
        assert (await person.subscription())["status"] == "active"
        assert await person.charged() == ["499.00"]
        assert await person.mails() == ["payment.succeeded subscription.activated"]
    for person in (left, early, page_early, page_late):
        assert (await person.subscription())["status"] == "expired"
        assert await person.charged() == []
        assert await person.mails() == ["payment.failed subscription.expired"]
    everybody = [*renewed, *returned, paid, left, early, late, page_early, page_late]
    assert await _open(cinema, everybody) == []
    assert await cinema.open_cases() == cases, "what was shown to a person has ended by itself"


async def _open(cinema: Cinema, people: Sequence[Person]) -> list[Any]:
    """What has not ended of these people's payments and refunds."""
    found: list[Any] = []
    async with cinema.service.engine.connect() as connection:
        for table in (payments, refunds):
            query = select(table.c.id, table.c.status).where(
                table.c.user_id.in_([person.id for person in people]), table.c.status.in_(["pending", "unknown"])
            )
            found += (await connection.execute(query)).all()
    return found
