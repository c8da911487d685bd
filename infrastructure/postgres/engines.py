"""Pools of connections through asyncpg, which is given the address as it was set.

SQLAlchemy would hand over its parameters one by one, by libpq's names, which asyncpg knows in an address only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def make_engine(database_url: str, connect_args: Mapping[str, Any], **pool: Any) -> AsyncEngine:
    """`database_url`: `postgresql://…`; `connect_args`: as `asyncpg.connect` has them; `pool`: as SQLAlchemy has it."""
    return create_async_engine("postgresql+asyncpg://", connect_args={**connect_args, "dsn": database_url}, **pool)
