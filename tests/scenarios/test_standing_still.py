"""Nothing stands still for ever, and nothing is charged after its end: each of these was a hole once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from infrastructure.postgres.tables import payments
from tests.scenarios.cinema import Cinema, Person


async def _subscribed(cinema: Cinema) -> tuple[Person, dict[str, Any]]:
    person = await cinema.person()
    reply = await person.subscribes("premium", "499.00")
    assert reply.status_code == 201, reply.text
    return person, reply.json()


async def _to_the_end_of_the_period(cinema: Cinema, person: Person) -> None:
    end = datetime.fromisoformat((await person.subscription())["current_period"]["end"])
    cinema.clock.move(end - cinema.clock.now())


async def test_a_method_removed_while_its_renewal_is_refused_lets_the_subscription_expire(cinema: Cinema) -> None:
    anna, sale = await _subscribed(cinema)
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


async def test_a_refund_that_was_never_sent_is_sent_after_a_long_downtime(cinema: Cinema) -> None:
    boris, sale = await _subscribed(cinema)
    await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})

    cinema.clock.move(timedelta(days=3))
    await cinema.works()

    assert (await boris.subscription())["status"] == "canceled"
    ledger = await cinema.yookassa.ledger()
    assert [one["amount"] for one in ledger.refunds if one["payment_id"] == sale["payment"]["provider_payment_id"]] == [
        "499.00"
    ]


async def test_an_intent_that_was_never_sent_is_not_charged_once_the_person_has_cancelled(cinema: Cinema) -> None:
    vera, sale = await _subscribed(cinema)
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
