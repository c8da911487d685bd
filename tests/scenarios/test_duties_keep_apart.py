"""One duty that is slow, or has much to do, keeps no other waiting: all of them stood in one queue once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres.tables import inbox, mails, payments, subscriptions
from infrastructure.simulators.yookassa.serve import running
from jobs.duty import Duty
from jobs.rounds import Rounds
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
from tests.waiting import eventually

_PLACES = 8


@asynccontextmanager
async def silent_mail_server() -> AsyncIterator[tuple[str, asyncio.Semaphore]]:
    """Takes connections and never says a word; the semaphore counts who came."""
    came, waiting = asyncio.Semaphore(0), set[asyncio.StreamWriter]()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.add(writer)
        came.release()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        server.close()
        for writer in waiting:
            writer.close()


@pytest.fixture
async def hung_mail(
    postgres: EmbeddedPostgres, migrated: str, valkey: EmbeddedValkey
) -> AsyncIterator[tuple[Cinema, asyncio.Semaphore]]:
    private, public = key_pair()
    clock, name = Hands(start_of_story()), f"of_{uuid4().hex}"
    database_url = postgres.create_database(name, template=migrated)
    async with silent_mail_server() as (smtp_url, came):
        with running(clock=clock) as yookassa:
            given = settings_for(database_url, valkey.url, yookassa, public).model_copy(update={"smtp_url": smtp_url})
            cinema = await open_cinema(given, clock, yookassa, private)
            yield cinema, came
            await close_cinema(cinema)
    postgres.drop_database(name)


async def _due(cinema: Cinema, how_many: int) -> list[Person]:
    """People whose renewals are due now."""
    people = [await cinema.person() for _ in range(how_many)]
    for person in people:
        assert (await person.subscribes("premium", "499.00")).status_code == 201
    end = max([datetime.fromisoformat((await one.subscription())["current_period"]["end"]) for one in people])
    cinema.clock.move(end - cinema.clock.now())
    return people


async def _count(cinema: Cinema, table: Any, *where: Any) -> int:
    async with cinema.service.engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(table).where(*where))).scalar_one())


async def _until(cinema: Cinema, number: int, table: Any, *where: Any) -> None:
    async def counted() -> bool:
        return await _count(cinema, table, *where) == number

    await eventually(counted)


async def test_a_notification_of_ours_does_not_wait_behind_a_night_of_renewals(cinema: Cinema) -> None:
    people = await _due(cinema, 12)
    buyer = await cinema.person()
    page = (await buyer.subscribes("premium", "499.00", card=None)).json()["payment"]["provider_payment_id"]
    await cinema.yookassa.pay(page, GOOD_CARD)
    await cinema.yookassa.fault("create_payment", "slow", seconds=1.5, times=None)
    body = {"type": "notification", "event": "payment.succeeded", "object": {"id": page}}

    renewing = [asyncio.create_task(cinema.sweeps.renewals()) for _ in range(10)]
    await _until(cinema, _PLACES, payments, payments.c.kind == "renewal", payments.c.status == "pending")
    assert (await cinema.api.post("/webhooks/yookassa", json=body)).status_code == 200
    while await _count(cinema, inbox, inbox.c.status == "new"):
        await cinema.sweeps.inbox()
    assert not renewing[0].done(), "it came while all were being charged"
    assert (await buyer.subscription())["status"] == "active"

    assert sum(await asyncio.gather(*renewing)) == len(people)
    await cinema.yookassa.lift()
    for person in people:
        assert await person.charged() == ["499.00"] * 2


async def test_no_more_is_claimed_than_can_begin_and_a_second_round_takes_nothing(cinema: Cinema) -> None:
    """A round claimed a hundred for a minute and got to the last of them when that was over."""
    people = await _due(cinema, 12)
    await cinema.yookassa.fault("create_payment", "slow", seconds=1, times=None)

    first = asyncio.create_task(cinema.sweeps.renewals())
    await _until(cinema, _PLACES, subscriptions, subscriptions.c.claimed_until.is_not(None))
    assert await cinema.sweeps.renewals() == 0, "it does not wait for a place"
    assert await _count(cinema, subscriptions, subscriptions.c.claimed_until.is_not(None)) == _PLACES

    assert await first >= len(people), "who has ended makes room for the next"
    await cinema.yookassa.lift()
    assert [await person.charged() for person in people] == [["499.00"] * 2] * 12


async def test_one_that_is_slow_leaves_the_other_places_of_its_duty_to_later_rounds(cinema: Cinema) -> None:
    go_on, done = asyncio.Event(), list[int]()
    duty = Duty(cinema.service, "renewal", subscriptions, 2)
    waiting = [UUID(int=number) for number in range(1, 5)]

    async def claim(limit: int) -> list[UUID]:
        mine, waiting[:] = waiting[:limit], waiting[limit:]
        return mine

    async def do(object_id: UUID) -> None:
        if object_id.int == 1:
            await go_on.wait()
        done.append(object_id.int)

    slow = asyncio.create_task(duty.stream(claim, do))
    await eventually(lambda: len(done) == 3)  # its own lane takes all that is there
    waiting.append(UUID(int=5))
    assert [each.int for each in (await duty.stream(claim, do)).done] == [5]

    go_on.set()
    assert sorted(each.int for each in (await slow).done) == [1, 2, 3, 4]


async def test_a_round_that_is_cut_short_gives_its_places_back(cinema: Cinema) -> None:
    duty, begun = Duty(cinema.service, "renewal", subscriptions, 2), asyncio.Semaphore(0)

    async def claim(limit: int) -> list[UUID]:
        return [UUID(int=number) for number in range(limit)]

    async def hang(_: UUID) -> None:
        begun.release()
        await asyncio.Event().wait()

    async def round_() -> int:
        return len((await duty.stream(claim, hang)).done)

    rounds = Rounds("renewals", round_, longest_s=0.2)
    for _ in range(2):
        assert await rounds.make() == 0
        for _ in range(2):
            await asyncio.wait_for(begun.acquire(), 1)


async def test_a_mail_server_that_hangs_keeps_nothing_else_waiting(
    hung_mail: tuple[Cinema, asyncio.Semaphore],
) -> None:
    cinema, came = hung_mail
    people = await _due(cinema, 6)
    assert await _count(cinema, mails, mails.c.status == "owed") >= 6

    rounds = [asyncio.create_task(cinema.sweeps.mails()) for _ in range(20)]
    for _ in range(4):
        await asyncio.wait_for(came.acquire(), 10)
    _, waiting = await asyncio.wait(rounds, timeout=0.5)
    assert 1 <= len(waiting) <= 4, "a round that finds no place free does not stay"

    async with asyncio.timeout(5):
        assert await cinema.sweeps.renewals() == 6
    assert [await person.charged() for person in people] == [["499.00"] * 2] * 6
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)


async def test_refunds_are_sent_while_nobody_answers_about_payments(cinema: Cinema) -> None:
    """The janitor asked for a whole batch of payments before it came to the first refund."""
    boris, vera = await cinema.person(), await cinema.person()
    sale = (await boris.subscribes("premium", "499.00")).json()
    assert (await vera.subscribes("premium", "499.00", card=None)).status_code == 201
    reply = await boris.posts(f"/v1/subscriptions/{sale['subscription']['id']}/refunds", {})
    assert reply.status_code == 202
    await cinema.yookassa.fault("get_payment", "slow", seconds=1.5, times=None)
    async with cinema.service.engine.begin() as connection:
        due = update(payments).where(payments.c.user_id == vera.id).values(ask_again_at=cinema.clock.now())
        await connection.execute(due)

    asking = asyncio.create_task(cinema.sweeps.unresolved_payments())
    assert await cinema.sweeps.unresolved_refunds() == 1
    assert not asking.done()
    assert (await boris.subscription())["status"] == "canceled"
    await asking
    await cinema.yookassa.lift()
