"""What the workers do: each sweep takes what is due from Postgres, which alone is the truth (invariant 12).

A sweep may run in any number of processes at once. What two of them take, one finds done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import Table, delete, literal, or_, select, tuple_, update

from bootstrap import Service
from commands.ask_for_method import AskForMethod, ask_for_method
from commands.collect_payment import CollectPayment, collect, collect_payment
from commands.end_subscription import EndSubscription, end_subscription
from commands.patience import LONGEST_WAIT
from commands.receive_notification import SILENCE, TRIES, FollowNotification, follow_notification
from commands.remind_of_charge import RemindOfCharge, remind_of_charge
from commands.renew_subscription import NothingToCharge, RenewSubscription, renew_subscription
from commands.send_refund import SendRefund, send_refund
from domain.payment import Payment
from domain.ports import CLAIM
from infrastructure.postgres.line import PostgresLine, Prepared, Row
from infrastructure.postgres.tables import idempotency_keys, inbox, payments, refunds, subscriptions
from infrastructure.postgres.wall import WALL_NOW
from jobs.allowance import Allowance
from jobs.due import (
    FIND_ENDINGS,
    FIND_REMINDERS,
    GIVE_BACK,
    TAKE_CHARGES,
    TAKE_NOTIFICATIONS,
    TAKE_STRANGERS,
    TAKE_UNRESOLVED,
)
from jobs.duty import Duty
from jobs.send_mails import MailRoom

log = structlog.get_logger(__name__)

_BATCH = 100
# Each duty has places of its own, so that none waits behind another. A payment system is asked sixteen questions at
# once at most: the first five here are that many together. All but the mails are fewer than connections to Postgres.
_RENEWALS, _PAYMENTS, _REFUNDS, _NOTIFICATIONS, _STRANGERS = 8, 2, 2, 3, 1
_REMINDERS, _ENDINGS = 1, 1
_STRANGERS_A_SECOND = 10
_MAILS_A_ROUND = 20  # four at a time, each for 45 s at most: a round has ended before it is cut short
_KEYS_LIVE = timedelta(days=8)
_NOTIFICATIONS_LIVE = timedelta(days=30)
_STRANGERS_LIVE = timedelta(days=2)
_AT_A_TIME = 20_000


class Sweeps:
    """The duties of a worker. Each method does one round and returns how much it did."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine.execution_options(
            isolation_level="AUTOCOMMIT"
        )  # each statement stands for itself
        self._renewing = Duty(service, "renewal", subscriptions, _RENEWALS)
        self._reminding = Duty(service, "reminder", subscriptions, _REMINDERS)
        self._ending = Duty(service, "ending", subscriptions, _ENDINGS)
        self._collecting = Duty(service, "payment", payments, _PAYMENTS)
        self._returning = Duty(service, "refund", refunds, _REFUNDS)
        self._following = Duty(service, "notification", inbox, _NOTIFICATIONS)
        self._allowance = Allowance(_STRANGERS_A_SECOND, lambda: asyncio.get_running_loop().time())
        self._with_strangers = asyncio.Lock()
        self._following_strangers = Duty(service, "notification", inbox, _STRANGERS)
        given = service.settings
        self._mails = MailRoom(
            service.engine,
            service.mail_sender(),
            given.account_url,
            service.clock,
            service.directory,
            support=given.support_contact,
        )

    async def everything(self) -> int:
        """One round of each, in the order in which they feed each other."""
        rounds = (self.inbox, self.strangers, self.unresolved, self.endings, self.reminders, self.renewals, self.mails)
        return sum([await sweep() for sweep in rounds])

    async def renewals(self) -> int:
        """Charge what is due; a claim that lapses keeps two workers from taking the same one."""
        claims: dict[UUID, datetime] = {}
        went = await self._renewing.stream(partial(self._claim_due, claims), self._renew)
        await self._release(subscriptions, claims, went.done + went.set_back)
        return len(went.done)

    async def _claim_due(self, claims: dict[UUID, datetime], limit: int) -> Sequence[UUID]:
        return await self._claim(claims, TAKE_CHARGES, {"now": self._service.clock.now(), "most": limit})

    async def _renew(self, subscription_id: UUID) -> None:
        transactions = self._service.transactions()
        try:
            async with transactions() as uow:
                renewed = await renew_subscription(RenewSubscription(subscription_id), uow, self._service.world)
        except NothingToCharge:
            async with transactions() as uow:
                await ask_for_method(AskForMethod(subscription_id), uow, self._service.world)
            return
        if isinstance(renewed, Payment):
            await collect(renewed, transactions, self._service.world)

    async def reminders(self) -> int:
        ids = partial(self._ids, FIND_REMINDERS)
        return len((await self._reminding.batch(ids, self._remind)).done)

    async def _remind(self, subscription_id: UUID) -> None:
        async with self._service.transactions()() as uow:
            await remind_of_charge(RemindOfCharge(subscription_id), uow, self._service.world)

    async def endings(self) -> int:
        ids = partial(self._ids, FIND_ENDINGS)
        return len((await self._ending.batch(ids, self._end)).done)

    async def _end(self, subscription_id: UUID) -> None:
        async with self._service.transactions()() as uow:
            await end_subscription(EndSubscription(subscription_id), uow, self._service.world)

    async def unresolved(self) -> int:
        """The janitor: ask for everything that has not ended and whose time to be asked for has come."""
        return await self.unresolved_payments() + await self.unresolved_refunds()

    async def unresolved_payments(self) -> int:
        return await self._ask_for(self._collecting, "payment", payments, self._ask_for_payment)

    async def unresolved_refunds(self) -> int:
        return await self._ask_for(self._returning, "refund", refunds, self._ask_for_refund)

    async def _ask_for(
        self, duty: Duty, kind: str, table: Table, ask: Callable[[Mapping[UUID, datetime], UUID], Awaitable[None]]
    ) -> int:
        claims: dict[UUID, datetime] = {}  # until when: it may lapse while somebody is asked
        went = await duty.stream(partial(self._claim_unresolved, kind, claims), partial(ask, claims))
        await self._release(table, claims, went.done + went.needless + went.set_back)
        return len(went.done)

    async def _claim_unresolved(self, kind: str, claims: dict[UUID, datetime], limit: int) -> Sequence[UUID]:
        now = self._service.clock.now()
        too_far = self._service.world.wall.now() + LONGEST_WAIT
        when = {"now": now, "lapses": now + CLAIM, "too_far": too_far, "most": limit}
        return await self._claim(claims, TAKE_UNRESOLVED[kind], when)

    async def _ask_for_payment(self, claims: Mapping[UUID, datetime], payment_id: UUID) -> None:
        command = CollectPayment(payment_id, claims[payment_id])
        await collect_payment(command, self._service.transactions(), self._service.world)

    async def _ask_for_refund(self, claims: Mapping[UUID, datetime], refund_id: UUID) -> None:
        await send_refund(SendRefund(refund_id, claims[refund_id]), self._service.transactions(), self._service.world)

    async def inbox(self) -> int:
        """Notifications about what is ours."""
        claim = partial(self._claim_notifications, strangers=False)
        return len((await self._following.stream(claim, self._follow)).done)

    async def strangers(self) -> int:
        """Notifications about what nobody here knows, or waits for, one by one and only so many a second.

        A few are true: of a refund made in the cabinet, of a payment whose answer was lost, which the janitor asks for
        as well, or of money that came after all. The rest is forged, and whoever sends that must not set the pace at
        which we ask elsewhere.
        """
        if self._with_strangers.locked():  # the last round still waits for an answer
            return 0
        async with self._with_strangers:
            done = 0
            for _ in range(_STRANGERS_A_SECOND):
                ids = await self._claim_notifications(1, strangers=True) if self._allowance.is_left() else []
                if not ids:  # which costs nothing of what is allowed: there was nothing to look into
                    break
                self._allowance.take()
                done += len((await self._following_strangers.each(ids, self._follow)).done)
            return done

    async def _claim_notifications(self, limit: int, *, strangers: bool) -> Sequence[UUID]:
        statement = TAKE_STRANGERS if strangers else TAKE_NOTIFICATIONS
        return sorted(row["id"] for row in await self._rows(statement, {"most": limit}))

    async def _follow(self, entry_id: UUID) -> None:
        outcome = await follow_notification(
            FollowNotification(entry_id), self._service.transactions(), self._service.world
        )
        log.info("notification_followed", entry=str(entry_id), outcome=outcome[:200])

    async def mails(self) -> int:
        return await self._mails.send_owed(_MAILS_A_ROUND)

    async def old_keys(self) -> int:
        """Idempotency keys live longer than the seven days that callers may rely on, and no longer.

        So do the traces of work that failed and has not been due since. However many keys have gathered, no statement
        takes so many that it is given up: what was deleted stays deleted, and the next one goes on.
        """
        for duty in (self._renewing, self._reminding, self._ending, self._collecting, self._returning, self._following):
            await duty.forget_old()
        keys, now = idempotency_keys.c, self._service.clock.now()
        # By both clocks: one that is ahead for an hour must not make a repeated request a new one.
        old = (keys.created_at < now - _KEYS_LIVE) & (keys.leased_until < WALL_NOW - _KEYS_LIVE)
        its_name = tuple_(keys.caller, keys.route, keys.key)
        some = select(keys.caller, keys.route, keys.key).where(old).limit(_AT_A_TIME)
        forget = delete(idempotency_keys).where(its_name.in_(some), old)  # the second time for one just used again
        gone, last = 0, _AT_A_TIME
        async with self._engine.connect() as connection:
            while last == _AT_A_TIME:
                last = (await connection.execute(forget)).rowcount
                gone += last
        return gone

    async def old_notifications(self) -> int:
        """Forget what was looked into long ago, strangers' much sooner: a payment system repeats itself for a day.

        What was set aside is done where all that it says has come true by another way, as by the nightly comparison.
        What only silence has set aside is looked into once more each time: the payment system may be back.
        """
        table, now = inbox, WALL_NOW
        came_true = or_(
            *(
                select(known.c.id)
                .where(
                    known.c.payment_system == table.c.payment_system,
                    known.c[f"provider_{kind}_id"] == table.c.provider_object_id,
                    table.c.event == literal(f"{kind}.") + known.c.status,
                )
                .exists()
                for kind, known in (("payment", payments), ("refund", refunds))
            )
        )
        concluded = (
            update(table)
            .where(table.c.status == "set_aside", came_true)
            .values(status="done", done_at=now, outcome="no news: it has ended so here by now")
        )
        once_more = (
            update(table)
            .where(table.c.status == "set_aside", table.c.outcome.startswith(SILENCE))
            .values(status="new", attempts=TRIES - 1, retry_by=now)
        )
        old = select(table.c.id).where(
            table.c.status == "done",
            table.c.received_at < now - _STRANGERS_LIVE,
            or_(table.c.stranger, table.c.received_at < now - _NOTIFICATIONS_LIVE),
        )
        gone = delete(table).where(table.c.id.in_(old.limit(_AT_A_TIME)))
        async with self._engine.connect() as connection:
            await connection.execute(concluded)
            await connection.execute(once_more)
            return (await connection.execute(gone)).rowcount

    async def _ids(self, statement: Prepared) -> Sequence[UUID]:
        found = await self._rows(statement, {"now": self._service.clock.now(), "most": _BATCH})
        return [row["id"] for row in found]

    async def _claim(
        self, claims: dict[UUID, datetime], statement: Prepared, values: Mapping[str, object]
    ) -> Sequence[UUID]:
        """Commit claims and note until when they are ours; what was claimed, in the order in which it was made."""
        taken = await self._rows(statement, values)
        claims.update((row["id"], row["claimed_until"]) for row in taken)
        return sorted(row["id"] for row in taken)

    async def _release(self, table: Table, claims: Mapping[UUID, datetime], ids: Sequence[UUID]) -> None:
        if ids:
            ours = sorted({claims[each] for each in ids})
            await self._rows(GIVE_BACK[table.name], {"ids": list(ids), "claims": ours})

    async def _rows(self, statement: Prepared, values: Mapping[str, object]) -> Sequence[Row]:
        async with PostgresLine.alone(self._engine) as line:
            return await line.rows(statement, values)
