"""Requests and YooKassa objects for the tests."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from domain.money import Money
from domain.payment_system import BindingRequest, ChargeRequest, Instrument, Redirect, RefundRequest

RETURN_URL = "https://cinema.example/back"


def charge(instrument: Instrument | None = None, *, amount: Money | None = None, **others: Any) -> ChargeRequest:
    payment_id = uuid4()
    values: dict[str, Any] = {
        "payment_id": payment_id,
        "idempotency_key": f"{payment_id}-1",
        "amount": Money(49900) if amount is None else amount,
        "description": "Премиум, месяц",
        "instrument": instrument or Redirect(RETURN_URL),
        "save_method": True,
        "user_id": uuid4(),
        "subscription_id": uuid4(),
    }
    return ChargeRequest(**(values | others))


def binding(**others: Any) -> BindingRequest:
    payment_id = uuid4()
    values: dict[str, Any] = {
        "payment_id": payment_id,
        "idempotency_key": f"{payment_id}-1",
        "user_id": uuid4(),
        "subscription_id": uuid4(),
        "return_url": RETURN_URL,
    }
    return BindingRequest(**(values | others))


def refund(of: ChargeRequest, provider_payment_id: str, amount: Money | None = None, **others: Any) -> RefundRequest:
    refund_id = uuid4()
    values: dict[str, Any] = {
        "refund_id": refund_id,
        "idempotency_key": str(refund_id),
        "payment_id": of.payment_id,
        "provider_payment_id": provider_payment_id,
        "amount": of.amount if amount is None else amount,
        "description": "Возврат",
    }
    return RefundRequest(**(values | others))


def payment_object(payment_id: UUID | None = None, **others: Any) -> dict[str, Any]:
    """A succeeded payment as YooKassa shows it."""
    return {
        "id": str(uuid4()),
        "status": "succeeded",
        "paid": True,
        "amount": {"value": "499.00", "currency": "RUB"},
        "created_at": "2026-07-18T17:18:39.345Z",
        "metadata": {"payment_id": str(payment_id)} if payment_id else {},
        "payment_method": {
            "type": "bank_card",
            "id": "22e18a2f-000f-5000-a000-1db6312b7767",
            "saved": True,
            "card": {"first6": "555555", "last4": "4444", "expiry_month": "07", "expiry_year": "2032"},
            "title": "Bank card *4444",
        },
        "refundable": True,
        "refunded_amount": {"value": "0.00", "currency": "RUB"},
        "test": False,
    } | others


def refund_object(refund_id: UUID | None = None, **others: Any) -> dict[str, Any]:
    """A succeeded refund as YooKassa shows it."""
    return {
        "id": str(uuid4()),
        "payment_id": str(uuid4()),
        "status": "succeeded",
        "amount": {"value": "100.00", "currency": "RUB"},
        "created_at": "2026-07-18T17:18:39.345Z",
        "metadata": {"refund_id": str(refund_id)} if refund_id else {},
    } | others


def error_object(code: str = "invalid_request", **others: Any) -> dict[str, Any]:
    return {"type": "error", "id": str(uuid4()), "code": code, "description": "Amount is out of limits"} | others
