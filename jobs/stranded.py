"""Finds subscriptions to which time will bring nothing more, though they have not ended: nobody would ever look again.

No command leaves one behind. Should a defect or a hand in the database do it, a person is to hear of it.
"""

from __future__ import annotations

from sqlalchemy import select, text

from bootstrap import Service
from infrastructure.postgres.tables import cases

_KIND = "subscription_stranded"
_MOST = 100
_STRANDED = text("""
    SELECT s.id, s.user_id, CASE
        WHEN s.refunding AND NOT EXISTS (
            SELECT FROM refunds r WHERE r.subscription_id = s.id AND r.status IN ('pending', 'unknown')
        ) THEN 'It waits for a refund, and none is under way.'
        WHEN s.open_payment_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM payments p WHERE p.id = s.open_payment_id AND p.status IN ('pending', 'unknown')
        ) THEN 'It waits for a payment that has ended or is not there.'
        WHEN s.open_payment_id IS NULL AND NOT s.refunding AND s.next_charge_at IS NULL AND s.end_at IS NULL
            THEN 'Neither a charge nor an end is planned.'
        END AS why
      FROM subscriptions s
     WHERE s.status NOT IN ('canceled', 'expired')
       AND (s.refunding OR s.open_payment_id IS NOT NULL OR s.next_charge_at IS NULL AND s.end_at IS NULL)
""")


async def find_stranded(service: Service) -> int:
    """A case for each, at most 100 a round; one that is mended has its case closed. How many there are."""
    async with service.transactions()() as uow:
        rows = (await uow.connection.execute(_STRANDED)).all()
        found = {str(row.id): row for row in rows if row.why is not None}
        known = select(cases.c.subject).where(cases.c.kind == _KIND, cases.c.resolved_at.is_(None))
        noted = set((await uow.connection.execute(known)).scalars())
        for subject in sorted(noted - found.keys()):
            await uow.cases.resolve(_KIND, subject, uow.now)
        for subject in sorted(found.keys() - noted)[:_MOST]:
            await uow.cases.open(_KIND, subject, found[subject].why, uow.now, user_id=found[subject].user_id)
    return len(found)
