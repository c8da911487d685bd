"""Which mails are owed for what one transaction made happen (PAY-8, SUB-6, invariant 10).

One mail tells a payment or a refund together with what it did to the subscription; what nobody waits
for (a try of dunning in between, an unknown outcome) is told by no mail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.events import Event, EventType

_TOLD = frozenset(
    {
        EventType.PAYMENT_SUCCEEDED,
        EventType.PAYMENT_FAILED,
        EventType.SUBSCRIPTION_ACTIVATED,
        EventType.SUBSCRIPTION_TRIAL_STARTED,
        EventType.SUBSCRIPTION_RENEWED,
        EventType.SUBSCRIPTION_PLAN_CHANGED,
        EventType.SUBSCRIPTION_PLAN_CHANGE_PLANNED,
        EventType.SUBSCRIPTION_PAST_DUE,
        EventType.SUBSCRIPTION_CHARGE_PLANNED,
        EventType.SUBSCRIPTION_CANCELLATION_PLANNED,
        EventType.SUBSCRIPTION_CANCELED,
        EventType.SUBSCRIPTION_EXPIRED,
        EventType.REFUND_SUCCEEDED,
        EventType.REFUND_FAILED,
    }
)
_MONEY_FIRST = {EventType.PAYMENT_SUCCEEDED: 0, EventType.PAYMENT_FAILED: 0, EventType.REFUND_SUCCEEDED: 0}


@dataclass(frozen=True, slots=True)
class OwedLetter:
    """One mail to be sent. `object_id`: the payment or refund it tells of, else the subscription."""

    user_id: UUID
    events: tuple[str, ...]
    object_id: UUID
    facts: Mapping[str, object]


def owed_letters(events: Sequence[Event]) -> list[OwedLetter]:
    """Put one transaction's events together into mails, one for each subscription and kind of money."""
    groups: dict[UUID, list[Event]] = {}
    for event in events:
        if event.type in _TOLD and not event.data.get("quiet"):
            groups.setdefault(event.subscription_id, []).append(event)
    return [_letter(group) for group in groups.values()]


def _letter(group: list[Event]) -> OwedLetter:
    told = sorted(group, key=lambda event: _MONEY_FIRST.get(event.type, 1))
    facts: dict[str, object] = {}
    for event in reversed(told):
        facts.update(event.data)
    first = told[0]
    return OwedLetter(
        user_id=first.user_id,
        events=tuple(event.type.value for event in told),
        object_id=first.refund_id or first.payment_id or first.subscription_id,
        facts=facts,
    )
