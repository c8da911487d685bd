"""Ten thousand notifications, nine tenths of them forged or doubled, while people pay.

`python -m tests.reliability.storm [--notifications 10000] [--rate 250] [--rounds 3] [--clients 4] [--home DIR]`

Measures the commands in quiet and under the storm by turns, in one run, by the same number of clients; then compares
the books with the payment system's ledger. Ends with status 1 where the 99th percentile under the storm is more than
twice the quiet one, or the books are wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console

from infrastructure.local.checkout import CHECKOUT
from infrastructure.simulators.yookassa.client import SimulatorControl
from tests.infrastructure.local.processes import descendants
from tests.reliability.audit import Findings, audit, comes_to_rest, rows
from tests.reliability.caller import Caller, Record
from tests.reliability.people import GOOD_CARD, PLANS, Person, sell_plans
from tests.reliability.real_stack import RealStack, end_in_order, exit_with, real_stack
from tests.reliability.storm_sender import Orders

_PAUSE_S = 0.2
_FOREIGN = 40
_SPARE = 120
_DRAINED_WITHIN_S = 600.0
Times = dict[str, list[float]]
"""Command → milliseconds of each."""


@dataclass(slots=True)
class Outcome:
    quiet: list[Times] = field(default_factory=list)
    stormy: list[Times] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    settled_after_s: list[float] = field(default_factory=list)
    """Of each page that was paid, and told of by a true notification amid the storm: seconds until it was settled."""
    drained_s: list[float] = field(default_factory=list)
    inbox: Counter[str] = field(default_factory=Counter)
    quiet_cpu: Counter[str] = field(default_factory=Counter)
    stormy_cpu: Counter[str] = field(default_factory=Counter)
    """Seconds of processor time by part; "storm_sender" and "clients" are ours."""
    findings: Findings = field(default_factory=Findings)


class Storm:
    def __init__(self, stack: RealStack, *, seed: int, clients: int, pages: int) -> None:
        self._stack = stack
        self._seed = seed
        self._clients = clients
        self._pages = pages
        self._record = Record()
        self._caller = Caller(stack, self._record)
        self._people: list[Person] = []
        self._spare: list[Person] = []
        self._foreign: list[str] = []
        self._ours: list[str] = []
        self.outcome = Outcome()

    @property
    def _control(self) -> SimulatorControl:
        return SimulatorControl(self._stack.addresses["yookassa"])

    async def close(self) -> None:
        await self._caller.close()

    async def prepare(self) -> None:
        """Plans, some payments that are not ours, and enough calls for everything to be warm."""
        await sell_plans(self._stack, self._caller)
        self._foreign = [await self._control.invent_payment("100.00") for _ in range(_FOREIGN)]
        await self.quiet(2.0, keep=False)

    async def _make_people(self) -> None:
        """Ahead of what is measured: signing their tokens is no work of the service."""
        while len(self._spare) < _SPARE:
            self._spare.append(self._person())
            await asyncio.sleep(0)

    async def quiet(self, seconds: float, *, keep: bool = True) -> None:
        await self._make_people()
        before = _cpu(self._stack.parts)
        measured = await self._measured(asyncio.sleep(seconds))
        if keep:
            self.outcome.quiet.append(measured)
            self.outcome.quiet_cpu += _cpu(self._stack.parts) - before

    async def storm(self, notifications: int, rate: float) -> None:
        """People open pages and pay; that they did, only the storm tells."""
        pages = [await self._open_page() for _ in range(self._pages)]
        await self._control.fault("notify", "lost", times=None)
        for provider_id in pages:
            await self._control.pay(provider_id, GOOD_CARD)
        await self._control.lift()
        await self._make_people()
        orders = Orders(
            url=f"{self._stack.addresses['api']}/webhooks/yookassa",
            count=notifications,
            rate=rate,
            seed=self._seed + len(self.outcome.sent),
            pages=pages,
            ours=self._ours,
            foreign=self._foreign,
        )
        self._ours += pages
        sender = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.reliability.storm_sender"),
            cwd=CHECKOUT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        try:
            assert sender.stdin is not None
            assert sender.stdout is not None
            sender.stdin.write(json.dumps(asdict(orders)).encode())
            sender.stdin.write_eof()
            assert await sender.stdout.readline() == b"begins\n"
            began_at, parts = time.monotonic(), {**self._stack.parts, "storm_sender": sender.pid}
            before = _cpu(parts)
            self.outcome.stormy.append(await self._measured(sender.stdout.readline(), into=self.outcome.sent))
            self.outcome.stormy_cpu += _cpu(parts) - before
            await self._drained()
            self.outcome.drained_s.append(time.monotonic() - began_at - self.outcome.sent[-1]["seconds"])
        finally:
            with suppress(ProcessLookupError):
                sender.kill()
            await sender.wait()

    async def _drained(self) -> None:
        """Wait until nothing is left of the storm, so that it does not reach into the next quiet."""
        async with asyncio.timeout(_DRAINED_WITHIN_S):
            while (await asyncio.to_thread(rows, self._stack, _WAITING))[0]["count"]:  # noqa: ASYNC110 - work of others
                await asyncio.sleep(0.2)

    async def finish(self) -> None:
        """Compare everything."""
        await comes_to_rest(self._stack, 120)
        outcome = self.outcome
        outcome.findings = await audit(self._stack, self._caller, self._people, strangers=self._foreign)
        for one in await asyncio.to_thread(rows, self._stack, _INBOX):
            outcome.inbox[one["outcome"]] += one["count"]
        for one in await asyncio.to_thread(rows, self._stack, _SETTLED):
            outcome.settled_after_s.append(float(one["seconds"]))
        _judge(outcome, self._foreign, await asyncio.to_thread(rows, self._stack, _PAYMENTS))

    # --- people --------------------------------------------------------------------------------
    async def _measured(self, until: Any, into: list[dict[str, Any]] | None = None) -> Times:
        """The clients' commands until that has ended, each timed alone."""
        times: Times = defaultdict(list)
        stop = asyncio.Event()
        clients = [asyncio.create_task(self._client(number, times, stop)) for number in range(self._clients)]
        try:
            said = await until
            if into is not None:
                into.append(json.loads(said))
        finally:
            stop.set()
            await asyncio.gather(*clients)
        return times

    async def _client(self, number: int, times: Times, stop: asyncio.Event) -> None:
        chance = random.Random(f"{self._seed}/{number}/{time.monotonic()}")
        while not stop.is_set():
            person = self._spare.pop() if self._spare else self._person()
            token = await self._caller.card_token(GOOD_CARD)
            choice = {"type": "token", "payment_token": token}
            sale = await self._timed(times, stop, "subscribe by token", "/v1/subscriptions", _wish(choice), person)
            if sale is None:
                return
            self._ours.append(sale["payment"]["provider_payment_id"])
            path = f"/v1/subscriptions/{sale['subscription']['id']}"
            if chance.random() < 0.5:
                await self._timed(times, stop, "cancel", f"{path}/cancel", {"when": "period_end"}, person)
            else:
                await self._timed(times, stop, "refund request", f"{path}/refunds", {}, person)

    async def _timed(
        self, times: Times, stop: asyncio.Event, command: str, path: str, body: Any, person: Person
    ) -> Any | None:
        """The reply; None where the turn was over before."""
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), random.uniform(0.5, 1.5) * _PAUSE_S)
        if stop.is_set():
            return None
        began_at = time.monotonic()
        reply = await self._caller.posts(command, path, body, person.token, user_id=person.id)
        times[command].append((time.monotonic() - began_at) * 1000)
        if not reply.answered_2xx:
            self._record.complaints.append(f"{command} was answered {reply.status}: {reply.content[:300]!r}")
            return None
        return reply.body

    async def _open_page(self) -> str:
        person = self._person()
        body = _wish({"type": "redirect", "return_url": "https://cinema.example/back"})
        reply = await self._caller.posts("open a page", "/v1/subscriptions", body, person.token, user_id=person.id)
        return str(reply.body["payment"]["provider_payment_id"])

    def _person(self) -> Person:
        user_id = uuid4()
        person = Person(user_id, self._stack.token(str(user_id), email=f"{user_id.hex}@example.org"))
        self._people.append(person)
        return person


