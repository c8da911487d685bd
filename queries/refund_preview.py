"""What a refund asked for now would return."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.refund import quote_refund
from domain.rules import Rules
from domain.subscription import ENDED
from infrastructure.postgres.books import PaymentBook
from infrastructure.postgres.documents import money
from infrastructure.postgres.line import PostgresLine
from infrastructure.postgres.tables import subscriptions


async def refund_preview(engine: AsyncEngine, subscription_id: UUID, now: datetime, rules: Rules) -> dict[str, Any]:
    """`{amount, full, payment_id, credit_not_returned}` of the payment for the current period; `payment_id` None where
    there is none. Credit of an earlier plan, used or left, is not money and ends with the subscription.
    """
    async with engine.connect() as connection:
        subscription = (
            await connection.execute(
                select(
                    subscriptions.c.period_number,
                    subscriptions.c.currency,
                    subscriptions.c.status,
                    (subscriptions.c.period_credit + subscriptions.c.balance).label("credit"),
                ).where(subscriptions.c.id == subscription_id)
            )
        ).one()
        its_payments, number = PaymentBook(PostgresLine(connection)), subscription.period_number
        payment = await its_payments.shown_of_current_period(subscription_id, number)
    credit = {"credit_not_returned": money(subscription.credit, subscription.currency)}
    if payment is None or subscription.status in ENDED:
        return {"amount": money(0, subscription.currency), "full": False, "payment_id": None, **credit}
    quote = quote_refund(payment, now, rules)
    return {
        "amount": money(quote.amount.minor, quote.amount.currency),
        "full": quote.full,
        "payment_id": str(quote.payment_id),
        **credit,
    }
