"""Cursors of lists: where the next page begins. Opaque to callers, and good only for the list that gave them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from domain.payment_history import Position
from infrastructure.http.problems import Problem, invalid

MAX_CHARS: Final = 500
_SEAL_BYTES: Final = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)


def write_cursor(listed: str, *place: int | str) -> str:
    """`listed` says of what: which list, whose, with which filters. `place`: the last row's values of its order."""
    text = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(listed, text) + text).decode().rstrip("=")


def read_cursor(listed: str, cursor: str) -> list[int | str]:
    """Raises Problem (422) for what `write_cursor` has not made of this list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _no_cursor() from None
    seal, text = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if seal != _seal(listed, text) or cursor != canonical:
        raise _no_cursor()
    place: list[int | str] = json.loads(text)
    return place


def write_position(listed: str, at: Position) -> str:
    return write_cursor(listed, (at.created_at - _EPOCH) // _INSTANT, at.id.hex)


def read_position(listed: str, cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    microseconds, hex_id = read_cursor(listed, cursor)
    return Position(_EPOCH + timedelta(microseconds=int(microseconds)), UUID(hex=str(hex_id)))


def _seal(listed: str, text: bytes) -> bytes:
    """Finds what was altered or belongs to another list. It guards no secret: a list shows its owner's rows only."""
    return hashlib.blake2b(text, digest_size=_SEAL_BYTES, key=hashlib.sha256(listed.encode()).digest()).digest()


def _no_cursor() -> Problem:
    return invalid("cursor", "is not one that this list gave")
