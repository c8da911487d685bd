"""Payments go the way YooKassa's go, and the books say the same."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infrastructure.simulators.yookassa import cards
from tests.infrastructure.simulators.yookassa.shop import (
    NO_MONEY,
    SUCCEEDS,
    WITH_BANK_STEP,
    HandClock,
    Shop,
    binding,
    charge,
    ok,
    page_payment,
    rub,
)

CARDS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(cards.__file__).parents[2] / "payment_systems" / "test_cards.json").read_text(encoding="utf-8")
)
DECLINES = [
    (row[network], row["reason"], row["party"])
    for row in CARDS["declines"]
    for network in ("mastercard", "visa", "mir")
]


@pytest.mark.parametrize(("number", "reason", "party"), DECLINES)
async def test_each_test_card_declines_with_its_reason(shop: Shop, number: str, reason: str, party: str) -> None:
    payment = await shop.pay_with(number)
    assert (payment["status"], payment["paid"]) == ("canceled", False)
    assert payment["cancellation_details"] == {"party": party, "reason": reason}


async def test_each_good_test_card_pays(shop: Shop) -> None:
    for row in CARDS["success"]:
        payment = await shop.pay_with(row["number"])
        assert (payment["status"], payment["payment_method"]["card"]["last4"]) == ("succeeded", row["number"][-4:])


async def test_a_declined_card_on_the_page_leaves_room_for_another(shop: Shop) -> None:
    payment = await shop.pay()
    assert await shop.control.pay(payment["id"], NO_MONEY) == {
        "id": payment["id"], "status": "pending", "decline": "insufficient_funds",
    }  # fmt: skip
    assert (await shop.payment(payment["id"]))["status"] == "pending"
    await shop.control.pay(payment["id"], WITH_BANK_STEP)
    paid = await shop.payment(payment["id"])
    assert (paid["status"], paid["authorization_details"]["three_d_secure"]) == ("succeeded", {"applied": True})
    assert "confirmation" not in paid


async def test_a_token_of_a_card_with_a_bank_step_waits_for_it(shop: Shop) -> None:
    back = {"type": "redirect", "return_url": "https://cinema.example/back"}
    good, bad = [await shop.pay_with(WITH_BANK_STEP, confirmation=back) for _ in range(2)]
    assert good["status"] == "pending"
    assert good["confirmation"]["confirmation_url"].endswith(f"/checkout/{good['id']}")
    await shop.control.pay(good["id"], WITH_BANK_STEP)
    await shop.control.pay(bad["id"], WITH_BANK_STEP, code_right=False)
    assert (await shop.payment(good["id"]))["status"] == "succeeded"
    assert (await shop.payment(bad["id"]))["cancellation_details"]["reason"] == "3d_secure_failed"


async def test_a_card_that_arrives_after_the_person_left_charges_nothing(shop: Shop) -> None:
    payment = await shop.pay()
    form = b"number=4111111111111111&expiry=12%2F40&csc=123"
    address = httpx.URL(shop.simulator.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST /checkout/{payment['id']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(form)}\r\n"
    writer.write(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + form[:-1])
    await writer.drain()
    assert (await shop.control.leave(payment["id"]))["status"] == "canceled"
    writer.write(form[-1:])
    assert b" 303 " in await reader.readline()
    writer.close()
    assert (await shop.payment(payment["id"]))["status"] == "canceled"


async def test_an_unconfirmed_payment_is_canceled_after_an_hour(shop: Shop, clock: HandClock) -> None:
    payment = await shop.pay()
    clock.advance(minutes=59, seconds=59)
    assert (await shop.payment(payment["id"]))["status"] == "pending"
    clock.advance(seconds=1)
    expired = await shop.payment(payment["id"])
    assert expired["cancellation_details"] == {"party": "yoo_money", "reason": "expired_on_confirmation"}
    assert (await shop.control.pay(payment["id"], SUCCEEDS))["status"] == "canceled"


async def test_a_payment_that_is_not_captured_is_held_for_seven_days(shop: Shop, clock: HandClock) -> None:
    held = ok(
        await shop.post("/payments", charge(payment_token=await shop.control.token(SUCCEEDS)) | {"capture": None})
    )
    assert (held["status"], held["expires_at"]) == ("waiting_for_capture", "2026-07-08T12:00:00.000Z")
    clock.advance(days=7)
    expired = await shop.payment(held["id"])
    assert expired["cancellation_details"] == {"party": "yoo_money", "reason": "expired_on_capture"}


async def test_a_hold_is_taken_in_part_or_given_back(shop: Shop) -> None:
    held = await shop.pay_with(SUCCEEDS, capture=False)
    assert (await shop.post(f"/payments/{held['id']}/capture", {"amount": rub("500.00")})).status_code == 400
    taken = ok(await shop.post(f"/payments/{held['id']}/capture", {"amount": rub("99.00")}))
    assert (taken["status"], taken["amount"]) == ("succeeded", rub("99.00"))
    assert (await shop.post(f"/payments/{held['id']}/cancel", None)).status_code == 400
    given_back = await shop.pay_with(SUCCEEDS, capture=False)
    canceled = ok(await shop.post(f"/payments/{given_back['id']}/cancel", None))
    assert canceled["cancellation_details"] == {"party": "merchant", "reason": "canceled_by_merchant"}


async def test_a_saved_card_is_charged_without_the_person(shop: Shop) -> None:
    payment = await shop.pay(save_payment_method=True)
    await shop.control.pay(payment["id"], WITH_BANK_STEP)
    method = (await shop.payment(payment["id"]))["payment_method"]
    assert (method["saved"], method["id"]) == (True, payment["id"])
    recurring = await shop.recur(method["id"])
    assert (recurring["status"], recurring["payment_method"]["id"]) == ("succeeded", method["id"])


async def test_a_saved_card_can_be_told_how_to_behave(shop: Shop) -> None:
    method = await shop.saved_method()
    await shop.control.behave(method, "insufficient_funds", times=2)
    reasons = [(await shop.recur(method)).get("cancellation_details", {}).get("reason") for _ in range(3)]
    assert reasons == ["insufficient_funds", "insufficient_funds", None]
    await shop.control.behave(method, "permission_revoked")
    revoked = await shop.recur(method)
    assert revoked["cancellation_details"] == {"party": "yoo_money", "reason": "permission_revoked"}
    await shop.control.behave(method, None)
    assert (await shop.recur(method))["status"] == "succeeded"


async def test_a_saved_card_expires_with_its_month(shop: Shop, clock: HandClock) -> None:
    method = await shop.saved_method()
    await shop.control.set_expiry(method, 7, 2026)
    clock.advance(days=30)
    assert (await shop.recur(method))["status"] == "succeeded"
    clock.advance(days=1)
    assert (await shop.recur(method))["cancellation_details"]["reason"] == "card_expired"


async def test_a_bound_card_is_charged_later_and_an_unconfirmed_one_never(shop: Shop, clock: HandClock) -> None:
    bound, forgotten = [ok(await shop.post("/payment_methods", binding())) for _ in range(2)]
    await shop.control.pay(bound["id"], NO_MONEY)
    assert ok(await shop.get(f"/payment_methods/{bound['id']}"))["status"] == "pending"
    await shop.control.pay(bound["id"], SUCCEEDS)
    assert (await shop.recur(bound["id"]))["status"] == "succeeded"
    clock.advance(hours=1)
    assert ok(await shop.get(f"/payment_methods/{forgotten['id']}"))["status"] == "inactive"
    assert (await shop.post("/payments", charge(payment_method_id=forgotten["id"]))).status_code == 400


async def test_a_tick_says_when_something_falls_due_next(shop: Shop, clock: HandClock) -> None:
    assert await shop.control.tick() is None
    await shop.pay()
    due = datetime(2026, 7, 1, 13, 0, tzinfo=UTC)
    assert await shop.control.tick() == due
    clock.advance(minutes=30)
    await shop.pay()
    clock.advance(minutes=30)
    assert await shop.control.tick() == due + timedelta(minutes=30)
    statuses = [payment["status"] for payment in (await shop.control.ledger()).payments]
    assert statuses == ["canceled", "pending"]


async def test_a_recurring_payment_may_stay_pending_for_a_while(shop: Shop, clock: HandClock) -> None:
    method = await shop.saved_method()
    await shop.control.fault("create_payment", "payment_pending", seconds=60, times=2)
    soon, never = await shop.recur(method), await shop.recur(method)
    assert (soon["status"], "confirmation" in soon) == ("pending", False)
    await shop.control.settle_payment(never["id"], "insufficient_funds")
    clock.advance(seconds=60)
    assert (await shop.payment(soon["id"]))["status"] == "succeeded"
    assert (await shop.payment(never["id"]))["cancellation_details"]["reason"] == "insufficient_funds"


async def test_the_books_can_be_bent_for_reconciliation(shop: Shop) -> None:
    lost = await shop.pay_with(SUCCEEDS, metadata={"payment_id": "1"})
    changed = await shop.pay_with(SUCCEEDS)
    await shop.control.delete_payment(lost["id"])
    await shop.control.edit_payment(changed["id"], amount="1.00")
    invented = await shop.control.invent_payment("7.00", {"payment_id": "2"})
    refund = await shop.control.cabinet_refund(invented, "6.00")
    assert (await shop.get(f"/payments/{lost['id']}")).status_code == 404
    assert (await shop.payment(changed["id"]))["amount"] == rub("1.00")
    assert (await shop.payment(invented))["refunded_amount"] == rub("6.00")
    assert ok(await shop.get(f"/refunds/{refund}"))["metadata"] == {}


async def test_identifiers_look_like_yookassas_and_never_repeat(shop: Shop) -> None:
    found = [(await shop.post("/payments", page_payment())).json()["id"] for _ in range(50)]
    assert len(set(found)) == 50
    assert all(len(each) == 36 and "-000f-5000-8000-" in each for each in found)
