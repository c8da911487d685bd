"""After everything: do the payment system's ledger, the books, the answers, the mails and the caches say the same?"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import create_async_engine

from domain.money import Money
from domain.rules import Rules
from infrastructure.postgres.reading.access import access_of
from infrastructure.redis.active_subscriptions import ActiveSubscriptionsCache
from infrastructure.redis.line import RedisLine
from infrastructure.simulators.yookassa.client import ControlRefusedError, Ledger, SimulatorControl
from tests.reliability.caller import Caller, Reply
from tests.reliability.people import Person
from tests.reliability.real_stack import RealStack

Row = dict[str, Any]

_OPEN: LiteralString = """
SELECT
    (SELECT count(*) FROM payments WHERE status IN ('pending', 'unknown')) AS "open payments",
    (SELECT count(*) FROM refunds WHERE status IN ('pending', 'unknown')) AS "open refunds",
    (SELECT count(*) FROM inbox WHERE status = 'new') AS "notifications not looked into",
    (SELECT count(*) FROM inbox WHERE status = 'set_aside') AS "notifications set aside",
    (SELECT count(*) FROM mails WHERE status <> 'sent') AS "mails not sent",
    (SELECT count(*) FROM outbox) AS "changes not projected",
    (SELECT count(*) FROM cases WHERE resolved_at IS NULL) AS "open cases",
    (SELECT count(*) FROM idempotency_keys WHERE reply_status IS NULL) AS "keys without a reply",
    (SELECT count(*) FROM subscriptions
        WHERE next_charge_at <= now() AND NOT refunding) AS "subscriptions due",
    (SELECT count(*) FROM subscriptions s WHERE refunding AND NOT EXISTS
        (SELECT FROM refunds r WHERE r.subscription_id = s.id AND r.status IN ('pending', 'unknown')))
        AS "subscriptions held by no refund",
    (SELECT count(*) FROM subscriptions s WHERE open_payment_id IS NOT NULL AND NOT EXISTS
        (SELECT FROM payments p WHERE p.id = s.open_payment_id AND p.status IN ('pending', 'unknown')))
        AS "subscriptions held by no payment"
"""


@dataclass(slots=True)
class Findings:
    """`compared`: how many of each kind; `differences`: sentences, none where all is well."""

    compared: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def must(self, what: str, fine: bool, *about: object) -> None:
        self.compared[what] += 1
        if not fine:
            self.differences.append(" ".join([f"{what}:", *map(str, about)]))


def rows(stack: RealStack, query: LiteralString, *values: object) -> list[Row]:
    with psycopg.connect(stack.addresses["database"], autocommit=True, row_factory=dict_row) as connection:
        return connection.execute(query, values).fetchall()


def still_open(stack: RealStack) -> dict[str, int]:
    """What stands still or is under way, by its name; empty where all has ended."""
    return {name: count for name, count in rows(stack, _OPEN)[0].items() if count}


async def comes_to_rest(stack: RealStack, patience_s: float, tell: Callable[[str], None] = lambda _: None) -> int:
    """People leave the pages that they still have open; then wait until nothing is; raises TimeoutError.

    Returns for how many charges a day had to pass: `_LET_A_DAY_PASS`.
    """
    waited_a_day = 0
    control = SimulatorControl(stack.addresses["yookassa"])
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    told: dict[str, int] = {}
    while left := await asyncio.to_thread(still_open, stack):
        if left != told:
            tell(", ".join(f"{name}: {count}" for name, count in left.items()))
            told = left
        if loop.time() > give_up_at:
            raise TimeoutError(f"after {patience_s:.0f} s of quiet there are still {left}")
        for one in await asyncio.to_thread(rows, stack, _PAGES):
            with suppress(ControlRefusedError):  # it has ended meanwhile
                await control.settle_payment(one["provider_payment_id"], "expired_on_confirmation")
        waited_a_day += len(await asyncio.to_thread(rows, stack, _LET_A_DAY_PASS))
        await asyncio.to_thread(rows, stack, _LET_AN_HOUR_PASS)
        await asyncio.sleep(0.25)
    return waited_a_day


_LET_A_DAY_PASS: LiteralString = """
UPDATE payments SET created_at = created_at - interval '26 hours', ask_again_at = now(), ask_again_by = now()
    WHERE status = 'unknown' AND asks > 2 AND created_at > now() - interval '20 hours'
        AND last_silence LIKE '%%the payment system does not list it yet'
    RETURNING id
"""
"""A charge that was written down, never sent for certain, and must not be sent any more, for its subscription has ended
meanwhile: only once the payment system has forgotten its key is it believed that it never came. The system's clock
cannot be moved, so these are made a day older."""

_LET_AN_HOUR_PASS: LiteralString = """
UPDATE payments SET ask_again_at = now() + interval '1 minute', ask_again_by = now() + interval '1 minute'
    WHERE status = 'unknown' AND key_lapsed AND ask_again_by > now() + interval '2 minutes'
    RETURNING id
