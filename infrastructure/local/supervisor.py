"""Starts parts side by side, watches them, and ends all of them when one dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from infrastructure.local.leash import Leash
from infrastructure.local.program import Program
from infrastructure.local.server import DidNotStartError, Server, last_lines

_GRACE_S = 10.0
_START_PATIENCE_S = 90.0


class PartDiedError(Exception):
    """A part ended by itself; the message carries its name, its status and its last log lines."""


class Supervisor:
    """Owns the running parts. Used from the main thread's event loop only, for the leash asks for that."""

    def __init__(self, leash: Leash, say: Callable[[str], None]) -> None:
        self._leash = leash
        self._say = say
        self._running: list[Server] = []

    @property
    def pids(self) -> dict[str, int]:
        """Name → process id of every running part, in the order of their start."""
        return {part.name: part.process.pid for part in self._running if part.process is not None}

    async def start(self, part: Server) -> None:
        """Start one part and wait until it is ready; raises DidNotStartError, PartDiedError."""
        began_at = time.monotonic()
        await asyncio.to_thread(part.prepare)
        process = part.launch(self._leash)
        self._running.append(part)
        give_up_at = time.monotonic() + _START_PATIENCE_S
        while not await asyncio.to_thread(part.is_ready):
            if process.poll() is not None:
                raise PartDiedError(_obituary(part))
            if time.monotonic() > give_up_at:
                raise DidNotStartError(
                    f"{part.name} was not ready after {_START_PATIENCE_S:.0f} s; {_end_of_log(part)}"
                )
            await asyncio.sleep(0.05)
        await asyncio.to_thread(part.complete)
        self._say(f"{part.name} is ready after {time.monotonic() - began_at:.1f} s")

    async def run_once(self, program: Program) -> None:
        """Run a program to its end; raises DidNotStartError with its last log lines where it fails."""
        began_at = time.monotonic()
        process = program.launch(self._leash)
        try:
            while process.poll() is None:  # noqa: ASYNC110 - a process, not a task of ours
                await asyncio.sleep(0.02)
        finally:
            self._leash.end(process, grace_s=2)
        if process.returncode != 0:
            raise DidNotStartError(f"{program.name} failed; {_end_of_log(program)}")
        self._say(f"{program.name} is done after {time.monotonic() - began_at:.1f} s")

    async def watch(self) -> None:
        """Return never; raises PartDiedError as soon as a part has ended."""
        while True:
            for part in self._running:
                if part.process is not None and part.process.poll() is not None:
                    raise PartDiedError(_obituary(part))
            if not self._leash.keeper_alive:
                raise PartDiedError("keeper ended: without it a kill -9 could leave processes behind")
            await asyncio.sleep(0.1)

    async def stop(self, hurry: asyncio.Event) -> None:
        """End every part, the last started first, waves together; `hurry` cuts the patience short."""
        for wave in _waves(self._running):
            for part in wave:
                if part.process is not None:
                    self._leash.ask_to_end(part.process)
            give_up_at = time.monotonic() + _GRACE_S
            while any(part.process is not None and part.process.poll() is None for part in wave):
                if hurry.is_set() or time.monotonic() > give_up_at:
                    break
                await asyncio.sleep(0.02)
            for part in wave:
                if part.process is not None:
                    self._leash.end(part.process, grace_s=0)
        self._running.clear()


def _waves(parts: list[Server]) -> list[list[Server]]:
    """Ours first, since they use the simulators and servers; the servers last."""
    waves: dict[int, list[Server]] = {}
    for part in parts:
        waves.setdefault(part.end_order, []).append(part)
    return [waves[order] for order in sorted(waves)]


def _obituary(part: Server) -> str:
    status = part.process.returncode if part.process is not None else None
    how = f"was killed by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
    return f"{part.name} {how}; {_end_of_log(part)}"


def _end_of_log(part: Server) -> str:
    return f"{part.log} ends:\n{last_lines(part.log)}"
