"""The database's address may carry libpq's parameters: all who speak to Postgres understand the same ones."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from bootstrap import build, projection_engine
from infrastructure.postgres.listening import listen
from infrastructure.postgres.outage import is_outage
from settings import Settings, SettingsError, load
from tests.waiting import eventually


def _settings(address: str) -> Settings:
    return load(
        database_url=address,
        redis_url="redis://127.0.0.1:1/0",
        elasticsearch_url="none",
        card_keys="test:" + base64.b64encode(bytes(32)).decode(),
    )


async def _engines(address: str) -> AsyncIterator[AsyncEngine]:
    """Of commands and queries, and of the projector."""
    settings = _settings(address)
    service = await build(settings)
    yield service.engine
    await service.close()
    engine = projection_engine(settings)
    yield engine
    await engine.dispose()


async def test_a_name_in_the_address_is_seen_by_who_watches_postgres(database_url: str) -> None:
    address = f"{database_url}?application_name=till&sslmode=prefer&target_session_attrs=read-write"
    async for engine in _engines(address):
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT current_setting('application_name')"))
            assert found.scalar_one() == "till"
    with psycopg.connect(address) as plain:
        assert plain.execute("SELECT current_setting('application_name')").fetchone() == ("till",)


async def test_a_limit_of_the_services_own_stays_beside_what_the_address_says(database_url: str) -> None:
    service = await build(_settings(f"{database_url}?application_name=till"))
    async with service.engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_setting('statement_timeout')"))).scalar_one() == "15s"
    await service.close()


async def test_encryption_that_the_address_asks_for_is_not_done_without(database_url: str) -> None:
    """The Postgres of the tests has none: whoever insists is told, as of an outage, and sends nothing in the clear."""
    async for engine in _engines(f"{database_url}?sslmode=require"):
        with pytest.raises(Exception, match="SSL") as caught:
            await engine.connect()
        assert is_outage(caught.value)


async def test_servers_of_which_none_is_the_primary_are_an_outage_and_are_asked_again(database_url: str) -> None:
    """In the middle of a switchover: the API answered 500, and workers died."""
    address = f"{database_url}?target_session_attrs=standby"
    async for engine in _engines(address):
        with pytest.raises(Exception, match="target attribute") as caught:
            await engine.connect()
        assert is_outage(caught.value)

    with capture_logs() as logs:
        listening = asyncio.create_task(listen(address, "outbox", lambda: None, lambda: None))
        await eventually(lambda: len(logs) >= 2)
    assert not listening.done()
    assert {line["event"] for line in logs} == {"postgres_unavailable"}
    listening.cancel()


async def test_who_listens_takes_the_same_address(database_url: str) -> None:
    heard = asyncio.Event()
    listening = asyncio.create_task(listen(f"{database_url}?application_name=till", "outbox", lambda: None, heard.set))
    async with asyncio.timeout(10):
        await heard.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("connect_timeout=5", "connect_timeout is not known here; expected one of application_name, "),
        ("prepared_statement_cache_size=0", "prepared_statement_cache_size is not known here"),
        ("options=-csearch_path%3Dx", "options is not known here"),
        ("sslmode=yes", "sslmode: expected one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("sslrootcert=/nowhere/root.crt", "sslrootcert: expected the path of a readable file"),
        ("target_session_attrs=master", "target_session_attrs: expected one of any, primary"),
        ("sslmode", "expected name=value pairs behind the question mark"),
    ],
)
def test_a_parameter_that_nobody_would_heed_stops_the_start(query: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _settings(f"postgresql://billing:geheim@db/billing?{query}")
    assert str(caught.value).startswith(f"BILLING_DATABASE_URL: {expected}")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_a_password_among_the_parameters_is_a_secret_as_well(name: str) -> None:
    given: dict[str, Any] = {"database_url": f"postgresql://billing@db/billing?{name}=ge%20heim"}
    assert "ge heim" in load(**given).secrets
    assert "ge%20heim" in load(**given).secrets
