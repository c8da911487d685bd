"""Cursors of lists: where the next page begins. Opaque to callers, and good only for the list that gave them."""

from __future__ import annotations

import base64
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


def write_code(listed: str, code: str) -> str:
    """`listed` says of what: which list, whose, with which filters. `code`: of the last row."""
    return _written(listed, [code])


def read_code(listed: str, cursor: str) -> str:
    """Raises Problem (422) for what `write_code` has not made of this list."""
    match _read(listed, cursor):
        case [str(code)] if code.isprintable() and write_code(listed, code) == cursor:
            return code
    raise _no_cursor()


def write_position(listed: str, at: Position) -> str:
    return _written(listed, [(at.created_at - _EPOCH) // _INSTANT, at.id.hex])


def read_position(listed: str, cursor: str | None) -> Position | None:
    """Raises Problem (422) for what `write_position` has not made of this list."""
    if cursor is None:
        return None
    try:
        match _read(listed, cursor):
            case [int(microseconds), str(hex_id)]:
                position = Position(_EPOCH + timedelta(microseconds=microseconds), UUID(hex=hex_id))
                if write_position(listed, position) == cursor:
                    return position
    except (ValueError, OverflowError):
        pass  # no id, or no time of the calendar
    raise _no_cursor()


def _written(listed: str, place: list[int | str]) -> str:
    text = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(listed, text) + text).decode().rstrip("=")


def _read(listed: str, cursor: str) -> object:
    """What stands under the right seal. Whoever has this source can put anything there."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        seal, text = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        return json.loads(text) if seal == _seal(listed, text) else None
    except (ValueError, RecursionError):
        raise _no_cursor() from None


def _seal(listed: str, text: bytes) -> bytes:
    """Finds what was altered or belongs to another list. It guards no secret: a list shows its owner's rows."""
    return hashlib.blake2b(text, digest_size=_SEAL_BYTES, key=hashlib.sha256(listed.encode()).digest()).digest()


def _no_cursor() -> Problem:
    return invalid("cursor", "is not one that this list gave")
