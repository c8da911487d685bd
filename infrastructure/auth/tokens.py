"""Checks the auth service's tokens: `Authorization: Bearer <RS256 JWT>`.

Signatures are python-jose's work. What it is lax about is settled here before it sees the token: the form of the
three parts, duplicate names, `crit`, and the algorithm, which is fixed; keys reach it as objects of a known kind, so
no key can pass for an HMAC secret. Headers that bring a key along (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from jose import jws
from jose.exceptions import JOSEError

from infrastructure.auth.caller import ADMIN, INTERNAL, Caller
from infrastructure.auth.errors import InvalidToken
from infrastructure.auth.keys import ALGORITHM, KeySource, VerifyingKey
from infrastructure.auth.profile import read_email, read_locale, read_name, read_zone
from infrastructure.auth.strict_json import read_object

LEEWAY_S: Final = 30
MAX_TOKEN_CHARS: Final = 16_384
_MAX_SUBJECT = 255
_MAX_KID = 255
_MAX_SCOPES = 100
_MAX_HEADER_DEPTH = 4  # a `jwk` with its list of certificates, and one to spare
_LATEST: Final = 253_402_300_799  # the last second of the year 9999
_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, 3.3
_TYPES = frozenset({"jwt", "at+jwt"})


@dataclass(frozen=True, slots=True)
class _Believed:
    caller: Caller
    not_before: float
    expires_at: float


class TokenVerifier:
    """Says who calls. Belongs to one event loop.

    `issuer`, `audience`: None where the tokens of any are taken. Believed tokens are remembered by their digest, so
    that a busy client costs one signature check; their times are judged anew at every call, and all are forgotten when
    a key goes or comes. Refused tokens are not remembered: a flood of them can't push the others out.
    """

    def __init__(
        self, keys: KeySource, *, issuer: str | None = None, audience: str | None = None, remembered: int = 10_000
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._remembered = remembered
        self._believed: OrderedDict[bytes, _Believed] = OrderedDict()
        self._generation = keys.generation

    async def verify(self, authorization: str | None) -> Caller:
        """Take the header's value; raises InvalidToken (401) and KeysUnavailable (503)."""
        token = bearer(authorization)
        digest = hashlib.sha256(token.encode("ascii")).digest()
        await self._keys.current()
        if self._generation != self._keys.generation:
            self._generation = self._keys.generation
            self._believed.clear()
        believed = self._believed.get(digest)
        if believed is None:
            generation = self._generation
            believed = await self._check(token)
            _judge_times(believed)
            if generation == self._keys.generation == self._generation:
                self._remember(digest, believed)
        else:
            _judge_times(believed)
            self._believed.move_to_end(digest)
        return believed.caller

    async def close(self) -> None:
        await self._keys.close()

    def _remember(self, digest: bytes, believed: _Believed) -> None:
        self._believed[digest] = believed
        while len(self._believed) > self._remembered:
            self._believed.popitem(last=False)

    async def _check(self, token: str) -> _Believed:
        parts = _PARTS.fullmatch(token)
        if parts is None:
            raise InvalidToken("the token is not a signed JWT")
        kid = _read_header(_object(parts[1], "header"))
        claims = _object(parts[2], "claims")  # unreadable claims are not worth a signature check
        _decoded(parts[3], "signature")
        if not await self._is_signed(token, kid) and not (
            await self._keys.doubt(kid) and await self._is_signed(token, kid)
        ):
            raise InvalidToken("the signature does not match")
        return self._read(claims)

    async def _is_signed(self, token: str, kid: str | None) -> bool:
        return any(_signed_by(token, key) for key in await self._keys.candidates(kid))

    def _read(self, claims: dict[str, Any]) -> _Believed:
        expires_at = _time(claims, "exp")
        if expires_at is None:
            raise InvalidToken("exp is missing")
        not_before = _time(claims, "nbf")
        self._judge_issuer(claims)
        self._judge_audience(claims)
        caller = _read_caller(claims)
        return _Believed(caller, -math.inf if not_before is None else not_before, expires_at)

    def _judge_issuer(self, claims: dict[str, Any]) -> None:
        issuer = claims.get("iss")
        if issuer is not None and not isinstance(issuer, str):
            raise InvalidToken("iss is not a string")
        if self._issuer is not None and issuer != self._issuer:
            raise InvalidToken("the token is from another issuer")

    def _judge_audience(self, claims: dict[str, Any]) -> None:
        audience = claims.get("aud")
        names = [audience] if isinstance(audience, str) else audience
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise InvalidToken("aud is neither a string nor a list of strings")
        if self._audience is not None and self._audience not in (names or ()):
            raise InvalidToken("the token is for another audience")


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header; raises InvalidToken."""
    if not authorization:
        raise InvalidToken("no token was given")
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("expected Authorization: Bearer <token>")
    if len(token) > MAX_TOKEN_CHARS:
        raise InvalidToken("the token is too long")
    if not token.isascii():
        raise InvalidToken("the token is not a signed JWT")
    return token


def _object(part: str, what: str) -> dict[str, Any]:
    try:
        return read_object(_decoded(part, what))
    except ValueError:
        raise InvalidToken(f"the token's {what} can't be read") from None


def _decoded(part: str, what: str) -> bytes:
    """Of a last character some bits say nothing: set, they would make another token out of one that was issued."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise InvalidToken(f"the token's {what} can't be read") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode("ascii"):
        raise InvalidToken(f"the token's {what} is not written as it was issued")
    return decoded


