"""Services inside the cinema: links to pay, renewals, refunds (PAY-6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from infrastructure.postgres.backlog import read_backlog
from tests.scenarios.cinema import GOOD_CARD, Cinema
from tests.scenarios.said import statements


async def test_a_payment_link_sells_a_plan_at_the_price_that_holds(cinema: Cinema) -> None:
    anna = await cinema.person()
    body = {"user_id": str(anna.id), "plan_code": "premium", "return_url": "https://cinema.example/back"}

    reply = await cinema.as_admin("POST", "/internal/v1/payments", body)

    assert reply.status_code == 201, reply.text
    payment = reply.json()["payment"]
    assert payment["confirmation_url"]
    await cinema.yookassa.pay(payment["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(minutes=2)
    assert (await anna.subscription())["status"] == "active"


async def test_a_renewal_is_made_once_it_is_due_and_not_before(cinema: Cinema) -> None:
    boris = await cinema.person()
    sale = (await boris.subscribes("premium", "499.00")).json()
    body = {"subscription_id": sale["subscription"]["id"]}

    early = await cinema.as_admin("POST", "/internal/v1/renewals", body)
    assert (early.status_code, early.json()["code"]) == (409, "not_due")

    end = datetime.fromisoformat(sale["subscription"]["current_period"]["end"])
    cinema.clock.move(end - cinema.clock.now())
    reply = await cinema.as_admin("POST", "/internal/v1/renewals", body)
    assert (reply.status_code, reply.json()["payment"]["status"]) == (200, "succeeded")
    await cinema.works()
    assert await boris.charged() == ["499.00"] * 2


async def test_a_part_that_is_returned_ends_nothing_and_the_rest_ends_it(cinema: Cinema) -> None:
    vera = await cinema.person()
    sale = (await vera.subscribes("premium", "499.00")).json()

    async def returns(**amount: Any) -> int:
        body = {"payment_id": sale["payment"]["id"], "reason": "a gift", **amount}
        reply = await cinema.as_admin("POST", "/internal/v1/refunds", body)
        await cinema.works()
        return reply.status_code

    assert await returns(amount={"value": "100.00", "currency": "RUB"}) == 202
    assert (await vera.subscription())["status"] == "active"
    assert await returns(amount={"value": "400.00", "currency": "RUB"}) == 409
    assert await returns() == 202
    assert (await vera.subscription())["status"] == "canceled"
    assert await returns() == 409
    payment = await vera.reads(f"/v1/payments/{sale['payment']['id']}")
    assert payment["refunded"]["value"] == "499.00"


async def test_a_notification_that_comes_before_the_answer_of_the_call_ends_right(cinema: Cinema) -> None:
    gleb = await cinema.person()
    await cinema.yookassa.fault("create_payment", "no_answer", when="after", times=1, seconds=1)
    sale = (await gleb.subscribes("premium", "499.00")).json()
    assert sale["payment"]["provider_payment_id"] is None
    ledger = await cinema.yookassa.ledger()
    [theirs] = [one for one in ledger.payments if one["metadata"].get("user_id") == str(gleb.id)]

    told = {"type": "notification", "event": "payment.succeeded", "object": {"id": theirs["id"]}}
    for _ in range(2):
        await cinema.api.post("/webhooks/yookassa", json=told)
    await cinema.works()

    assert (await gleb.subscription())["status"] == "active"
    assert await gleb.charged() == ["499.00"]


async def test_a_notification_for_an_unknown_system_is_refused_and_nonsense_is_answered(cinema: Cinema) -> None:
    assert (await cinema.api.post(f"/webhooks/{uuid4().hex}", json={})).status_code == 404
    for nonsense in (b"", b"[]", b"\xff\xfe", b"{" * 50_000, b'{"event": 1}'):
        assert (await cinema.api.post("/webhooks/yookassa", content=nonsense)).status_code == 200


@pytest.mark.parametrize(
    "code", ["yoo%00kassa", "%00", "yookassa%0A", "%ED%A0%80", "y" * 65, "%D1%8E%D0%BA%D0%B0%D1%81%D1%81%D0%B0"]
)
async def test_a_notification_for_what_no_payment_system_can_be_called_is_refused_without_a_look_at_the_books(
    cinema: Cinema, code: str
) -> None:
    """A NUL in the path once was a malfunction of ours: no database takes it."""
    told = {"type": "notification", "event": "payment.succeeded", "object": {"id": "x"}}
    with statements(cinema.service.payment_systems._engine) as asked:
        reply = await cinema.api.post(f"/webhooks/{code}", json=told)
    assert (reply.status_code, reply.json()["code"], asked) == (404, "not_found", [])


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("of", ["plans", "payment-systems"])
@pytest.mark.parametrize("code", ["a%00b", "".join(uuid4().hex for _ in range(500))])
async def test_a_code_that_nothing_can_have_is_refused(cinema: Cinema, method: str, of: str, code: str) -> None:
    """One of thousands of characters does not even fit into the index of idempotency keys."""
    body = {"name": "Новое имя"} if method == "PATCH" else None
    reply = await cinema.as_admin(method, f"/internal/v1/{of}/{code}", body)
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed"), reply.text


async def test_what_waits_is_counted(cinema: Cinema) -> None:
    dina = await cinema.person()
    await dina.subscribes("premium", "499.00", card=None)

    backlog = await read_backlog(cinema.service.engine, cinema.clock.now())

    assert backlog.open_payments["pending"].waiting >= 1
    assert backlog.outbox["history"].waiting >= 1


async def test_a_price_that_no_payment_system_takes_is_refused(cinema: Cinema) -> None:
    body = {
        "code": "palace",
        "name": "Palace",
        "price": {"value": "350000.01", "currency": "RUB"},
        "period": {"unit": "month", "count": 1},
    }
    reply = await cinema.as_admin("POST", "/internal/v1/plans", body)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "price.value")
    body["price"] = {"value": "350000.00", "currency": "RUB"}
    assert (await cinema.as_admin("POST", "/internal/v1/plans", body)).status_code == 201


async def test_a_refund_in_another_currency_is_a_wrong_field(cinema: Cinema) -> None:
    anna = await cinema.person()
    payment = (await anna.subscribes("premium", "499.00")).json()["payment"]["id"]
    body = {"payment_id": payment, "amount": {"value": "10.00", "currency": "USD"}, "reason": "a mistake"}
    reply = await cinema.as_service("POST", "/internal/v1/refunds", body)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "amount.currency")
