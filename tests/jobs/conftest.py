from __future__ import annotations

from tests.servers import database_url, migrated, postgres, valkey

__all__ = ["database_url", "migrated", "postgres", "valkey"]
