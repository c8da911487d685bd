"""The whole local stack as `billing run` starts it: in a process of its own, on a home folder that outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.ports import free_port
from infrastructure.local.server import last_lines
from infrastructure.simulators.auth.signing import issue_token

_READY_WITHIN_S = 90.0
_ENDED_WITHIN_S = 60.0
_POLL_S = 0.02


class StackFailedError(Exception):
    """The stack did not start, or did not end, as it should; the message carries its last words."""


class RealStack:
    """Start it, kill one of its parts, start it again. Only from the main thread: Linux ends it with its starter."""

    def __init__(self, home: Path, *, elasticsearch: bool = False, **settings: str) -> None:
        """`settings`: further BILLING_* settings by their names without the prefix."""
        self.home = home
        self._log = home / "run.log"
        given = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
        self._environment = {
            **given,
            "BILLING_HOME_DIR": str(home),
            "BILLING_PORT": str(free_port()),
            "BILLING_ADMIN_PORT": str(free_port()),
            "BILLING_CLOCK": "system",
            **({} if elasticsearch else {"BILLING_ELASTICSEARCH_URL": "none"}),
            **{f"BILLING_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.addresses: dict[str, Any] = {}

    @property
    def parts(self) -> dict[str, int]:
        """Name → process id."""
        return dict(self.addresses["processes"])

    async def start(self) -> float:
        """Start it on the same home folder; seconds until it is ready. Raises StackFailedError."""
        began_at = time.monotonic()
        self.home.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - our own module; it returns at once
                [sys.executable, "-m", "cli", "run", "--with-parent"],
                cwd=CHECKOUT,
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we end it then
            )
        stack_file = self.home / "stack.json"
        while not stack_file.exists():
            if self._process.poll() is not None:
                raise StackFailedError(f"it ended while starting:\n{last_lines(self._log, 25)}")
            if time.monotonic() - began_at > _READY_WITHIN_S:
                raise StackFailedError(f"it was not ready after {_READY_WITHIN_S:.0f} s:\n{last_lines(self._log)}")
            await asyncio.sleep(_POLL_S)
        self.addresses = json.loads(stack_file.read_text())
        return time.monotonic() - began_at

    async def billing(self, *command: str, within_s: float) -> tuple[int, str]:
        """Run `billing` with the settings of this stack; its status, and what it printed."""
        return await run_to_its_end(
            sys.executable, "-m", "cli", *command, folder=CHECKOUT, within_s=within_s, environment=self._environment
        )

    async def kill(self, part: str) -> float:
        """kill -9 one part and wait until the whole has ended, as it must; seconds until then."""
        began_at = time.monotonic()
        os.kill(self.parts[part], signal.SIGKILL)
        status = await self._ended()
        if status != 1 or f"{part} was killed by signal 9" not in last_lines(self._log, 40):
            raise StackFailedError(f"{part} was killed, it ended with {status}:\n{last_lines(self._log, 40)}")
        return time.monotonic() - began_at

    async def stop(self) -> None:
        """End it in order; harmless where it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await self._ended()
            except StackFailedError:
                self._process.kill()  # its keeper ends the parts then
                raise

    async def _ended(self) -> int:
        assert self._process is not None
        give_up_at = time.monotonic() + _ENDED_WITHIN_S
        while (status := self._process.poll()) is None:
            if time.monotonic() > give_up_at:
                raise StackFailedError(f"it has not ended after {_ENDED_WITHIN_S:.0f} s:\n{last_lines(self._log)}")
            await asyncio.sleep(_POLL_S)
        return status

    def token(self, subject: str, **claims: Any) -> str:
        """A token of the local auth service, for a day."""
        private_key = (self.home / "auth" / "private.pem").read_text("ascii")
        return issue_token(private_key, sub=subject, ttl_s=86_400, **claims)


async def run_to_its_end(
    *command: str, folder: Path, within_s: float, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """A command's status, and what it printed; it is killed where it takes longer."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), within_s)
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, printed.decode()


def exit_with(campaign: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command's campaign; its result is the process's status. Interrupted, it says that nothing was left."""
    try:
        sys.exit(asyncio.run(campaign))
    except asyncio.CancelledError:
        sys.exit("interrupted; everything that was started has ended")


def end_in_order() -> None:
    """Let SIGINT and SIGTERM cancel the current task, so that what it has started is ended."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


@asynccontextmanager
async def real_stack(
    home: Path | None = None, *, elasticsearch: bool = False, **settings: str
) -> AsyncIterator[RealStack]:
    """Not started yet; ended at the end whatever happened. Without `home` in a folder that goes with it."""
    folder = home or Path(tempfile.mkdtemp(prefix="cinema-reliability-"))
    stack = RealStack(folder, elasticsearch=elasticsearch, **settings)
    try:
        yield stack
    finally:
        try:
            await stack.stop()
        finally:
            if home is None:
                clean = [sys.executable, "-m", "infrastructure.local.clean", str(folder)]
                subprocess.run(clean, cwd=CHECKOUT, check=False)  # noqa: S603, ASYNC221 - our own module, at the end
