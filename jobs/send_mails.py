"""Sends the mails that are owed (PAY-8, invariant 10): each until the server took it, and never inside a transaction.

The queue is the table `mails`. A mail is taken just before it is sent, by pushing its `retry_by` ahead: a worker that
is killed gives it back by saying nothing, and however many mails wait, none is held longer than its own try takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import structlog
from sqlalchemy import Update, and_, bindparam, case, func, null, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.person import Unavailable
from domain.ports import Clock, Directory
from infrastructure.ids import new_id
from infrastructure.mail.letters import Letter, render
from infrastructure.mail.smtp import Mail, Sent, SmtpSender, TryLater, Undeliverable
from infrastructure.mail.wording import DEFAULT_ZONE
from infrastructure.observability.redaction import redact_text
from infrastructure.observability.request_id import following
from infrastructure.postgres.cases import PostgresCases
from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.tables import mails
from infrastructure.postgres.wall import WALL_NOW
from jobs.mail_readers import Reader, Readers
from jobs.places import Places

log = structlog.get_logger(__name__)

DEFAULT_LOCALE: Final = "ru"
_AT_ONCE: Final = 4
_LEASE_S: Final = 60
_TRY_S: Final = 45.0  # well within the lease, so that no other worker starts on a mail that is still being sent
_LONGEST_PAUSE_S: Final = 300
_LONGEST_PAUSE_AFTER_REFUSALS_S: Final = 3600
_REFUSED_FOR: Final = timedelta(days=3)
_LONGEST_ERROR: Final = 500


_IS_DUE = and_(mails.c.status == "owed", mails.c.retry_by <= WALL_NOW)
_HOW_MANY = Prepared(
    select(func.count()).select_from(select(mails.c.id).where(_IS_DUE).limit(bindparam("most")).subquery())
)
_DUE_LONGEST = (
    select(mails.c.id)
    .where(_IS_DUE)
    .order_by(mails.c.retry_by, mails.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_OWED = ("id", "user_id", "events", "object_id", "facts", "request_id", "attempts")
_TAKE = Prepared(
    update(mails)
    .where(mails.c.id == _DUE_LONGEST)
    .values(retry_by=WALL_NOW + timedelta(seconds=_LEASE_S), attempts=mails.c.attempts + 1)
    .returning(*(mails.c[name] for name in _OWED))
)
_STILL_OWED = update(mails).where(mails.c.id == bindparam("its_id"), mails.c.status == "owed")
_SENT = Prepared(
    _STILL_OWED.values(
        status="sent", sent_at=bindparam("at"), retry_by=None, last_error=None, refused_since=None
    ).returning(mails.c.status)
)


@dataclass(frozen=True, slots=True)
class _Owed:
    """A mail that this worker holds until the lease ends. `attempts` counts this try and tells it from later ones."""

    id: UUID
    user_id: UUID
    events: str
    object_id: UUID
    facts: Mapping[str, Any] = field(repr=False)
    request_id: str | None
    attempts: int


class MailRoom:
    """Any number may work on one table. `clock` dates the mails.

    `account_url`: the cinema's page where a person sees their subscriptions and pays; None: mails have no buttons.
    `support`: an address or page of those who help; None: mails speak of them and name none.
    `directory`: asked for the address of a person who has none here, as where a service subscribed them, and once a day
    for the present one; while it is away the copy is used (AUTH-5).
    """

    def __init__(
        self,
        engine: AsyncEngine,
        sender: SmtpSender,
        account_url: str | None,
        clock: Clock,
        directory: Directory | None = None,
        *,
        support: str | None = None,
    ) -> None:
        self._books = engine
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")  # each statement stands for itself
        self._sender = sender
        self._account_url = account_url
        self._support = support
        self._clock = clock
        self._readers = Readers(self._engine, clock, directory)
        self._places = Places(_AT_ONCE)

    async def send_owed(self, limit: int = 50) -> int:
        """Try each mail that is due, at most `limit` of them; returns how many were sent.

        Four are under way at a time, whichever round took them: where none of the four is free, nothing is done.
        What befalls one mail is written down and stops no other. Raises SQLAlchemy's errors where the books can't be
        read at all, once the mails under way have ended.
        """
        turns = iter(range(limit))
        sent = 0

        async def lanes(free: int) -> range:
            return range(await self._due(min(free, limit)))

        async def lane(_: int) -> None:
            nonlocal sent
            for _ in turns:
                owed = await self._take()
                if owed is None:
                    break
                with following(owed.request_id):
                    went_out = await self._handle(owed)
                sent += went_out

        await self._places.fill(lanes, lane)
        return sent

    async def _due(self, most: int) -> int:
        """How many are due, at most so many: no more lanes than mails, and mostly none."""
        async with PostgresLine.alone(self._engine) as line:
            return int(await line.value(_HOW_MANY, {"most": most}))

    async def _take(self) -> _Owed | None:
        """Claim the mail that has been due longest, or None."""
        async with PostgresLine.alone(self._engine) as line:
            row = await line.row(_TAKE, {})
        return None if row is None else _Owed(**row)

    async def _handle(self, owed: _Owed) -> bool:
        """One try, written down. Whatever goes wrong, the mail comes back: at the latest when its lease ends."""
        about = {"mail_id": str(owed.id), "events": owed.events, "attempt": owed.attempts}
        try:
            at = self._clock.now()  # before the sending: no trouble with a clock may hide that a mail went out
            try:
                async with asyncio.timeout(_TRY_S):
                    outcome = await self._try(owed, at)
            except Exception as error:
                log.exception("mail_try_failed", **about)
                outcome = TryLater(f"{type(error).__name__}: {error}")
            status = await self._note(owed, outcome, at)
        except Exception:
            log.exception("mail_outcome_not_written", **about)
            return False
        if isinstance(outcome, Sent):
            log.info("mail_sent", **about)
            return True
        level, event = (log.warning, "mail_undeliverable") if status == "undeliverable" else (log.info, "mail_later")
        level(event, why=_fit(outcome.why), **about)
        return False

    async def _try(self, owed: _Owed, at: datetime) -> Sent | TryLater | Undeliverable:
        reader = await self._reader(owed)
        if reader is None:
            return Undeliverable("the person is not known", address=True)
        if reader.erased_at is not None:
            return Undeliverable("the person was erased", address=True)
        asks = not reader.is_fresh(at)
        if asks:
            told = await self._readers.ask_anew(reader)
            if isinstance(told, Unavailable) and not reader.address:
                return TryLater(f"auth cannot be asked for the address: {told.why}")
            reader = reader if isinstance(told, Unavailable) else told
        outcome = await self._sent_to(reader, owed, at)
        if isinstance(outcome, Undeliverable) and outcome.address and not asks:  # they may have another one by now
            told = await self._readers.ask_anew(reader)
            if not isinstance(told, Unavailable) and told.address != reader.address:
                return await self._sent_to(told, owed, at)
        return outcome

    async def _reader(self, owed: _Owed) -> Reader | None:
        """A reminder names the method that will be charged; other mails without a payment name none."""
        reminds = "subscription.charge_planned" in owed.events.split()
        renewing = _uuid(owed.facts.get("subscription_id")) if reminds else None
        return await self._readers.find(owed.user_id, _uuid(owed.facts.get("payment_id")), renewing)

    async def _sent_to(self, reader: Reader, owed: _Owed, at: datetime) -> Sent | TryLater | Undeliverable:
        if not reader.address:
            return Undeliverable("the person has no e-mail address", address=True)
        facts = dict(owed.facts)
        if reader.name:
            facts["person_name"] = reader.name
        if reader.method_title:
            facts["method_title"] = reader.method_title
        events = tuple(owed.events.split())
        facts |= {**self._links(facts), "support": self._support}
        letter = render(Letter(events, _language(reader.locale), reader.zone or DEFAULT_ZONE, facts))
        return await self._sender.send(
            Mail(
                to=reader.address,
                message_id=str(owed.id),  # of the row, hence the same at each try
                date=at,
                events=events,
                object_id=str(owed.object_id),
                subject=letter.subject,
                text=letter.text,
                html=letter.html,
            )
        )

    def _links(self, facts: Mapping[str, Any]) -> dict[str, str]:
        """The cinema's page, told what the mail is about: the API's own addresses want a token, which no mail has."""
        if self._account_url is None:
            return {}
        links = {"manage_url": _about(self._account_url, "subscription", _uuid(facts.get("subscription_id")))}
        refund_id, payment_id = _uuid(facts.get("refund_id")), _uuid(facts.get("payment_id"))
        if refund_id is not None:
            links["status_url"] = _about(self._account_url, "refund", refund_id)
        elif payment_id is not None:
            links["status_url"] = _about(self._account_url, "payment", payment_id)
        return links

    async def _note(self, owed: _Owed, outcome: Sent | TryLater | Undeliverable, at: datetime) -> str | None:
        """Write the outcome down; the status that the mail has by it, None where another try holds it.

        That a mail was sent is true whoever holds it now; the rest is this try's only.
        """
        try:
            return await self._write(owed, outcome, at)
        except DBAPIError:  # a connection that Postgres's restart broke meanwhile; unwritten, the mail is sent twice
            return await self._write(owed, outcome, at)

    async def _write(self, owed: _Owed, outcome: Sent | TryLater | Undeliverable, at: datetime) -> str | None:
        """With its case or not at all: nothing that a person waits for is given up silently."""
        status: str | None
        match outcome:
            case Sent():
                async with PostgresLine.alone(self._engine) as line:
                    status = await line.value(_SENT, {"its_id": owed.id, "at": at})
                return status
            case TryLater(why, refused):
                change = _refused(owed, why) if refused else _later(owed, why)
            case Undeliverable(why):
                change = _mine(owed).values(status="undeliverable", retry_by=None, last_error=_fit(why))
        async with self._books.begin() as connection:
            written = await connection.execute(change.returning(mails.c.status), {"its_id": owed.id})
            status = written.scalar_one_or_none()
            if status == "undeliverable" and not (isinstance(outcome, Undeliverable) and outcome.address):
                await self._open_case(connection, owed, why, at)
        return status

    async def _open_case(self, connection: AsyncConnection, owed: _Owed, why: str, at: datetime) -> None:
        await PostgresCases(PostgresLine(connection), new_id).open(
            "mail_undeliverable",
            str(owed.id),
            f"It is given up after {owed.attempts} tries, though not for its address: {_fit(why)}",
            at,
            user_id=owed.user_id,
            payment_id=_uuid(owed.facts.get("payment_id")),
            refund_id=_uuid(owed.facts.get("refund_id")),
            facts={"events": owed.events, "attempts": owed.attempts},
        )


def pause_s(attempts: int, longest_s: int = _LONGEST_PAUSE_S) -> int:
    """Seconds until the next try after so many: 2, 4, 8, … up to five minutes."""
    return min(1 << min(attempts, 16), longest_s)


def _later(owed: _Owed, why: str) -> Update:
    pause = timedelta(seconds=pause_s(owed.attempts))
    return _mine(owed).values(retry_by=WALL_NOW + pause, refused_since=None, last_error=_fit(why))


def _refused(owed: _Owed, why: str) -> Update:
    """Tried again for three days: a server that is set up wrongly refuses everybody, and is put right."""
    pause = timedelta(seconds=pause_s(owed.attempts, _LONGEST_PAUSE_AFTER_REFUSALS_S))
    given_up = mails.c.refused_since <= func.statement_timestamp() - _REFUSED_FOR  # one instant in both columns
    return _mine(owed).values(
        status=case((given_up, "undeliverable"), else_="owed"),
        retry_by=case((given_up, null()), else_=WALL_NOW + pause),
        refused_since=func.coalesce(mails.c.refused_since, WALL_NOW),
        last_error=_fit(why),
    )


def _mine(owed: _Owed) -> Update:
    """What changes it only while this try holds it."""
    return _STILL_OWED.where(mails.c.attempts == owed.attempts)


def _language(locale: str | None) -> str:
    """`en-GB`, `en_US.UTF-8` → `en`; what the letters do not speak becomes Russian there."""
    return (locale or DEFAULT_LOCALE).strip()[:2].lower()


def _about(page: str, what: str, its_id: UUID | None) -> str:
    """The page's address with the id in its query, beside what stands there already."""
    if its_id is None:
        return page
    parts = urlsplit(page)
    query = "&".join(filter(None, (parts.query, urlencode({what: its_id}))))
    return parts._replace(query=query).geturl()


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _fit(why: str) -> str:
    """For tables and logs: servers like to repeat the address in their answers. NUL is no text for Postgres."""
    return redact_text(why.replace("\x00", " "))[:_LONGEST_ERROR]
