"""What is sent: exact strings, real booleans, nothing that the payment system did not ask for."""

from __future__ import annotations

from typing import assert_never

from domain.money import Money
from domain.payment_system import BindingRequest, CardData, ChargeRequest, Redirect, RefundRequest, Saved, Token

Body = dict[str, object]

_PAYMENT_DESCRIPTION = 128
_REFUND_DESCRIPTION = 250


class NotSupportedError(ValueError):
    """Card data goes to YooKassa from PCI DSS certified shops only; this adapter sends none."""


def payment_body(request: ChargeRequest) -> Body:
    """POST /payments. The same request makes the same body: their key is bound to it. Raises NotSupportedError."""
    body: Body = {
        "amount": _amount(request.amount),
        "capture": True,
        "metadata": {
            "payment_id": str(request.payment_id),
            "subscription_id": str(request.subscription_id),
            "user_id": str(request.user_id),
        },
        "merchant_customer_id": str(request.user_id),
    }
    if request.description:
        body["description"] = request.description[:_PAYMENT_DESCRIPTION]
    match request.instrument:
        case Redirect(return_url=return_url):
            body["payment_method_data"] = {"type": "bank_card"}
            body["confirmation"] = _redirect(return_url)
            body["save_payment_method"] = request.save_method
        case Token(payment_token=token, return_url=return_url):
            body["payment_token"] = token
            body["save_payment_method"] = request.save_method
            if return_url is not None:
                body["confirmation"] = _redirect(return_url)
        case Saved(provider_method_id=method_id):
            body["payment_method_id"] = method_id
        case CardData():
            raise NotSupportedError("this payment system takes no card data from us")
        case _:
            assert_never(request.instrument)
    return body


def binding_body(request: BindingRequest) -> Body:
    """POST /payment_methods."""
    return {
        "type": "bank_card",
        "confirmation": _redirect(request.return_url),
        "metadata": {
            "payment_id": str(request.payment_id),
            "subscription_id": str(request.subscription_id),
            "user_id": str(request.user_id),
        },
    }


def refund_body(request: RefundRequest) -> Body:
    """POST /refunds."""
    body: Body = {
        "payment_id": request.provider_payment_id,
        "amount": _amount(request.amount),
        "metadata": {"refund_id": str(request.refund_id), "payment_id": str(request.payment_id)},
    }
    if request.description:
        body["description"] = request.description[:_REFUND_DESCRIPTION]
    return body


def _amount(money: Money) -> Body:
    return {"value": money.value, "currency": money.currency}


def _redirect(return_url: str) -> Body:
    return {"type": "redirect", "return_url": return_url}
