"""Records written as YooKassa's API shows them."""

from __future__ import annotations

from typing import Any

from domain.money import Money
from infrastructure.simulators.yookassa.cards import Card
from infrastructure.simulators.yookassa.instants import written
from infrastructure.simulators.yookassa.records import Method, Payment, Record, Refund

_GATEWAY = "100700"


def render(record: Record, shop_id: str, base_url: str) -> dict[str, Any]:
    """`base_url`: where the payment page is reached, without a slash at its end."""
    if isinstance(record, Payment):
        return render_payment(record, shop_id, base_url)
    if isinstance(record, Refund):
        return render_refund(record)
    return render_method(record, shop_id, base_url)


def render_payment(payment: Payment, shop_id: str, base_url: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": payment.id,
        "status": payment.status,
        "amount": _amount(payment.captured or payment.amount, payment.currency),
    }
    if payment.captured:
        shown["income_amount"] = _amount(_income(payment.captured), payment.currency)
    if payment.description is not None:
        shown["description"] = payment.description
    shown["recipient"] = {"account_id": shop_id, "gateway_id": _GATEWAY}
    if payment.method_id is not None:
        shown["payment_method"] = _payment_method(payment)
    shown |= _times(payment)
    if payment.status == "pending" and payment.has_page:
        shown["confirmation"] = _confirmation(payment.id, payment.return_url, base_url)
    shown["test"] = True
    paid = payment.status in {"waiting_for_capture", "succeeded"}
    if paid:
        shown["refunded_amount"] = _amount(payment.refunded, payment.currency)
    shown["paid"] = paid
    shown["refundable"] = payment.status == "succeeded" and payment.refunded < payment.captured
    shown["metadata"] = dict(payment.metadata)
    if payment.cancellation is not None:
        shown["cancellation_details"] = dict(payment.cancellation)
    if paid:
        shown["authorization_details"] = _authorization(payment)
    if payment.merchant_customer_id is not None:
        shown["merchant_customer_id"] = payment.merchant_customer_id
    return shown


def _times(payment: Payment) -> dict[str, str]:
    shown = {"created_at": written(payment.created_ms)}
    if payment.captured_ms is not None:
        shown["captured_at"] = written(payment.captured_ms)
    if payment.status == "waiting_for_capture" and payment.expires_ms is not None:
        shown["expires_at"] = written(payment.expires_ms)
    return shown


def _authorization(payment: Payment) -> dict[str, Any]:
    return {
        "rrn": f"{payment.seq % 10**12:012d}",
        "auth_code": f"{payment.seq * 7919 % 10**6:06d}",
        "three_d_secure": {"applied": payment.three_ds},
    }


def _income(minor: int) -> int:
    """What is left to the shop; 3.5 % is a usual commission."""
    return minor - (minor * 35 + 500) // 1000


def render_refund(refund: Refund) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": refund.id, "payment_id": refund.payment_id, "status": refund.status}
    if refund.cancellation is not None:
        shown["cancellation_details"] = dict(refund.cancellation)
    shown["created_at"] = written(refund.created_ms)
    shown["amount"] = _amount(refund.amount, refund.currency)
    if refund.description is not None:
        shown["description"] = refund.description
    if refund.status == "succeeded":
        shown["refund_authorization_details"] = {"rrn": f"{refund.seq % 10**12:012d}"}
    shown["metadata"] = dict(refund.metadata)
    return shown


def render_method(method: Method, shop_id: str, base_url: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "bank_card",
        "id": method.id,
        "saved": method.saved,
        "status": method.status,
        "holder": {"account_id": shop_id, "gateway_id": _GATEWAY},
    }
    if method.card is not None:
        shown["title"] = title(method.card)
        shown["card"] = _card(method.card)
    if method.status == "pending":
        shown["confirmation"] = _confirmation(method.id, method.return_url, base_url)
    shown["metadata"] = dict(method.metadata)
    return shown


def title(card: Card) -> str:
    return f"Bank card *{card['last4']}"


def _payment_method(payment: Payment) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "bank_card",
        "id": payment.method_id,
        "saved": payment.method_saved,
        "status": "active" if payment.method_saved else "inactive",
    }
    if payment.card is not None:
        shown["title"] = title(payment.card)
        shown["card"] = _card(payment.card)
    return shown


def _card(card: Card) -> dict[str, str]:
    return {
        "first6": card["first6"],
        "last4": card["last4"],
        "expiry_year": card["expiry_year"],
        "expiry_month": card["expiry_month"],
        "card_type": card["card_type"],
        "issuer_country": "RU",
        "issuer_name": "Test Bank",
    }


def _confirmation(object_id: str, return_url: str | None, base_url: str) -> dict[str, str]:
    shown = {"type": "redirect", "confirmation_url": f"{base_url}/checkout/{object_id}"}
    if return_url is not None:
        shown["return_url"] = return_url
    return shown


def _amount(minor: int, currency: str) -> dict[str, str]:
    return {"value": Money(minor, currency).value, "currency": currency}
