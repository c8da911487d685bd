"""Run the simulator: as a process, or in a thread of a test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from domain.ports import Clock
from infrastructure.clock import SystemClock
from infrastructure.simulators.yookassa.app import create_app
from infrastructure.simulators.yookassa.client import SimulatorControl
from infrastructure.simulators.yookassa.store import Store
from infrastructure.simulators.yookassa.wire import OpenProtocol

_PATIENCE_S = 10.0


def server(app: ASGIApp) -> uvicorn.Server:
    """A server that logs no requests and lets its faults reach the connection."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, http=OpenProtocol, lifespan="on", timeout_graceful_shutdown=1
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol has to be named: asyncio switches Nagle's delay off for sockets that say they are TCP.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


@dataclass(frozen=True)
class Running:
    """`url` has no slash at its end; the API is at `api_url`."""

    url: str
    api_url: str
    shop_id: str
    secret_key: str
    control: SimulatorControl


@contextmanager
def running(
    *,
    clock: Clock | None = None,
    data_dir: Path | None = None,
    notify_url: str | None = None,
    shop_id: str = "100500",
    secret_key: str = "test_secret",  # noqa: S107 # opens nothing but this simulator
    pci: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Running]:
    """The simulator in a thread of this process, so that a test may share its clock with it.

    `data_dir` None keeps the books in memory; `clock` None is the system's.
    """
    store = Store(data_dir)
    app = create_app(
        store, clock or SystemClock(), shop_id=shop_id, secret_key=secret_key, notify_url=notify_url, pci=pci
    )
    runner = server(app)
    bound = listening(host, port)
    thread = threading.Thread(target=lambda: runner.run([bound]), name="yookassa-simulator", daemon=True)
    thread.start()
    url = f"http://{host}:{bound.getsockname()[1]}"
    control = SimulatorControl(url)
    try:
        control.wait_until_ready(_PATIENCE_S)
        yield Running(url, f"{url}/v3", shop_id, secret_key, control)
    finally:
        runner.should_exit = True
        thread.join(_PATIENCE_S)
        bound.close()
