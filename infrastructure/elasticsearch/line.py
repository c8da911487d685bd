"""The line to Elasticsearch: connections of our own, since the official client's transport costs a third more.

Only the few calls that the history needs; bodies are JSON that is ready, so what is stored is what was built.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp

_PAUSE_S: Final = 2.0


class ElasticsearchUnavailable(Exception):  # noqa: N818 -- named for what the caller is told
    """Elasticsearch does not answer, or can't for now."""


class ElasticsearchRefusal(Exception):  # noqa: N818 -- named for what happened
    """Elasticsearch answered and refused: `status`, `kind` (e.g. `index_not_found_exception`)."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(f"{status} {kind}")
        self.status = status
        self.kind = kind


class ElasticsearchLine:
    """Belongs to one event loop. `url`: `http(s)://[user:password@]host:port`; `patience_s`: for one answer.

    `pause_s`: how long nobody asks after a failure (one caller finds out whether it is back); 0 for a caller that
    keeps its own pauses.
    """

    def __init__(self, url: str, *, patience_s: float = 1.5, pause_s: float = _PAUSE_S, connections: int = 50) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if ":" in host:
            host = f"[{host}]"
        netloc = host if parts.port is None else f"{host}:{parts.port}"
        self._base = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
        self._headers: dict[str, str] = {}
        if parts.username:
            account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(account.encode()).decode()}"
        self._timeout = aiohttp.ClientTimeout(total=patience_s)
        self._connections = connections
        self._pause_s = pause_s
        self._closed_until = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        lines: bytes | None = None,
        params: Mapping[str, str] | None = None,
        patience_s: float | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON. `body`: made into JSON here; `lines`: newline-delimited JSON for `_bulk`.

        Raises ElasticsearchUnavailable, and ElasticsearchRefusal for statuses that asking again does not change.
        """
        now = time.monotonic()
        if now < self._closed_until:
            raise ElasticsearchUnavailable("Elasticsearch failed a moment ago")
        was_down = self._closed_until > 0
        if was_down:
            self._closed_until = now + self._pause_s
        data = lines if lines is not None else (None if body is None else json.dumps(body).encode())
        kind = "application/x-ndjson" if lines is not None else "application/json"
        patience = self._timeout if patience_s is None else aiohttp.ClientTimeout(total=patience_s)
        try:
            try:
                status, text = await self._send(method, path, data, kind, params, patience)
            except aiohttp.ServerDisconnectedError:
                # A connection of the pool that was closed meanwhile. All calls here may be made twice.
                status, text = await self._send(method, path, data, kind, params, patience)
            answer = json.loads(text or b"{}")
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._close(type(error).__name__) from None
        if status == 429 or status >= 500:
            raise self._close(f"status {status}")
        if was_down:
            self._closed_until = 0.0
        if status >= 400:
            raise ElasticsearchRefusal(status, _kind_of(answer))
        found: dict[str, Any] = answer
        return found

    async def _send(
        self,
        method: str,
        path: str,
        data: bytes | None,
        kind: str,
        params: Mapping[str, str] | None,
        patience: aiohttp.ClientTimeout,
    ) -> tuple[int, bytes]:
        async with self._open_session().request(
            method,
            f"{self._base}/{path}",
            data=None if data is None else io.BytesIO(data),  # aiohttp sends that in pieces
            params=params,
            headers={} if data is None else {"Content-Type": kind},
            timeout=patience,
        ) as response:
            return response.status, await response.read()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30),
                headers=self._headers,
                trust_env=False,
            )
        return self._session

    def _close(self, why: str) -> ElasticsearchUnavailable:
        self._closed_until = time.monotonic() + self._pause_s if self._pause_s else 0.0
        return ElasticsearchUnavailable(f"Elasticsearch does not answer: {why}")


def _kind_of(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("type", "")) if isinstance(error, dict) else str(error or "")[:100]
