"""What the imitation remembers: its objects, saved methods, one-time tokens and idempotency keys."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from domain.money import Money
from domain.payment_system import (
    Cancellation,
    CardData,
    ChargeRequest,
    PaymentSnapshot,
    ProviderMethod,
    ProviderStatus,
    RefundSnapshot,
)

_NAMESPACE = UUID("7b1f4a52-6b0e-5c86-9a39-5d3f1c0d8f11")
KEY_LIFETIME = timedelta(hours=24)


@dataclass(slots=True)
class Payment:
    """A payment or, with `binding`, a card to be saved without one."""

    id: str
    our_id: UUID
    amount: Money
    created_at: datetime
    save_method: bool
    binding: bool = False
    status: ProviderStatus = ProviderStatus.PENDING
    refunded: int = 0
    confirmation_url: str | None = None
    confirm_until: datetime | None = None
    card: str | None = field(default=None, repr=False)
    method: ProviderMethod | None = None
    cancellation: Cancellation | None = None

    def snapshot(self) -> PaymentSnapshot:
        pending = self.status is ProviderStatus.PENDING
        return PaymentSnapshot(
            provider_payment_id=self.id,
            status=self.status,
            amount=self.amount,
            refunded=Money(self.refunded, self.amount.currency),
            created_at=self.created_at,
            payment_id=self.our_id,
            confirmation_url=self.confirmation_url if pending else None,
            method=self.method,
            cancellation=self.cancellation,
            raw={"id": self.id, "status": self.status.value, "imitation": True},
        )


@dataclass(slots=True)
class Refund:
    """A refund; `our_id` None is one made by hand in the payment system's own cabinet."""

    id: str
    our_id: UUID | None
    payment_id: str
    amount: Money
    created_at: datetime
    status: ProviderStatus = ProviderStatus.PENDING
    cancellation: Cancellation | None = None

    def snapshot(self) -> RefundSnapshot:
        return RefundSnapshot(
            provider_refund_id=self.id,
            provider_payment_id=self.payment_id,
            status=self.status,
            amount=self.amount,
            created_at=self.created_at,
            refund_id=self.our_id,
            cancellation=self.cancellation,
            raw={"id": self.id, "status": self.status.value, "imitation": True},
        )


@dataclass(slots=True)
class SavedMethod:
    id: str
    card: str = field(repr=False)
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class UsedKey:
    """`request` is compared as a whole: the same key with another body is somebody's mistake."""

    request: object = field(repr=False)
    used_at: datetime
    object_id: str


class Books:
    """All in memory and in one process; ids are the same in each run with the same seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._made = 0
        self._pepper = os.urandom(32)
        self.payments: dict[str, Payment] = {}
        self.refunds: dict[str, Refund] = {}
        self.methods: dict[str, SavedMethod] = {}
        self.tokens: dict[str, str] = {}
        self._keys: dict[str, UsedKey] = {}

    def new_id(self) -> str:
        self._made += 1
        return str(uuid5(_NAMESPACE, f"{self._seed}:{self._made}"))

    def used(self, key: str, now: datetime) -> UsedKey | None:
        """The use of a key in the last 24 hours; after that the key is as good as new."""
        use = self._keys.get(key)
        return use if use is not None and now - use.used_at < KEY_LIFETIME else None

    def use(self, key: str, request: object, now: datetime, object_id: str) -> None:
        self._keys[key] = UsedKey(self._remembered(request), now, object_id)

    def is_same(self, use: UsedKey, request: object) -> bool:
        return use.request == self._remembered(request)

    def _remembered(self, request: object) -> object:
        """What is kept to know a request again: of a CVC its HMAC under a key of this process, never itself."""
        if not isinstance(request, ChargeRequest) or not isinstance(request.instrument, CardData):
            return request
        cvc = hmac.new(self._pepper, request.instrument.cvc.encode(), "sha256").hexdigest()
        return replace(request, instrument=replace(request.instrument, cvc=cvc))
