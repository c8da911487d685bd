"""Postgres goes away or hangs under a running API: callers are told to come back, and nothing stands still for it."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bootstrap import build
from infrastructure.clock import HeldClock
from infrastructure.local.leash import Leash
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from main import make_app
from settings import ClockKind, Settings
from tests.infrastructure.local.processes import descendants
from tests.scenarios.cinema import key_pair, settings_for
from tests.schema import make_schema


@pytest.fixture(scope="module")
def leash() -> Iterator[Leash]:
    with Leash() as held:
        yield held


@pytest.fixture(scope="module")
def own_postgres(leash: Leash) -> EmbeddedPostgres:
    """A server that nobody else uses, with the whole schema and a held time."""
    folder = Path(tempfile.mkdtemp(prefix="cinema-billing-")).resolve()
    leash.remove_at_end(folder)
    folder.chmod(0o711)  # a server that must not run as root walks through it to its own data
    server = EmbeddedPostgres(folder / "data", folder / "postgres.log", durable=False)
    server.start(leash)
    make_schema(server.url)
    clock = HeldClock(server.url)
    clock.start()
    clock.close()
    return server


@pytest.fixture(scope="module")
def settings(own_postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> Iterator[Settings]:
    with running() as yookassa:
        plain = settings_for(own_postgres.url, valkey.url, yookassa, key_pair()[1])
        yield plain.model_copy(update={"clock": ClockKind.HELD})


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app, service = await make_app(settings, "both")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing", timeout=30) as api:
        yield api
    await service.close()


@contextmanager
def _hanging(server: EmbeddedPostgres) -> Iterator[None]:
    """As a machine that was frozen: connections stand, and nobody answers."""
    assert server.process is not None
    family = [server.process.pid, *descendants(server.process.pid)]
    for process in family:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            os.kill(process, signal.SIGCONT)


async def _is_told_to_come_back(api: httpx.AsyncClient) -> None:
    reply = await api.get("/v1/plans")
    assert (reply.status_code, reply.json()["code"]) == (503, "unavailable"), reply.text
    assert int(reply.headers["retry-after"]) > 0


async def _serves_again(api: httpx.AsyncClient) -> None:
    give_up_at, reply = time.monotonic() + 20, await api.get("/v1/plans")
    while reply.status_code != 200:
        assert time.monotonic() < give_up_at, reply.text
        reply = await api.get("/v1/plans")
    assert (await _healthz(api))["now"] is not None


async def _healthz(api: httpx.AsyncClient) -> dict[str, Any]:
    reply = await api.get("/healthz")
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_a_held_clock_whose_postgres_is_away_is_an_outage_that_ends_with_it(
    api: httpx.AsyncClient, own_postgres: EmbeddedPostgres, leash: Leash
) -> None:
    assert (await _healthz(api))["now"] is not None
    own_postgres.stop(leash)
    began = time.monotonic()
    for _ in range(20):
        await _is_told_to_come_back(api)
        assert await _healthz(api) == {"status": "ok", "now": None}
    assert time.monotonic() - began < 3, "only the first waits for it"

    own_postgres.start(leash)

    await _serves_again(api)


async def test_a_held_clock_whose_postgres_hangs_does_not_hold_everybody_else(
    api: httpx.AsyncClient, own_postgres: EmbeddedPostgres
) -> None:
    assert (await _healthz(api))["now"] is not None
    with _hanging(own_postgres):
        began = time.monotonic()
        for _ in range(20):
            assert await _healthz(api) == {"status": "ok", "now": None}
            await _is_told_to_come_back(api)
        assert time.monotonic() - began < 4, "only the first waits for it"

    await _serves_again(api)


async def test_a_held_clock_is_read_on_after_a_restart_that_nobody_noticed(
    api: httpx.AsyncClient, own_postgres: EmbeddedPostgres, leash: Leash
) -> None:
    before = await _healthz(api)
    own_postgres.stop(leash)
    own_postgres.start(leash)
    assert await _healthz(api) == before


async def test_the_registry_of_payment_systems_is_read_on_after_a_restart_that_nobody_noticed(
    settings: Settings, own_postgres: EmbeddedPostgres, leash: Leash
) -> None:
    """What one look finds serves all who ask, so a connection that was cut would be an outage to all of them."""
    service = await build(settings.model_copy(update={"clock": ClockKind.SYSTEM}))
    before = await service.payment_systems.accounts()
    own_postgres.stop(leash)
    own_postgres.start(leash)
    assert await service.payment_systems.accounts() == before
    await service.close()


async def test_what_is_asked_of_a_postgres_that_hangs_is_given_up_and_told_as_an_outage(
    settings: Settings, own_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own limits do not help where it hangs: a statement was waited for as long as the connection stood."""
    monkeypatch.setattr("bootstrap._LONGEST_S", 1.0)
    app, service = await make_app(settings.model_copy(update={"clock": ClockKind.SYSTEM}), "both")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing", timeout=30) as api:
        assert (await api.get("/v1/plans")).status_code == 200, "a connection stands"
        with _hanging(own_postgres):
            async with asyncio.timeout(4):
                await _is_told_to_come_back(api)
            assert (await _healthz(api))["status"] == "ok"
        await _serves_again(api)
    await service.close()
