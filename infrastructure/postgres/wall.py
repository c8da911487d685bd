"""The database's own clock in statements. Leases, retries and whatever must not trust a held clock go by it."""

from __future__ import annotations

from sqlalchemy import DateTime, func, select

WALL_NOW = select(func.clock_timestamp(type_=DateTime(timezone=True))).scalar_subquery()
"""SQL: read once a statement. By itself `clock_timestamp()` is read anew for each row, and since it may then differ, no
index can be asked for what is due by it."""
