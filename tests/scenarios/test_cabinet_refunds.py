"""A refund that nobody here seems to have asked for: it may be ours all the same, and it may come before its time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select

from domain.payment_system import NotFound, RefundSnapshot, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.tables import inbox
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person


async def _is_told(cinema: Cinema, provider_payment_id: str) -> None:
    [made] = (await cinema.yookassa.ledger()).refunds_of(provider_payment_id)
    told = {"type": "notification", "event": "refund.succeeded", "object": {"id": made["id"]}}
    assert (await cinema.api.post("/webhooks/yookassa", json=told)).status_code == 200
    await cinema.sweeps.inbox()
    await cinema.sweeps.strangers()


async def _followed_again(cinema: Cinema, *, older_by: timedelta = timedelta(0)) -> None:
    await cinema.notifications_fall_due(older_by=older_by)
    await cinema.works()


@pytest.fixture
async def forgetful(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cinema]:
    """The payment system tells of a single refund without the metadata that it was made with."""
    whole = YooKassa.get_refund

    async def bare(self: YooKassa, provider_refund_id: str) -> RefundSnapshot | NotFound | Silence:
        found = await whole(self, provider_refund_id)
        return replace(found, refund_id=None) if isinstance(found, RefundSnapshot) else found

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "get_refund", bare)
        yield cinema


async def test_a_refund_of_ours_without_its_metadata_is_not_booked_as_another(forgetful: Cinema) -> None:
    cinema = forgetful
    anna = await cinema.person()
    sale = (await anna.subscribes("premium", "499.00")).json()["payment"]
    await cinema.yookassa.fault("create_refund", "error_500", when="after")
    body: dict[str, Any] = {"payment_id": sale["id"], "amount": {"value": "100.00", "currency": "RUB"}, "reason": "x"}
    assert (await cinema.as_service("POST", "/internal/v1/refunds", body)).status_code == 202
    await cinema.sweeps.unresolved()

    await _is_told(cinema, sale["provider_payment_id"])
    await cinema.time_passes(minutes=10)
    await _followed_again(cinema)

    payment = await anna.reads(f"/v1/payments/{sale['id']}")
    assert payment["refunded"]["value"] == "100.00"
    assert [one["status"] for one in payment["refunds"]] == ["succeeded"]
    assert await cinema.open_cases() == []


async def test_a_refund_that_is_heard_of_before_its_payment_is_booked_after_it(cinema: Cinema) -> None:
    boris = await cinema.person()
    sale = (await boris.subscribes("premium", "499.00", card=None)).json()["payment"]
    await cinema.yookassa.pay(sale["provider_payment_id"], GOOD_CARD)
    await cinema.yookassa.cabinet_refund(sale["provider_payment_id"], "499.00")

    await _is_told(cinema, sale["provider_payment_id"])
    await cinema.time_passes(minutes=10)
    await _followed_again(cinema)

    payment = await boris.reads(f"/v1/payments/{sale['id']}")
    assert (payment["status"], payment["refunded"]["value"]) == ("succeeded", "499.00")
    assert (await boris.subscription())["status"] == "canceled"
    assert await cinema.open_cases() == []


async def test_a_cabinet_refund_that_overtakes_a_larger_one_of_ours_waits_for_how_that_ends(cinema: Cinema) -> None:
    """Ours has reserved all and is refused, for the cabinet was quicker: the money that went back is booked."""
    vera = await cinema.person()
    sale = (await vera.subscribes("premium", "499.00")).json()
    provider_id = sale["payment"]["provider_payment_id"]
    reply = await vera.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    assert reply.status_code == 202
    await cinema.yookassa.cabinet_refund(provider_id, "400.00")
    await _is_told(cinema, provider_id)

    await cinema.time_passes(minutes=10)
    await _followed_again(cinema)

    payment = await vera.reads(f"/v1/payments/{sale['payment']['id']}")
    assert payment["refunded"]["value"] == "400.00"
    assert (await vera.reads(f"/v1/refunds/{reply.json()['refund']['id']}"))["status"] == "canceled"


@pytest.fixture
async def lagging(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[pytest.MonkeyPatch]:
    """The payment system tells of refunds before it lets anybody read them; until the patch is undone."""

    async def not_yet(self: YooKassa, provider_refund_id: str) -> NotFound:
        return NotFound()

    with monkeypatch.context() as patch:
        patch.setattr(YooKassa, "get_refund", not_yet)
        yield patch


async def _told_of_a_refund_in_the_cabinet(cinema: Cinema, person: Person) -> dict[str, Any]:
    """The payment that all went back of."""
    sale: dict[str, Any] = (await person.subscribes("premium", "499.00")).json()["payment"]
    await cinema.yookassa.cabinet_refund(sale["provider_payment_id"], "499.00")
    await _is_told(cinema, sale["provider_payment_id"])
    return sale


async def test_a_cabinet_refund_that_cannot_be_read_yet_is_booked_half_a_minute_later(
    cinema: Cinema, lagging: pytest.MonkeyPatch
) -> None:
    """Taken for forged at once, it waited for the night, and a renewal went out before."""
    gleb = await cinema.person()
    sale = await _told_of_a_refund_in_the_cabinet(cinema, gleb)
    assert {entry.status for entry in await _looked_into(cinema, sale["provider_payment_id"])} == {"new"}

    lagging.undo()
    await _followed_again(cinema)

    assert (await gleb.reads(f"/v1/payments/{sale['id']}"))["refunded"]["value"] == "499.00"
    assert (await gleb.subscription())["status"] == "canceled"


@pytest.mark.usefixtures("lagging")
async def test_a_refund_that_nobody_can_read_after_half_a_minute_is_forged_and_was_asked_for_twice(
    cinema: Cinema,
) -> None:
    sale = await _told_of_a_refund_in_the_cabinet(cinema, await cinema.person())
    for entry in await _looked_into(cinema, sale["provider_payment_id"]):
        assert timedelta(seconds=29) < entry.retry_by - entry.received_at < timedelta(seconds=32)

    await _followed_again(cinema, older_by=timedelta(seconds=30))

    for entry in await _looked_into(cinema, sale["provider_payment_id"]):
        assert (entry.status, entry.outcome) == ("done", "forged: the payment system has no such refund")


async def _looked_into(cinema: Cinema, provider_payment_id: str) -> Sequence[Row[Any]]:
    """What came about its refund: our own at least, maybe the payment system's as well."""
    [made] = (await cinema.yookassa.ledger()).refunds_of(provider_payment_id)
    async with cinema.service.engine.connect() as connection:
        query = select(inbox).where(inbox.c.provider_object_id == made["id"], inbox.c.outcome.is_not(None))
        found = (await connection.execute(query)).all()
    assert found
    return found
