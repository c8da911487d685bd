"""Query parameters that several routes take, and the answers they give."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from fastapi import Depends, Header, Query, Request
from starlette.responses import Response

from domain.money import Money
from infrastructure.http.problems import invalid
from infrastructure.json_text import dump
from queries.cursor import MAX_CHARS
from queries.sources import Sources

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_WHOLE = re.compile(r"\d{1,10}", re.ASCII)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)

Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page has at most.")]
Cursor = Annotated[str | None, Query(max_length=MAX_CHARS, description="`next_cursor` of the page before.")]
Instant = Annotated[str | None, Query(max_length=40, description="RFC 3339, or a day of the person's: 2026-01-31.")]
Amount = Annotated[str | None, Query(max_length=16, description="With two decimals: 499.00")]
PlanCode = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
ConsistencyToken = Annotated[
    str | None,
    Header(alias="Consistency-Token", description="From a command's reply: the answer shows at least that change."),
]


def sources(request: Request) -> Sources:
    return cast("Sources", request.app.state.queries)


async def _given_sources(request: Request) -> Sources:
    """A coroutine, for FastAPI takes a plain function to a thread and back at each request."""
    return sources(request)


CurrentSources = Annotated[Sources, Depends(_given_sources)]


def json_reply(value: Any) -> Response:
    return Response(dump(value), media_type="application/json")


def finished_reply(body: bytes) -> Response:
    """JSON that is ready is sent as it is."""
    return Response(body, media_type="application/json")


def read_instant(field: str, text: str | None, zone: str, *, end: bool = False) -> datetime | None:
    """A day means its first instant in the person's zone; as the `end` of a span it belongs to the span."""
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            found = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
        elif _INSTANT.fullmatch(text):
            found = datetime.fromisoformat(text.upper()).astimezone(UTC)
        else:
            raise invalid(field, "is neither RFC 3339 nor a day")
    except (ValueError, OverflowError):
        raise invalid(field, "is no time of the calendar") from None
    if not _FIRST <= found <= _LAST:
        raise invalid(field, "is too far away")
    return found


def read_amount(field: str, text: str | None) -> int | None:
    """Minor units of `499.00`; whole `499` is understood too."""
    if text is None:
        return None
    try:
        return Money.parse(f"{int(text)}.00" if _WHOLE.fullmatch(text) else text).minor
    except ValueError:
        raise invalid(field, "is not an amount like 499.00") from None
