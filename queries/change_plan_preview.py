"""What a change of plan asked for now would come to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import NotFoundHere
from domain.plan_change import ChangeWhen, quote_change, require_choice
from domain.rules import Rules
from infrastructure.postgres.books import PaymentBook, PlanBook, SubscriptionBook
from infrastructure.postgres.documents import moment, money
from infrastructure.postgres.line import PostgresLine


async def change_plan_preview(
    engine: AsyncEngine, subscription_id: UUID, plan_code: str, when: ChangeWhen, now: datetime, rules: Rules
) -> dict[str, Any]:
    """`{credit, price, charge, balance_after, period}`; raises what the command would raise, and locks nothing."""
    async with engine.connect() as connection:
        line = PostgresLine(connection)
        book = SubscriptionBook(line)
        subscription = await book.find(subscription_id)
        if subscription is None:
            raise NotFoundHere("subscription")
        named = await PlanBook(line, now).by_code(plan_code)
        theirs = await book.shown_running_of(subscription.user_id, named.id) if named is not None else []
        plan = require_choice(subscription, named, plan_code, when, [one.id for one in theirs])
        paid = await PaymentBook(line).shown_of_current_period(subscription_id, subscription.period_number)
    quote = quote_change(subscription, paid, plan, when, now, rules)
    currency = plan.price.currency
    return {
        "credit": money(quote.unused.minor, currency),
        "price": money(quote.bill.price.minor, currency),
        "charge": money(quote.bill.charge.minor, currency),
        "balance_after": money(quote.bill.balance.minor, currency),
        "period": {"start": moment(quote.period.start), "end": moment(quote.period.end)},
    }
