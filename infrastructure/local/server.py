"""What every embedded server has in common, so that tests and the local stack start them the same way."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from infrastructure.local.leash import Leash


class DidNotStartError(Exception):
    """A server ended, or was not ready in time; the message carries its name and last log lines."""


class Server(ABC):
    """One embedded server: `prepare` (slow, any thread), `launch` (main thread), `is_ready`, `complete`."""

    name: str
    log: Path
    end_order: int = 2
    """When it is ended: those of order 0 first, the servers that everything else uses last."""
    process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    def prepare(self) -> None:
        """Build what the server needs; may take long, may run in any thread."""
        return

    @abstractmethod
    def launch(self, leash: Leash) -> subprocess.Popen[bytes]:
        """Start the process; from the main thread."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers; never raises, takes at most a second or so."""

    def complete(self) -> None:
        """What is to be done once it answers; may run in any thread."""
        return

    def start(self, leash: Leash, timeout_s: float = 60.0) -> None:
        """All four steps one after the other; raises DidNotStartError."""
        self.prepare()
        process = self.launch(leash)
        give_up_at = time.monotonic() + timeout_s
        while not self.is_ready():
            if process.poll() is not None:
                raise DidNotStartError(f"{self.name} ended with {process.returncode}:\n{last_lines(self.log)}")
            if time.monotonic() > give_up_at:
                raise DidNotStartError(f"{self.name} was not ready after {timeout_s:.0f} s:\n{last_lines(self.log)}")
            time.sleep(0.02)
        self.complete()

    def stop(self, leash: Leash) -> None:
        """End the process and wait for it."""
        if self.process is not None:
            leash.end(self.process)
            self.process = None


def last_lines(log: Path, count: int = 15) -> str:
    """The last lines of a log, read from its end however long it is."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-count:]) or "(empty log)"
