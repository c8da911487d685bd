"""The API's refusals, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from admin.commands_api import Refused
from admin.wording import said

WORDS: Final[Mapping[str, str]] = {
    "already_exists": "There is one with this code already. Choose another code.",
    "not_found": "It is not there any more. Somebody may have deleted it.",
    "plan_not_found": "This plan is not for sale.",
    "already_subscribed": "This user has a subscription to this plan that has not ended.",
    "person_erased": "This user's personal data was erased: nothing is sold to them any more.",
    "payment_in_progress": "A payment of this subscription has not ended yet. Wait for its outcome.",
    "nothing_to_pay": "There is nothing to pay for this subscription now.",
    "not_due": "Nothing of this subscription is due, or there is no payment method to charge.",
    "nothing_to_refund": "There is nothing left to return of this payment.",
    "refund_in_progress": "A refund of this payment is under way. Wait for its outcome.",
    "refund_exceeds_payment": "That is more than is left of this payment.",
    "not_cancelable": "It cannot be canceled that way: it has ended, or has not begun.",
    "payment_system_unavailable": "The payment system is switched off, archived or unknown.",
    "reference_used": "This source and reference were recorded already, with other content.",
    "case_closed": "The case was closed before, by somebody or by itself.",
    "idempotency_key_reused": "This form was sent before with other content, which was done. Look before you repeat.",
    "unauthorized": "The service does not know the panel: its token has expired or is wrong (BILLING_ADMIN_API_TOKEN).",
    "forbidden": "The panel's token does not permit this: it needs the scope billing:admin (BILLING_ADMIN_API_TOKEN).",
}


def in_plain_words(refused: Refused) -> str:
    """A code that is new here is told as the API told it."""
    known = WORDS.get(refused.code)
    return said(known) if known else f"{said('The service says')}: {refused.detail or refused.code}"
