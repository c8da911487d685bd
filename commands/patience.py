"""When the janitor asks again: at growing intervals with jitter (YooKassa's advice for unknown outcomes)."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from commands.world import World
from domain.payment import Payment
from domain.payment_system import Refused, Silence

_UNKNOWN_S = (5, 15, 60, 300, 900, 3600)
_WAITING_S = (60, 300, *12 * (600,), 3600)
"""A page is open for an hour, and a notification mostly tells of its end; what waits for longer may wait for days."""
IN_FLIGHT = timedelta(seconds=30)
"""Longer than any call may take: who finds a row this old knows that nobody is at it any more."""
TO_SPARE = timedelta(seconds=10)
"""Who acts on being the only one stops so long before others may come."""
LONGEST_WAIT = timedelta(hours=2)
"""No janitor's instant is set further ahead than this: one that lies there was set by a clock that was wrong."""
CLOCKS_DIFFER_BY = timedelta(hours=1)
"""What a clock is off by without anybody being misled: lists are read, and keys trusted, with that much to spare."""
ASTRAY = timedelta(days=2)
"""For so long may clocks have gone wrong until it was seen; what was sent meanwhile is looked for back to then."""
SAID_NO = "it said no to a repeated request, and does not list it; asked once more"
"""The first 'no' to a repetition: the request before it, which had no answer, may be at work there still."""
UNRESOLVED_CASE_AFTER = timedelta(days=3)
"""An outcome unknown for so long is shown to a person; asking goes on."""


LIST_PATIENCE_S = 10.0
"""How long a list is read for what it may tell."""
_LISTED_AFTER = 3
_LISTED_WITHIN = timedelta(hours=1)
_AROUND = timedelta(minutes=5)


KEY_MARGIN = CLOCKS_DIFFER_BY
"""A key is trusted for this much less than the payment system promises, and believed to be forgotten so much later."""


def worth_a_list(said: object, asks: int, made_at: datetime, world: World) -> tuple[datetime, datetime] | None:
    """Between which instants to look in the list as well, where asking in other ways led to silence again and again.

    None at first, and after an hour, when the list of that time is long by now: the nightly comparison reads it once
    for all. What was not even sent has nothing to be found.
    """
    now = max(world.clock.now(), made_at)
    silent = isinstance(said, Silence) and not said.unsent and not said.conflict
    if not silent or asks < _LISTED_AFTER or now - made_at > _LISTED_WITHIN:
        return None
    return made_at - _AROUND, now + _AROUND


def once_more(why: str) -> Silence:
    """No news yet; asked again when whatever was on its way must have arrived."""
    return Silence(why, retry_after_s=2 * IN_FLIGHT.total_seconds())


def said_twice(said: Refused | Silence, last_silence: str | None) -> Refused | Silence:
    """A 'no' to a repetition is believed when it was said before; until then it is asked once more."""
    return said if last_silence == SAID_NO else once_more(SAID_NO)


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


def have_one_time(world: World) -> bool:
    """Whether the service's clock is the wall's, as it is in production; a held one tells nothing of it."""
    return abs(world.clock.now() - world.wall.now()) < CLOCKS_DIFFER_BY


def searched(
    made_at: datetime, key_since: datetime, sent_by: datetime | None, key_lifetime: timedelta, world: World
) -> tuple[datetime, datetime]:
    """All of the time in which a request may have got there, whichever of the clocks was wrong then.

    `sent_by` is the database's word, of the present key. Nothing is sent under a key that has lapsed, so the time has
    an end. Where our clock is held, the payment system may go by it, as the simulator does, or by the wall's.
    """
    now, wall_now, sent_by = world.clock.now(), world.wall.now(), sent_by or made_at
    since, until = min(made_at, now) - CLOCKS_DIFFER_BY, max(made_at, now, wall_now) + CLOCKS_DIFFER_BY
    if sent_by < since:
        since = sent_by - (ASTRAY if have_one_time(world) else CLOCKS_DIFFER_BY)
    at_the_latest = max(made_at, key_since, sent_by) + key_lifetime + ASTRAY
    ours_is_behind = sent_by > wall_now + CLOCKS_DIFFER_BY
    return since, at_the_latest if ours_is_behind else min(until, at_the_latest)


def is_from_the_future(made_at: datetime, world: World) -> bool:
    """The clock has gone back since: nobody can say how long ago that was."""
    return made_at > world.clock.now() + CLOCKS_DIFFER_BY


def age_of(payment: Payment, world: World) -> timedelta:
    """For how long it has been open: by our clock, or since the database wrote it where ours was ahead then."""
    age = world.clock.now() - payment.created_at
    if payment.sent_by is not None and have_one_time(world):
        return max(age, world.wall.now() - payment.sent_by)
    return age
