"""The words in which the service speaks with any payment system.

A payment system's answer is one of three, and the difference is the whole point (invariant 4):
a snapshot of its object, a refusal (it has not moved money under this key and never will), or
silence (nobody knows; it has to be asked again).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.money import Money


# --- what a person pays with -------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Redirect:
    """The person enters a card on the payment system's own page and comes back to `return_url`."""

    return_url: str


@dataclass(frozen=True, slots=True)
class Token:
    """A one-time token that the payment system's widget made of a card."""

    payment_token: str = field(repr=False)
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A method that the payment system saved earlier; the person takes no part."""

    provider_method_id: str


@dataclass(frozen=True, slots=True)
class CardData:
    """A card's own data, for payment systems that may take it. The CVC lives in memory only (PAY-13)."""

    number: str = field(repr=False)
    exp_month: int
    exp_year: int
    cvc: str = field(repr=False)
    holder: str | None = field(default=None, repr=False)
    return_url: str | None = None


Instrument = Redirect | Token | Saved | CardData


# --- what is asked -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One payment to be made. The same request under the same key is the same payment."""

    payment_id: UUID
    idempotency_key: str  # the payment's id and the attempt, at most 64 characters
    amount: Money
    description: str  # at most 128 characters
    instrument: Instrument
    save_method: bool
    user_id: UUID
    subscription_id: UUID


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A card to be saved without a charge (a trial), confirmed by the person at `return_url`."""

    payment_id: UUID
    idempotency_key: str
    user_id: UUID
    subscription_id: UUID
    return_url: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to be returned of one succeeded payment."""

    refund_id: UUID
    idempotency_key: str
    payment_id: UUID
    provider_payment_id: str
    amount: Money
    description: str  # at most 250 characters


# --- what is answered --------------------------------------------------------------------------
class ProviderStatus(StrEnum):
    """How the payment system says that its object stands; the last two are final."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Why and by whom an operation was canceled, in the payment system's own words."""

    reason: str
    party: str


@dataclass(frozen=True, slots=True)
class ProviderMethod:
    """The payment method behind a payment. `saved`: it can be charged again without the person."""

    provider_method_id: str
    saved: bool
    kind: str  # bank_card, sbp, …
    title: str  # e.g. "Bank card *4444"
    first6: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """A payment (or a binding) as the payment system shows it at one moment."""

    provider_payment_id: str
    status: ProviderStatus
    amount: Money
    refunded: Money | None  # None where it does not say, or nothing that can be read
    created_at: datetime | None
    payment_id: UUID | None  # ours, out of its metadata; None where it carries none
    confirmation_url: str | None = None
    method: ProviderMethod | None = None
    cancellation: Cancellation | None = None
    needs_capture: bool = False  # the money is held there until somebody takes it, for a week at most
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)  # as received, for the record


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """A refund as the payment system shows it at one moment."""

    provider_refund_id: str
    provider_payment_id: str
    status: ProviderStatus
    amount: Money
    created_at: datetime | None
    refund_id: UUID | None  # ours, out of its metadata; None for one made in its own cabinet
    cancellation: Cancellation | None = None
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """A well-formed 'no': nothing was done under this key. `code` is one word, `detail` for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Silence:
    """No believable answer: time-out, reset, 5xx, 429, 202, unreadable. The outcome is unknown.

    `retry_after_s`: how long the payment system asked to be left alone, where it did.
    `only_this`: the payment system is alive and says nothing of this one operation (it works on it
    still, or knows its key with another body), so it is no reason to stop asking it other things.
    `conflict`: it is the latter, so that only its list can tell what became of the first request.
    `unsent`: it was not even asked, so this call has moved nothing.
    """

    why: str
    retry_after_s: float | None = None
    only_this: bool = False
    conflict: bool = False
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object on a list that does not say how it stands; `provider_id` None where it has not even that."""

    provider_id: str | None
    why: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The payment system was asked and has no such object."""


class NotificationKind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"
    METHOD = "payment_method"


@dataclass(frozen=True, slots=True)
class Notification:
    """What a webhook body points at. A hint: the object is fetched before anything is believed."""

    kind: NotificationKind
    event: str
    provider_object_id: str


class NotANotificationError(ValueError):
    """The body of a webhook is nothing that this payment system sends."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a payment system can do; `api` refuses the rest before anything is written."""

    redirect: bool = False
    token: bool = False
    saved: bool = False
    card: bool = False
    binding: bool = False
    key_lifetime_s: int = 24 * 3600  # how long it remembers an idempotency key
    reconciled: bool = True  # its lists say the same to every process, so that our books can be held against them
