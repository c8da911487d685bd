"""The outbox as a queue: rows are claimed for a while, and removed when they are carried over (invariant 8).

A claim is a lease by the database's own clock, committed at once, so no transaction is open while Redis or
Elasticsearch is called, and whoever dies strands nothing. `retry_by` is NULL in rows that nobody has tried yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

LEASE_S: Final = 30.0

_CLAIM: Final = """
UPDATE outbox SET attempts = attempts + 1, retry_by = (SELECT clock_timestamp()) + make_interval(secs => :lease)
WHERE id IN (
    SELECT id FROM outbox
    WHERE projection = :projection AND (retry_by IS NULL {or_due})
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING id, user_id, object_id, version, attempts
"""
_CLAIM_FRESH: Final = text(_CLAIM.format(or_due=""))
_CLAIM_DUE: Final = text(_CLAIM.format(or_due="OR retry_by <= (SELECT clock_timestamp())"))
_IDS: Final = bindparam("ids", type_=ARRAY(BigInteger))
_DONE: Final = text("DELETE FROM outbox WHERE id = ANY(:ids)").bindparams(_IDS)
_RELEASE: Final = text(
    "UPDATE outbox SET attempts = greatest(attempts - 1, 0), retry_by = NULL WHERE id = ANY(:ids)"
).bindparams(_IDS)
_PARK: Final = text(
    "UPDATE outbox SET attempts = greatest(attempts - 1, 0), "
    "retry_by = (SELECT clock_timestamp()) + make_interval(secs => :after) WHERE id = ANY(:ids)"
).bindparams(_IDS)
_RETRY: Final = text(
    "UPDATE outbox SET retry_by = (SELECT clock_timestamp()) + make_interval(secs => :after) WHERE id = ANY(:ids)"
).bindparams(_IDS)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """`version`: of the object at that commit; `attempts`: this one included."""

    id: int
    user_id: UUID
    object_id: UUID
    version: int
    attempts: int


class Outbox:
    """The rows of one projection, `history` or `access`."""

    def __init__(self, engine: AsyncEngine, projection: str, lease_s: float = LEASE_S) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._projection = projection
        self._lease_s = lease_s

    async def claim(self, limit: int, *, only_fresh: bool = False) -> list[OutboxRow]:
        """Take rows that nobody holds. `only_fresh`: leave those alone that were tried before."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                _CLAIM_FRESH if only_fresh else _CLAIM_DUE,
                {"lease": self._lease_s, "projection": self._projection, "limit": limit},
            )
            return sorted((OutboxRow(*row) for row in rows), key=lambda row: row.id)

    async def done(self, rows: Iterable[OutboxRow]) -> None:
        await self._execute(_DONE, rows)

    async def release(self, rows: Iterable[OutboxRow]) -> None:
        """Give rows back as if they had not been tried."""
        await self._execute(_RELEASE, rows)

    async def park(self, rows: Iterable[OutboxRow], after_s: float) -> None:
        """Try again later; that it did not work was not the rows' fault and does not count."""
        await self._execute(_PARK, rows, after_s)

    async def retry(self, rows: Iterable[OutboxRow], after_s: float) -> None:
        """Try again later; the try counts."""
        await self._execute(_RETRY, rows, after_s)

    async def _execute(self, statement: object, rows: Iterable[OutboxRow], after_s: float | None = None) -> None:
        values: dict[str, object] = {"ids": [row.id for row in rows]}
        if not values["ids"]:
            return
        if after_s is not None:
            values["after"] = after_s
        async with self._engine.connect() as connection:
            await connection.execute(statement, values)  # type: ignore[call-overload] # text() with bound types
