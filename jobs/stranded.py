"""Finds subscriptions that do not come on by themselves, so that a person hears of it.

Stranded: time will bring nothing more to it, though it has not ended. No command leaves one behind; a defect or a hand
in the database may. Overdue: its renewal has come to nothing for days, and nobody was refused anything: the payment
system never gets the charge, which is made anew each day.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text

from bootstrap import Service
from infrastructure.postgres.tables import cases

_KINDS = ("renewal_overdue", "subscription_stranded")
_MOST = 100
_OVERDUE_AFTER = timedelta(days=2)
_FOUND = text("""
    SELECT s.id, s.user_id, 'subscription_stranded' AS kind, CASE
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
    UNION ALL
    SELECT s.id, s.user_id, 'renewal_overdue',
           'Its period is over, and so far no charge for the next one has got through. The person has not been told.'
      FROM subscriptions s
     WHERE s.status IN ('active', 'trialing') AND s.next_charge_at <= :overdue AND NOT s.refunding
""")


async def find_stranded(service: Service) -> int:
    """A case for each, at most 100 a round; one that is mended has its case closed. How many there are."""
    overdue = service.clock.now() - _OVERDUE_AFTER
    async with service.transactions()() as uow:
        rows = (await uow.connection.execute(_FOUND, {"overdue": overdue})).all()
        found = {(row.kind, str(row.id)): row for row in rows if row.why is not None}
        known = select(cases.c.kind, cases.c.subject).where(cases.c.kind.in_(_KINDS), cases.c.resolved_at.is_(None))
        noted = {(row.kind, row.subject) for row in await uow.connection.execute(known)}
        for kind, subject in sorted(noted - found.keys()):
            await uow.cases.resolve(kind, subject, uow.now)
        for kind, subject in sorted(found.keys() - noted)[:_MOST]:
            row = found[kind, subject]
            await uow.cases.open(kind, subject, row.why, uow.now, user_id=row.user_id)
    return len(found)
