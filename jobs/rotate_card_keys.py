"""`billing rotate-card-keys`: everything that is sealed for long comes under the first of CARD_KEYS (PAY-13).

Data keys are wrapped anew; no number and no setting is opened. The rows themselves say what is left to do, so a run
that was stopped is simply started again, and two at once find nothing to disagree about.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.ports import Vault
from infrastructure.postgres.tables import cards, payment_systems

_BATCH: Final = 500
_NIL: Final = UUID(int=0)

Progress = Callable[[int, int], None]
"""Told how many are done, of how many."""

_REWRAPPED = (
    update(cards)
    .where(cards.c.id == bindparam("its_id"))
    .values(sealed=bindparam("its_sealed"), key_id=bindparam("its_key_id"), version=cards.c.version + 1)
)
_TOKENS = text("""
    SELECT count(*) FROM payments WHERE ask_again_by IS NOT NULL AND sealed_token IS NOT NULL
    AND substring(sealed_token FROM 5 FOR get_byte(sealed_token, 3)) <> convert_to(:key_id, 'UTF8')
""")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came under `key_id`, and what did not, for its key is not configured or it was altered.

    `tokens`: of open payments, sealed under another key; they are gone when the payments have ended. `fingerprints`:
    of cards, made with another key; while that is configured, the same card entered again is known again.
    """

    key_id: str
    cards: int
    systems: int
    unopened: tuple[str, ...]
    tokens: int
    fingerprints: int

    @property
    def is_complete(self) -> bool:
        """Whether the other keys open nothing that is needed any more."""
        return not self.unopened and not self.tokens


async def rotate_card_keys(
    engine: AsyncEngine, vault: Vault, progress: Progress = lambda done, of: None, batch: int = _BATCH
) -> Rotated:
    """Re-wrap all stored cards and the payment systems' settings, a batch a transaction."""
    current, unopened, done = vault.current_key_id, list[str](), 0
    others = cards.c.key_id != current
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.count()).where(others))).scalar_one()
        keys = (await connection.execute(select(cards.c.key_id).where(others).distinct())).scalars().all()
    for key_id in sorted(keys):
        after: UUID | None = _NIL
        while after is not None:
            async with engine.begin() as connection:
                after, count, failed = await _rewrap_some(connection, vault, key_id, after, batch)
            done, unopened = done + count, unopened + failed
            progress(done, total)
    async with engine.begin() as connection:
        systems, failed = await _rewrap_settings(connection, vault)
    async with engine.connect() as connection:
        tokens = (await connection.execute(_TOKENS, {"key_id": current})).scalar_one()
        named = func.split_part(cards.c.fingerprint, ":", 1)
        fingerprints = (await connection.execute(select(func.count()).where(named != current))).scalar_one()
    return Rotated(current, done, systems, (*unopened, *failed), tokens, fingerprints)


async def _rewrap_some(
    connection: AsyncConnection, vault: Vault, key_id: str, after: UUID, batch: int
) -> tuple[UUID | None, int, list[str]]:
    """The last id, None where that was all; how many were re-wrapped; and what was not."""
    due = select(cards.c.id, cards.c.user_id, cards.c.sealed).where(cards.c.key_id == key_id, cards.c.id > after)
    rows = (await connection.execute(due.order_by(cards.c.id).limit(batch).with_for_update())).all()
    changed: list[dict[str, Any]] = []
    failed: list[str] = []
    for row in rows:
        try:
            sealed = vault.rewrap(row.sealed, row.user_id, row.id)
        except ValueError as cannot:
            failed.append(f"card {row.id}: {cannot}")
            continue
        changed.append({"its_id": row.id, "its_sealed": sealed, "its_key_id": vault.current_key_id})
    if changed:
        await connection.execute(_REWRAPPED, changed)
    return (rows[-1].id if len(rows) == batch else None), len(changed), failed


async def _rewrap_settings(connection: AsyncConnection, vault: Vault) -> tuple[int, list[str]]:
    """How many payment systems were changed; and which were not, though they should have been."""
    table, changed, failed = payment_systems, 0, list[str]()
    rows = (await connection.execute(select(table).order_by(table.c.id).with_for_update())).all()
    for row in rows:
        try:
            settings = {
                name: b64encode(vault.rewrap(b64decode(value), row.id, row.id)).decode()
                for name, value in row.settings.items()
            }
        except ValueError as cannot:
            failed.append(f"payment system {row.code}: {cannot}")
            continue
        if settings != row.settings:
            new = update(table).where(table.c.id == row.id).values(settings=settings, version=table.c.version + 1)
            await connection.execute(new)
            changed += 1
    return changed, failed
