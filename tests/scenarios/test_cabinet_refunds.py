"""A refund that nobody here seems to have asked for: it may be ours all the same, and it may come before its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, update

from domain.payment_system import NotFound, RefundSnapshot, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.postgres.tables import inbox
from tests.scenarios.cinema import GOOD_CARD, Cinema


async def _is_told(cinema: Cinema, provider_payment_id: str) -> None:
    [made] = (await cinema.yookassa.ledger()).refunds_of(provider_payment_id)
    told = {"type": "notification", "event": "refund.succeeded", "object": {"id": made["id"]}}
    assert (await cinema.api.post("/webhooks/yookassa", json=told)).status_code == 200
    await cinema.sweeps.inbox()
    await cinema.sweeps.strangers()


async def _followed_again(cinema: Cinema) -> None:
    async with cinema.service.engine.begin() as connection:
        waiting = update(inbox).where(inbox.c.status == "new")
        await connection.execute(waiting.values(retry_by=func.clock_timestamp(), stranger=False))
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
