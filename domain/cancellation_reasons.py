"""What a payment system's reason for canceling a charge calls for (YooKassa's documented reasons)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RetryAdvice(StrEnum):
    TRY_LATER = "try_later"  # the same method may well work another day
    FEW_TRIES = "few_tries"  # the bank gives no reason: once or twice more, then stop
    OTHER_CARD = "other_card"  # only the person can help, with another card or corrected data
    CONFIRMATION = "confirmation"  # the person has to confirm a payment
    NOTHING = "nothing"  # canceled on purpose: no charge is owed a retry
    UNKNOWN = "unknown"  # a reason nobody here has met: do not retry, raise an alert


_REASONS: Mapping[RetryAdvice, tuple[str, ...]] = {
    RetryAdvice.TRY_LATER: (
        "insufficient_funds",
        "issuer_unavailable",
        "payment_method_limit_exceeded",
        "internal_timeout",
    ),
    RetryAdvice.FEW_TRIES: ("general_decline", "call_issuer"),
    RetryAdvice.OTHER_CARD: (
        "card_expired",
        "country_forbidden",
        "fraud_suspected",
        "invalid_card_number",
        "invalid_csc",
        "payment_method_restricted",
        "identification_required",
        "unsupported_mobile_operator",
    ),
    RetryAdvice.CONFIRMATION: ("permission_revoked", "3d_secure_failed", "expired_on_confirmation"),
    RetryAdvice.NOTHING: ("canceled_by_merchant", "expired_on_capture", "deal_expired"),
}

ADVICE: Mapping[str, RetryAdvice] = MappingProxyType(
    {reason: advice for advice, reasons in _REASONS.items() for reason in reasons}
)
"""Reason as received → what it calls for."""

NEVER_ARRIVED = "never_arrived"
"""Ours: a card's charge did not reach the payment system, and without the CVC nobody can send it again."""

FORBIDDEN = "forbidden"
"""The shop's, not the person's (HTTP 403): it lacks a right, and gets it some day. An administrator is told."""

_OURS: Mapping[str, RetryAdvice] = MappingProxyType(
    {NEVER_ARRIVED: RetryAdvice.CONFIRMATION, FORBIDDEN: RetryAdvice.TRY_LATER}
)


def advice_for(reason: str) -> RetryAdvice:
    """What a reason calls for; one that is not in the table is UNKNOWN, however it is written."""
    return ADVICE.get(reason) or _OURS.get(reason, RetryAdvice.UNKNOWN)
