"""Whatever Redis does, and whatever dead workers left in it, what is due is done: each of these stopped it once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from infrastructure.local.ports import free_port
from infrastructure.local.valkey import EmbeddedValkey
from jobs import by_arq, nightly
from jobs.by_arq import Scheduled, run_by_arq
from jobs.nightly import every_night
from jobs.rounds import Rounds
from jobs.worker import do_duties, schedule_of
from tests.scenarios.cinema import Cinema, Hands
from tests.waiting import eventually

_EACH_SECOND = frozenset(range(60))
_NEVER_S = 3600.0


class Rang:
    """Counts, and wakes who waits for a count."""

    def __init__(self) -> None:
        self._count = 0
        self._more = asyncio.Condition()

    async def ring(self) -> int:
        async with self._more:
            self._count += 1
            self._more.notify_all()
        return 0

    async def rings(self, times: int = 1, within_s: float = 20) -> None:
        """So many times more."""
        wanted = self._count + times
        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(lambda: self._count >= wanted)


def begun_by_arq(sweep: Callable[[], Awaitable[int]], name: str = "duty") -> Scheduled:
    """The clock leaves it to arq."""
    return Scheduled(Rounds(name, sweep), _NEVER_S, _EACH_SECOND)


@asynccontextmanager
async def at_work(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
        assert not task.done(), "a worker ends when it is told to"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass
class Line:
    """A line to Valkey that can go silent: connections stay up, and nothing comes back on them, not even later."""

    url: str
    silent: bool = False
    was_asked_in_vain: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def line_to(valkey: EmbeddedValkey) -> AsyncIterator[Line]:
    port, tasks = free_port(), set[asyncio.Task[None]]()
    line = Line(f"redis://127.0.0.1:{port}/0")

    async def pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while (piece := await source.read(65536)) and not line.silent:
                to.write(piece)
            if line.silent:
                line.was_asked_in_vain.set()
                await asyncio.Event().wait()
        finally:
            to.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            there, back = await asyncio.open_connection("127.0.0.1", urlsplit(valkey.url).port)
            with closing(back):
                await asyncio.gather(pump(reader, back), pump(there, writer))

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(join(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield line
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_arq, "_ANSWER_S", 0.5)
    monkeypatch.setattr(by_arq, "_LEAVE_S", 0.5)


async def test_what_killed_workers_left_in_redis_keeps_nobody_from_a_tick(valkey: EmbeddedValkey) -> None:
    """A hundred jobs in flight at a kill -9 filled each look into the queue for as long as the longest job may take."""
    redis = Redis.from_url(valkey.url)
    began = int(time.time() * 1000) - 60_000
    ids = {f"renewals:{began + number}": began + number for number in range(100)}
    await redis.zadd("arq:queue", ids)
    for job_id in ids:
        await redis.psetex(f"arq:in-progress:{job_id}", 21_610_000, b"1")
    rang = Rang()

    async with at_work(run_by_arq(valkey.url, [begun_by_arq(rang.ring)])):
        await rang.rings(2, within_s=6)
        [mine] = await redis.keys("billing:*:health-check")
        queue = mine.decode().removesuffix(":health-check")

        async def goes_in_time() -> bool:
            """What a killed worker leaves; a tick has no end yet in the instant between being written and begun."""
            return 0 < int(await redis.ttl(queue)) <= 3600

        await eventually(goes_in_time)
    await redis.aclose()


async def test_a_tick_of_one_worker_is_no_other_workers(valkey: EmbeddedValkey) -> None:
    """A tick went to one worker of all, though that one had no place free."""
    first, second = Rang(), Rang()
    async with (
        at_work(run_by_arq(valkey.url, [begun_by_arq(first.ring)])),
        at_work(run_by_arq(valkey.url, [begun_by_arq(second.ring)])),
    ):
        await asyncio.gather(first.rings(3), second.rings(3))


@pytest.mark.usefixtures("impatient")
async def test_a_redis_that_hangs_is_asked_anew(valkey: EmbeddedValkey) -> None:
    """The answer to one question was waited for without an end, also when Redis had long been back."""
    rang = Rang()
    async with line_to(valkey) as line, at_work(run_by_arq(line.url, [begun_by_arq(rang.ring)])):
        await rang.rings()
        line.silent = True
        await line.was_asked_in_vain.wait()
        line.silent = False
        await rang.rings()


@pytest.mark.usefixtures("impatient")
async def test_a_worker_ends_when_it_is_told_to_though_redis_hangs(valkey: EmbeddedValkey) -> None:
    rang = Rang()
    async with line_to(valkey) as line, asyncio.timeout(10), at_work(run_by_arq(line.url, [begun_by_arq(rang.ring)])):
        await rang.rings()
        line.silent = True
        await line.was_asked_in_vain.wait()


async def test_a_round_is_not_cut_short_because_redis_went_away(valkey: EmbeddedValkey) -> None:
    """arq cancels what it was at when it loses Redis: a charge that was under way then was left unknown."""
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        begun.set()
        await go_on.wait()
        ended.set()
        return 1

    slowly = begun_by_arq(slow)
    async with at_work(run_by_arq(valkey.url, [slowly])):
        await asyncio.wait_for(begun.wait(), 10)

    go_on.set()
    await asyncio.wait_for(ended.wait(), 1)
    await slowly.rounds.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("redis", ["is away", "hangs"])
async def test_a_renewal_is_charged_though_redis_does_not_answer(
    cinema: Cinema, valkey: EmbeddedValkey, redis: str
) -> None:
    anna = await cinema.person()
    assert (await anna.subscribes("premium", "499.00")).status_code == 201
    end = datetime.fromisoformat((await anna.subscription())["current_period"]["end"])
    cinema.clock.move(end - cinema.clock.now())
    schedule, ready = schedule_of(cinema.service, cinema.sweeps), asyncio.Event()
    database_url = cinema.service.settings.database_url
    assert database_url is not None

    async with line_to(valkey) as line:
        line.silent = redis == "hangs"
        url = line.url if line.silent else f"redis://127.0.0.1:{free_port()}/0"

        async def renewed() -> bool:
            return await anna.charged() == ["499.00"] * 2

        async with at_work(do_duties(url, database_url, schedule, ready)):
            await asyncio.wait_for(ready.wait(), 20)
            await eventually(renewed)


async def test_every_duty_has_a_clock_that_waits_for_longer_than_arq_does(cinema: Cinema) -> None:
    for one in schedule_of(cinema.service, cinema.sweeps):
        ticks = sorted(minute * 60 + second for minute in one.minutes or range(60) for second in one.seconds)
        longest = max(later - earlier for earlier, later in zip(ticks, [*ticks[1:], ticks[0] + 3600], strict=True))
        assert longest < one.rest_s <= max(4 * longest, 3700)


async def test_a_clock_begins_what_arq_did_not_and_leaves_it_alone_otherwise() -> None:
    rang = Rang()
    rounds = Rounds("duty", rang.ring)
    async with at_work(rounds.keep(0.2)):
        await rang.rings(3)
        for _ in range(10):
            before = asyncio.get_running_loop().time()
            await rounds.make()
            with suppress(TimeoutError):
                await rang.rings(within_s=0.1)
                assert asyncio.get_running_loop().time() - before > 0.15, "it has begun a moment ago"


async def test_reconciliation_begins_at_ten_past_one_and_once_however_the_clock_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nightly, "_LOOK_S", 0.01)
    wall, nights, looks = Hands(datetime(2027, 3, 9, 22, 0, tzinfo=UTC)), list[datetime](), Rang()

    def now() -> datetime:
        looking.add(asyncio.ensure_future(looks.ring()))
        return wall.now()

    looking = set[asyncio.Future[int]]()
    async with at_work(every_night(lambda: nights.append(wall.now()), now)):
        for hours in (1, 3, 20, -22, 3):  # 23:00, 02:00, 22:00 of the 10th, back to midnight, 03:00
            await looks.rings(2)
            wall.move(timedelta(hours=hours))
            await looks.rings(2)

    assert [night.strftime("%d. %H:%M") for night in nights] == ["10. 02:00", "10. 03:00"]


async def test_reconciliation_begins_on_the_minute() -> None:
    began, begun = asyncio.get_running_loop().time(), asyncio.Event()

    def now() -> datetime:
        return datetime(2027, 3, 10, 1, 9, 59, 900_000, UTC) + timedelta(
            seconds=asyncio.get_running_loop().time() - began
        )

    async with at_work(every_night(begun.set, now)):
        await asyncio.wait_for(begun.wait(), 5)
    assert now().strftime("%H:%M") == "01:10"
