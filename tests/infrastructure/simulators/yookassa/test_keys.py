"""The same key is the same payment, for 24 hours of the service's time."""

from __future__ import annotations

import asyncio
import uuid

from tests.infrastructure.simulators.yookassa.shop import HandClock, Shop, charge, ok, page_payment, rub


async def test_the_same_key_and_body_give_the_same_payment(shop: Shop) -> None:
    method = await shop.saved_method()
    body = charge(payment_method_id=method, metadata={"payment_id": "1"})
    first = ok(await shop.post("/payments", body, "key"))
    second = ok(await shop.post("/payments", dict(reversed(body.items())), "key"))
    assert second == first
    ledger = await shop.control.ledger()
    assert len(ledger.payments_of("1")) == 1
    assert (ledger.executed("create_payment"), ledger.replayed("create_payment")) == (2, 1)


async def test_a_replay_shows_the_payment_as_it_stands_now(shop: Shop) -> None:
    pending = await shop.pay("key")
    await shop.control.pay(pending["id"], "4111111111111111")
    assert (await shop.pay("key"))["status"] == "succeeded"


async def test_another_body_under_a_known_key_is_refused(shop: Shop) -> None:
    await shop.pay("key")
    answer = await shop.post("/payments", page_payment("500.00"), "key")
    assert (answer.status_code, answer.json()["parameter"]) == (400, "Idempotence-Key")
    assert answer.json()["code"] == "invalid_request"


async def test_one_key_does_not_serve_two_operations(shop: Shop) -> None:
    payment = await shop.recur(await shop.saved_method())
    refund = {"payment_id": payment["id"], "amount": rub("1.00")}
    ok(await shop.post("/refunds", refund, "key"))
    assert (await shop.post("/payments", refund, "key")).status_code == 400


async def test_a_refused_request_leaves_its_key_free(shop: Shop) -> None:
    assert (await shop.post("/payments", page_payment("0.00"), "key")).status_code == 400
    assert await shop.pay("key")


async def test_after_24_hours_the_same_key_runs_as_a_new_request(shop: Shop, clock: HandClock) -> None:
    body = charge(payment_method_id=await shop.saved_method())
    first = ok(await shop.post("/payments", body, "key"))
    clock.advance(hours=24, milliseconds=-1)
    assert ok(await shop.post("/payments", body, "key"))["id"] == first["id"]
    clock.advance(milliseconds=1)
    second = ok(await shop.post("/payments", body, "key"))
    assert second["id"] != first["id"]
    assert ok(await shop.post("/payments", body, "key"))["id"] == second["id"]


async def test_of_many_at_once_under_one_key_one_is_executed(shop: Shop) -> None:
    body = charge(payment_method_id=await shop.saved_method(), metadata={"payment_id": "1"})
    key = str(uuid.uuid4())
    answers = await asyncio.gather(*(shop.post("/payments", body, key) for _ in range(30)))
    assert len({ok(answer)["id"] for answer in answers}) == 1
    assert len((await shop.control.ledger()).payments_of("1")) == 1


async def test_refunds_and_bindings_keep_keys_as_well(shop: Shop) -> None:
    payment = await shop.recur(await shop.saved_method())
    body = {"payment_id": payment["id"], "amount": rub("499.00")}
    assert ok(await shop.post("/refunds", body, "key")) == ok(await shop.post("/refunds", body, "key"))
    assert (await shop.payment(payment["id"]))["refunded_amount"] == rub("499.00")
