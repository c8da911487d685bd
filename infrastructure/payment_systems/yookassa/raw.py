"""Makes what was received fit to be kept: no secrets, no card numbers, nothing that a database can't store."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(r"number|csc|cvc|cvv|pan|token|secret|password|cryptogram|pin", re.IGNORECASE)
_HARMLESS = frozenset({"phone_number", "operation_number"})
_DIGITS = re.compile(r"(?<![0-9a-zA-Z-])[0-9](?:[ -]?[0-9]){12,18}(?![0-9a-zA-Z-])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DEEPEST = 20


def clean(text: str) -> str:
    """A text without card numbers, NULs and half characters."""
    return _DIGITS.sub(_mask, _UNSTORABLE.sub("\ufffd", text))


def scrubbed(body: Mapping[str, object]) -> dict[str, object]:
    """A copy of a JSON object, fit to be kept for the record."""
    return {clean(key): _value(key, value, 1) for key, value in body.items()}


def _value(key: str, value: object, depth: int) -> object:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {clean(name): _value(name, inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_value(key, inner, depth + 1) for inner in value]
    if isinstance(value, str | int) and not isinstance(value, bool) and _is_secret(key):
        return "***"
    if isinstance(value, str):
        return clean(value)
    return value


def _is_secret(key: str) -> bool:
    return key not in _HARMLESS and any(_SECRET.fullmatch(word) for word in key.split("_"))


def _mask(match: re.Match[str]) -> str:
    digits = re.sub("[^0-9]", "", match[0])
    return f"{digits[:6]}…{digits[-4:]}" if _luhn(digits) else match[0]


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
