"""Servers for a test session: in a folder of their own, gone with the session even when that is killed.

    with throwaway_postgres() as postgres, throwaway_valkey() as valkey:
        ...  # postgres.url, postgres.create_database("one", template="two"), valkey.url

Enter them in the main thread (a plain, not an asyncio-thread fixture): Linux ends a process with its thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infrastructure.local.checkout import CACHE
from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.local.leash import Leash
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.valkey import EmbeddedValkey


@contextmanager
def throwaway_postgres(settings: Mapping[str, str] | None = None) -> Iterator[EmbeddedPostgres]:
    """An empty PostgreSQL without fsync; ready in about a second."""
    with _folder_on_leash() as (folder, leash):
        server = EmbeddedPostgres(folder / "data", folder / "postgres.log", durable=False, settings=settings)
        server.start(leash)
        yield server


@contextmanager
def throwaway_valkey() -> Iterator[EmbeddedValkey]:
    """An empty Valkey."""
    with _folder_on_leash() as (folder, leash):
        server = EmbeddedValkey(folder / "data", folder / "valkey.log")
        server.start(leash)
        yield server


@contextmanager
def throwaway_elasticsearch(cache: Path = CACHE, heap_mb: int = 512) -> Iterator[EmbeddedElasticsearch]:
    """An empty Elasticsearch node; ready in 4 to 6 seconds, the first time on a machine after a build of half a minute.

    Raises NoElasticsearchError where Java or Maven is missing.
    """
    with _folder_on_leash() as (folder, leash):
        log = folder / "elasticsearch.log"
        server = EmbeddedElasticsearch(folder / "node", log, cache=cache, heap_mb=heap_mb)
        server.start(leash)
        yield server


@contextmanager
def _folder_on_leash() -> Iterator[tuple[Path, Leash]]:
    with Leash() as leash:
        folder = Path(tempfile.mkdtemp(prefix="cinema-billing-")).resolve()
        leash.remove_at_end(folder)  # by the keeper, which does it after a kill -9 as well
        folder.chmod(0o711)  # a server that must not run as root walks through it to its own data
        yield folder, leash
