"""The yardstick itself: it accepts what YooKassa writes and notices what YooKassa would not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infrastructure.simulators.yookassa.contract import misfits, notification_misfits, request_misfits


def payment(**changes: Any) -> dict[str, Any]:
    return {
        "id": "22e12f66-000f-5000-8000-18db351245c7",
        "status": "succeeded",
        "paid": True,
        "amount": {"value": "2.00", "currency": "RUB"},
        "created_at": "2021-04-12T13:49:33.026Z",
        "recipient": {"account_id": "100500", "gateway_id": "100700"},
        "refundable": True,
        "test": False,
        "payment_method": {"type": "bank_card", "id": "22e12f66", "saved": False, "status": "inactive"},
        "metadata": {},
    } | changes


def test_a_payment_as_documented_fits() -> None:
    assert misfits("Payment", payment()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "paid"},
        {"created_at": "yesterday"},
        {"id": "short"},
        {"amount": {"value": 2.0, "currency": "RUB"}},
        {"cancellation_details": {"party": "somebody", "reason": "general_decline"}},
        {"payment_method": {"type": "cheque", "id": "1", "saved": False, "status": "inactive"}},
        {
            "payment_method": {
                "type": "bank_card",
                "id": "1",
                "saved": False,
                "status": "active",
                "card": {"last4": "1"},
            }
        },
        {"confirmation": {"type": "redirect"}},
    ],
)
def test_what_yookassa_would_not_write_is_noticed(change: dict[str, Any]) -> None:
    assert misfits("Payment", payment(**change))


def test_the_variant_that_a_request_names_is_the_one_that_must_fit() -> None:
    body: dict[str, Any] = {
        "amount": {"value": "2.00", "currency": "RUB"},
        "payment_method_data": {"type": "bank_card"},
    }
    assert request_misfits("/payments", body) == []
    assert request_misfits("/payments", body | {"confirmation": {"type": "redirect"}})
    assert request_misfits("/payments", body | {"payment_method_data": {"type": "cheque"}})


def test_a_notification_names_an_event_of_yookassa() -> None:
    body = {"type": "notification", "event": "payment.succeeded", "object": payment()}
    assert notification_misfits(body) == []
    assert notification_misfits(body | {"event": "payment.paid"})
    assert notification_misfits(body | {"object": {}})
