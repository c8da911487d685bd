"""The numbers of the rules, with their defaults; settings may change them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    grace: timedelta = timedelta(days=3)
    """How long access stays after a period's end while its renewal is not paid."""

    reminder: timedelta = timedelta(days=3)
    """How long before a charge the person is told of it."""

    full_refund: timedelta = timedelta(days=7)
    """From the period's start: asked earlier than this, all of the payment is returned."""

    least_left_after_refund: int = 100
    """Minor units. A refund that would leave the payment system less than this returns all."""

    retries: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3), timedelta(days=5), timedelta(days=7))
    """Dunning: when a refused renewal is tried again, after the first failure."""

    few_retries: int = 2
    """How many of those are used for a reason that allows only a few."""

    patience_after_asking: timedelta = timedelta(days=7)
    """How long a person who was asked for another card has before the subscription expires."""
