"""Answers that are no answers: hung, reset, cut off. They need the connection itself."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINGER_NOT = struct.pack("ii", 1, 0)


class OpenProtocol(HttpToolsProtocol):
    """uvicorn's own, with the connection in reach of the application."""

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self.scope["simulator.transport"] = self.transport  # type: ignore[typeddict-unknown-key] # ours alone


def break_connection(scope: Scope, *, reset: bool) -> None:
    """Close it without an answer, with RST or with FIN."""
    transport: asyncio.Transport | None = scope.get("simulator.transport")
    if transport is None:
        raise ConnectionResetError("the simulator broke the connection")
    if reset:
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


async def gone(receive: Receive) -> None:
    """Wait until the other side is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Hang(Response):
    """Says nothing for a while, then closes the connection."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(gone(receive), self._seconds)
        break_connection(scope, reset=False)
        await gone(receive)


class Reset(Response):
    """Resets the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        break_connection(scope, reset=True)
        await gone(receive)


class CutOff(Response):
    """Promises the whole body, sends half of it and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await asyncio.sleep(0.01)  # lets the half reach the wire before the connection is closed
        break_connection(scope, reset=False)
        await gone(receive)
