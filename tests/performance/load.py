"""A load from a process of its own: so many connections, each asking again as soon as it was answered.

`python -m tests.performance.load` reads Orders as JSON from its standard input and prints a Load as JSON. It speaks
just enough HTTP/1.1 to cost less than what it measures: an HTTP library would be the bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from infrastructure.local.checkout import CHECKOUT

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Ask:
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""

    def as_bytes(self, host: str) -> bytes:
        body = self.body.encode()
        headers = {"Host": host, **self.headers}
        if body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Orders:
    """`once`: each is asked at most once, for what changes something; else they go round and round."""

    host: str
    port: int
    asks: Sequence[Ask]
    connections: int = 8
    warm_s: float = 1.0
    seconds: float = 3.0
    once: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """Of the time after the warm-up; `unlike`: answers other than 2xx, by status."""

    rate: float
    p50_ms: float
    p99_ms: float
    answered: int
    unlike: dict[str, int]


class _Line(asyncio.Protocol):
    """One connection; hands a whole answer's status to whoever asked."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        headers = bytes(self._buffer[:head]).lower()
        length = headers.partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(self._buffer) < head + 4 + int(length):
            return
        status = int(headers[9:12])
        self._buffer.clear()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError())


async def _play(orders: Orders) -> Load:
    requests = [ask.as_bytes(f"{orders.host}:{orders.port}") for ask in orders.asks]
    begins = time.perf_counter() + orders.warm_s
    ends = begins + orders.seconds
    times: list[float] = []
    unlike: dict[str, int] = {}
    following = iter(requests) if orders.once else _round_and_round(requests)

    async def client() -> None:
        loop = asyncio.get_running_loop()
        transport, line = await loop.create_connection(_Line, orders.host, orders.port)
        try:
            for request in following:
                began = time.perf_counter()
                if began >= ends:
                    return
                status = await asyncio.wait_for(line.ask(request), _PATIENCE_S)
                ended = time.perf_counter()
                if not 200 <= status < 300:
                    unlike[str(status)] = unlike.get(str(status), 0) + 1
                elif began >= begins and ended <= ends:
                    times.append((ended - began) * 1000)
        finally:
            transport.close()

    await asyncio.gather(*(client() for _ in range(orders.connections)))
    if time.perf_counter() < ends:
        raise RuntimeError(f"{len(requests)} requests were not enough for {orders.seconds} s")
    if not times:
        raise RuntimeError(f"nothing was answered within {orders.seconds} s")
    times.sort()
    middle, highest = times[len(times) // 2], times[min(int(len(times) * 0.99), len(times) - 1)]
    return Load(len(times) / orders.seconds, middle, highest, len(times), unlike)


def _round_and_round(requests: Sequence[bytes]) -> Any:
    while True:
        yield from requests


def put_load(orders: Orders) -> Load:
    """In a process of its own. Raises RuntimeError where anything but 2xx was answered: that is no figure."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.performance.load"],
        cwd=CHECKOUT,
        input=json.dumps(asdict(orders)).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load came to nothing: {done.stderr.decode().splitlines()[-1:]}")
    load = Load(**json.loads(done.stdout))
    if load.unlike:
        raise RuntimeError(f"answered otherwise than with 2xx: {load.unlike}")
    return load


def main() -> None:
    given = json.load(sys.stdin)
    asks = [Ask(**ask) for ask in given.pop("asks")]
    print(json.dumps(asdict(asyncio.run(_play(Orders(asks=asks, **given))))))  # noqa: T201 - what this program is for


if __name__ == "__main__":
    main()
