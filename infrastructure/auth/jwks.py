"""Keys that the auth service publishes (JWKS, RFC 7517), fetched when they are needed and kept.

Fetching is bounded whatever the callers send: one fetch at a time, a least interval between two, a deadline and a
size. Tokens under unknown `kid`s cause a few fetches at once, for a key may have been published just now, and then one
an interval; the others hear at once what is known.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from infrastructure.auth.errors import KeysUnavailable, UnusableKey
from infrastructure.auth.keys import ALGORITHM, VerifyingKey
from infrastructure.auth.strict_json import read_object

_MAX_BYTES = 512 * 1024
_MAX_KEYS = 64
_MAX_KID = 255
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,2800}")  # 16 384 bits

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How JWKS is fetched; in seconds, but for `at_once`.

    `deadline`: of one fetch. `interval`: the least time between two fetches; but for keys that are not known, `at_once`
    may follow on each other, and each interval gives one of them back. `fresh`: how long the keys are not asked
    for again unless a `kid` is unknown. `stale`: how long they are used while the auth service can't be reached; it is
    long, since an outage of auth must not become one of billing, and ends, since a key may have been withdrawn.
    """

    deadline: float = 3.0
    interval: float = 10.0
    at_once: int = 5
    retry: float = 1.0  # the least time between two fetches while there are no keys at all
    fresh: float = 600.0
    stale: float = 24 * 3600.0


class JwksKeys:
    """A `KeySource` over a JWKS address. Belongs to one event loop."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        self._url = url
        self._patience = patience or Patience()
        self._keys: tuple[VerifyingKey, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._left = float(self._patience.at_once)
        self._counted_at = time.monotonic()
        self._fetch: asyncio.Task[None] | None = None
        self._closed = False
        self.generation = 0

    async def current(self) -> None:
        """Refresh keys that are old: behind the caller's back, unless nobody asked for a long time."""
        age = self._age()
        if age is None or age > self._patience.stale:
            self._forget()
            await self._refresh(self._patience.retry)
            if not self._keys:
                raise KeysUnavailable("the keys of the auth service can't be fetched")
        elif age > self._patience.fresh:
            refreshing = self._start(self._patience.interval)
            if refreshing is not None and age > 3 * self._patience.fresh and not self._failed:
                await asyncio.shield(refreshing)

    async def candidates(self, kid: str | None) -> tuple[VerifyingKey, ...]:
        """Keys of that `kid`; all of them for a token without one, and those without one where none fits."""
        found = self._matching(kid)
        if not found:
            await self._ask_anew()
            found = self._matching(kid)
        if not found and self._failed:
            # It may be signed by a key that auth published while it could not be reached: not the caller's fault.
            raise KeysUnavailable("the keys of the auth service can't be refreshed")
        return found

    async def doubt(self, kid: str | None) -> bool:
        """Keys without a `kid` may have been replaced unnoticed; under a known one a wrong signature is just wrong."""
        if any(key.kid == kid for key in self._keys if kid is not None):
            return False
        before = self.generation
        await self._ask_anew()
        return self.generation != before

    async def close(self) -> None:
        self._closed = True
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)

    def _matching(self, kid: str | None) -> tuple[VerifyingKey, ...]:
        if kid is None:
            return self._keys
        return tuple(key for key in self._keys if key.kid == kid) or tuple(key for key in self._keys if key.kid is None)

    def _age(self) -> float | None:
        return None if self._fetched_at is None else time.monotonic() - self._fetched_at

    def _forget(self) -> None:
        if self._keys:
            self._keys = ()
            self.generation += 1

    async def _ask_anew(self) -> None:
        """For a token that no key fits."""
        if self._is_fetching() or self._may_ask():
            await self._refresh(0)

    def _is_fetching(self) -> bool:
        return self._fetch is not None and not self._fetch.done()

    def _may_ask(self) -> bool:
        """Whoever makes up tokens makes us ask no more often than this, however many they send."""
        now, interval = time.monotonic(), self._patience.interval
        if interval > 0:
            self._left = min(self._patience.at_once, self._left + (now - self._counted_at) / interval)
            self._counted_at = now
            if self._left < 1:
                return False
            self._left -= 1
        return True

    async def _refresh(self, interval: float) -> None:
        refreshing = self._start(interval)
        if refreshing is not None:
            # Shielded: the first caller may hang up, the others still wait for the same fetch.
            await asyncio.shield(refreshing)

    def _start(self, interval: float) -> asyncio.Task[None] | None:
        """The fetch that is under way, or a new one; None while it is too early for one."""
        if self._is_fetching():
            return self._fetch
        if self._closed or (self._tried_at is not None and time.monotonic() - self._tried_at < interval):
            return None
        self._tried_at = time.monotonic()
        self._fetch = asyncio.create_task(self._fetch_once(), name="fetch JWKS")
        return self._fetch

    async def _fetch_once(self) -> None:
        try:
            async with asyncio.timeout(self._patience.deadline):
                keys = read_jwks(await self._download())
        except (aiohttp.ClientError, OSError, ValueError) as error:  # OSError: TimeoutError is one
            self._failed = True
            _log.warning("jwks_not_fetched", error=type(error).__name__)
            return
        finally:
            self._tried_at = time.monotonic()
        self._failed = False
        self._fetched_at = time.monotonic()
        if [(key.kid, key.numbers) for key in keys] != [(key.kid, key.numbers) for key in self._keys]:
            self._keys = keys
            self.generation += 1

    async def _download(self) -> bytes:
        # A session for each fetch: it happens every ten minutes, and holds nothing in between.
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(self._url, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise ValueError("too large")
            return bytes(body)


def read_jwks(data: bytes) -> tuple[VerifyingKey, ...]:
    """The keys of a JWKS that check RS256 signatures; raises ValueError where there is none.

    Keys of other kinds and uses stand in the same set by right and are passed over; so are broken ones, and private
    ones, which everybody can sign with by now.
    """
    entries = read_object(data).get("keys")
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError("not a JWKS")
    keys = tuple(key for entry in entries if (key := _read_key(entry)) is not None)
    if not keys:
        raise ValueError("no key for RS256")
    return keys


def _read_key(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict) or entry.get("kty") != "RSA" or "d" in entry:
        return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", ALGORITHM) != ALGORITHM:
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    kid = entry.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _MAX_KID):
        return None
    try:
        numbers = RSAPublicNumbers(_number(entry.get("e")), _number(entry.get("n")))
        return VerifyingKey.of(numbers.public_key(), kid)
    except (UnusableKey, ValueError):
        return None


def _number(value: object) -> int:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise ValueError("not a number of a key")
    try:
        return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), "big")
    except binascii.Error:
        raise ValueError("not a number of a key") from None
