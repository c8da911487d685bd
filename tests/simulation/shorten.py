"""From a world that fails to the shortest history that still does.

First every person alone: one that fails without the others is all that is needed. Then mishaps and deeds are left out,
half of them, a quarter, one by one (delta debugging, after Zeller), as long as a finding of the same kind stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.simulation.world import Outcome

Play = Callable[[frozenset[str]], Awaitable[Outcome]]
_MOST_TRIES = 400


async def shorten(failed: Outcome, play: Play, say: Callable[[str], None], most_tries: int = _MOST_TRIES) -> Outcome:
    """`play`: the same world with some names suppressed. Returns the outcome with the fewest of them left."""
    kind = _kind(failed)
    best, suppressed, tries = failed, frozenset[str](), 0

    async def still_fails(more: list[str]) -> bool:
        nonlocal best, suppressed, tries
        tries += 1
        outcome = await play(suppressed | set(more))
        if _kind(outcome) != kind:
            return False
        best, suppressed = outcome, suppressed | set(more)
        say(f"{len(best.history)} of {len(failed.history)} mishaps and deeds left, after {tries} tries")
        return True

    people = [name for name in failed.history if name.endswith(" comes")]
    await _without_most(people, still_fails, lambda: tries < most_tries)
    while tries < most_tries:
        before = len(best.history)
        rest = [name for name in best.history if not name.endswith(" comes")]
        await _without_most(rest, still_fails, lambda: tries < most_tries)
        if len(best.history) >= before:
            break
    return best


async def _without_most(
    names: list[str], still_fails: Callable[[list[str]], Awaitable[bool]], go_on: Callable[[], bool]
) -> None:
    """Leave out ever smaller pieces of `names`, the latest first: what comes last is rarely the cause."""
    size = len(names)
    while size >= 1:
        left = list(names)
        for start in range(len(left) - size, -size, -size):
            piece = left[max(start, 0) : start + size]
            if not go_on():
                return
            if piece and await still_fails(piece):
                names = [name for name in names if name not in set(piece)]
        size //= 2


def _kind(outcome: Outcome) -> str | None:
    """The first finding's word and sentence, without what names its object."""
    if not outcome.findings:
        return None
    words = [word for word in outcome.findings[0].split() if not any(ch.isdigit() for ch in word)]
    return " ".join(words[:8])
