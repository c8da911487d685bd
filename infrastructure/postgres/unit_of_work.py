"""One transaction of the write side: changes, events, outbox, mails and reply commit together (invariant 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import any_, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PGUUID
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import PersonErased
from domain.events import Actor, Event
from domain.letters import owed_letters
from domain.periods import DEFAULT_ZONE
from domain.person import Person
from domain.ports import Clock, LostRace, NewId
from domain.rules import Rules
from infrastructure.postgres import books, tables
from infrastructure.postgres.cases import PostgresCases
from infrastructure.postgres.documents import PostgresDocuments
from infrastructure.postgres.inbox import PostgresInbox
from infrastructure.postgres.reconciliations import PostgresReconciliations

Step = Callable[["PostgresUnitOfWork"], Awaitable[None]]

# Statements that every transaction runs are built once: building one takes longer than running it.
_LOCK_PERSON = (
    select(tables.users.c.erased_at).where(tables.users.c.id == bindparam("id")).with_for_update(key_share=True)
)
# Where another transaction makes the same person meanwhile, this one waits for it and locks what it made.
_NEW_PERSON = (
    upsert(tables.users)
    .on_conflict_do_update(index_elements=["id"], set_={"id": tables.users.c.id})
    .returning(tables.users.c.erased_at)
)
_ERASE_PERSON = (
    update(tables.users)
    .where(tables.users.c.id == bindparam("its_id"))
    .values(email=None, name=None, locale=None, erased_at=func.coalesce(tables.users.c.erased_at, bindparam("at")))
    .returning(tables.users.c.erased_at)
)
_RAISE_VERSIONS = (
    update(tables.users)
    .where(tables.users.c.id == any_(bindparam("user_ids", type_=ARRAY(PGUUID(as_uuid=True)))))
    .values(version=tables.users.c.version + 1)
    .returning(tables.users.c.id, tables.users.c.version)
)
_OWED_TO_PROJECTIONS = text("""
    INSERT INTO outbox (projection, user_id, object_id, version)
    SELECT * FROM unnest(
        CAST(:projections AS text[]), CAST(:user_ids AS uuid[]),
        CAST(:object_ids AS uuid[]), CAST(:versions AS bigint[])
    )
    RETURNING id
""")
_NEW_EVENT = insert(tables.events)
_OTHERS_WERE_QUICKER = ("23503", "23505")  # foreign key, unique: what was read before the lock holds no more
_NEW_MAIL = insert(tables.mails)


def _unwatched(_: Sequence[Event]) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every transaction of a process shares. `watch` is told what has happened, after each commit."""

    engine: AsyncEngine
    clock: Clock
    new_id: NewId
    rules: Rules
    base_url: str
    watch: Callable[[Sequence[Event]], None] = _unwatched


@dataclass(frozen=True, slots=True)
class Written:
    """Outbox rows of this transaction, first and last id: what a consistency token is made of."""

    first: int
    last: int


