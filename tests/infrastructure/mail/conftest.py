"""A local mailbox as a process of its own, shared by the tests of this folder."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest


@dataclass(frozen=True, slots=True)
class Mailbox:
    smtp_url: str
    http_url: str

    async def call(self, method: str, path: str, **options: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.http_url + path, **options) as response,
        ):
            return await response.json()

    async def messages(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.call("GET", "/messages", params=query)
        return found

    async def faults(self, **faults: Any) -> None:
        await self.call("POST", "/faults", json=faults)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Mailbox]:
    smtp_port, http_port = _free_ports()
    arguments = ["--smtp-port", str(smtp_port), "--http-port", str(http_port), "--data-dir", str(data_dir)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infrastructure.simulators.mailbox", *arguments
    )
    mailbox = Mailbox(f"smtp://127.0.0.1:{smtp_port}", f"http://127.0.0.1:{http_port}")
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    assert (await mailbox.call("GET", "/healthz"))["status"] == "ok"
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)
        yield mailbox
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == 0


@pytest.fixture(scope="session")
async def shared_mailbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mailbox]:
    async with running(tmp_path_factory.mktemp("mailbox")) as mailbox:
        yield mailbox


@pytest.fixture
async def mailbox(shared_mailbox: Mailbox) -> AsyncIterator[Mailbox]:
    yield shared_mailbox
    await shared_mailbox.faults()
    await shared_mailbox.call("DELETE", "/messages")
