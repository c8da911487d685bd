"""How many subscriptions fit into a JWT (AUTH-3): measured on tokens that are really made and signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwk, jwt

from domain.access import ActiveSubscription, token_claims
from infrastructure.auth.tokens import MAX_TOKEN_CHARS

_BEARER: Final = len("Authorization: Bearer ")
_COOKIE: Final = len("access_token=")
_MOST: Final = 4096

_ABOUT_THE_PERSON: Final[dict[str, Any]] = {
    "iss": "https://auth.cinema.example", "aud": "cinema", "sub": "0190a8e2-7c11-7d55-8f00-2b1de4ad8a11",
    "iat": 1_795_000_000, "exp": 1_795_003_600, "jti": "3f2504e04f8911d39a0c0305e82c3301",
    "email": "konstantin.konstantinopolsky@example.org", "name": "Константин Константинопольский",
    "locale": "ru", "zoneinfo": "Europe/Moscow", "scope": "profile movies:read",
}  # fmt: skip
"""What an auth service puts into a token besides, with a long name and address."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Bytes that something on the way takes as it is installed; `prefix` of them are not the token's."""

    what: str
    size: int
    prefix: int


LIMITS: Final = (
    Limit("a cookie in a browser", 4096, _COOKIE),
    Limit("a header line in nginx or Apache", 8190, _BEARER),
    Limit("all headers in Node.js, 2 KiB of others", 16_384, _BEARER + 2048),
    Limit("what this service reads of a token", MAX_TOKEN_CHARS, 0),
)

FORMS: Final[Sequence[tuple[str, Callable[[list[ActiveSubscription]], dict[str, Any]]]]] = (
    ("pairs (ours)", lambda active: token_claims(active, 17)),
    ("objects", lambda active: {"subscriptions": [_as_object(one) for one in active]}),
    ("objects with ids", lambda active: {"subscriptions": [{"id": str(one.id), **_as_object(one)} for one in active]}),
)
"""The claim that this service makes, and two that others make."""


@dataclass(frozen=True, slots=True)
class Row:
    """How many fit, by form, where a plan's code has so many characters."""

    limit: Limit
    code_length: int
    fits: tuple[int, ...]


def measure(code_lengths: Sequence[int] = (7, 16, 64), key_size: int = 2048) -> list[Row]:
    """RS256 with a key of `key_size` bits. Each number was tried: that many fit, and one more does not."""
    key = _signing_key(key_size)
    return [
        Row(limit, length, tuple(_most_that_fit(limit, length, form, key) for _, form in FORMS))
        for limit in LIMITS
        for length in code_lengths
    ]


def empty_token(key_size: int = 2048) -> int:
    """Characters of a token that says nothing of subscriptions."""
    return len(_token({}, _signing_key(key_size)))


def _most_that_fit(
    limit: Limit, code_length: int, form: Callable[[list[ActiveSubscription]], dict[str, Any]], key: Any
) -> int:
    def fits(count: int) -> bool:
        return limit.prefix + len(_token(form(_subscriptions(count, code_length)), key)) <= limit.size

    fitting, too_many = 0, _MOST
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        fitting, too_many = (middle, too_many) if fits(middle) else (fitting, middle)
    return fitting


def _subscriptions(count: int, code_length: int) -> list[ActiveSubscription]:
    end = datetime(2027, 1, 31, 9, tzinfo=UTC)
    return [
        ActiveSubscription(
            UUID(int=(0x0190A8E2 << 96) + number),
            f"{number:x}".rjust(code_length, "p")[-code_length:],
            "active",
            end + timedelta(seconds=number),
        )
        for number in range(count)
    ]


def _as_object(one: ActiveSubscription) -> dict[str, str]:
    return {"plan_code": one.plan_code, "status": one.status, "ends_at": one.ends_at.isoformat()}


def _token(claims: dict[str, Any], key: Any) -> str:
    token: str = jwt.encode({**_ABOUT_THE_PERSON, **claims}, key, algorithm="RS256", headers={"kid": "2026-11"})
    return token


def _signing_key(size: int) -> Any:
    """Built once: the library would check it anew for each token, which takes a tenth of a second."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=size).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return jwk.construct(pem.decode(), "RS256")
