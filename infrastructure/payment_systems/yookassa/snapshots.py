"""Reads YooKassa's objects from the JSON as received: the SDK's models lose unknown reasons and exact amounts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from domain.money import Money
from domain.payment_system import Cancellation, PaymentSnapshot, ProviderMethod, ProviderStatus, RefundSnapshot
from infrastructure.payment_systems.notification import OBJECT_ID
from infrastructure.payment_systems.yookassa.exchange import UnreadableError
from infrastructure.payment_systems.yookassa.raw import clean, scrubbed

Body = Mapping[str, object]

_PAYMENT = {
    "pending": ProviderStatus.PENDING,
    "waiting_for_capture": ProviderStatus.PENDING,
    "succeeded": ProviderStatus.SUCCEEDED,
    "canceled": ProviderStatus.CANCELED,
}
_REFUND = {name: status for name, status in _PAYMENT.items() if name != "waiting_for_capture"}
_BINDING = {
    "pending": ProviderStatus.PENDING,
    "active": ProviderStatus.SUCCEEDED,
    "inactive": ProviderStatus.CANCELED,
}
_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]{1,2})0*)?")


def payment_snapshot(body: Body) -> PaymentSnapshot:
    """A payment object; raises UnreadableError without a usable id, status or amount."""
    return PaymentSnapshot(
        provider_payment_id=_id(body.get("id")),
        status=_status(body, _PAYMENT),
        amount=_money(body.get("amount")),
        refunded=_refunded(body.get("refunded_amount")),
        created_at=_instant(body.get("created_at")),
        payment_id=_our_id(body, "payment_id"),
        confirmation_url=_confirmation_url(body),
        method=_method(body.get("payment_method")),
        cancellation=_cancellation(body),
        needs_capture=body.get("status") == "waiting_for_capture",
        raw=scrubbed(body),
    )


def binding_snapshot(body: Body) -> PaymentSnapshot:
    """A saved (or to be saved) payment method as a payment over 0.00; raises UnreadableError."""
    nothing = Money(0)
    status = _status(body, _BINDING)
    return PaymentSnapshot(
        provider_payment_id=_id(body.get("id")),
        status=status,
        amount=nothing,
        refunded=nothing,
        created_at=_instant(body.get("created_at")),
        payment_id=_our_id(body, "payment_id"),
        confirmation_url=_confirmation_url(body),
        method=_method(body) if status is ProviderStatus.SUCCEEDED else None,
        raw=scrubbed(body),
    )


def refund_snapshot(body: Body) -> RefundSnapshot:
    """A refund object; raises UnreadableError without a usable id, payment, status or amount."""
    return RefundSnapshot(
        provider_refund_id=_id(body.get("id")),
        provider_payment_id=_id(body.get("payment_id")),
        status=_status(body, _REFUND),
        amount=_money(body.get("amount")),
        created_at=_instant(body.get("created_at")),
        refund_id=_our_id(body, "refund_id"),
        cancellation=_cancellation(body),
        raw=scrubbed(body),
    )


def _id(value: object) -> str:
    if not isinstance(value, str) or not OBJECT_ID.fullmatch(value):
        raise UnreadableError("no usable id")
    return value


def _status(body: Body, known: Mapping[str, ProviderStatus]) -> ProviderStatus:
    status = body.get("status")
    if not isinstance(status, str) or status not in known:
        raise UnreadableError("no status that we know")
    return known[status]


def _money(value: object) -> Money:
    """An amount in any spelling that means whole kopecks: "499.00" as documented, or 499, 499.5, "499.500"."""
    if isinstance(value, dict):
        number, currency = value.get("value"), value.get("currency")
        # A number with a fraction has stayed the text that it was; true is an int to Python, and none to us.
        spelled = str(number) if isinstance(number, int) and not isinstance(number, bool) else number
        amount = _AMOUNT.fullmatch(spelled) if isinstance(spelled, str) else None
        if amount is not None and isinstance(currency, str):
            try:
                return Money.parse(f"{amount[1]}.{amount[2] or '':0<2}", currency)
            except ValueError:
                pass
    raise UnreadableError("no usable amount")


def _refunded(value: object) -> Money | None:
    """Nothing of a payment is decided by it, so an odd one must not make the whole answer unreadable."""
    try:
        return _money(value)
    except UnreadableError:
        return None


def _our_id(body: Body, name: str) -> UUID | None:
    metadata = body.get("metadata")
    value = metadata.get(name) if isinstance(metadata, dict) else None
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        return instant.astimezone(UTC) if instant is not None and instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _confirmation_url(body: Body) -> str | None:
    """Where to lead the person; anything but a web address would be run by a browser, and half a sign is no text."""
    confirmation = body.get("confirmation")
    url = confirmation.get("confirmation_url") if isinstance(confirmation, dict) else None
    usable = isinstance(url, str) and re.fullmatch(r"https?://[^\s\x00-\x1f\ud800-\udfff\"'<>\\]{1,2040}", url)
    return str(url) if usable else None


def _cancellation(body: Body) -> Cancellation | None:
    details = body.get("cancellation_details")
    if not isinstance(details, dict):
        return None
    reason, party = details.get("reason"), details.get("party")
    if not isinstance(reason, str):
        return None
    return Cancellation(clean(reason)[:100], clean(party)[:100] if isinstance(party, str) else "")


def _method(value: object) -> ProviderMethod | None:
    """A payment method, or None where it has no usable id: it could not be charged again anyway."""
    if not isinstance(value, dict):
        return None
    try:
        method_id = _id(value.get("id"))
    except UnreadableError:
        return None
    kind = value.get("type")
    card = value.get("card")
    card = card if isinstance(card, dict) else {}
    last4 = _digits(card.get("last4"), 4)
    title = value.get("title")
    kind = clean(kind)[:50] if isinstance(kind, str) else "unknown"
    return ProviderMethod(
        provider_method_id=method_id,
        saved=value.get("saved") is True,
        kind=kind,
        title=clean(title)[:200] if isinstance(title, str) and title else f"Bank card *{last4}" if last4 else kind,
        first6=_digits(card.get("first6"), 6),
        last4=last4,
        exp_month=_number(card.get("expiry_month"), 1, 12),
        exp_year=_number(card.get("expiry_year"), 2000, 9999),
    )


def _digits(value: object, count: int) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(f"[0-9]{{{count}}}", value) else None


def _number(value: object, least: int, most: int) -> int | None:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{1,4}", value):
        return None
    number = int(value)
    return number if least <= number <= most else None
