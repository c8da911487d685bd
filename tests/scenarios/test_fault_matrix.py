"""Whatever befalls a call or its notification, money moves once, and everybody learns of it once.

Each operation meets each fault of infrastructure/simulators/yookassa/faults.py through the real SDK over HTTP, and the
notifications come over HTTP too. The ends are the same everywhere: see `_has_ended_well`. The report shows the whole
as a table (fault_table.py).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest
import uvicorn
from sqlalchemy import select

from domain.money import Money
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.payment_systems.circuit import State
from infrastructure.postgres.tables import cases, inbox, payments, refunds, subscriptions
from infrastructure.simulators.yookassa.serve import listening, running
from tests.scenarios.cinema import (
    GOOD_CARD,
    Cinema,
    Hands,
    Person,
    close_cinema,
    key_pair,
    open_cinema,
    settings_for,
    start_of_story,
)
from tests.scenarios.fault_table import FAULTS, OPERATIONS, cell_id
from tests.waiting import eventually

_DEADLINE_S = 0.6
_PLAN, _PRICE = "odd", "333.37"
_LATE = timedelta(minutes=30)


class _Listening(uvicorn.Server):
    """A server beside the tests: their process's signals are not its own."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override] # a manager all the same
        return nullcontext()


@asynccontextmanager
async def _within_reach(cinema: Cinema, port: Any) -> AsyncIterator[None]:
    """The service answers at a real address as well, where the payment system finds its webhook."""
    transport = cinema.api._transport
    assert isinstance(transport, httpx.ASGITransport)
    config = uvicorn.Config(transport.app, log_level="warning", access_log=False, lifespan="off", ws="none")
    server = _Listening(config)
    serving = asyncio.create_task(server.serve([port]))
    yield
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    """One that waits for answers less long than others, and is told by notifications."""
    private, public = key_pair()
    clock, port = Hands(start_of_story()), listening("127.0.0.1", 0)
    webhook = f"http://127.0.0.1:{port.getsockname()[1]}/webhooks/yookassa"
    with running(clock=clock, notify_url=webhook) as yookassa:
        settings = settings_for(database_url, valkey.url, yookassa, public)
        settings = settings.model_copy(update={"payment_deadline_s": _DEADLINE_S})
        cinema = await open_cinema(settings, clock, yookassa, private)
        async with _within_reach(cinema, port):
            await cinema.sells(_PLAN, _PRICE)
            yield cinema
        await close_cinema(cinema)


# --- operations ------------------------------------------------------------------------------------
class _Operation(ABC):
    """One person's story. `call`: what the payment system is asked for by it."""

    call: ClassVar[str]
    pending: ClassVar[str]
    charges: tuple[str, ...] = (_PRICE,)
    refunds: tuple[str, ...] = ()
    status = "active"
    mails: tuple[str, ...] = ("payment.succeeded subscription.activated",)

    def __init__(self, cinema: Cinema, person: Person) -> None:
        self.cinema, self.person = cinema, person

    @abstractmethod
    async def prepare(self) -> None:
        """Come to where the operation can begin."""

    @abstractmethod
    async def ask(self) -> None:
        """Let the service make its call."""

    async def ask_and_wait(self) -> str:
        """Let the service make its call, which does not end at once; the object's id at the payment system."""
        await self.cinema.yookassa.fault(self.call, self.pending)
        await self.ask()
        return await self.object_id()

    @abstractmethod
    async def ends_there(self, object_id: str) -> None:
        """What was waited for is done at the payment system; the service does not know it yet."""

    async def object_id(self) -> str:
        """Of the newest payment, by the payment system."""
        query = select(payments.c.provider_payment_id).where(payments.c.user_id == self.person.id)
        async with self.cinema.service.engine.connect() as connection:
            found = (await connection.execute(query.order_by(payments.c.id.desc()).limit(1))).scalar_one()
        assert isinstance(found, str)
        return found

    async def leaves(self) -> None:
        """Nothing of it reaches the next story."""
        for one in (await self.person.reads("/v1/subscriptions"))["items"]:
            await self.person.posts(f"/v1/subscriptions/{one['id']}/cancel", {"when": "now"})
        await self.cinema.works()

    async def _subscribed(self) -> str:
        reply = await self.person.subscribes(_PLAN, _PRICE)
        assert reply.status_code in (201, 202), reply.text
        await self.cinema.time_passes(minutes=1)  # where a busy machine let the deadline pass
        subscription = await self.person.subscription()
        assert subscription["status"] == "active"
        return str(subscription["id"])