def _wish(choice: dict[str, str]) -> dict[str, Any]:
    return {"plan_code": "premium", "price": {"value": PLANS["premium"], "currency": "RUB"}, "payment": choice}


_WAITING = "SELECT count(*) FROM inbox WHERE status = 'new'"
_INBOX = "SELECT split_part(coalesce(outcome, status), ':', 1) AS outcome, count(*) FROM inbox GROUP BY 1"
_PAYMENTS = "SELECT id, provider_payment_id, pays_with, status FROM payments"
_SETTLED = """
SELECT extract(epoch FROM p.settled_at - min(i.received_at)) AS seconds
    FROM payments p JOIN inbox i ON i.provider_object_id = p.provider_payment_id AND i.event = 'payment.succeeded'
    WHERE p.pays_with = 'redirect' AND p.status = 'succeeded' GROUP BY p.id ORDER BY 1
"""


def _judge(outcome: Outcome, foreign: Sequence[str], payments: Sequence[dict[str, Any]]) -> None:
    """What the audit does not know: whom the storm spoke of."""
    strangers = set(foreign)
    ours = {one["provider_payment_id"] for one in payments}
    outcome.findings.must("forged ones change nothing", not strangers & ours, strangers & ours)
    open_pages = [one for one in payments if one["pays_with"] == "redirect" and one["status"] != "succeeded"]
    outcome.findings.must("true ones settle what was paid", not open_pages, open_pages)


