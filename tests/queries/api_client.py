"""The read side as a caller sees it: the whole application over HTTP, with tokens signed for the test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.payment_history import PaymentHistory
from domain.rules import Rules
from infrastructure.auth.keys import StaticKeys
from infrastructure.auth.tokens import TokenVerifier
from infrastructure.redis.line import RedisLine
from queries.app import create_app
from queries.sources import make_sources
from tests.infrastructure.auth import forge


@dataclass
class HandClock:
    """Time that the test sets."""

    time: datetime

    def now(self) -> datetime:
        return self.time


@dataclass
class Caller:
    client: httpx.AsyncClient
    clock: HandClock

    async def get(
        self, path: str, user: UUID | str | None = None, scope: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """`user`: whose token is sent; none at all without."""
        sent = dict(headers or {})
        if user is not None:
            sent["Authorization"] = f"Bearer {forge.token(sub=str(user), scope=scope)}"
        return await self.client.get(path, headers=sent)

    async def json(self, path: str, user: UUID | str | None = None, scope: str = "", **more: Any) -> Any:
        response = await self.get(path, user, scope, **more)
        assert response.status_code == 200, response.text
        return json.loads(response.content)


@asynccontextmanager
async def read_side(
    engine: AsyncEngine, redis_url: str, now: datetime, index: PaymentHistory | None = None
) -> AsyncIterator[Caller]:
    redis = RedisLine(redis_url)
    clock = HandClock(now)
    sources = make_sources(engine, redis, index, clock, Rules(), "http://billing.test")
    app = create_app(sources, TokenVerifier(StaticKeys.from_pem(forge.PUBLIC_PEM)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://billing.test") as client:
        yield Caller(client, clock)
    await redis.close()