def _read_header(header: dict[str, Any]) -> str | None:
    if header.get("alg") != ALGORITHM:
        raise InvalidToken(f"the token is not signed with {ALGORITHM}")
    if _is_deeper(header, _MAX_HEADER_DEPTH):  # jose reads it once more, with less of the stack left
        raise InvalidToken("the token's header is nested too deeply")
    if "crit" in header:
        raise InvalidToken("the token demands an extension that is not known here")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidToken("the token is of another type")
    kid = header.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _MAX_KID):
        raise InvalidToken("kid is not a short string")
    return kid


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (levels == 0 or any(_is_deeper(one, levels - 1) for one in inner))


def _signed_by(token: str, key: VerifyingKey) -> bool:
    try:
        jws.verify(token, key.jose_key, algorithms=[ALGORITHM])
    except (JOSEError, ValueError, RecursionError):  # whatever it can't read is not signed
        return False
    return True


def _time(claims: dict[str, Any], name: str) -> float | None:
    """Seconds since 1970, judged to be a time at all."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise InvalidToken(f"{name} is not a time")
    return float(value)


def _judge_times(believed: _Believed) -> None:
    now = time.time()  # the system's, whatever the service's own clock says
    if now >= believed.expires_at + LEEWAY_S:
        raise InvalidToken("the token has expired")
    if now < believed.not_before - LEEWAY_S:
        raise InvalidToken("the token is not valid yet")


def _read_caller(claims: dict[str, Any]) -> Caller:
    scopes = _read_scopes(claims.get("scope"))
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise InvalidToken("sub is missing or not a name")
    user_id = UUID(subject) if _UUID.fullmatch(subject) else None
    if user_id is None and INTERNAL not in scopes:
        raise InvalidToken("sub is not a user's id")
    return Caller(
        subject=str(user_id or subject),
        user_id=user_id,
        email=read_email(claims.get("email")),
        name=read_name(claims.get("name")),
        locale=read_locale(claims.get("locale")),
        zoneinfo=read_zone(claims.get("zoneinfo")),
        scopes=scopes,
    )


def _read_scopes(value: object) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, str):
        raise InvalidToken("scope is not a string")
    scopes = frozenset(scope for scope in value.split(" ") if scope)
    if len(scopes) > _MAX_SCOPES or not all(_SCOPE.fullmatch(scope) for scope in scopes):
        raise InvalidToken("scope is not a list of words")
    return scopes | {INTERNAL} if ADMIN in scopes else scopes