"""
"""They are looked for twice, a minute apart at least; by then it may have grown to an hour, for which nobody waits."""

_PAGES: LiteralString = (
    "SELECT provider_payment_id FROM payments WHERE status = 'pending' AND confirmation_url IS NOT NULL"
)


def let_leases_lapse(stack: RealStack) -> None:
    """As if the minute had passed for which a dead worker still holds its work; a living one loses its, too."""
    with psycopg.connect(stack.addresses["database"], autocommit=True) as connection:
        for table in ("inbox", "mails", "outbox"):
            connection.execute(f"UPDATE {table} SET retry_by = now() WHERE retry_by > now()".encode())  # noqa: S608 - ours
        for table in ("payments", "refunds"):
            connection.execute(f"UPDATE {table} SET ask_again_by = now() WHERE ask_again_by > now()".encode())  # noqa: S608 - ours
        for table in ("payments", "refunds", "subscriptions"):
            connection.execute(f"UPDATE {table} SET claimed_until = now() WHERE claimed_until > now()".encode())  # noqa: S608 - ours
        connection.execute("UPDATE idempotency_keys SET leased_until = now() WHERE reply_status IS NULL")


async def audit(
    stack: RealStack, caller: Caller, people: Sequence[Person], *, strangers: Collection[str] = ()
) -> Findings:
    """Compare everything with everything; the stack runs and is at rest.

    `strangers`: payments that the payment system has, and that are not ours by intent.
    """
    found = Findings()
    ledger = await SimulatorControl(stack.addresses["yookassa"]).ledger()
    ledger.payments[:] = [one for one in ledger.payments if one["id"] not in strangers]
    payments = {str(one["id"]): one for one in rows(stack, "SELECT * FROM payments")}
    refunds = {str(one["id"]): one for one in rows(stack, "SELECT * FROM refunds")}
    _same_money(found, ledger, payments, refunds)
    _one_charge_a_period(found, payments)
    _books_keep_what_was_answered(found, stack, caller.record.replies, payments, refunds)
    for name, count in still_open(stack).items():
        found.must("nothing stands still", False, name, count)
    await _told_once(found, stack, payments, refunds)
    await _caches_agree(found, stack, caller, people)
    await _histories_agree(found, caller, people, payments)
    for complaint in caller.record.complaints:
        found.must("answers", False, complaint)
    return found


def _same_money(found: Findings, ledger: Ledger, payments: dict[str, Row], refunds: dict[str, Row]) -> None:
    there = {one["id"]: one for one in ledger.payments}
    back_there = {one["id"]: one for one in ledger.refunds}
    here = {one["provider_payment_id"]: one for one in payments.values() if one["provider_payment_id"]}
    back_here = {one["provider_refund_id"]: one for one in refunds.values() if one["provider_refund_id"]}
    for key, one in there.items():
        ours = here.get(key)
        same = ours is not None and _said(ours) == _said_there(one)
        found.must("payments there are here", same, "there", one, ", here", ours)
    for one in payments.values():
        theirs = there.get(one["provider_payment_id"])
        moved = one["status"] == "succeeded"
        same = (theirs is not None and _said(one) == _said_there(theirs)) if moved else not _paid(theirs)
        found.must("payments here are there", same, "here", one, ", there", theirs)
    twice = Counter(one["metadata"].get("payment_id") for one in ledger.payments)
    for key, count in twice.items():
        found.must("one object a payment", count == 1, key, count, "charges there")
    for key, one in back_there.items():
        ours = back_here.get(key)
        same = ours is not None and (ours["status"], _value(ours["amount"])) == (one["status"], one["amount"])
        found.must("refunds there are here", same, "there", one, ", here", ours)
    for one in refunds.values():
        theirs = back_there.get(one["provider_refund_id"])
        same = (theirs is not None) if one["status"] == "succeeded" else not _paid(theirs)
        found.must("refunds here are there", same, "here", one, ", there", theirs)


def _said(ours: Row) -> tuple[str, str, str, str]:
    return ours["status"], _value(ours["amount"]), _value(ours["refunded"]), str(ours["id"])


def _said_there(theirs: Row) -> tuple[str, str, str, str]:
    return theirs["status"], theirs["amount"], theirs["refunded"], str(theirs["metadata"].get("payment_id"))


def _paid(theirs: Row | None) -> bool:
    return theirs is not None and theirs["status"] == "succeeded"


def _value(minor: int) -> str:
    return Money(minor).value


def _one_charge_a_period(found: Findings, payments: dict[str, Row]) -> None:
    """Of each period's charges one stays; what came too late has gone back whole."""
    periods: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for one in payments.values():
        if one["status"] == "succeeded":
            periods[str(one["subscription_id"]), one["period_number"]].append(one)
    for key, charged in periods.items():
        kept = [one for one in charged if one["period_start"] is not None]
        late = [one for one in charged if one["period_start"] is None]
        fine = len(kept) <= 1 and all(one["refunded"] == one["amount"] for one in late)
        found.must("each period is charged once", fine, key, charged)