class _FirstPayment(_Operation):
    call, pending = "create_payment", "payment_pending"

    async def prepare(self) -> None:
        pass

    async def ask(self) -> None:
        reply = await self.person.subscribes(_PLAN, _PRICE)
        assert reply.status_code in (201, 202), reply.text

    async def ask_and_wait(self) -> str:
        reply = await self.person.subscribes(_PLAN, _PRICE, card=None)
        assert reply.status_code in (201, 202), reply.text
        await _rests(self.cinema, seconds=30)
        return await self.object_id()

    async def ends_there(self, object_id: str) -> None:
        await self.cinema.yookassa.pay(object_id, GOOD_CARD)


class _Renewal(_Operation):
    call, pending = "create_payment", "payment_pending"
    charges = (_PRICE, _PRICE)
    mails = (
        "payment.succeeded subscription.activated",
        "subscription.charge_planned",
        "payment.succeeded subscription.renewed",
    )

    async def prepare(self) -> None:
        await self._subscribed()
        end = datetime.fromisoformat((await self.person.subscription())["current_period"]["end"])
        self.cinema.clock.move(end - timedelta(days=1) - self.cinema.clock.now())
        await self.cinema.works()
        self.cinema.clock.move(timedelta(days=1))

    async def ask(self) -> None:
        await self.cinema.works()

    async def ends_there(self, object_id: str) -> None:
        await self.cinema.yookassa.settle_payment(object_id)


class _Refund(_Operation):
    call, pending = "create_refund", "refund_pending"
    status = "canceled"
    mails = ("payment.succeeded subscription.activated", "refund.succeeded subscription.canceled")

    async def prepare(self) -> None:
        self.subscription_id = await self._subscribed()
        period = (await self.person.subscription())["current_period"]
        start, end = (datetime.fromisoformat(period[name]) for name in ("start", "end"))
        self.cinema.clock.move(start + timedelta(days=10) - self.cinema.clock.now())
        whole, left = round((end - start).total_seconds()), round((end - start).total_seconds()) - 10 * 86400
        due = (2 * 33337 * left + whole) // (2 * whole)  # rounded half up
        self.refunds = (f"{due // 100}.{due % 100:02d}",)

    async def ask(self) -> None:
        reply = await self.person.posts(f"/v1/subscriptions/{self.subscription_id}/refunds", {})
        assert reply.status_code == 202, reply.text
        await self.cinema.works()

    async def object_id(self) -> str:
        query = select(refunds.c.provider_refund_id).where(refunds.c.user_id == self.person.id)
        async with self.cinema.service.engine.connect() as connection:
            found = (await connection.execute(query)).scalar_one()
        assert isinstance(found, str)
        return found

    async def ends_there(self, object_id: str) -> None:
        await self.cinema.yookassa.settle_refund(object_id)


_OPERATIONS: dict[str, type[_Operation]] = dict(zip(OPERATIONS, (_FirstPayment, _Renewal, _Refund), strict=True))


# --- faults ----------------------------------------------------------------------------------------
Strike = Callable[[_Operation], Awaitable[None]]


def _spoils(*spoiled: dict[str, Any], notified: bool = False) -> Strike:
    """The call meets these, one after another. Nothing tells of it but further asking, unless `notified`."""

    async def strike(operation: _Operation) -> None:
        await operation.prepare()
        yookassa = operation.cinema.yookassa
        silent = None if notified else await yookassa.fault("notify", "lost", times=None)
        calls = _calls(await yookassa.ledger(), operation.call)
        for fault in spoiled:
            await yookassa.fault(operation.call, **fault)
        await operation.ask()
        for _ in spoiled[1:]:
            await operation.cinema.time_passes(minutes=1)
        assert [one["kind"] for one in await yookassa.faults() if one["id"] != silent] == [], "the fault was not met"
        await _circuit_closed(operation.cinema)
        await _rests(operation.cinema, hours=1)
        if "slow" in [fault["kind"] for fault in spoiled]:
            await eventually(lambda: _called_again(operation, calls + 2))
        if silent is not None:
            await yookassa.lift(silent)

    return strike


