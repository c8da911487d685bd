"""`billing simulate`: worlds from one seed, as many as it takes for so many subscription-months, on every core.

World n of seed s is always the same, whoever plays it and beside whatever others, so the same seed prints the same.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import multiprocessing
import os
import queue
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from infrastructure.local.leash import end_with_parent
from tests.simulation.loop import SimulatedLoop
from tests.simulation.servers import Place, Servers, cores, places_on, servers, servers_at
from tests.simulation.shorten import shorten
from tests.simulation.world import Outcome, WorldSize, play


@dataclass(slots=True)
class Totals:
    """What all worlds together came to, in the order of their numbers."""

    seed: int
    worlds: int = 0
    months: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    crash_places: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    digest: str = ""

    def add(self, outcome: Outcome) -> None:
        self.worlds += 1
        self.months += outcome.months
        self.counts += outcome.counts
        self.crash_places += outcome.crash_places
        self.faults += outcome.faults
        told = json.dumps(outcome.told(), sort_keys=True)
        self.digest = hashlib.sha256((self.digest + told).encode()).hexdigest()
        if outcome.findings:
            self.failed.append(outcome)


def simulate(
    months: int,
    seed: int,
    *,
    size: WorldSize | None = None,
    journal: Path | None = None,
    screen: Console | None = None,
) -> Totals:
    """Play worlds 0, 1, 2, … until together they have so many months, or one of them fails.

    `journal`: a file that keeps every world that was played, so that a run that was stopped goes on from there; worlds
    that were played on other code are played again.
    """
    totals, size = Totals(seed), size or WorldSize()
    code = _code() if journal else ""
    known = _read(journal, seed, size, code)
    with _progress(months, screen) as show, _players() as players:
        waiting: dict[Future[Outcome], int] = {}
        following = 0
        while totals.months < months and not totals.failed:
            if totals.worlds in known:
                totals.add(known.pop(totals.worlds))
                show(totals)
                continue
            while len(waiting) < players.count:
                following = max(following, totals.worlds)
                if following not in known:
                    waiting[players.pool.submit(_play_here, f"{seed}/{following}", size)] = following
                following += 1
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                number = waiting.pop(future)
                known[number] = future.result()
                _write(journal, seed, size, code, number, known[number])
    return totals


def replay(
    seed: int, world: int, *, size: WorldSize | None = None, screen: Console | None = None, most_tries: int = 400
) -> Outcome:
    """Play one world again and, where it fails, make its history as short as it gets."""
    size, screen = size or WorldSize(), screen or Console(stderr=True)

    async def again(servers: Servers, suppressed: frozenset[str]) -> Outcome:
        return await asyncio.to_thread(play_one, servers, f"{seed}/{world}", size, suppressed)

    async def all_of_it(servers: Servers) -> Outcome:
        outcome = await again(servers, frozenset())
        if outcome.findings:
            with screen.status("making the history shorter") as status:
                outcome = await shorten(outcome, lambda names: again(servers, names), status.update, most_tries)
        return outcome

    with servers() as found:
        return asyncio.run(all_of_it(found))


def play_one(servers: Servers, seed: str, size: WorldSize, suppressed: frozenset[str] = frozenset()) -> Outcome:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(play(servers, seed, size, suppressed))


# --- the processes that play ---------------------------------------------------------------------------
_servers: Servers | None = None
_stays = ExitStack()
"""What holds as long as the process plays."""


@dataclass(frozen=True, slots=True)
class _Players:
    pool: ProcessPoolExecutor
    count: int


@contextmanager
def _players() -> Iterator[_Players]:
    # Sets of texts come in the order of their hashes: with the same ones everywhere, worlds are the same everywhere.
    os.environ["PYTHONHASHSEED"] = "0"
    context = multiprocessing.get_context("spawn")
    with places_on(cores()) as places:
        given: multiprocessing.Queue[Place] = context.Queue()
        for place in places:
            given.put(place)
        pool = ProcessPoolExecutor(len(places), mp_context=context, initializer=_begin, initargs=(given,))
        try:
            yield _Players(pool, len(places))
        finally:
            for process in list((pool._processes or {}).values()):
                process.terminate()  # what was begun beyond the last world is of no use
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(given: multiprocessing.Queue[Place]) -> None:
    global _servers  # noqa: PLW0603 -- one place of its own for each process of the pool
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)
    gc.set_threshold(50_000, 20, 50)  # little of what a world makes goes round in circles
    try:
        place = given.get(timeout=10)
    except queue.Empty:
        raise AssertionError("more processes than places to play") from None
    _servers = _stays.enter_context(servers_at(place))


def _play_here(seed: str, size: WorldSize) -> Outcome:
    assert _servers is not None
    return play_one(_servers, seed, size)


# --- the journal and the progress ------------------------------------------------------------------------
def _code() -> str:
    """Of all code that a world's life depends on."""
    checkout, digest = Path(__file__).parents[2], hashlib.sha256()
    rooms = ("domain", "commands", "queries", "infrastructure", "jobs", "alembic", "tests/simulation")
    for path in sorted(path for room in rooms for path in (checkout / room).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(journal: Path | None, seed: int, size: WorldSize, code: str) -> dict[int, Outcome]:
    if journal is None or not journal.exists():
        return {}
    known: dict[int, Outcome] = {}
    for line in journal.read_text("utf-8").splitlines():
        kept: dict[str, Any] = json.loads(line)
        if (kept["seed"], kept["size"], kept["code"]) == (seed, asdict(size), code):
            known[kept["world"]] = Outcome.of(kept["outcome"])
    return known


def _write(journal: Path | None, seed: int, size: WorldSize, code: str, number: int, outcome: Outcome) -> None:
    if journal is None:
        return
    kept = {"seed": seed, "size": asdict(size), "code": code, "world": number, "outcome": outcome.told()}
    line = json.dumps(kept)
    with journal.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@contextmanager
def _progress(months: int, screen: Console | None) -> Iterator[Any]:
    screen = screen or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task("subscription-months", total=months)

        def show(totals: Totals) -> None:
            bar.update(task, completed=min(int(totals.months), months), description=f"world {totals.worlds}")

        yield show
