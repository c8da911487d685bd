"""Takes out of a log line what no log may hold: credentials, tokens, card numbers, CVCs, mail addresses.

The last line of defence: code does not log such things in the first place. What goes out is redacted in whatever
shape it comes, since an exception's message or a foreign library's line is nobody's to choose. It errs on the
safe side: thirteen digits in a row are taken for a card number, for ids here are UUIDs and times are RFC 3339.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "[redacted]"

_DEEPEST = 6
_LONGEST = 20_000
_UNSURE = 200

# Names of fields as they come in JSON, headers, forms, query strings and reprs. Written without separators.
_SECRET_NAMES = frozenset({
    "authorization", "proxyauthorization", "cookie", "setcookie",
    "password", "passwd", "secret", "secretkey", "clientsecret", "apikey", "privatekey", "cardkeys", "key",
    "token", "accesstoken", "refreshtoken", "idtoken", "paymenttoken", "sealedtoken", "jwt",
    "cvc", "cvc2", "cvv", "cvv2", "csc", "cardcode", "securitycode",
    "pan", "cardnumber", "number", "holder", "cardholder",
    "email", "yookassasecretkey",
})  # fmt: skip
# `key` and `number` are ordinary words in a sentence: as a field's name they are masked, inside a text they are not.
_ORDINARY_WORDS = frozenset({"key", "number", "holder", "email", "token", "secret", "pan", "jwt", "cookie"})

_NAMES_IN_TEXT = "|".join(
    sorted((re.sub(r"(?<=.)(?=.)", "[_ -]?", name) for name in _SECRET_NAMES - _ORDINARY_WORDS), key=len, reverse=True)
)
_ORDINARY_IN_TEXT = "|".join(sorted(_ORDINARY_WORDS, key=len, reverse=True))
_QUOTED = r"""\\*"(?:[^"\\]|\\[^"])*\\*"|\\*'(?:[^'\\]|\\[^'])*\\*'"""

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
# A UUID stays; then digits in a row or in twos and threes with a usual separator, then the groups of four and more
# that cards are written in, whatever stands between them.
_DIGITS = re.compile(
    rf"(?P<uuid>(?<![0-9a-z-]){_UUID}(?![0-9a-z-]))"
    r"|\d(?:(?:[ \u00a0+_-]|%20)?\d){12,}"
    r"|\d{4,}(?:[^\w:]{1,4}\d{3,}){1,4}",
    re.IGNORECASE,
)
_MANY_DIGITS = re.compile(r"\d.{0,4}?\d.{0,4}?\d.{0,4}?\d.{0,4}?\d.{0,4}?\d.{0,4}?\d", re.DOTALL)
_PLAIN_ID = re.compile(_UUID)
_SEPARATORS = re.compile(r"%20|[^\d]")
_SETS = r"(\\*[\"']?\]?\s*(?:[:=]|%3d)\s*)"
_VALUE = rf"(?!\[redacted)(?:{_QUOTED}|(?:basic\s+|bearer\s+)?[^\s,;&)}}\]]+)"

# What a text must contain for a pattern to be worth trying (most lines hold none of it), the pattern, what is put.
_IN_TEXT: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    (("@",), re.compile(r"(://[^\s:/@]*):[^\s/]*@"), rf"\1:{MASK}@"),
    (("bearer",), re.compile(r"\b(bearer)\s+[a-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (("basic",), re.compile(r"\b(basic)\s+(?=[a-z+/]*[0-9=])[a-z0-9+/=]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    # JSON in base64: JWTs, payment tokens
    (("eyj",), re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"), MASK),
    # YooKassa's secret keys
    (("live_", "test_"), re.compile(r"\b(?:live|test)_[A-Za-z0-9_-]{24,}"), MASK),
    # cvc=123, "cvc": "123", cvc='123', \"cvc\":\"123\", card[cvc]=123, cvc%3D123, X-Api-Key: abc
    ((":", "=", "%3d"), re.compile(rf"(?<![a-z])({_NAMES_IN_TEXT}){_SETS}{_VALUE}", re.IGNORECASE), rf"\1\2{MASK}"),
    # <cvc>123</cvc>, the CVC is 123
    (
        ("cvc", "cvv", "csc"),
        re.compile(r"(?<![a-z])((?:cvc|cvv|csc)2?\b[^\d\n]{0,12}?)\d{3,4}(?!\d)", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    # `key` and its like only where they are plainly names: quoted, bracketed, or followed at once by `=`.
    (
        (":", "="),
        re.compile(rf"(?<![a-z])({_ORDINARY_IN_TEXT})(\\*[\"'\]]\s*[:=]\s*|=){_VALUE}", re.IGNORECASE),
        rf"\1\2{MASK}",
    ),
    (("@",), re.compile(r"[^\s@<>\"'(),:;=]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE), "[address]"),
)


def redact_text(text: str) -> str:
    """The text without secrets; cut where it is very long."""
    if len(text) > _LONGEST:
        # The last stretch goes as well: a secret that the cut went through could no longer be recognised.
        return redact_text(text[:_LONGEST])[:-_UNSURE] + "… (cut)"
    shown = text
    if _PLAIN_ID.fullmatch(shown):
        return shown
    lowered = shown.lower()
    for signs, pattern, put in _IN_TEXT:
        if any(sign in lowered for sign in signs):
            shown = pattern.sub(put, shown)
    return _DIGITS.sub(_without_card, shown) if _MANY_DIGITS.search(shown) else shown


def redact(value: Any, *, known: Iterable[str] = (), depth: int = 0) -> Any:
    """The same value out of plain JSON types, without secrets. Never raises; `known` are secrets masked literally."""
    if value is None or (isinstance(value, bool | int | float) and abs(value) < 10**12):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth < _DEEPEST and not isinstance(value, str):
        if isinstance(value, Mapping):
            return {
                _name(str(name), known): MASK
                if inner is not None and is_secret_name(str(name))
                else redact(inner, known=known, depth=depth + 1)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [redact(inner, known=known, depth=depth + 1) for inner in value]
    return redact_text(_literally(_as_text(value), known))


def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds a secret, however it is spelt: `Api-Key`, `api_key`, `apiKey`."""
    spelt = name.lower()
    return (spelt if spelt.isalnum() else re.sub(r"[^a-z0-9]", "", spelt)) in _SECRET_NAMES


def _name(name: str, known: Iterable[str]) -> str:
    return name if name.isascii() and name.isidentifier() and len(name) < 13 else redact_text(_literally(name, known))


def _as_text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ must not break the operation that logs it
        return f"<unprintable {type(value).__name__}>"


def _literally(text: str, known: Iterable[str]) -> str:
    for secret in known:
        text = text.replace(secret, MASK)
    return text


def _without_card(match: re.Match[str]) -> str:
    if match["uuid"]:
        return match[0]
    digits = _SEPARATORS.sub("", match[0])
    # Groups of digits are often a date with a time or a row of figures: those are judged by their check digit.
    return MASK if len(digits) == len(match[0]) or len(digits) > 40 or _has_card_inside(digits) else match[0]


def _has_card_inside(digits: str) -> bool:
    """Whether any 13 to 19 neighbouring digits pass the Luhn check."""
    return any(
        _passes_luhn(digits[start : start + length])
        for length in range(13, min(19, len(digits)) + 1)
        for start in range(len(digits) - length + 1)
    )


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
