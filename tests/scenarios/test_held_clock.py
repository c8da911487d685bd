"""Our clock is held and moved by hand, the payment system's goes by itself: as where `billing run` is given another's
sandbox. Nothing is charged, or returned, twice for being looked for in the wrong hours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for


@pytest.fixture(scope="module")
async def held(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    private, public = key_pair()
    clock = Hands(datetime.now(UTC))
    with running() as yookassa:
        cinema = await open_cinema(settings_for(database_url, valkey.url, yookassa, public), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)


async def test_a_transfer_that_has_just_come_is_taken_though_the_held_clock_is_behind(held: Cinema) -> None:
    """A minute after its clock was held, the service took the true now for the future."""
    held.clock.move(-timedelta(hours=2))
    olga = await held.person()
    its_id = (await olga.subscribes("premium", "499.00")).json()["subscription"]["id"]
    statuses = []
    for paid_at in (datetime.now(UTC) + timedelta(minutes=5), datetime.now(UTC)):
        body = {"amount": {"value": "499.00", "currency": "RUB"}, "paid_at": paid_at.isoformat()}
        told = {**body, "source": "bank", "reference": str(its_id)}
        reply = await held.as_service("POST", f"/internal/v1/subscriptions/{its_id}/external-payments", told)
        statuses.append(reply.status_code)
    held.clock.move(timedelta(hours=2))

    assert statuses == [422, 201]
    assert [kind for kind, *_ in await olga.payments()] == ["external", "first"]


async def test_a_renewal_whose_answer_was_lost_is_found_at_the_hour_of_the_payment_system(held: Cinema) -> None:
    anna = await held.person()
    await anna.subscribes("premium", "499.00")
    await held.yookassa.fault("create_payment", "error_500", when="after", times=None)
    await held.time_passes(days=31)
    assert await anna.charged() == ["499.00"] * 2
    await held.yookassa.lift()

    await held.time_passes(days=3)

    assert await anna.charged() == ["499.00"] * 2
    assert [kind for kind, *_ in await anna.payments()] == ["renewal", "first"]
    assert await held.open_cases() == []


async def test_a_part_that_was_returned_without_an_answer_is_not_returned_again(held: Cinema) -> None:
    boris = await held.person()
    await held.time_passes(days=2)
    sale = (await boris.subscribes("premium", "499.00")).json()["payment"]
    await held.yookassa.fault("create_refund", "error_500", when="after", times=None)
    await held.yookassa.fault("list_refunds", "error_500", times=None)
    body: dict[str, Any] = {"payment_id": sale["id"], "amount": {"value": "100.00", "currency": "RUB"}, "reason": "x"}
    made = (await held.as_service("POST", "/internal/v1/refunds", body)).json()["refund"]
    await held.time_passes(days=2)
    await held.yookassa.lift()

    await held.time_passes(days=2)

    ledger = (await held.yookassa.ledger()).refunds_of(sale["provider_payment_id"])
    assert [one["amount"] for one in ledger] == ["100.00"]
    assert (await boris.reads(f"/v1/refunds/{made['id']}"))["status"] == "succeeded"


async def test_a_refund_that_the_database_knows_to_be_old_is_not_sent_again_however_still_our_clock_stood(
    held: Cinema,
) -> None:
    """After a day the payment system has forgotten the key, and would return the part once more."""
    vera = await held.person()
    sale = (await vera.subscribes("premium", "499.00")).json()["payment"]
    await held.yookassa.fault("create_refund", "error_500", when="after")
    body: dict[str, Any] = {"payment_id": sale["id"], "amount": {"value": "100.00", "currency": "RUB"}, "reason": "x"}
    made = (await held.as_service("POST", "/internal/v1/refunds", body)).json()["refund"]
    await held.sweeps.unresolved()
    sent = (await held.yookassa.ledger()).executed("create_refund")
    async with held.service.engine.begin() as connection:
        older = text("UPDATE refunds SET sent_by = sent_by - interval '25 hours' WHERE id = :id")
        await connection.execute(older, {"id": UUID(made["id"])})

    await held.time_passes(minutes=30)

    ledger = await held.yookassa.ledger()
    assert (ledger.executed("create_refund"), ledger.replayed("create_refund")) == (sent, 0)
    assert (await vera.reads(f"/v1/refunds/{made['id']}"))["status"] == "succeeded"


async def test_a_part_that_took_a_new_key_and_was_returned_unheard_is_found_however_late(held: Cinema) -> None:
    """First it is not received, days later it is sent under another key, and that answer is lost."""
    gleb = await held.person()
    sale = (await gleb.subscribes("premium", "499.00")).json()["payment"]
    await held.yookassa.fault("create_refund", "error_500", when="before", times=None)
    body: dict[str, Any] = {"payment_id": sale["id"], "amount": {"value": "100.00", "currency": "RUB"}, "reason": "x"}
    made = (await held.as_service("POST", "/internal/v1/refunds", body)).json()["refund"]
    await held.time_passes(hours=30)
    await held.yookassa.lift()
    await held.yookassa.fault("create_refund", "error_500", when="after", times=None)
    await held.time_passes(days=4)
    await held.yookassa.lift()

    await held.time_passes(days=4)

    ledger = (await held.yookassa.ledger()).refunds_of(sale["provider_payment_id"])
    assert [one["amount"] for one in ledger] == ["100.00"]
    assert (await gleb.reads(f"/v1/refunds/{made['id']}"))["status"] == "succeeded"
