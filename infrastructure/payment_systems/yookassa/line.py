"""One thread's line to YooKassa: a pooled session with time limits, in place of the SDK's session per call."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from infrastructure.payment_systems.yookassa.exchange import Exchange

_IDLE_S = 20.0
"""A connection unused for longer is not trusted again: something between may have forgotten it without a word."""

_LARGEST = 16 * 1024 * 1024
"""Bytes, unpacked. A page of 100 payments has some 200 KB."""


class TooLateError(Exception):
    """The whole call has used up its time."""


class TooLargeError(Exception):
    """More bytes than any answer of theirs has."""


class Line:
    """What the SDK calls a session. Belongs to one thread; only `cut` may be called from another."""

    def __init__(self, connect_timeout_s: float, read_timeout_s: float, ca_file: str | None = None) -> None:
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._handles = _Handles()
        self._session = _session(self._handles)
        self._session.verify = ca_file or True
        self._used_at = time.monotonic()
        self._deadline = 0.0
        self.exchange = Exchange()

    def begin(self, deadline: float) -> None:
        """Start a call that has to be over at `deadline`, an instant of `time.monotonic()`."""
        if time.monotonic() - self._used_at > _IDLE_S:
            self._session.close()
        self._deadline = self._handles.deadline = deadline
        self.exchange = Exchange()

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        verify: object = None,
    ) -> Exchange:
        """One exchange. What goes wrong is kept in it and raised, as the SDK expects of a session."""
        exchange = self.exchange
        exchange.sent = True
        try:
            left = max(self._deadline - time.monotonic(), 0.001)
            connect_s, read_s = (min(limit, left) for limit in self._timeouts)
            # A redirect is never followed: a POST would come back as a GET of something else.
            with self._session.request(
                method,
                url,
                params=params,
                headers=headers,
                json=json,
                timeout=(connect_s, read_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                exchange.headers = response.headers
                exchange.content = self._read(response)
                exchange.status_code = response.status_code
        except Exception as error:
            exchange.error = type(error).__name__
            raise
        finally:
            self._used_at = time.monotonic()
        return exchange

    def close(self) -> None:
        """The SDK closes its session after each call; this one lives on."""

    def cut(self) -> None:
        """End every connection under the thread that waits on it."""
        self._handles.shut()

    def _read(self, response: requests.Response) -> bytes:
        # `read1` returns what has arrived, so that a body which drips in is noticed between two drops.
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read1(65_536, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > _LARGEST:
                raise TooLargeError
            if time.monotonic() > self._deadline:
                raise TooLateError
        return b"".join(parts)


def _session(handles: _Handles) -> requests.Session:
    session = requests.Session()
    # The environment's proxies and .netrc have no say here: .netrc would replace the shop's credentials.
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(handles))
    return session


class _Adapter(HTTPAdapter):
    """One connection, no retries of its own, and its sockets within reach of `Line.cut`."""

    def __init__(self, handles: _Handles) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        http = type("_Http", (_Reachable, HTTPConnection), {"handles": handles})
        https = type("_Https", (_Reachable, HTTPSConnection), {"handles": handles})
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("_HttpPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": http}),
            "https": type("_HttpsPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": https}),
        }


class _Reachable:
    """Keeps a second handle on a connection's socket: TLS takes the first one over during its handshake."""

    handles: _Handles

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's, mixed in
        if time.monotonic() > self.handles.deadline:
            connected.close()
            raise TimeoutError  # connected too late (a name may have many addresses): nothing is sent any more
        self.handles.keep(self, connected.dup())
        return connected

    def close(self) -> None:
        self.handles.drop(self)
        super().close()  # type: ignore[misc]  # urllib3's, mixed in


class _Handles:
    """Sockets by connection. Locked, so that a number the system has given to another socket is never shut down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}
        self.deadline = 0.0

    def keep(self, connection: object, handle: socket.socket) -> None:
        self.drop(connection)
        with self._lock:
            self._sockets[id(connection)] = handle

    def drop(self, connection: object) -> None:
        with self._lock:
            handle = self._sockets.pop(id(connection), None)
            if handle is not None:
                handle.close()

    def shut(self) -> None:
        with self._lock:
            for handle in self._sockets.values():
                with contextlib.suppress(OSError):  # it has ended by itself
                    handle.shutdown(socket.SHUT_RDWR)