def _told(kind: str, **options: Any) -> Strike:
    """What the service waits for has happened; the notification of it meets this."""

    async def strike(operation: _Operation) -> None:
        cinema, yookassa = operation.cinema, operation.cinema.yookassa
        await operation.prepare()
        object_id = await operation.ask_and_wait()
        await yookassa.fault("notify", kind, **options)
        await operation.ends_there(object_id)
        assert await yookassa.faults() == [], "the fault was not met"
        if kind not in ("lost", "late"):
            await _arrives(cinema, object_id)
            await cinema.works()
            await _has_ended_well(operation)  # without any time passing
        await _rests(cinema, hours=1)
        if kind == "forged":
            assert len(await yookassa.notifications(object_id)) == 2

    return strike


async def _reordered(operation: _Operation) -> None:
    """News is overtaken by later news: by this operation's own, or for a first payment by somebody else's."""
    cinema, yookassa = operation.cinema, operation.cinema.yookassa
    if isinstance(operation, _FirstPayment):
        stranger = _FirstPayment(cinema, await cinema.person())
        overtaken, overtaking = await operation.ask_and_wait(), await stranger.ask_and_wait()
        await yookassa.fault("notify", "reordered")
        await operation.ends_there(overtaken)
        await stranger.ends_there(overtaking)
    else:
        await yookassa.fault("notify", "reordered")
        await operation.prepare()
        overtaken = await _Operation.object_id(operation)
        assert [note["status"] for note in await yookassa.notifications(overtaken)] == ["held"]
        await operation.ask()
        overtaking = await operation.object_id()
    assert await yookassa.faults() == [], "the fault was not met"
    await _arrives(cinema, overtaking)
    await _arrives(cinema, overtaken)
    await cinema.works()
    await _has_ended_well(operation)
    if isinstance(operation, _FirstPayment):
        await stranger.leaves()
    await _rests(cinema, hours=1)


_STRIKES: dict[str, Strike] = {
    "no answer before the charge": _spoils({"kind": "no_answer", "when": "before"}),
    "no answer after the charge": _spoils({"kind": "no_answer", "when": "after"}),
    "no answer, but notified": _spoils({"kind": "no_answer", "when": "after"}, notified=True),
    "reset before the charge": _spoils({"kind": "reset", "when": "before"}),
    "reset after the charge": _spoils({"kind": "reset", "when": "after"}),
    "500 before the charge": _spoils({"kind": "error_500", "when": "before"}),
    "500 after the charge": _spoils({"kind": "error_500", "when": "after"}),
    "429 with Retry-After": _spoils({"kind": "too_many_requests", "retry_after": 1}),
    "502 with HTML": _spoils({"kind": "bad_gateway", "when": "after"}),
    "truncated JSON": _spoils({"kind": "truncated", "when": "after"}),
    "slow beyond the deadline": _spoils({"kind": "slow", "seconds": _DEADLINE_S + 0.4}),
    "202 processing": _spoils({"kind": "accepted", "when": "before"}, {"kind": "accepted", "when": "after"}),
    "lost notification": _told("lost"),
    "late notification": _told("late", seconds=_LATE.total_seconds()),
    "doubled notification": _told("doubled"),
    "reordered notification": _reordered,
    "forged notification": _told("forged"),
}
assert tuple(_STRIKES) == FAULTS


# --- the matrix ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("operation", "fault"),
    [pytest.param(operation, fault, id=cell_id(operation, fault)) for operation in OPERATIONS for fault in FAULTS],
)
async def test_money_moves_once_and_everybody_learns_of_it_once(cinema: Cinema, operation: str, fault: str) -> None:
    story = _OPERATIONS[operation](cinema, await cinema.person())
    try:
        await _STRIKES[fault](story)
        await _has_ended_well(story)
        await _rests(cinema, days=3)
        await _has_ended_well(story)
    finally:
        await cinema.yookassa.lift()
        await _circuit_closed(cinema)
        await cinema.yookassa.tick()
        await story.leaves()