class PostgresUnitOfWork:
    """Implements domain.ports.UnitOfWork; made by `open_unit_of_work`."""

    def __init__(self, connection: AsyncConnection, around: Surroundings, actor: Actor, request_id: str | None) -> None:
        self.now = now = around.clock.now()
        self.connection = connection
        self.plans = books.PlanBook(connection, now)
        self.subscriptions = books.SubscriptionBook(connection)
        self.payments = books.PaymentBook(connection)
        self.refunds = books.RefundBook(connection)
        self.payment_methods = books.PaymentMethodBook(connection)
        self.cards = books.CardBook(connection)
        self.registrations = books.RegistrationBook(connection)
        self.cases = PostgresCases(connection, around.new_id)
        self.inbox = PostgresInbox(connection, around.new_id)
        self.documents = PostgresDocuments(connection, around.base_url, around.rules, now)
        self.reconciliations = PostgresReconciliations(connection)
        self.result: object = None
        self.written: Written | None = None
        self._around = around
        self._actor = actor
        self._request_id = request_id
        self._events: list[Event] = []
        self._persons: set[UUID] = set()
        self._erased: set[UUID] = set()

    async def lock_person(self, user_id: UUID) -> None:
        whom = {"id": user_id}
        self._persons.add(user_id)
        locked = (await self.connection.execute(_LOCK_PERSON, whom)).one_or_none()
        if locked is None:
            locked = (await self.connection.execute(_NEW_PERSON, whom)).one()
        if locked.erased_at is not None:
            self._erased.add(user_id)

    def is_erased(self, user_id: UUID) -> bool:
        return user_id in self._erased

    async def remember_person(self, person: Person) -> None:
        if self.is_erased(person.id):
            raise PersonErased
        known = {"email": person.email, "name": person.name, "locale": person.locale, "zone": person.zone}
        said = {name: value for name, value in known.items() if value is not None}
        if not said:
            return
        differs = func.row(*(tables.users.c[name] for name in said)).is_distinct_from(func.row(*said.values()))
        await self.connection.execute(
            update(tables.users)
            .where(tables.users.c.id == person.id, differs)
            .values(**said, refreshed_at=self._around.clock.now())
        )

    async def erase_person(self, user_id: UUID, at: datetime) -> datetime | None:
        self._persons.add(user_id)
        erased: datetime | None = (
            await self.connection.execute(_ERASE_PERSON, {"its_id": user_id, "at": at})
        ).scalar_one_or_none()
        return erased

    async def owed_to_projections(self) -> Written:
        """What this transaction wrote or, where another was quicker, what is still owed of those whom it is about."""
        if self.written is None and self._persons:
            whose = tables.outbox.c.user_id.in_(self._persons)
            query = select(func.min(tables.outbox.c.id), func.max(tables.outbox.c.id)).where(whose)
            first, last = (await self.connection.execute(query)).one()
            return Written(first or 0, last or 0)
        return self.written or Written(0, 0)

    async def zone_of(self, user_id: UUID) -> str:
        return await books.zone_of(self.connection, user_id) or DEFAULT_ZONE

    def record(self, event: Event) -> None:
        self._events.append(event)

    @property
    def recorded(self) -> Sequence[Event]:
        return self._events

    def conclude(self, result: object) -> None:
        self.result = result

    async def flush(self) -> None:
        """Write everything; called once, before the commit. Methods first and refunds last, as keys point."""
        await self.plans.flush()
        await self.registrations.flush()
        await self.payment_methods.flush()
        await self.cards.flush()
        subscriptions = await self.subscriptions.flush()
        payments = await self.payments.flush()
        await self.refunds.flush()
        versions = await self._raise_versions({*(s.user_id for s in subscriptions), *(p.user_id for p in payments)})
        rows: list[dict[str, object]] = [
            {"projection": "history", "user_id": p.user_id, "object_id": p.id, "version": p.version} for p in payments
        ]
        rows += [
            {"projection": "access", "user_id": user_id, "object_id": user_id, "version": versions[user_id]}
            for user_id in sorted({s.user_id for s in subscriptions})
        ]
        if rows:
            columns = {f"{name}s": [row[name] for row in rows] for name in rows[0]}
            ids = list((await self.connection.execute(_OWED_TO_PROJECTIONS, columns)).scalars())
            self.written = Written(min(ids), max(ids))
        await self._write_events()

    async def _raise_versions(self, user_ids: set[UUID]) -> dict[UUID, int]:
        if not user_ids:
            return {}
        raised = await self.connection.execute(_RAISE_VERSIONS, {"user_ids": sorted(user_ids)})
        return {row.id: row.version for row in raised}

    async def _write_events(self) -> None:
        if not self._events:
            return
        new_id = self._around.new_id
        happened = [
            {
                "id": new_id(),
                "at": event.at,
                "type": event.type.value,
                "user_id": event.user_id,
                "subscription_id": event.subscription_id,
                "payment_id": event.payment_id,
                "refund_id": event.refund_id,
                "actor_kind": self._actor.kind.value,
                "actor_id": self._actor.id,
                "request_id": self._request_id,
                "data": dict(event.data),
            }
            for event in self._events
        ]
        await self.connection.execute(_NEW_EVENT, happened)
        letters = [
            {
                "id": new_id(),
                "user_id": letter.user_id,
                "events": " ".join(letter.events),
                "object_id": letter.object_id,
                "facts": dict(letter.facts),
                "request_id": self._request_id,
                "created_at": self._events[0].at,
            }
            for letter in owed_letters(self._events)
        ]
        if letters:
            await self.connection.execute(_NEW_MAIL, letters)


@dataclass(frozen=True, slots=True)
class Transactions:
    """Opens units of work in the name of one actor, within one request; implements domain.ports.OpenUnitOfWork."""

    around: Surroundings
    actor: Actor
    request_id: str | None = None

    @asynccontextmanager
    async def __call__(
        self, at_start: Step | None = None, before_commit: Step | None = None
    ) -> AsyncIterator[PostgresUnitOfWork]:
        """`at_start` and `before_commit` run inside the transaction, the latter after everything was written."""
        try:
            async with self.around.engine.begin() as connection:
                uow = PostgresUnitOfWork(connection, self.around, self.actor, self.request_id)
                if at_start is not None:
                    await at_start(uow)
                yield uow
                await uow.flush()
                if before_commit is not None:
                    await before_commit(uow)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) in _OTHERS_WERE_QUICKER:
                raise LostRace(str(error.orig)) from error
            raise
        self.around.watch(uow.recorded)
