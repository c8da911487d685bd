from __future__ import annotations

from tests.scenarios.conftest import cinema
from tests.servers import database_url, migrated, postgres, valkey

__all__ = ["cinema", "database_url", "migrated", "postgres", "valkey"]
