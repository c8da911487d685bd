from __future__ import annotations

from tests.servers import database_url, engine, migrated, postgres

__all__ = ["database_url", "engine", "migrated", "postgres"]
