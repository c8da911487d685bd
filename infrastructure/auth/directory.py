"""Asks the auth service about a person (AUTH-5): `GET {url}/users/{id}`.

Nobody waits for it longer than the deadline, and while it is out nobody waits at all: after a failure the next calls
are answered `Unavailable` at once for a few seconds. What is known of the person is used instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
import structlog

from domain.person import Person, Unavailable
from infrastructure.auth.profile import read_email, read_locale, read_name, read_zone
from infrastructure.auth.strict_json import read_object

_MAX_BYTES = 64 * 1024

_log = structlog.get_logger(__name__)


class UserDirectory:
    """Implements domain.ports.Directory. Belongs to one event loop.

    `service_token`: called for each request and answers with a token of ours, or with none; a function, since tokens
    expire and where they come from (a file that is renewed, the local auth) is not this class's business.
    """

    def __init__(
        self, url: str, service_token: Callable[[], str | None], *, deadline_s: float = 2.0, rest_s: float = 5.0
    ) -> None:
        self._url = url.rstrip("/")
        self._service_token = service_token
        self._deadline_s = deadline_s
        self._rest_s = rest_s
        self._resting_until = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def person(self, user_id: UUID) -> Person | Unavailable | None:
        """None: auth knows nobody of that id. Never raises, whatever auth answers."""
        if time.monotonic() < self._resting_until:
            return Unavailable("resting after a failure")
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await self._ask(user_id)
        except TimeoutError:
            answer = Unavailable("no answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = Unavailable(type(error).__name__)
        if isinstance(answer, Unavailable):
            self._resting_until = time.monotonic() + self._rest_s
            _log.warning("auth_directory_unavailable", why=answer.why)
        return answer

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, user_id: UUID) -> Person | Unavailable | None:
        try:
            token = self._service_token()
        except Exception as error:  # noqa: BLE001 - foreign code; a missing token is an outage, not a crash
            return Unavailable(f"no service token: {type(error).__name__}")
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        async with self._session.get(
            f"{self._url}/users/{user_id}",
            allow_redirects=False,  # our token goes to the configured address only
            headers={"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})},
        ) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                return Unavailable(f"status {response.status}")
            return _read_person(user_id, read_object(await _body(response)))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_MAX_BYTES):
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ValueError("too large")
    return bytes(body)


def _read_person(user_id: UUID, answer: dict[str, Any]) -> Person | Unavailable:
    """What it did not say, or said unusably, is None."""
    if str(answer.get("id")).lower() != str(user_id):
        return Unavailable("answered for somebody else")
    return Person(
        id=user_id,
        email=read_email(answer.get("email")),
        name=read_name(answer.get("name")),
        locale=read_locale(answer.get("locale")),
        zone=read_zone(answer.get("zoneinfo")),
    )