def _cpu(parts: Mapping[str, int]) -> Counter[str]:
    """Seconds of processor time so far, of each part with what it started; and for how long anybody had to wait.

    The latter tells how busy the machine is with others: figures taken on a crowded one say little.
    """
    used = Counter[str]()
    with suppress(OSError, IndexError):
        waited_us = int(Path("/proc/pressure/cpu").read_text().splitlines()[0].rpartition("total=")[2])
        used["(somebody waited for a processor)"] = waited_us / 1e6  # type: ignore[assignment] # of seconds
    for name, pid in {**parts, "clients": os.getpid()}.items():
        for one in {pid} | (descendants(pid) if name != "clients" else set()):
            with suppress(OSError):
                fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
                used[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # type: ignore[assignment] # of seconds
    return used


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def joined(turns: Sequence[Times]) -> Times:
    """All turns together, with the whole of them under "all"."""
    whole: Times = defaultdict(list)
    for turn in turns:
        for command, times in turn.items():
            whole[command] += times
            whole["all"] += times
    return whole


def too_slow(outcome: Outcome) -> list[str]:
    """The commands whose 99th percentile under the storm is more than twice the quiet one."""
    quiet, stormy = joined(outcome.quiet), joined(outcome.stormy)
    return [name for name in stormy if percentile(stormy[name], 0.99) > 2 * percentile(quiet[name], 0.99)]


def report(outcome: Outcome) -> str:
    quiet, stormy = joined(outcome.quiet), joined(outcome.stormy)
    lines = ["milliseconds           quiet: number    p50    p99   storm: number    p50    p99   p99 storm/quiet"]
    for name in sorted(stormy):
        calm, rough = quiet[name], stormy[name]
        figures = [len(calm), percentile(calm, 0.5), percentile(calm, 0.99)]
        figures += [len(rough), percentile(rough, 0.5), percentile(rough, 0.99)]
        ratio = figures[5] / figures[2] if figures[2] else 0.0
        shown = "{:>14} {:>6.1f} {:>6.1f} {:>15} {:>6.1f} {:>6.1f}".format(*figures)
        lines.append(f"{name:<21} {shown} {ratio:>17.2f}")
    by_turn = [
        f"{percentile(joined([calm])['all'], 0.99):.0f}/{percentile(joined([rough])['all'], 0.99):.0f}"
        for calm, rough in zip(outcome.quiet, outcome.stormy, strict=True)
    ]
    lines.append(f"p99 of all, quiet/storm, turn by turn: {', '.join(by_turn)}")
    kinds, answers = Counter[str](), Counter[str]()
    waits = [ms for one in outcome.sent for ms in one["answered_after_ms"]]
    for one in outcome.sent:
        kinds.update(one["kinds"])
        answers.update(one["answers"])
    waited = outcome.settled_after_s
    took = sum(one["seconds"] for one in outcome.sent)
    lines += [
        f"notifications: {kinds.total()} in {took:.0f} s, {kinds.total() / took:.0f} a second; {dict(kinds)}",
        f"answered: {dict(answers)}, p50 {percentile(waits, 0.5):.1f} ms, p99 {percentile(waits, 0.99):.1f} ms",
        f"inbox: {dict(outcome.inbox)}; empty {', '.join(f'{s:.0f}' for s in outcome.drained_s)} s after each storm",
        "processor time by part, quiet/storm, s: "
        + ", ".join(
            f"{part} {outcome.quiet_cpu[part]:.1f}/{used:.1f}" for part, used in sorted(outcome.stormy_cpu.items())
        ),
        f"pages paid, told of amid the storm: {len(waited)}",
        f"settled after p50 {percentile(waited, 0.5):.2f} s, p99 {percentile(waited, 0.99):.2f} s",
        f"compared: {outcome.findings.compared.total()}; differences: {len(outcome.findings.differences)}",
        *(f"  {difference}" for difference in outcome.findings.differences),
    ]
    return "\n".join(lines)


async def play(
    stack: RealStack,
    *,
    notifications: int,
    rate: float,
    rounds: int,
    clients: int = 4,
    pages: int = 20,
    seed: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Quiet and storm by turns, the same time each; the stack is started here."""
    await stack.start()
    storm = Storm(stack, seed=seed, clients=clients, pages=pages)
    try:
        await storm.prepare()
        each = notifications // rounds
        for turn in range(1, rounds + 1):
            tell(f"turn {turn} of {rounds}: quiet for {each / rate:.0f} s")
            await storm.quiet(each / rate)
            tell(f"turn {turn} of {rounds}: {each} notifications at {rate:.0f} a second")
            await storm.storm(each, rate)
            tell(f"turn {turn} of {rounds}: the inbox is empty {storm.outcome.drained_s[-1]:.0f} s after the storm")
        await storm.finish()
    finally:
        await storm.close()
    return storm.outcome


async def _run(options: argparse.Namespace, screen: Console) -> int:
    def tell(line: str) -> None:
        screen.print(line, markup=False, highlight=False)

    end_in_order()
    async with real_stack(options.home) as stack:
        outcome = await play(
            stack,
            notifications=options.notifications,
            rate=options.rate,
            rounds=options.rounds,
            clients=options.clients,
            tell=tell,
        )
    print(report(outcome))  # noqa: T201 - what this command is for
    slow = too_slow(outcome)
    print(f"more than twice as slow: {', '.join(slow) or 'nothing'}")  # noqa: T201 - as above
    return 1 if slow or outcome.findings.differences else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notifications", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=250.0, help="a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--home", type=Path, help="the home folder, kept at the end; else a temporary one")
    exit_with(_run(parser.parse_args(), Console(stderr=True)))


if __name__ == "__main__":
    main()
