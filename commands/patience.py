"""When the janitor asks again: at growing intervals with jitter (YooKassa's advice for unknown outcomes)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

_UNKNOWN_S = (5, 15, 60, 300, 900, 3600)
_WAITING_S = (60, 300, 600)
IN_FLIGHT = timedelta(seconds=30)
"""Longer than any call may take: who finds a row this old knows that nobody is at it any more."""
UNRESOLVED_CASE_AFTER = timedelta(days=3)
"""An outcome unknown for so long is shown to a person; asking goes on."""


def after_silence(object_id: UUID, asks: int, retry_after_s: float | None = None) -> timedelta:
    """How long to wait when nobody knows; never less than the payment system asked for."""
    return max(_jittered(object_id, asks, _UNKNOWN_S), timedelta(seconds=min(retry_after_s or 0, 3600)))


def while_waiting(object_id: UUID, asks: int) -> timedelta:
    """How long to wait while it is under way there: the webhook usually comes first."""
    return _jittered(object_id, asks, _WAITING_S)


def _jittered(object_id: UUID, asks: int, steps_s: tuple[int, ...]) -> timedelta:
    # Jitter out of the id, not out of chance: spread over many objects, the same at each replay.
    digest = hashlib.blake2b(object_id.bytes + asks.to_bytes(4, "big"), digest_size=2).digest()
    share = 0.8 + 0.4 * int.from_bytes(digest, "big") / 65535
    return timedelta(seconds=steps_s[min(asks, len(steps_s) - 1)] * share)
