"""Reports of reconciliation, and the books as it reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.payment import Payment, PaymentKind
from domain.reconciliation import FindingKind, Report, Stage, finding_from_json, finding_to_json
from domain.refund import Refund
from infrastructure.postgres import rows
from infrastructure.postgres.tables import cases, events, payments, reconciliations, refunds, subscriptions


class PostgresReconciliations:
    """Implements domain.ports.Reconciliations."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def report(self, payment_system: str, day: date) -> Report | None:
        table = reconciliations
        query = select(table).where(table.c.payment_system == payment_system, table.c.day == day)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return _report(dict(row)) if row is not None else None

    async def save(self, report: Report, expected: tuple[int, datetime] | None) -> None:
        table = reconciliations
        values = {
            "passes": report.passes,
            "stage": report.stage.value,
            "compared_until": report.compared_until,
            "started_at": report.started_at,
            "finished_at": report.finished_at,
            "payments": report.payments,
            "refunds": report.refunds,
            "findings": [finding_to_json(finding) for finding in report.findings.values()],
        }
        if expected is None:
            key = {"payment_system": report.payment_system, "day": report.day}
            await self._connection.execute(insert(table).values(**key, **values))
            return
        same = (table.c.payment_system == report.payment_system) & (table.c.day == report.day)
        as_read = (table.c.passes == expected[0]) & (table.c.compared_until == expected[1])
        if (await self._connection.execute(update(table).where(same, as_read).values(**values))).rowcount != 1:
            raise RuntimeError(f"{report.payment_system} {report.day} is being reconciled by somebody else")

    async def open_cases(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        if not keys:
            return set()
        named = tuple_(cases.c.kind, cases.c.subject).in_(list(keys))
        query = select(cases.c.kind, cases.c.subject).where(named, cases.c.resolved_at.is_(None))
        return {(row.kind, row.subject) for row in await self._connection.execute(query)}

    async def payments(
        self, payment_systems: Collection[str], provider_ids: Collection[str], our_ids: Collection[UUID]
    ) -> list[Payment]:
        known = or_(
            # IS NOT NULL is said, not implied: the index is for those only.
            payments.c.provider_payment_id.is_not(None)
            & _among(payments.c.provider_payment_id, "provider_ids", provider_ids, Text()),
            _among(payments.c.id, "our_ids", our_ids, Uuid()),
        )
        return await self._payments(select(payments).where(payments.c.payment_system.in_(payment_systems), known))

    async def payments_made(
        self, payment_systems: Collection[str], since: datetime, until: datetime, after: Payment | None, limit: int
    ) -> list[Payment]:
        known_there = payments.c.provider_payment_id.is_not(None) | (payments.c.status == "succeeded")
        query = _made(payments, payment_systems, since, until, after, limit).where(
            known_there, payments.c.kind != PaymentKind.BINDING.value
        )
        return await self._payments(query)

    async def refunds(
        self, payment_systems: Collection[str], provider_ids: Collection[str], our_ids: Collection[UUID]
    ) -> list[Refund]:
        known = or_(
            # IS NOT NULL is said, not implied: the index is for those only.
            refunds.c.provider_refund_id.is_not(None)
            & _among(refunds.c.provider_refund_id, "provider_ids", provider_ids, Text()),
            _among(refunds.c.id, "our_ids", our_ids, Uuid()),
        )
        return await self._refunds(select(refunds).where(refunds.c.payment_system.in_(payment_systems), known))

    async def refunds_made(
        self, payment_systems: Collection[str], since: datetime, until: datetime, after: Refund | None, limit: int
    ) -> list[Refund]:
        known_there = refunds.c.provider_refund_id.is_not(None) | (refunds.c.status == "succeeded")
        query = _made(refunds, payment_systems, since, until, after, limit)
        return await self._refunds(query.where(known_there))

    async def refund_sums(self, payment_id: UUID) -> tuple[int, int]:
        def total(*states: str) -> ColumnElement[int]:
            return func.coalesce(func.sum(refunds.c.amount).filter(refunds.c.status.in_(states)), 0)

        query = select(total("succeeded"), total("pending", "unknown")).where(refunds.c.payment_id == payment_id)
        returned, under_way = (await self._connection.execute(query)).one()
        return int(returned), int(under_way)

    async def returned_outside(self, payment_id: UUID) -> int:
        outside = (refunds.c.payment_id == payment_id) & refunds.c.payment_system.is_(None)
        query = select(func.coalesce(func.sum(refunds.c.amount), 0)).where(outside, refunds.c.status == "succeeded")
        return int((await self._connection.execute(query)).scalar_one())

    async def returned_since(self, payment_id: UUID, since: datetime) -> list[int]:
        through_it = (refunds.c.payment_id == payment_id) & refunds.c.payment_system.is_not(None)
        settled = (refunds.c.status == "succeeded") & (refunds.c.settled_at > since)
        query = select(refunds.c.amount).where(through_it, settled).order_by(refunds.c.settled_at.desc())
        return list((await self._connection.execute(query)).scalars())

    async def told_of(self, subscription_id: UUID, payment_id: UUID) -> list[str]:
        of_it = (events.c.subscription_id == subscription_id) & (events.c.payment_id == payment_id)
        query = select(events.c.type, events.c.at).where(of_it).order_by(events.c.at, events.c.id).limit(50)
        return [f"{row.type} {row.at.isoformat()}" for row in await self._connection.execute(query)]

    async def has_unheard_money(self, subscription_id: UUID) -> bool:
        query = select(holds_unheard_money(literal(subscription_id, Uuid())))
        return bool((await self._connection.execute(query)).scalar_one())

    async def _payments(self, query: Select[Any]) -> list[Payment]:
        return [rows.PAYMENTS.from_row(row) for row in (await self._connection.execute(query)).mappings()]

    async def _refunds(self, query: Select[Any]) -> list[Refund]:
        return [rows.REFUNDS.from_row(row) for row in (await self._connection.execute(query)).mappings()]


def holds_unheard_money(subscription_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """SQL for `Reconciliations.has_unheard_money`."""
    return exists().where(
        cases.c.kind == FindingKind.UNKNOWN_HERE.value,
        cases.c.resolved_at.is_(None),
        cases.c.facts["history"].astext == "[]",
        cases.c.facts["metadata"]["subscription_id"].astext == cast(subscription_id, Text),
    )


def _among(column: ColumnElement[Any], name: str, values: Collection[object], kind: Any) -> ColumnElement[bool]:
    """One array as a parameter, so that a page of any length is the same statement."""
    return column == any_(bindparam(name, list(values), type_=ARRAY(kind)))


def _made(
    table: Table,
    payment_systems: Collection[str],
    since: datetime,
    until: datetime,
    after: Payment | Refund | None,
    limit: int,
) -> Select[Any]:
    """In the order of an index on created_at."""
    query = select(table).where(
        table.c.payment_system.in_(payment_systems), table.c.created_at >= since, table.c.created_at < until
    )
    if after is not None:
        query = query.where(
            table.c.created_at >= after.created_at,
            tuple_(table.c.created_at, table.c.id) > tuple_(after.created_at, after.id),
        )
    return query.order_by(table.c.created_at, table.c.id).limit(limit)


def _report(row: Mapping[str, Any]) -> Report:
    return Report(
        payment_system=row["payment_system"],
        day=row["day"],
        passes=row["passes"],
        stage=Stage(row["stage"]),
        compared_until=row["compared_until"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        payments=row["payments"],
        refunds=row["refunds"],
        findings={finding.key: finding for finding in map(finding_from_json, row["findings"])},
    )


async def begin_of_books(connection: AsyncConnection, payment_systems: Collection[str]) -> datetime | None:
    """When the first sale through them was made. Subscriptions tell it too, in case that a payment's row is gone."""
    instants = []
    for table in (payments, subscriptions):
        query = select(table.c.created_at).where(table.c.payment_system.in_(payment_systems))
        query = query.order_by(table.c.created_at).limit(1)
        instants.append((await connection.execute(query)).scalar_one_or_none())
    return min((at for at in instants if at is not None), default=None)


async def finished_days(connection: AsyncConnection, payment_system: str) -> set[date]:
    table = reconciliations
    query = select(table.c.day).where(table.c.payment_system == payment_system, table.c.finished_at.is_not(None))
    return set((await connection.execute(query)).scalars())


async def days_with_open_cases(connection: AsyncConnection, payment_system: str) -> set[date]:
    query = select(cases.c.facts["day"].astext.cast(Date)).where(
        cases.c.resolved_at.is_(None),
        cases.c.kind.startswith("reconcile_", autoescape=True),
        cases.c.facts["payment_system"].astext == payment_system,
    )
    return set((await connection.execute(query.distinct())).scalars())


async def count_open_cases(connection: AsyncConnection) -> int:
    """How many findings of reconciliation wait for a person."""
    query = select(func.count()).where(
        cases.c.resolved_at.is_(None), cases.c.kind.startswith("reconcile_", autoescape=True)
    )
    return int((await connection.execute(query)).scalar_one())


async def report_of(connection: AsyncConnection, payment_system: str, day: date) -> Report | None:
    return await PostgresReconciliations(connection).report(payment_system, day)
