"""Money on its way back: what may be returned of a payment, and how it ends."""

from __future__ import annotations

from infrastructure.simulators.yookassa.books import Announce
from infrastructure.simulators.yookassa.cards import Decline
from infrastructure.simulators.yookassa.faults import Fault
from infrastructure.simulators.yookassa.instants import DAY
from infrastructure.simulators.yookassa.problems import invalid
from infrastructure.simulators.yookassa.records import Payment, Refund
from infrastructure.simulators.yookassa.requests import CreateRefund
from infrastructure.simulators.yookassa.store import Store

_PERIOD_MS = 3 * 365 * DAY
_LEAST_LEFT = 1_00


class Refunds:
    def __init__(self, store: Store, announce: Announce) -> None:
        self.store = store
        self._announce = announce

    def create(self, asked: CreateRefund, key: str | None, now_ms: int, fault: Fault | None = None) -> Refund:
        payment = self.store.payments.get(asked.payment_id)
        if payment is None:
            raise invalid("payment_id", "Payment doesn't exist or is not available to the shop")
        self._check(payment, asked.amount.minor, now_ms)
        refund_id, seq = self.store.new_id(now_ms)
        refund = Refund(
            id=refund_id,
            seq=seq,
            created_ms=now_ms,
            payment_id=payment.id,
            amount=asked.amount.minor,
            currency=asked.amount.currency,
            status="pending",
            description=asked.description,
            metadata=asked.metadata,
            key=key,
        )
        if fault is not None and fault.kind == "refund_pending":
            refund.due_ms = now_ms + round(fault.seconds * 1000) if fault.seconds else None
            self.store.refunds.put(refund)
            return refund
        return self.settle(refund, fault.decline if fault and fault.kind == "refund_canceled" else None, now_ms)

    def settle(self, refund: Refund, decline: Decline | None, now_ms: int) -> Refund:
        """Success, or a cancellation, of which no event tells."""
        if refund.status != "pending":
            return refund
        refund.due_ms = None
        if decline is not None:
            refund.status, refund.cancellation = "canceled", decline
            self.store.refunds.put(refund)
            return refund
        refund.status = "succeeded"
        self.store.refunds.put(refund)
        payment = self.store.payments.get(refund.payment_id)
        if payment is not None:
            payment.refunded += refund.amount
            self.store.payments.put(payment)
        self._announce("refund.succeeded", refund, now_ms)
        return refund

    def settle_due(self, now_ms: int) -> int:
        count = 0
        for refund in self.store.refunds.where("due_ms <= ? ORDER BY due_ms", now_ms):
            self.settle(refund, None, now_ms)
            count += 1
        return count

    def _check(self, payment: Payment, amount: int, now_ms: int) -> None:
        if payment.status != "succeeded":
            raise invalid("payment_id", "Payment has not succeeded, there is nothing to refund")
        if payment.created_ms + _PERIOD_MS < now_ms:
            raise invalid("payment_id", "Payment is older than three years, it can't be refunded")
        pending = sum(each.amount for each in self.store.refunds.where("parent = ? AND status = 'pending'", payment.id))
        left = payment.captured - payment.refunded - pending
        if left <= 0:
            raise invalid("payment_id", "Payment is already completely refunded")
        if amount > left:
            raise invalid("amount", "Refund sum exceeded")
        if 0 < left - amount < _LEAST_LEFT:
            raise invalid("amount", "Remaining payment amount after refund must be greater than 1.00 RUB")
