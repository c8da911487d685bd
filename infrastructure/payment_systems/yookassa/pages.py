"""Reads a list of theirs page by page, and never for ever: a cursor that comes again ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from domain.payment_system import Silence

_PAGE = 100  # the most that they give at a time
_MOST_PAGES = 10_000

FetchPage = Callable[[Mapping[str, str]], Awaitable[Mapping[str, object] | Silence]]


async def pages(
    fetch: FetchPage, created_from: datetime, created_to: datetime
) -> AsyncIterator[list[Mapping[str, object]] | Silence]:
    """Each page's objects; a Silence as the last one where the list can't be read to its end."""
    params = {"limit": str(_PAGE), "created_at.gte": _instant(created_from), "created_at.lte": _instant(created_to, 1)}
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        answer = await fetch(params)
        if isinstance(answer, Silence):
            yield answer
            return
        items, cursor = answer.get("items"), answer.get("next_cursor")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            yield Silence("a list without items")
            return
        yield items
        if cursor is None or cursor == "":
            return
        if isinstance(cursor, int) and not isinstance(cursor, bool):
            cursor = str(cursor)
        if not isinstance(cursor, str) or cursor in seen:
            yield Silence("a list whose end can't be reached")
            return
        seen.add(cursor)
        params = {**params, "cursor": cursor}
    yield Silence("a list without end")


def _instant(instant: datetime, up_ms: int = 0) -> str:
    """In whole milliseconds, as they write it; cut down, and with `up_ms` 1 never before the instant itself."""
    moved = instant.astimezone(UTC) + timedelta(milliseconds=up_ms)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")
