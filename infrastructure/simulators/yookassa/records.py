"""What the books hold: payments, refunds, saved methods, tokens. Money in kopecks, time in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from infrastructure.simulators.yookassa.cards import Card, Decline


@dataclass
class Payment:
    id: str
    seq: int
    created_ms: int
    amount: int
    currency: str
    status: str = "pending"  # pending, waiting_for_capture, succeeded, canceled
    due_ms: int | None = None  # when something happens to it by itself
    captured: int = 0
    refunded: int = 0
    captured_ms: int | None = None
    expires_ms: int | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    merchant_customer_id: str | None = None
    capture: bool = False
    save: bool = False
    return_url: str | None = None
    locale: str | None = None
    has_page: bool = False  # waits for the person on the payment page
    tries_cards: bool = False  # the person may enter another card after a decline
    card: Card | None = None
    method_id: str | None = None
    method_saved: bool = False
    three_ds: bool = False
    attempt: Card | None = None  # a card whose bank step is under way
    code_tries: int = 0  # wrong codes given in that step
    last_decline: str | None = None
    cancellation: Decline | None = None
    key: str | None = None  # the Idempotence-Key that made it

    @property
    def parent(self) -> str | None:
        return None

    @property
    def our_id(self) -> str | None:
        return self.metadata.get("payment_id")


@dataclass
class Refund:
    id: str
    seq: int
    created_ms: int
    payment_id: str
    amount: int
    currency: str
    status: str = "succeeded"  # pending, succeeded, canceled
    due_ms: int | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    cancellation: Decline | None = None
    key: str | None = None

    @property
    def parent(self) -> str:
        return self.payment_id

    @property
    def our_id(self) -> str | None:
        return self.metadata.get("refund_id") or self.metadata.get("payment_id")


@dataclass
class Method:
    id: str
    seq: int
    created_ms: int
    status: str = "pending"  # pending, active, inactive
    due_ms: int | None = None
    saved: bool = False
    card: Card | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    return_url: str | None = None
    locale: str | None = None
    attempt: Card | None = None
    code_tries: int = 0
    last_decline: str | None = None
    behaviour: Decline | None = None  # what its charges come to from now on; None: what its card does
    behaviour_times: int | None = None  # how often yet; None: for good
    bound: bool = False  # made by /payment_methods, not by a payment
    key: str | None = None

    @property
    def parent(self) -> str | None:
        return None

    @property
    def our_id(self) -> str | None:
        return self.metadata.get("payment_id")


Record = Payment | Refund | Method


@dataclass
class Notification:
    """One message to the shop and how its delivery stands."""

    seq: int
    event: str
    object_id: str
    our_id: str | None
    created_ms: int
    body: dict[str, Any]
    status: str = "pending"  # pending, delivered, given_up, lost, held
    tries: int = 0
    next_try: float = 0.0  # wall clock, seconds since 1970
    not_before_ms: int | None = None  # by the service's clock
    last_answer: str | None = None
    forged: bool = False
