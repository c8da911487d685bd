from __future__ import annotations

from tests.queries.servers import database_url, engine, migrated, postgres, valkey

__all__ = ["database_url", "engine", "migrated", "postgres", "valkey"]
