"""Lists from Postgres, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.payment_history import Position
from infrastructure.postgres.documents import Document, Row
from queries.cursor import read_code, read_position, write_code, write_position


async def newest_first(
    engine: AsyncEngine,
    query: Select[Any],
    order: tuple[ColumnElement[Any], ColumnElement[UUID]],
    *,
    listed: str,
    limit: int,
    cursor: str | None,
    show: Callable[[Row], Document],
) -> Document:
    """`{"items": […], "next_cursor": …}` by time and id, from the newest. `order`: those two columns, both selected."""
    at, identity = order
    after = read_position(listed, cursor)
    if after is not None:
        query = query.where(tuple_(at, identity) < tuple_(after.created_at, after.id))
    rows = await rows_of(engine, query.order_by(at.desc(), identity.desc()).limit(limit + 1))
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = write_position(listed, Position(last[at.key or ""], last[identity.key or ""]))
    return {"items": [show(row) for row in rows[:limit]], "next_cursor": following}


async def by_code(
    engine: AsyncEngine,
    query: Select[Any],
    code: ColumnElement[str],
    *,
    listed: str,
    limit: int,
    cursor: str | None,
    show: Callable[[Row], Document],
) -> Document:
    """`{"items": […], "next_cursor": …}` in the order of the codes; `show` gives an object with its `code`."""
    if cursor is not None:
        query = query.where(code > read_code(listed, cursor))
    items = [show(row) for row in await rows_of(engine, query.order_by(code).limit(limit + 1))]
    following = write_code(listed, items[limit - 1]["code"]) if len(items) > limit else None
    return {"items": items[:limit], "next_cursor": following}


async def rows_of(engine: AsyncEngine, query: Select[Any]) -> Sequence[Row]:
    async with engine.connect() as connection:
        found: Sequence[Row] = (await connection.execute(query)).mappings().all()
    return found
