"""The payment system's own truth, for those who compare."""

from __future__ import annotations

from typing import Any

from domain.money import Money
from infrastructure.simulators.yookassa.instants import written
from infrastructure.simulators.yookassa.records import Payment, Refund
from infrastructure.simulators.yookassa.store import Store


def ledger(store: Store) -> dict[str, Any]:
    """Every payment and refund, oldest first, and what became of the calls. Amounts are strings."""
    return {
        "payments": [_payment(payment) for payment in store.payments.where("1 = 1 ORDER BY seq")],
        "refunds": [_refund(refund) for refund in store.refunds.where("1 = 1 ORDER BY seq")],
        "calls": store.calls(),
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "status": payment.status,
        "amount": Money(payment.amount).value,
        "captured": Money(payment.captured).value,
        "refunded": Money(payment.refunded).value,
        "metadata": payment.metadata,
        "idempotence_key": payment.key,
        "created_at": written(payment.created_ms),
        "method_id": payment.method_id,
        "cancellation": payment.cancellation,
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "status": refund.status,
        "amount": Money(refund.amount).value,
        "metadata": refund.metadata,
        "idempotence_key": refund.key,
        "created_at": written(refund.created_ms),
        "cancellation": refund.cancellation,
    }