async def test_in_the_end_the_books_are_the_ledger(cinema: Cinema) -> None:
    """Of everybody: money that moved for nobody would be seen here."""
    ledger = await cinema.yookassa.ledger()
    async with cinema.service.engine.connect() as connection:
        charged = (await connection.execute(select(payments).where(payments.c.status == "succeeded"))).mappings().all()
        returned = (await connection.execute(select(refunds).where(refunds.c.status == "succeeded"))).mappings().all()
    assert {one["provider_payment_id"]: _written(one["amount"]) for one in charged} == {
        one["id"]: one["amount"] for one in ledger.payments if one["status"] == "succeeded"
    }
    assert {one["provider_refund_id"]: _written(one["amount"]) for one in returned} == {
        one["id"]: one["amount"] for one in ledger.refunds if one["status"] == "succeeded"
    }


async def _has_ended_well(operation: _Operation) -> None:
    """Moved once at the payment system, the same in our books to the kopeck, final, told once, nothing left to do."""
    cinema, person = operation.cinema, operation.person
    ledger = await cinema.yookassa.ledger()
    theirs = [one for one in ledger.payments if one["metadata"].get("user_id") == str(person.id)]
    charged = {one["id"]: one for one in theirs if one["status"] == "succeeded"}
    returned = {one["id"]: one for one in ledger.refunds if one["payment_id"] in charged}
    assert [one["amount"] for one in charged.values()] == list(operation.charges)
    assert [(one["status"], one["amount"]) for one in returned.values()] == [
        ("succeeded", amount) for amount in operation.refunds
    ]
    async with cinema.service.engine.connect() as connection:
        paid = (await connection.execute(select(payments).where(payments.c.user_id == person.id))).mappings().all()
        back = (await connection.execute(select(refunds).where(refunds.c.user_id == person.id))).mappings().all()
        mine = select(subscriptions).where(subscriptions.c.user_id == person.id)
        subscription = (await connection.execute(mine)).mappings().one()
        of_mine = (cases.c.user_id == person.id) & cases.c.resolved_at.is_(None)
        open_cases = (await connection.execute(select(cases.c.kind).where(of_mine))).scalars().all()
        told = [*(one["id"] for one in theirs), *returned]
        news = select(inbox.c.status).where(inbox.c.provider_object_id.in_(told), inbox.c.status != "done")
        left = (await connection.execute(news)).scalars().all()
    assert {one["status"] for one in [*paid, *back]} == {"succeeded"}, "not final, or something was given up"
    assert {one["provider_payment_id"]: _written(one["amount"]) for one in paid} == {
        provider_id: one["amount"] for provider_id, one in charged.items()
    }
    assert {one["provider_refund_id"]: _written(one["amount"]) for one in back} == {
        provider_id: one["amount"] for provider_id, one in returned.items()
    }
    for one in paid:
        assert (_written(one["refunded"]), one["refund_reserved"]) == (
            charged[one["provider_payment_id"]]["refunded"],
            0,
        )
    assert (subscription["status"], subscription["open_payment_id"], subscription["refunding"]) == (
        operation.status,
        None,
        False,
    )
    assert await person.mails() == list(operation.mails)
    assert open_cases == []
    assert left == []


# --- what the cells wait for -----------------------------------------------------------------------
async def _rests(cinema: Cinema, **after: float) -> None:
    """Everything is done that this time brings, at the payment system and here."""
    await cinema.time_passes(**after)
    await cinema.yookassa.tick()
    await cinema.works()


async def _circuit_closed(cinema: Cinema) -> None:
    """The payment system is asked again: a circuit's pause runs by the wall clock."""
    guarded = cinema.service.payment_systems.built["yookassa"]

    async def closed() -> bool:
        return guarded.state.circuit is not State.OPEN

    await eventually(closed)


async def _arrives(cinema: Cinema, object_id: str) -> None:
    """Every notification of it was answered by the service."""

    async def arrived() -> bool:
        notes = await cinema.yookassa.notifications(object_id)
        return bool(notes) and {note["status"] for note in notes} == {"delivered"}

    await eventually(arrived)


async def _called_again(operation: _Operation, calls: int) -> bool:
    return _calls(await operation.cinema.yookassa.ledger(), operation.call) >= calls


def _calls(ledger: Any, operation: str) -> int:
    return sum(ledger.calls.get(operation, {}).values())


def _written(minor: int) -> str:
    return Money(minor).value
