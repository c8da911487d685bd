"""Fixtures: real servers, and a migrated database for each module that asks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.local.elasticsearch_home import NoElasticsearchError
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.throwaway import throwaway_elasticsearch, throwaway_postgres, throwaway_valkey
from infrastructure.local.valkey import EmbeddedValkey
from tests.schema import make_schema


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with throwaway_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the whole schema, to be copied."""
    make_schema(postgres.create_database("migrated"))
    return "migrated"


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedPostgres, migrated: str) -> Iterator[str]:
    name = f"of_{uuid4().hex}"
    yield postgres.create_database(name, template=migrated)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    with throwaway_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[EmbeddedElasticsearch]:
    try:
        node = throwaway_elasticsearch()
        server = node.__enter__()
    except NoElasticsearchError:
        if os.environ.get("CI"):
            raise
        pytest.skip("Elasticsearch needs Java 17 and Maven")
    yield server
    node.__exit__(None, None, None)