def _books_keep_what_was_answered(
    found: Findings, stack: RealStack, replies: Sequence[Reply], payments: dict[str, Row], refunds: dict[str, Row]
) -> None:
    subscriptions = {str(one["id"]): one for one in rows(stack, "SELECT * FROM subscriptions")}
    books = {"payment": payments, "refund": refunds, "subscription": subscriptions}
    for reply in replies:
        told = {kind: one for kind, one in reply.body.items() if kind in books} if reply.answered_2xx else {}
        if not told:
            continue
        kept = all(_kept(one, books[kind], reply) for kind, one in told.items())
        found.must("what was answered is in the books", kept, "not in the books:", reply)


def _kept(answered: Row, books: dict[str, Row], reply: Reply) -> bool:
    """The object is there, of that person, over that amount; an end that was told is still the end."""
    row = books.get(answered["id"])
    if row is None or (reply.user_id is not None and row["user_id"] != reply.user_id):
        return False
    if "amount" in answered and _value(row["amount"]) != answered["amount"]["value"]:
        return False
    if answered.get("provider_payment_id") not in (None, row.get("provider_payment_id")):
        return False
    if "subscription_id" in answered and answered["subscription_id"] != str(row["subscription_id"]):
        return False
    told = answered["status"]
    if answered.get("cancel_at_period_end") and not (row["cancel_at_period_end"] or row["ended_at"]):
        return False
    return told not in ("succeeded", "canceled", "expired") or row["status"] == told


async def _told_once(found: Findings, stack: RealStack, payments: dict[str, Row], refunds: dict[str, Row]) -> None:
    """By what lies in the mailbox: a mail that was sent again has the same Message-ID and is one mail to who reads."""
    async with httpx.AsyncClient(timeout=120) as http:
        letters = (await http.get(f"{stack.addresses['mailbox']}/messages")).json()
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for letter in letters:
        headers = letter["headers"]
        for event in headers["X-Billing-Event"].split():
            told[event, headers["X-Billing-Object"]].add(letter["message_id"])
    found.compared["mails in the mailbox, repetitions included"] = len(letters)
    for one in payments.values():
        succeeded, key = one["status"] == "succeeded", str(one["id"])
        wanted = int(succeeded and one["period_start"] is not None)
        count = len(told.pop(("payment.succeeded", key), ()))
        found.must("paid is told once", count == wanted, count, "mails tell of", one)
        count = len(told.pop(("payment.failed", key), ()))
        fine = count <= (one["status"] == "canceled")
        found.must("refused is told once at most", fine, count, "mails tell of", one)
    for one in refunds.values():
        for event, status in (("refund.succeeded", "succeeded"), ("refund.failed", "canceled")):
            count, wanted = len(told.pop((event, str(one["id"])), ())), int(one["status"] == status)
            found.must("refunds are told once", count == wanted, count, "mails:", one)
    for (event, key), ids in told.items():
        if event.startswith(("payment.", "refund.")):
            found.must("mails have a reason", False, event, "of", key, ", which is not so")
        elif event in ("subscription.activated", "subscription.canceled", "subscription.expired"):
            found.must("ends are told once", len(ids) == 1, event, "of", key, "twice")


async def _caches_agree(found: Findings, stack: RealStack, caller: Caller, people: Sequence[Person]) -> None:
    """What Redis holds is what Postgres says, and so is what auth is answered, be it held there or not."""
    engine = create_async_engine(stack.addresses["database"].replace("postgresql://", "postgresql+asyncpg://"))
    redis, service = RedisLine(stack.addresses["redis"]), stack.token("auth", scope="billing:internal")
    cache = ActiveSubscriptionsCache(redis)
    try:
        books = {one.user_id: one for one in await access_of(engine, [person.id for person in people], Rules())}
        for person in people:
            held, true = await cache.get(person.id), sorted(books[person.id].subscriptions, key=str)
            if held is not None:
                same = sorted(held.subscriptions, key=str) == true
                found.must("Redis says what Postgres says", same, held, ", but", true)
            answer = await caller.reads(f"/internal/v1/users/{person.id}/active-subscriptions", service)
            shown = sorted((one["id"], one["status"]) for one in answer["subscriptions"])
            same = shown == sorted((str(one.id), one.status) for one in true)
            found.must("auth is answered what Postgres says", same, answer, ", but", true)
    finally:
        await redis.close()
        await engine.dispose()


async def _histories_agree(found: Findings, caller: Caller, people: Sequence[Person], payments: dict[str, Row]) -> None:
    """Each person's newest page and their whole history, as they would read them."""
    mine: dict[str, dict[str, tuple[str, str, str]]] = defaultdict(dict)
    for key, one in payments.items():
        mine[str(one["user_id"])][key] = (one["status"], _value(one["amount"]), _value(one["refunded"]))
    for person in people:
        books = mine[str(person.id)]
        for path in ("/v1/payments", "/v1/payments?limit=100"):
            items = (await caller.reads(path, person.token))["items"]
            shown = {one["id"]: (one["status"], one["amount"]["value"], one["refunded"]["value"]) for one in items}
            same = shown == books or (len(books) > len(shown) and shown.items() <= books.items())
            found.must("histories say what Postgres says", same, shown, books)
