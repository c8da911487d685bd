"""Where the figures are taken: servers of their own, started for one run and gone with it."""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.local.leash import Leash
from infrastructure.local.ports import free_port
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.program import Program
from infrastructure.local.throwaway import throwaway_elasticsearch, throwaway_postgres, throwaway_valkey
from infrastructure.local.valkey import EmbeddedValkey
from settings import Settings
from tests.performance.load import Ask, Load, Orders, put_load
from tests.schema import make_schema
from tests.simulation.servers import Servers


class Place:
    """`seconds`: how long one repetition takes; what is started is ended at the end."""

    def __init__(self, seconds: float = 3.0, repetitions: int = 3) -> None:
        self.seconds = seconds
        self.repetitions = repetitions
        self._stays = ExitStack()
        self._signer = Servers("", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stays.close()

    # --- servers -----------------------------------------------------------------------------------
    @cached_property
    def postgres(self) -> EmbeddedPostgres:
        """With fsync, as in production: a commit costs what it costs."""
        return self._stays.enter_context(throwaway_postgres({"fsync": "on", "full_page_writes": "on"}))

    @cached_property
    def valkey(self) -> EmbeddedValkey:
        return self._stays.enter_context(throwaway_valkey())

    @cached_property
    def elasticsearch(self) -> EmbeddedElasticsearch:
        """Raises NoElasticsearchError where Java or Maven is missing."""
        return self._stays.enter_context(throwaway_elasticsearch())

    @cached_property
    def _leash(self) -> Leash:
        return self._stays.enter_context(Leash())

    @cached_property
    def _folder(self) -> Path:
        return Path(self._stays.enter_context(tempfile.TemporaryDirectory(prefix="cinema-bench-")))

    @cached_property
    def _migrated(self) -> str:
        make_schema(self.postgres.create_database("migrated"))
        return "migrated"

    def database(self, template: str | None = None) -> str:
        """The address of a new database, migrated and empty, or as a copy of the one named."""
        return self.postgres.create_database(f"bench_{uuid4().hex}", template or self._migrated)

    # --- the service -------------------------------------------------------------------------------
    def given(self, database_url: str, **more: Any) -> dict[str, Any]:
        """Settings of the service on this database."""
        return {
            "database_url": database_url,
            "redis_url": self.valkey.url,
            "elasticsearch_url": "none",
            "auth_public_key": self._signer.public_key,
            "smtp_url": "smtp://127.0.0.1:9",
            "card_keys": "bench:" + base64.b64encode(bytes(32)).decode(),
            "yookassa_api_url": "http://127.0.0.1:9/v3",
            "yookassa_shop_id": "100500",
            "yookassa_secret_key": "bench",
            **more,
        }

    def settings(self, database_url: str, **more: Any) -> Settings:
        return Settings(**self.given(database_url, **more))

    @contextmanager
    def serves(self, database_url: str, **more: Any) -> Iterator[str]:
        """The address of the API in a process of its own, as production runs it: one worker, both sides."""
        port = free_port()
        given = self.given(database_url, host="127.0.0.1", port=port, log_level="WARNING", **more)
        with self.runs(
            "api", ["-m", "main"], {f"BILLING_{key.upper()}": str(one) for key, one in given.items()}, port
        ) as url:
            yield url

    @contextmanager
    def runs(self, name: str, arguments: list[str], settings: Mapping[str, str], port: int) -> Iterator[str]:
        """A program of ours that answers GET /healthz on this port."""
        url = f"http://127.0.0.1:{port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
        program = Program(
            name,
            [sys.executable, *arguments],
            log=self._folder / f"{name}.log",
            env={**environment, **settings},
            cwd=CHECKOUT,
            ready_file=self._folder / f"{name}.ready",
            url=url,
            health=f"{url}/healthz",
        )
        program.start(self._leash)
        try:
            yield url
        finally:
            program.stop(self._leash)

    @contextmanager
    def bare(self, *, elasticsearch: bool = False) -> Iterator[str]:
        """The address of the floor."""
        port = free_port()
        arguments = ["-m", "tests.performance.floor", str(port), self.valkey.url]
        if elasticsearch:
            arguments.append(self.elasticsearch.url)
        with self.runs("floor", arguments, {}, port) as url:
            yield url

    def token(self, user_id: UUID | str, **claims: str) -> str:
        return self._signer.token(sub=str(user_id), **claims)

    # --- measuring ---------------------------------------------------------------------------------
    def load(self, url: str, asks: list[Ask], *, connections: int = 8, once: bool = False) -> Load:
        to = urlsplit(url)
        assert to.hostname is not None
        assert to.port is not None
        return put_load(Orders(to.hostname, to.port, asks, connections, seconds=self.seconds, once=once))
