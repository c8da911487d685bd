"""Idempotency keys are kept for as long as callers may repeat themselves, and forgotten however many have gathered."""

from __future__ import annotations

from sqlalchemy import func, select, text

from infrastructure.postgres.tables import idempotency_keys
from tests.scenarios.cinema import Cinema

_BACKLOG = 45_000

_GATHER = text("""
INSERT INTO idempotency_keys (caller, route, key, fingerprint, created_at, leased_until)
SELECT 'cinema', 'POST /v1/subscriptions', 'of long ago ' || n, '\\x00', now() - interval '9 days',
    now() - interval '9 days'
FROM generate_series(1, :how_many) AS n
""")
# Stands in for the time that a statement may take, which would make a test as slow as a backlog.
_GIVE_UP = """
CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM gone) > 20000 THEN
        RAISE query_canceled USING MESSAGE = 'canceling statement due to statement timeout';
    END IF;
    RETURN NULL;
END $$
"""
_WHEN_TOO_LONG = """
CREATE TRIGGER too_long AFTER DELETE ON idempotency_keys REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION give_up()
"""


async def test_a_backlog_of_old_keys_is_forgotten_although_no_statement_could_take_all_of_it(cinema: Cinema) -> None:
    anna = await cinema.person()
    await anna.subscribes("premium", "499.00", key="of today")
    engine = cinema.service.engine
    async with engine.begin() as connection:
        await connection.execute(_GATHER, {"how_many": _BACKLOG})
        for statement in (_GIVE_UP, _WHEN_TOO_LONG):
            await connection.execute(text(statement))

    assert await cinema.sweeps.old_keys() == _BACKLOG

    async with engine.connect() as connection:
        kept = select(idempotency_keys.c.key).where(idempotency_keys.c.key == "of today")
        assert (await connection.execute(kept)).scalars().all() == ["of today"]
        old = select(func.count()).where(idempotency_keys.c.key.startswith("of long ago"))
        assert (await connection.execute(old)).scalar_one() == 0
