from __future__ import annotations

from tests.queries.servers import database_url, migrated, postgres, valkey
from tests.scenarios.conftest import cinema

__all__ = ["cinema", "database_url", "migrated", "postgres", "valkey"]
