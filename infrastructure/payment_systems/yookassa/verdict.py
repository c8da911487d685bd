"""Whether an exchange is an answer, a refusal or silence. Whatever is not surely one of the first two is the third."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from domain.payment_system import Refused, Silence
from infrastructure.payment_systems.yookassa.exchange import Exchange, UnreadableError
from infrastructure.payment_systems.yookassa.raw import clean

# The documented ways of saying no. Others (408, 409, 425, …) may come from something that stands between us,
# or while the first call under the same key is still at work: they decide nothing.
_REFUSALS = frozenset({400, 403, 404, 405, 410, 415})
_DENIALS = frozenset({400, 404, 410})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST_PAUSE_S = 3600.0


def verdict(exchange: Exchange, *, of_one: bool = False) -> Mapping[str, object] | Refused | Silence:
    """The body of a 200 or 201, as received; a well-formed refusal; or silence.

    `of_one`: an object was asked for by its id, which a forger may have made up. What denies it in whatever words is
    there; ten such denials must not stop all else.
    """
    status = exchange.status_code
    if status is None:
        return Silence(f"no answer: {exchange.error or 'nothing arrived'}")
    try:
        content = exchange.json()
    except UnreadableError:
        content = None
    body = content if isinstance(content, dict) else None
    if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
        return Silence(f"an unreadable answer to a {status}", only_this=True) if body is None else body
    # Elsewhere a pause would be a word about one request's trouble; here it is meant for everybody, or for its own key.
    asks_for_pause = status in {HTTPStatus.ACCEPTED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    pause = _pause(exchange.headers, body) if asks_for_pause else None
    if status == HTTPStatus.ACCEPTED:
        return Silence("it is still at work on the request (202)", pause, only_this=True)
    if status == HTTPStatus.UNAUTHORIZED:
        # Nothing was done under this key, yet a refusal would be the person's: a secret key that was replaced in the
        # middle of the night would burn every renewal's tries, and refuse people at the till. It is our fault and
        # mended by us, so it waits like any outage: same key again, nothing lost; the log says it loudly.
        return Silence("our credentials were not accepted (401)")
    if status not in _REFUSALS:
        return Silence(f"HTTP {status}", pause)
    refusal = _refusal(status, body or {})
    if of_one and status in _DENIALS and isinstance(refusal, Silence):
        refusal = replace(refusal, only_this=True)
    return refusal


def _refusal(status: int, body: Mapping[str, object]) -> Refused | Silence:
    code, detail, parameter = body.get("code"), body.get("description"), body.get("parameter")
    if body.get("type") != "error" or not isinstance(code, str) or not _CODE.fullmatch(code):
        return Silence(f"HTTP {status} without a readable reason")
    if isinstance(parameter, str) and parameter.lower() == "idempotence-key":
        # The key was used before with another body: what became of that first call this answer does not tell.
        return Silence("the key was used before with another body", only_this=True, conflict=True)
    text = clean(detail) if isinstance(detail, str) else ""
    named = f" ({clean(parameter)})" if isinstance(parameter, str) else ""
    return Refused(code, f"{text}{named}"[:500])


def _pause(headers: Mapping[str, str], body: Mapping[str, object] | None) -> float | None:
    """Seconds for which they want to be left alone: `Retry-After` (seconds or a date), else `retry_after` (ms)."""
    named = headers.get("Retry-After", "").strip()
    if named:
        try:
            return _bounded(float(named))
        except ValueError:
            pass
        try:
            at = parsedate_to_datetime(named)
        except (ValueError, OverflowError):
            pass
        else:
            aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
            return _bounded((aware - datetime.now(UTC)).total_seconds())
    asked = body.get("retry_after") if body is not None else None
    if isinstance(asked, int) and not isinstance(asked, bool):
        return _bounded(max(min(asked, 10**9), 0) / 1000)
    return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _LONGEST_PAUSE_S) if math.isfinite(seconds) else None
