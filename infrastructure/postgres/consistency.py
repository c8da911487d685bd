"""The text of `Consistency-Token`: which rows of the outbox a command's transaction wrote."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"([1-9][0-9]{0,17})-([1-9][0-9]{0,17})", re.ASCII)
_NOTHING = (0, 0)


def encode(first: int, last: int) -> str:
    """First and last outbox id of one transaction → `"1042-1045"`, `"0-0"` where it wrote none. Opaque to callers."""
    return f"{first}-{last}"


def decode(text: str) -> tuple[int, int] | None:
    """The two ids, or None where the text is no such token."""
    if text == encode(*_NOTHING):
        return _NOTHING
    match = _TOKEN.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        return None
    return int(match[1]), int(match[2])
