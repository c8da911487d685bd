"""`make run` from a warm cache until it is ready, and what our Python processes weigh after a load."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.infrastructure.local.processes import descendants
from tests.performance.figures import Figure, Result, at_most
from tests.performance.load import Ask
from tests.performance.place import Place
from tests.reliability.real_stack import RealStack, real_stack

_NOT_OURS: Final = ("postgres", "valkey", "elasticsearch")
_STAND_INS: Final = ("yookassa", "auth", "mailbox")


def starting(place: Place) -> Result:
    return asyncio.run(_starting(place))


async def _starting(place: Place) -> Result:
    ready, weight, beside = [], [], []
    for repetition in range(place.repetitions + 1):
        async with real_stack(elasticsearch=True, clock="held") as stack:
            seconds = await stack.start()
            if not repetition:  # it warms the cache: Elasticsearch's jars, Python's compiled modules
                continue
            ready.append(seconds)
            await asyncio.to_thread(_put_load, place, stack)
            weights = {name: _megabytes(pid) for name, pid in stack.parts.items() if not name.startswith(_NOT_OURS)}
            weight.append(sum(mb for name, mb in weights.items() if not name.startswith(_STAND_INS)))
            beside.append(sum(weights.values()) - weight[-1])
    until_ready, megabytes = Figure(tuple(ready), " s"), Figure(tuple(weight), " MB")
    notes = (
        f"API, worker, projector, panel together after a load; the stand-ins beside them {Figure(tuple(beside), ' MB')}"
    )
    return Result(
        "make run", None, until_ready, (at_most("ready in", until_ready, 15), at_most("memory", megabytes, 500)), notes
    )


def _put_load(place: Place, stack: RealStack) -> None:
    asks = [
        Ask("/v1/payments", {"Authorization": f"Bearer {stack.token(str(uuid4()), email='a@example.org')}"})
        for _ in range(50)
    ]
    place.load(stack.addresses["api"], asks)


def _megabytes(pid: int) -> float:
    """Of the process and what it started; memory that several share is counted for each its part."""
    total = 0
    for one in {pid} | descendants(pid):
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
