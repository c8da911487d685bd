from __future__ import annotations

from tests.queries.servers import database_url, migrated, postgres, valkey

__all__ = ["database_url", "migrated", "postgres", "valkey"]
