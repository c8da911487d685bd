"""A program of our own as a part of the stack: the service's processes and the simulators."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from infrastructure.local.leash import Leash
from infrastructure.local.server import Server


class Program(Server):
    """Ready when `health` answers 200, or when it has made the file that BILLING_READY_FILE names.

    `url` is where clients find it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        ready_file: Path,
        url: str = "",
        health: str | None = None,
        end_order: int = 0,
    ) -> None:
        self.name = name
        self.log = log
        self.end_order = end_order
        self._command = command
        self._env = {**env, "BILLING_READY_FILE": str(ready_file), "PYTHONUNBUFFERED": "1"}
        self._cwd = cwd
        self._ready_file = ready_file
        self._url = url
        self._health = health

    @property
    def url(self) -> str:
        return self._url

    def launch(self, leash: Leash) -> subprocess.Popen[bytes]:
        self._ready_file.parent.mkdir(parents=True, exist_ok=True)
        self._ready_file.unlink(missing_ok=True)
        self.process = leash.start(self._command, log=self.log, env=self._env, cwd=self._cwd)
        return self.process

    def is_ready(self) -> bool:
        if self._health is None:
            return self._ready_file.exists()
        return http_status(self._health) == 200


def http_status(url: str, timeout_s: float = 2.0) -> int | None:
    """The status that a GET of this http address is answered with; None where nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
