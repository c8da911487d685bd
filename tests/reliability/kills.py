"""kill -9 at any moment loses nothing and charges nobody twice.

`python -m tests.reliability.kills --kills 200 --seed 1 [--home DIR] [--elasticsearch]`

Starts the real stack, puts it under load over HTTP, kills one of its processes every few seconds, which by contract
takes the whole down, and starts it again, until everything that was asked for has ended. Then compares everything.
Ends with status 1 and the differences where there are any.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.reliability.audit import Findings, audit, comes_to_rest, let_leases_lapse, rows
from tests.reliability.caller import Caller, Record
from tests.reliability.people import Crowd, sell_plans
from tests.reliability.real_stack import RealStack, end_in_order, exit_with, real_stack

PARTS = ("postgres", "valkey", "yookassa", "api", "worker", "projector", "mailbox", "auth")
_CALM_S = (0.2, 4.0)
"""How long a stack lives between being ready and the next kill."""
_REST_S = 420.0


@dataclass(slots=True)
class Outcome:
    """What a campaign came to."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    back_s: list[float] = field(default_factory=list)
    """Of each kill: seconds from it until the stack was ready again."""
    took_s: float = 0.0
    rest_s: float = 0.0
    waited_a_day: int = 0
    people: int = 0
    record: Record = field(default_factory=Record)
    books: dict[str, int] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)


async def campaign(
    stack: RealStack,
    parts: Sequence[str],
    *,
    seed: int,
    calm_s: tuple[float, float] = _CALM_S,
    lanes: int = 8,
    pause_s: float = 0.3,
    tell: Callable[[str], None] = lambda _: None,
    rest_s: float = _REST_S,
    hurry: bool = False,
) -> Outcome:
    """Kill these parts one after the other under load, then compare; raises StackFailedError, TimeoutError.

    `hurry`: at the end leases are let lapse by hand, for they last up to a minute.
    """
    outcome, chance, began_at = Outcome(seed), random.Random(seed), time.monotonic()
    await stack.start()
    caller = Caller(stack, outcome.record)
    try:
        await sell_plans(stack, caller)
        crowd = Crowd(stack, caller, seed=seed, lanes=lanes, pause_s=pause_s)
        try:
            for number, part in enumerate(parts, start=1):
                await asyncio.sleep(chance.uniform(*calm_s))
                crowd.raise_failure()
                killed_at = time.monotonic()
                await stack.kill(part)
                await stack.start()
                outcome.kills[part] += 1
                outcome.back_s.append(time.monotonic() - killed_at)
                tell(f"kill {number} of {len(parts)}: {part}, back after {outcome.back_s[-1]:.1f} s")
            tell("no more kills; everybody ends what they have begun")
            quiet_at = time.monotonic()
            async with _hurried(stack) if hurry else nullcontext():
                await crowd.leaves(patience_s=120)
                outcome.waited_a_day = await comes_to_rest(stack, rest_s, tell)
            outcome.rest_s = time.monotonic() - quiet_at
            outcome.findings = await audit(stack, caller, crowd.people)
            outcome.people = len(crowd.people)
            outcome.books = {name: int(count) for name, count in rows(stack, _BOOKS)[0].items()}
        finally:
            await crowd.close()
    finally:
        await caller.close()
    outcome.took_s = time.monotonic() - began_at
    return outcome


_BOOKS = """
SELECT
    (SELECT count(*) FROM payments) AS "payments",
    (SELECT count(*) FROM payments WHERE status = 'succeeded') AS "payments that succeeded",
    (SELECT count(*) FROM payments WHERE kind = 'renewal' AND status = 'succeeded') AS "of them renewals",
    (SELECT count(*) FROM refunds) AS "refunds",
    (SELECT count(*) FROM events WHERE type = 'payment.unknown') AS "payments whose outcome was unknown for a while",
    (SELECT count(*) FROM events WHERE type = 'refund.unknown') AS "refunds whose outcome was unknown for a while",
    (SELECT count(*) FROM inbox) AS "notifications",
    (SELECT count(*) FROM mails) AS "mails",
    (SELECT count(*) FROM cases) AS "cases that were opened"
"""


@asynccontextmanager
async def _hurried(stack: RealStack) -> AsyncIterator[None]:
    async def hurry() -> None:
        while True:
            await asyncio.to_thread(let_leases_lapse, stack)
            await asyncio.sleep(2)

    task = asyncio.create_task(hurry())
    try:
        yield
    finally:
        task.cancel()


def report(outcome: Outcome) -> str:
    """The outcome in plain text, for people."""
    record, findings = outcome.record, outcome.findings
    back = sorted(outcome.back_s) or [0.0]
    lines = [
        f"kills: {outcome.kills.total()} (seed {outcome.seed}), in {outcome.took_s:.0f} s",
        *_table(outcome.kills.items()),
        f"back after a kill: half within {back[len(back) // 2]:.1f} s, the slowest {back[-1]:.1f} s",
        f"at rest {outcome.rest_s:.1f} s after the last of them",
        f"charges of which only the lapse of their key told that they never came: {outcome.waited_a_day}",
        f"people: {outcome.people}",
        "requests by outcome:",
        *_table((f"{operation}: {answer}", count) for (operation, answer), count in record.outcomes.items()),
        f"sent again under the same key, or read again: {record.retries.total()}",
        "in the books:",
        *_table(outcome.books.items()),
        "compared:",
        *_table(findings.compared.items()),
        f"differences: {len(findings.differences)}",
        *(f"  {difference}" for difference in findings.differences),
    ]
    return "\n".join(lines)


def _table(found: Iterable[tuple[str, int]]) -> list[str]:
    return [f"  {count:>7}  {name}" for name, count in sorted(found)]


async def _run(options: argparse.Namespace, screen: Console) -> int:
    end_in_order()
    chance = random.Random(options.seed)
    all_parts = (*PARTS, "elasticsearch") if options.elasticsearch else PARTS
    parts = [chance.choice(all_parts) for _ in range(options.kills)]
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=screen
    )
    async with real_stack(options.home, elasticsearch=options.elasticsearch) as stack:
        with bar:
            shown = bar.add_task("kills", total=len(parts))

            def tell(line: str) -> None:
                bar.console.print(line, markup=False, highlight=False)
                bar.update(shown, completed=min(bar.tasks[0].completed + line.startswith("kill "), len(parts)))

            outcome = await campaign(stack, parts, seed=options.seed, tell=tell)
    print(report(outcome))  # noqa: T201 - what this command is for
    return 1 if outcome.findings.differences else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="the home folder, kept at the end; else a temporary one")
    parser.add_argument("--elasticsearch", action="store_true", help="with Elasticsearch, which takes longer to start")
    exit_with(_run(parser.parse_args(), Console(stderr=True)))


if __name__ == "__main__":
    main()
