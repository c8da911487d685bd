"""A reason for a canceled charge calls for one thing; a reason nobody has met calls for an alert."""

from __future__ import annotations

import pytest

from domain.cancellation_reasons import ADVICE, RetryAdvice, advice_for


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("insufficient_funds", RetryAdvice.TRY_LATER),
        ("internal_timeout", RetryAdvice.TRY_LATER),
        ("payment_method_limit_exceeded", RetryAdvice.TRY_LATER),
        ("general_decline", RetryAdvice.FEW_TRIES),
        ("call_issuer", RetryAdvice.FEW_TRIES),
        ("card_expired", RetryAdvice.OTHER_CARD),
        ("fraud_suspected", RetryAdvice.OTHER_CARD),
        ("permission_revoked", RetryAdvice.CONFIRMATION),
        ("3d_secure_failed", RetryAdvice.CONFIRMATION),
        ("expired_on_confirmation", RetryAdvice.CONFIRMATION),
        ("canceled_by_merchant", RetryAdvice.NOTHING),
        ("deal_expired", RetryAdvice.NOTHING),
    ],
)
def test_a_documented_reason_calls_for_what_the_table_says(reason: str, advice: RetryAdvice) -> None:
    assert advice_for(reason) is advice


@pytest.mark.parametrize("reason", ["", "loan_declined", "INSUFFICIENT_FUNDS", "insufficient_funds ", "a new one"])
def test_a_reason_nobody_has_met_is_not_retried(reason: str) -> None:
    assert advice_for(reason) is RetryAdvice.UNKNOWN


def test_the_table_holds_the_twenty_documented_reasons_and_never_advises_unknown() -> None:
    assert len(ADVICE) == 20
    assert RetryAdvice.UNKNOWN not in ADVICE.values()
