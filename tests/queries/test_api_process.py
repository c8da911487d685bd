"""The API as a process: it ends in order when it is told to."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys

import httpx

from infrastructure.local.ports import free_port
from infrastructure.local.valkey import EmbeddedValkey
from tests.scenarios.cinema import key_pair
from tests.waiting import eventually


async def test_it_closes_what_it_has_opened_and_ends_on_sigterm(database_url: str, valkey: EmbeddedValkey) -> None:
    """Uvicorn raises the signal again, which ended the process with all its connections open."""
    port = free_port()
    environment = {
        "BILLING_DATABASE_URL": database_url,
        "BILLING_REDIS_URL": valkey.url,
        "BILLING_ELASTICSEARCH_URL": "none",
        "BILLING_YOOKASSA_API_URL": "http://127.0.0.1:9/v3",
        "BILLING_YOOKASSA_SHOP_ID": "1",
        "BILLING_YOOKASSA_SECRET_KEY": "secret",
        "BILLING_AUTH_PUBLIC_KEY": key_pair()[1],
        "BILLING_CARD_KEYS": "test:" + base64.b64encode(bytes(32)).decode(),
        "BILLING_PORT": str(port),
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "main", env=environment)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def answers() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
