"""A node of Elasticsearch of our own, from the jars that elasticsearch_home.py puts together."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from infrastructure.local.account import make_private, server_account
from infrastructure.local.elasticsearch_home import Java, elasticsearch_home
from infrastructure.local.leash import Leash
from infrastructure.local.leftover import end_leftover
from infrastructure.local.ports import free_port
from infrastructure.local.server import Server

_RED_PATIENCE_S = 10.0
"""How long shards may take to come back; what is lost for good can be rebuilt from Postgres, so it stops nobody."""


class EmbeddedElasticsearch(Server):
    """One node. `folder` must be reachable by `nobody` where we are root (account.reachable_folder).

    `prepare` raises NoElasticsearchError where Java or Maven is missing.
    """

    name = "elasticsearch"

    def __init__(
        self,
        folder: Path,
        log: Path,
        *,
        cache: Path,
        port: int | None = None,
        heap_mb: int = 512,
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder = folder.resolve()
        self.log = log
        self.port = port or free_port()
        self._cache = cache
        self._heap_mb = heap_mb
        self._say = say
        self._account = server_account()
        self._home: Path | None = None
        self._java: Java | None = None
        self._answered_at: float | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Put its programs together where that is still to be done, and end a node left behind."""
        self._home, self._java = elasticsearch_home(self._cache, self._say)
        end_leftover(self.folder, signal.SIGTERM)
        for name in ("config", "data", "logs", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        make_private(self.folder, self._account)

    def launch(self, leash: Leash) -> subprocess.Popen[bytes]:
        assert self._home is not None, "prepare comes before launch"
        assert self._java is not None, "prepare comes before launch"
        settings = {
            "path.home": self._home,
            "path.data": self.folder / "data",
            "path.logs": self.folder / "logs",
            "cluster.name": "cinema-billing",
            "node.name": "local",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": 0,
            # A developer's disk may well be fuller than 95 %, at which it would refuse to write.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }
        self.process = leash.start(
            [
                *(self._java.java, f"-Xms{self._heap_mb}m", f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC"),
                *("-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={self.folder / 'tmp'}", "-XX:+ExitOnOutOfMemoryError"),
                *("-cp", f"{self._home}/lib/*:{self._home}/launcher", "Launcher", self.folder / "config"),
                *(f"{name}={value}" for name, value in settings.items()),
            ],
            log=self.log,
            env={key: value for key, value in os.environ.items() if key not in ("CLASSPATH", "JAVA_TOOL_OPTIONS")},
            cwd=self.folder,
            account=self._account,
            own_folder=self.folder,
        )
        return self.process

    def is_ready(self) -> bool:
        """Its health is known and not red, or stays red for longer than shards take to come back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/_cluster/health")
            answer = connection.getresponse()
            health = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        if answer.status != 200:
            return False
        self._answered_at = self._answered_at or time.monotonic()
        return health.get("status") != "red" or time.monotonic() - self._answered_at > _RED_PATIENCE_S
