"""One transaction of the write side: changes, events, outbox, mails and reply commit together (invariant 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, case, func, literal, null, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import PersonErased
from domain.events import Actor, Event
from domain.letters import owed_letters
from domain.payment import Payment
from domain.periods import DEFAULT_ZONE
from domain.person import Person
from domain.ports import Clock, LostRace, NewId
from domain.rules import Rules
from domain.subscription import Subscription
from infrastructure.json_text import dump
from infrastructure.postgres import books, tables
from infrastructure.postgres.cases import PostgresCases
from infrastructure.postgres.documents import PostgresDocuments
from infrastructure.postgres.inbox import PostgresInbox
from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.reconciliations import PostgresReconciliations

Step = Callable[["PostgresUnitOfWork"], Awaitable[None]]

# Statements that every transaction runs are built once: building one takes longer than running it.
_LOCK_PERSON = Prepared(
    select(tables.users.c.erased_at).where(tables.users.c.id == bindparam("id")).with_for_update(key_share=True)
)
# Where another transaction makes the same person meanwhile, this one waits for it and locks what it made.
_NEW_PERSON = Prepared(
    upsert(tables.users)
    .on_conflict_do_update(index_elements=["id"], set_={"id": tables.users.c.id})
    .returning(tables.users.c.erased_at)
)
_ERASE_PERSON = (
    update(tables.users)
    .where(tables.users.c.id == bindparam("its_id"))
    .values(
        email=None,
        name=None,
        locale=None,
        zone=None,
        erased_at=func.coalesce(tables.users.c.erased_at, bindparam("at")),
    )
    .returning(tables.users.c.erased_at)
)
# What persons wrote in their own words.
_ERASE_WORDS = (
    update(tables.subscriptions)
    .where(tables.subscriptions.c.user_id == bindparam("its_id"), tables.subscriptions.c.cancel_reason.is_not(None))
    .values(cancel_reason=None),
    update(tables.refunds)
    .where(tables.refunds.c.user_id == bindparam("its_id"), tables.refunds.c.reason.is_not(None))
    .values(reason=None),
)
_WRITE_DOWN = Prepared(
    text("""
    WITH raised AS (
        UPDATE users SET version = version + 1 WHERE id = ANY(CAST(:persons AS uuid[])) RETURNING id, version
    ), happened AS (
        INSERT INTO events (id, at, type, user_id, subscription_id, payment_id, refund_id,
                            actor_kind, actor_id, request_id, data)
        SELECT id, at, type, user_id, subscription_id, payment_id, refund_id, :actor_kind, :actor_id, :request_id, data
          FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e (
              id uuid, at timestamptz, type text, user_id uuid, subscription_id uuid, payment_id uuid, refund_id uuid,
              data jsonb)
    ), owed AS (
        INSERT INTO mails (id, user_id, events, object_id, facts, request_id, created_at)
        SELECT id, user_id, events, object_id, facts, :request_id, created_at
          FROM jsonb_to_recordset(CAST(:mails AS jsonb)) AS m (
              id uuid, user_id uuid, events text, object_id uuid, facts jsonb, created_at timestamptz)
    ), told AS (
        INSERT INTO outbox (projection, user_id, object_id, version)
        SELECT 'history', user_id, id, version
          FROM unnest(CAST(:payers AS uuid[]), CAST(:payments AS uuid[]), CAST(:versions AS bigint[]))
               AS p (user_id, id, version)
        UNION ALL
        SELECT 'access', id, id, version FROM raised WHERE id = ANY(CAST(:subscribers AS uuid[]))
        RETURNING id
    )
    SELECT min(id) AS first, max(id) AS last FROM told
""")
)
"""All that goes with a change, in one statement: versions, events, mails, and what projections are owed."""
_OTHERS_WERE_QUICKER = ("23503", "23505")  # foreign key, unique: what was read before the lock holds no more


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
        self.line = line = PostgresLine(connection)
        self.plans = books.PlanBook(line, now)
        self.subscriptions = books.SubscriptionBook(line)
        self.payments = books.PaymentBook(line)
        self.refunds = books.RefundBook(line)
        self.payment_methods = books.PaymentMethodBook(line)
        self.cards = books.CardBook(line)
        self.registrations = books.RegistrationBook(line)
        self.cases = PostgresCases(line, around.new_id)
        self.inbox = PostgresInbox(line, around.new_id)
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
        locked = await self.line.row(_LOCK_PERSON, whom)
        if locked is None:
            locked = await self.line.row(_NEW_PERSON, whom)
        assert locked is not None
        if locked["erased_at"] is not None:
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
        # Of somebody new it is the best there is; later a token may be older than what auth says: asked before a mail.
        now = literal(self._around.clock.now(), tables.users.c.refreshed_at.type)
        refreshed_at = case((tables.users.c.email.is_(None), now), else_=null())
        await self.connection.execute(
            update(tables.users)
            .where(tables.users.c.id == person.id, tables.users.c.erased_at.is_(None), differs)
            .values(**said, refreshed_at=refreshed_at)
        )

    async def erase_person(self, user_id: UUID, at: datetime) -> datetime | None:
        self._persons.add(user_id)
        erased: datetime | None = (
            await self.connection.execute(_ERASE_PERSON, {"its_id": user_id, "at": at})
        ).scalar_one_or_none()
        for words in _ERASE_WORDS:
            await self.connection.execute(words, {"its_id": user_id})
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
        return await books.zone_of(self.line, user_id) or DEFAULT_ZONE

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
        await self._write_down(subscriptions, payments)

    async def _write_down(self, subscriptions: Sequence[Subscription], payments: Sequence[Payment]) -> None:
        subscribers = {one.user_id for one in subscriptions}
        if not (self._events or subscribers or payments):
            return
        written = await self.line.row(
            _WRITE_DOWN,
            {
                "persons": sorted(subscribers | {one.user_id for one in payments}),
                "subscribers": sorted(subscribers),
                "payers": [one.user_id for one in payments],
                "payments": [one.id for one in payments],
                "versions": [one.version for one in payments],
                "actor_kind": self._actor.kind.value,
                "actor_id": self._actor.id,
                "request_id": self._request_id,
                "events": dump([self._event(event) for event in self._events]).decode(),
                "mails": dump(self._letters()).decode(),
            },
        )
        if written is not None and written["first"] is not None:
            self.written = Written(written["first"], written["last"])

    def _event(self, event: Event) -> dict[str, object]:
        return {
            "id": str(self._around.new_id()),
            "at": event.at.isoformat(),
            "type": event.type.value,
            "user_id": str(event.user_id),
            "subscription_id": str(event.subscription_id),
            "payment_id": _text(event.payment_id),
            "refund_id": _text(event.refund_id),
            "data": event.data,
        }

    def _letters(self) -> list[dict[str, object]]:
        return [
            {
                "id": str(self._around.new_id()),
                "user_id": str(letter.user_id),
                "events": " ".join(letter.events),
                "object_id": str(letter.object_id),
                "facts": letter.facts,
                "created_at": self._events[0].at.isoformat(),
            }
            for letter in owed_letters(self._events)
        ]


def _text(its_id: UUID | None) -> str | None:
    return None if its_id is None else str(its_id)


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
