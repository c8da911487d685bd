"""What the payment system does with money: payments, holds, refunds, saved methods.

Each method is one step without waiting, under `Store.change`, so concurrent calls never meet in it.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from domain.money import Money
from infrastructure.simulators.yookassa.cards import BadCardError, Card, Decline, expired, party_of, read_card
from infrastructure.simulators.yookassa.faults import Fault
from infrastructure.simulators.yookassa.instants import DAY, HOUR, year_month
from infrastructure.simulators.yookassa.problems import invalid
from infrastructure.simulators.yookassa.records import Method, Payment, Record
from infrastructure.simulators.yookassa.requests import CreateMethod, CreatePayment, read_capture
from infrastructure.simulators.yookassa.store import Store

_CONFIRM_MS = HOUR
_HOLD_MS = 7 * DAY
_CODE_TRIES = 3

EXPIRED = Decline(party="yoo_money", reason="expired_on_confirmation")
"""What YooKassa says where the person did not pay. It has no word of its own for leaving by the link."""


class Announce(Protocol):
    """Writes a notification into the books, within the running transaction."""

    def __call__(self, event: str, record: Record, now_ms: int) -> None: ...


class Books:
    def __init__(self, store: Store, announce: Announce) -> None:
        self.store = store
        self._announce = announce

    # --- payments ------------------------------------------------------------------------------
    def create_payment(self, asked: CreatePayment, key: str, now_ms: int, fault: Fault | None = None) -> Payment:
        card, method = self._instrument(asked, now_ms)
        payment_id, seq = self.store.new_id(now_ms)
        payment = Payment(
            id=payment_id,
            seq=seq,
            created_ms=now_ms,
            amount=asked.amount.minor,
            currency=asked.amount.currency,
            description=asked.description,
            metadata=asked.metadata,
            merchant_customer_id=asked.merchant_customer_id,
            capture=asked.capture,
            save=asked.save,
            return_url=asked.return_url,
            locale=asked.locale,
            method_id=method.id if method else payment_id,
            method_saved=method is not None,
            card=card,
            key=key,
        )
        if asked.token is not None:
            self.store.use_token(asked.token, payment_id)
        if fault is not None and fault.kind == "decline":
            return self._cancel(payment, fault.decline, now_ms)
        if card is None:
            payment.has_page = payment.tries_cards = True
            payment.due_ms = now_ms + _CONFIRM_MS
            self.store.payments.put(payment)
            return payment
        if method is None and card["three_ds"] and asked.return_url is not None:
            payment.has_page, payment.attempt, payment.card = True, card, None
            payment.due_ms = now_ms + _CONFIRM_MS
            self.store.payments.put(payment)
            return payment
        decline = self._method_decline(method, now_ms) if method else card["decline"]
        if decline is not None:
            return self._cancel(payment, decline, now_ms)
        if fault is not None and fault.kind == "payment_pending":
            payment.due_ms = now_ms + round(fault.seconds * 1000) if fault.seconds else None
            self.store.payments.put(payment)
            return payment
        return self.authorise(payment, card, now_ms)

    def authorise(self, payment: Payment, card: Card | None, now_ms: int, *, three_ds: bool = False) -> Payment:
        """The money is there: taken at once, or held until the shop takes it."""
        payment.card, payment.attempt, payment.last_decline = card, None, None
        payment.three_ds, payment.has_page = three_ds, False
        if payment.save and not payment.method_saved and card is not None:
            payment.method_saved = True
            method = Method(id=payment.id, seq=payment.seq, created_ms=now_ms, status="active", saved=True, card=card)
            self.store.methods.put(method)
        if payment.capture:
            return self._take(payment, payment.amount, now_ms)
        payment.status = "waiting_for_capture"
        payment.due_ms = payment.expires_ms = now_ms + _HOLD_MS
        self.store.payments.put(payment)
        self._announce("payment.waiting_for_capture", payment, now_ms)
        return payment

    def capture(self, payment: Payment, body: dict[str, Any], now_ms: int) -> Payment:
        if payment.status != "waiting_for_capture":
            raise invalid("payment_id", f"Payment can't be captured, its status is {payment.status}")
        return self._take(payment, read_capture(body, Money(payment.amount, payment.currency)).minor, now_ms)

    def cancel(self, payment: Payment, now_ms: int) -> Payment:
        if payment.status != "waiting_for_capture":
            raise invalid("payment_id", f"Payment can't be canceled, its status is {payment.status}")
        return self._cancel(payment, Decline(party="merchant", reason="canceled_by_merchant"), now_ms)

    def settle(self, payment: Payment, decline: Decline | None, now_ms: int) -> Payment:
        """Bring a payment that waits for nobody's page to its end."""
        if payment.status != "pending":
            return payment
        return self._cancel(payment, decline, now_ms) if decline else self.authorise(payment, payment.card, now_ms)

    # --- the person on the page ----------------------------------------------------------------
    def try_card(self, record: Payment | Method, card: Card, now_ms: int) -> None:
        """A card was entered: on to the bank's step, or straight to the outcome."""
        if record.status != "pending":
            return
        if card["three_ds"]:
            record.attempt, record.code_tries, record.last_decline = card, 0, None
            self._keep(record)
        else:
            self._conclude(record, card, card["decline"], now_ms, three_ds=False)

    def wrong_code(self, record: Payment | Method, now_ms: int) -> None:
        """The bank allows three of them."""
        record.code_tries += 1
        if record.code_tries >= _CODE_TRIES:
            self.confirm(record, now_ms, right=False)
        else:
            self._keep(record)

    def confirm(self, record: Payment | Method, now_ms: int, *, right: bool) -> None:
        """The bank's step ends: the person gave the right code, or did not."""
        card = record.attempt
        if record.status != "pending" or card is None:
            return
        failed = Decline(party="payment_network", reason="3d_secure_failed")
        self._conclude(record, card, card["decline"] if right else failed, now_ms, three_ds=True)

    def leave(self, record: Payment | Method, now_ms: int) -> None:
        """The person goes back to the shop without paying."""
        if record.status != "pending":
            return
        if isinstance(record, Payment):
            self._cancel(record, EXPIRED, now_ms)
        else:
            self._end_method(record)

    def _conclude(
        self, record: Payment | Method, card: Card, decline: Decline | None, now_ms: int, *, three_ds: bool
    ) -> None:
        if isinstance(record, Payment) and decline is None:
            self.authorise(record, card, now_ms, three_ds=three_ds)
        elif isinstance(record, Payment) and decline is not None and not record.tries_cards:
            record.card = card
            self._cancel(record, decline, now_ms)
        elif isinstance(record, Method) and decline is None:
            self._activate(record, card, now_ms)
        elif decline is not None:
            record.attempt, record.last_decline = None, decline["reason"]
            self._keep(record)

    # --- saved methods -------------------------------------------------------------------------
    def create_method(self, asked: CreateMethod, key: str, now_ms: int, fault: Fault | None = None) -> Method:
        method_id, seq = self.store.new_id(now_ms)
        method = Method(
            id=method_id,
            seq=seq,
            created_ms=now_ms,
            due_ms=now_ms + _CONFIRM_MS,
            metadata=asked.metadata,
            return_url=asked.return_url,
            locale=asked.locale,
            bound=True,
            key=key,
        )
        if fault is not None and fault.kind == "decline":
            method.status, method.due_ms = "inactive", None
        self.store.methods.put(method)
        return method

    def _activate(self, method: Method, card: Card, now_ms: int) -> None:
        method.status, method.saved, method.card = "active", True, card
        method.attempt = method.due_ms = method.last_decline = None
        self.store.methods.put(method)
        self._announce("payment_method.active", method, now_ms)

    def _end_method(self, method: Method) -> None:
        """No event tells of it: the shop has to ask."""
        method.status = "inactive"
        method.attempt = method.due_ms = None
        self.store.methods.put(method)

    # --- what falls due ------------------------------------------------------------------------
    def expire_payments(self, now_ms: int) -> int:
        """Bring everything to its end whose time has come; how many there were."""
        count = 0
        for payment in self.store.payments.where("due_ms <= ? ORDER BY due_ms", now_ms):
            count += 1
            if payment.status == "waiting_for_capture":
                self._cancel(payment, Decline(party="yoo_money", reason="expired_on_capture"), now_ms)
            elif payment.has_page:
                self._cancel(payment, EXPIRED, now_ms)
            else:
                self.settle(payment, None, now_ms)
        for method in self.store.methods.where("due_ms <= ? ORDER BY due_ms", now_ms):
            count += 1
            self._end_method(method)
        return count

    # --- parts ---------------------------------------------------------------------------------
    def _instrument(self, asked: CreatePayment, now_ms: int) -> tuple[Card | None, Method | None]:
        if asked.method_id is not None:
            method = self.store.methods.get(asked.method_id)
            if method is None or not method.saved or method.status != "active":
                raise invalid("payment_method_id", "Payment method doesn't exist or is not saved")
            return method.card, method
        if asked.token is not None:
            found = self.store.token(asked.token)
            if found is None or found[0] is not None:
                raise invalid("payment_token", "Payment token is invalid, expired or used already")
            card: Card = json.loads(found[1])
            return card, None
        if asked.card is not None:
            raw = asked.card
            try:
                number, month, year = raw["number"], raw["expiry_month"], raw["expiry_year"]
                return read_card(number, month, year, raw.get("csc"), year_month(now_ms)), None
            except BadCardError as error:
                raise invalid(f"payment_method_data.card.{error.field}", str(error)) from None
        return None, None

    def _method_decline(self, method: Method, now_ms: int) -> Decline | None:
        if method.behaviour is not None:
            decline = method.behaviour
            if method.behaviour_times is not None:
                method.behaviour_times -= 1
                if method.behaviour_times <= 0:
                    method.behaviour = method.behaviour_times = None
                self.store.methods.put(method)
            return None if decline["reason"] == "success" else decline
        if method.card is not None and expired(method.card, year_month(now_ms)):
            return Decline(party=party_of("card_expired"), reason="card_expired")
        return method.card["decline"] if method.card else None

    def _take(self, payment: Payment, amount: int, now_ms: int) -> Payment:
        payment.status, payment.captured, payment.captured_ms = "succeeded", amount, now_ms
        payment.due_ms = None
        self.store.payments.put(payment)
        self._announce("payment.succeeded", payment, now_ms)
        return payment

    def _cancel(self, payment: Payment, decline: Decline, now_ms: int) -> Payment:
        payment.status, payment.cancellation = "canceled", decline
        payment.has_page, payment.due_ms, payment.attempt = False, None, None
        self.store.payments.put(payment)
        self._announce("payment.canceled", payment, now_ms)
        return payment

    def _keep(self, record: Payment | Method) -> None:
        if isinstance(record, Payment):
            self.store.payments.put(record)
        else:
            self.store.methods.put(record)
