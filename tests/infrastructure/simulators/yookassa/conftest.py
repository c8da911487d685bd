from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from infrastructure.simulators.yookassa.serve import Running, running
from tests.infrastructure.simulators.yookassa.shop import HandClock, Mailbox, Shop, mailbox


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def inbox() -> AsyncIterator[Mailbox]:
    async with mailbox() as box:
        yield box


@pytest.fixture
def simulator(clock: HandClock, inbox: Mailbox) -> Iterator[Running]:
    with running(clock=clock, notify_url=inbox.url) as simulator:
        yield simulator


@pytest.fixture
async def shop(simulator: Running) -> AsyncIterator[Shop]:
    auth = (simulator.shop_id, simulator.secret_key)
    async with httpx.AsyncClient(auth=auth, timeout=5.0) as client:
        yield Shop(simulator, client)
