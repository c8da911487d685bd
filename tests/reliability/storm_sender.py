"""Whoever means harm, with one machine: sends notifications at a steady rate, most of them forged or doubled.

A process of its own: reads what to do as one JSON object from standard input (`Orders`), prints a line when it begins,
and at the end one JSON object with what it was answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

_AT_ONCE = 128
_SHARES = {"true": 10, "unknown object": 35, "foreign object": 10, "bad JSON": 10, "other event": 10, "doubled": 25}
"""In hundredths. True ones point at payments that are ours, and each comes in a form of its own."""


@dataclass(frozen=True, slots=True)
class Orders:
    url: str
    count: int
    rate: float  # a second
    seed: int
    pages: list[str]  # ids of payments of ours that nobody else tells of: each is told of truly at least once
    ours: list[str]  # ids of further payments of ours
    foreign: list[str]  # ids of payments that are there and not ours


@dataclass
class Sent:
    kinds: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    answered_after_ms: list[float] = field(default_factory=list)


def bodies(orders: Orders) -> list[tuple[str, bytes]]:
    """(kind, body) in the order in which they are sent."""
    chance = random.Random(orders.seed)
    kinds = chance.choices(list(_SHARES), weights=list(_SHARES.values()), k=orders.count)
    made: list[tuple[str, bytes]] = []
    others = chance.choices(orders.ours or orders.pages, k=max(kinds.count("true") - len(orders.pages), 0))
    told = [*orders.pages, *others]
    chance.shuffle(told)
    for number, kind in enumerate(kinds):
        if kind == "doubled" and made:
            made.append((kind, chance.choice(made)[1]))
            continue
        if kind == "true":
            about = told.pop()
        else:
            about = chance.choice(orders.foreign) if kind == "foreign object" else _object_id(chance)
        event = chance.choice(["payment.succeeded", "payment.canceled", "refund.succeeded"])
        body: Any = {
            "type": "notification",
            "event": "payment.succeeded" if kind == "true" else event,
            "object": {"id": about, "status": "succeeded", "paid": True, "note": number},
        }
        if kind == "other event":
            body["event"] = chance.choice(["deal.closed", "payout.succeeded", "payment.", "", "PAYMENT.SUCCEEDED"])
        content = json.dumps(body).encode()
        made.append((kind, content[: chance.randrange(len(content))] if kind == "bad JSON" else content))
    if told:
        raise ValueError(f"{len(told)} pages are told of by nobody: too few notifications")
    return made


def _object_id(chance: random.Random) -> str:
    """An id in the form in which the payment system gives them."""
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-000f-5{digits[13:16]}-b{digits[17:20]}-{digits[20:]}"


async def send(orders: Orders) -> Sent:
    """Each at its instant, whether the ones before it were answered or not, as far as `_AT_ONCE` goes."""
    sent, free = Sent(), asyncio.Semaphore(_AT_ONCE)
    todo = bodies(orders)
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=_AT_ONCE)
    ) as http:
        began_at = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number, (kind, body) in enumerate(todo):
                await asyncio.sleep(max(0.0, began_at + number / orders.rate - time.monotonic()))
                await free.acquire()
                sent.kinds[kind] += 1
                tasks.create_task(_post(http, orders.url, body, free, sent))
        sent.seconds = time.monotonic() - began_at
    return sent


async def _post(http: aiohttp.ClientSession, url: str, body: bytes, free: asyncio.Semaphore, sent: Sent) -> None:
    began_at = time.monotonic()
    try:
        async with http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
            await answer.read()
            sent.answers[str(answer.status)] += 1
            sent.answered_after_ms.append((time.monotonic() - began_at) * 1000)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        sent.answers[type(error).__name__] += 1
    finally:
        free.release()


def main() -> None:
    os.nice(10)  # it stands for another machine, so it must not take this one's processors from what is measured
    orders = Orders(**json.load(sys.stdin))
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    sys.stdout.write(json.dumps(vars(asyncio.run(send(orders)))) + "\n")


if __name__ == "__main__":
    main()
