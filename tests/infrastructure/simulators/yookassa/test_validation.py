"""Requests that YooKassa refuses are refused, and named by their parameter; nothing is written."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from infrastructure.simulators.yookassa.serve import running
from tests.infrastructure.simulators.yookassa.shop import SUCCEEDS, Shop, binding, charge, ok, page_payment

BACK = {"type": "redirect", "return_url": "https://cinema.example/back"}


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (charge(), "payment_method_data"),
        (page_payment(payment_token="t"), "payment_method_data"),
        (charge(payment_method_id="m", confirmation=BACK), "confirmation"),
        (charge(payment_method_id="m"), "payment_method_id"),
        (charge(payment_token="never made"), "payment_token"),
        (charge(payment_method_data={"type": "bank_card"}), "confirmation"),
        (page_payment(payment_method_data={"type": "cash"}), "payment_method_data.type"),
        (page_payment(confirmation={"type": "redirect"}), "confirmation.return_url"),
        (
            page_payment(confirmation={"type": "redirect", "return_url": "javascript:alert(1)"}),
            "confirmation.return_url",
        ),
        (page_payment(confirmation=BACK | {"return_url": "https://x/" + "y" * 2048}), "confirmation.return_url"),
        (page_payment(amount=None), "amount"),
        (page_payment("0.99"), "amount.value"),
        (page_payment("350000.01"), "amount.value"),
        (page_payment("10.999"), "amount.value"),
        (page_payment("10"), "amount.value"),
        (page_payment("-10.00"), "amount.value"),
        (page_payment("NaN"), "amount.value"),
        (page_payment(amount={"value": 10.5, "currency": "RUB"}), "amount.value"),
        (page_payment(amount={"value": "10.00", "currency": "USD"}), "amount.currency"),
        (page_payment(description="x" * 129), "description"),
        (page_payment(merchant_customer_id="x" * 201), "merchant_customer_id"),
        (page_payment(metadata={str(number): "x" for number in range(17)}), "metadata"),
        (page_payment(metadata={"x" * 33: "x"}), "metadata"),
        (page_payment(metadata={"x": "x" * 513}), "metadata.x"),
        (page_payment(metadata={"x": 1}), "metadata.x"),
        (page_payment(capture="false"), "capture"),
        (page_payment(save_payment_method="false"), "save_payment_method"),
    ],
)
async def test_a_wrong_payment_is_refused(shop: Shop, body: Any, parameter: str) -> None:
    answer = await shop.post("/payments", body)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["parameter"]) == ("invalid_request", parameter)
    assert (await shop.control.ledger()).payments == []


@pytest.mark.parametrize("value", ["1.00", "350000.00"])
async def test_the_limits_themselves_are_allowed(shop: Shop, value: str) -> None:
    body = page_payment(value, description="ы" * 128, metadata={str(number): "ы" * 512 for number in range(16)})
    assert ok(await shop.post("/payments", body))["amount"]["value"] == value


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b"null"])
async def test_what_is_no_json_object_is_refused(shop: Shop, content: bytes) -> None:
    headers = {"Idempotence-Key": "k"}
    answer = await shop.client.post(f"{shop.simulator.api_url}/payments", content=content, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("key", [None, "", "k" * 65])
async def test_a_change_needs_a_key_of_at_most_64_characters(shop: Shop, key: str | None) -> None:
    headers = {} if key is None else {"Idempotence-Key": key}
    answer = await shop.client.post(f"{shop.simulator.api_url}/payments", json=page_payment(), headers=headers)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "Idempotence-Key")
    assert ok(await shop.post("/payments", page_payment(), key="k" * 64))


async def test_nobody_comes_in_without_the_secret_key(shop: Shop) -> None:
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.get(f"{shop.simulator.api_url}/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


async def test_a_token_pays_once(shop: Shop) -> None:
    token = await shop.control.token(SUCCEEDS)
    ok(await shop.post("/payments", charge(payment_token=token)))
    again = await shop.post("/payments", charge(payment_token=token))
    assert (again.status_code, again.json()["parameter"]) == (400, "payment_token")


async def test_a_method_that_was_not_saved_cannot_be_charged(shop: Shop) -> None:
    once = await shop.pay_with(SUCCEEDS)
    answer = await shop.post("/payments", charge(payment_method_id=once["payment_method"]["id"]))
    assert (answer.status_code, answer.json()["parameter"]) == (400, "payment_method_id")


async def test_raw_card_data_needs_a_certified_shop() -> None:
    card = {"number": SUCCEEDS, "expiry_month": "12", "expiry_year": "2099", "csc": "123"}
    body = charge(payment_method_data={"type": "bank_card", "card": card})
    with running(pci=True) as simulator:
        async with httpx.AsyncClient(auth=(simulator.shop_id, simulator.secret_key)) as client:
            shop = Shop(simulator, client)
            assert ok(await shop.post("/payments", body))["status"] == "succeeded"
            card["number"] = "4111111111111112"
            assert (await shop.post("/payments", body)).json()["parameter"] == "payment_method_data.card.number"


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "type"),
        (binding(type="sbp"), "type"),
        ({"type": "bank_card"}, "confirmation"),
        (binding(metadata=1), "metadata"),
    ],
)
async def test_a_wrong_binding_is_refused(shop: Shop, body: Any, parameter: str) -> None:
    answer = await shop.post("/payment_methods", body)
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)
