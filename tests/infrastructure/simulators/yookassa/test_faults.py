"""Each thing that can go wrong goes wrong on demand, and the ledger knows what really happened."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from infrastructure.simulators.yookassa.client import ControlRefusedError
from infrastructure.simulators.yookassa.serve import running
from tests.infrastructure.simulators.yookassa.shop import (
    NO_MONEY,
    SUCCEEDS,
    HandClock,
    Shop,
    binding,
    charge,
    ok,
    page_payment,
)

BROKEN = ["no_answer", "reset", "cut_off"]
UNREADABLE = ["truncated", "garbage", "bad_gateway"]


def is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


async def attempt(shop: Shop, body: Any, key: str) -> httpx.Response | httpx.TransportError:
    try:
        return await shop.post("/payments", body, key)
    except httpx.TransportError as error:
        return error


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", [*BROKEN, *UNREADABLE, "error_500", "accepted"])
async def test_the_money_moved_where_the_fault_struck_after_and_only_there(shop: Shop, kind: str, when: str) -> None:
    body = charge(payment_method_id=await shop.saved_method(), metadata={"payment_id": "1"})
    await shop.control.fault("create_payment", kind, when=when, seconds=0.1)
    first = await attempt(shop, body, "key")
    moved = len((await shop.control.ledger()).payments_of("1"))
    assert moved == (1 if when == "after" else 0)
    assert isinstance(first, httpx.TransportError) == (kind in BROKEN)
    if isinstance(first, httpx.Response) and kind in UNREADABLE:
        assert not is_json(first.content)
    assert ok(await shop.post("/payments", body, "key"))["status"] == "succeeded"
    assert len((await shop.control.ledger()).payments_of("1")) == 1


async def test_each_operation_can_fail(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS)
    refund = ok(await shop.refund(payment["id"], "1.00"))
    method = ok(await shop.post("/payment_methods", binding()))
    calls: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        "create_payment": lambda: shop.post("/payments", page_payment()),
        "get_payment": lambda: shop.get(f"/payments/{payment['id']}"),
        "list_payments": lambda: shop.get("/payments"),
        "create_refund": lambda: shop.refund(payment["id"], "1.00"),
        "get_refund": lambda: shop.get(f"/refunds/{refund['id']}"),
        "list_refunds": lambda: shop.get("/refunds"),
        "create_method": lambda: shop.post("/payment_methods", binding()),
        "get_method": lambda: shop.get(f"/payment_methods/{method['id']}"),
        "get_me": lambda: shop.get("/me"),
    }
    for operation, call in calls.items():
        for when in ("before", "after"):
            await shop.control.fault(operation, "error_500", when=when)
            assert (await call()).status_code == 500, operation
        assert (await call()).status_code == 200, operation


async def test_too_many_requests_move_nothing(shop: Shop) -> None:
    await shop.control.fault("create_payment", "too_many_requests", when="after", retry_after=7)
    answer = await shop.post("/payments", page_payment())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert (await shop.control.ledger()).payments == []


async def test_an_accepted_call_says_when_to_come_again(shop: Shop) -> None:
    await shop.control.fault("create_payment", "accepted", retry_after=2)
    answer = await shop.post("/payments", page_payment())
    assert (answer.status_code, answer.json()["retry_after"], answer.json()["type"]) == (202, 2000, "processing")


async def test_a_slow_answer_comes_in_the_end(shop: Shop) -> None:
    await shop.control.fault("create_payment", "slow", seconds=0.3)
    started = time.monotonic()
    ok(await shop.post("/payments", page_payment()))
    assert time.monotonic() - started >= 0.3


async def test_a_fault_can_be_meant_for_one_payment(shop: Shop) -> None:
    payment = await shop.pay_with(SUCCEEDS, metadata={"payment_id": "1"})
    await shop.control.fault("create_payment", "error_500", payment_id="2")
    await shop.control.fault("get_payment", "error_500", payment_id="1")
    await shop.control.fault("create_refund", "error_500", payment_id="1", when="before")
    assert (await shop.post("/payments", page_payment(metadata={"payment_id": "3"}))).status_code == 200
    assert (await shop.post("/payments", page_payment(metadata={"payment_id": "2"}))).status_code == 500
    assert (await shop.get(f"/payments/{payment['id']}")).status_code == 500
    assert (await shop.refund(payment["id"], "1.00")).status_code == 500
    assert await shop.control.faults() == []


async def test_a_fault_strikes_as_often_as_it_was_told(shop: Shop) -> None:
    fault = await shop.control.fault("get_me", "error_500", times=2)
    assert [(await shop.get("/me")).status_code for _ in range(3)] == [500, 500, 200]
    fault = await shop.control.fault("*", "error_500", times=None)
    assert [(await shop.get("/me")).status_code for _ in range(3)] == [500] * 3
    await shop.control.lift(fault)
    assert (await shop.get("/me")).status_code == 200


async def test_the_same_seed_throws_the_same_dice(shop: Shop) -> None:
    async def thrown(seed: int) -> list[int]:
        fault = await shop.control.fault("get_me", "error_500", times=None, probability=0.3, seed=seed)
        statuses = [(await shop.get("/me")).status_code for _ in range(60)]
        await shop.control.lift(fault)
        return statuses

    first, again, other = await thrown(1), await thrown(1), await thrown(2)
    assert first == again != other
    assert 5 < first.count(500) < 35


async def test_a_decline_can_be_forced(shop: Shop) -> None:
    method = await shop.saved_method()
    await shop.control.fault("create_payment", "decline", reason="issuer_unavailable")
    declined = await shop.recur(method)
    assert declined["cancellation_details"] == {"party": "payment_network", "reason": "issuer_unavailable"}
    await shop.control.fault("create_payment", "decline", reason="fraud_suspected", party="yoo_money")
    await shop.control.fault("create_payment", "error_500", when="after")
    assert (await shop.post("/payments", charge(payment_method_id=method))).status_code == 500
    assert (await shop.control.ledger()).payments[-1]["cancellation"]["party"] == "yoo_money"


async def test_a_decline_is_not_used_up_by_a_call_that_was_not_carried_out(shop: Shop) -> None:
    method = await shop.saved_method()
    body = charge(payment_method_id=method)
    ok(await shop.post("/payments", body, "before"))
    await shop.control.fault("create_payment", "decline", reason="insufficient_funds")
    await shop.control.fault("create_payment", "error_500", when="before")
    assert (await shop.post("/payments", body, "key")).status_code == 500
    assert ok(await shop.post("/payments", body, "before"))["status"] == "succeeded"  # a replay
    assert ok(await shop.post("/payments", body, "key"))["cancellation_details"]["reason"] == "insufficient_funds"


@pytest.mark.parametrize("mode", ["hang", "refuse", "unavailable"])
async def test_the_whole_system_can_be_away(shop: Shop, mode: str) -> None:
    await shop.control.outage(mode)
    page = f"{shop.simulator.url}/checkout/22e12f66-000f-5000-8000-18db351245c7"
    for call in (shop.get("/me"), shop.post("/payments", page_payment()), shop.client.get(page)):
        if mode == "unavailable":
            assert (await call).status_code == 503
        elif mode == "refuse":
            with pytest.raises(httpx.TransportError):
                await call
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.2)
    await shop.control.lift()
    assert (await shop.get("/me")).status_code == 200
    assert (await shop.control.ledger()).payments == []


async def test_notifications_wait_for_the_end_of_an_outage(shop: Shop) -> None:
    await shop.control.fault("notify", "late", seconds=0)
    outage = await shop.control.outage()
    payment = await shop.control.invent_payment("10.00")
    await shop.control.cabinet_refund(payment, "1.00")
    await shop.control.tick()
    assert [note["status"] for note in await shop.control.notifications()] == ["pending"]
    await shop.control.lift(outage)
    await shop.control.tick()
    assert [note["status"] for note in await shop.control.notifications()] == ["delivered"]


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "no such", "kind": "reset"},
        {"operation": "get_me", "kind": "no such"},
        {"operation": "get_me", "kind": "lost"},
        {"operation": "notify", "kind": "reset"},
        {"operation": "get_me", "kind": "reset", "times": 0},
        {"operation": "get_me", "kind": "reset", "probability": 2},
        {"operation": "get_me", "kind": "reset", "probability": "often"},
        {"operation": "get_me", "kind": "reset", "unknown": 1},
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(shop: Shop, fault: dict[str, Any]) -> None:
    with pytest.raises(ControlRefusedError):
        await shop.control.fault(**fault)
    assert await shop.control.faults() == []


async def test_a_decline_on_the_page_is_no_fault_of_the_api(shop: Shop) -> None:
    payment = await shop.pay()
    await shop.control.pay(payment["id"], NO_MONEY)
    assert (await shop.payment(payment["id"]))["status"] == "pending"


async def test_without_an_address_nobody_is_notified(clock: HandClock) -> None:
    with running(clock=clock) as simulator:
        async with httpx.AsyncClient(auth=(simulator.shop_id, simulator.secret_key)) as client:
            shop = Shop(simulator, client)
            await shop.pay_with(SUCCEEDS)
            assert await shop.control.notifications() == []
