"""Which parts a local stack has, with which addresses and settings; what is given from outside is not started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from infrastructure.local.account import make_private, reachable_folder, server_account
from infrastructure.local.checkout import CACHE, CHECKOUT
from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.local.home import Home
from infrastructure.local.ports import StablePorts, require_free
from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.program import Program
from infrastructure.local.valkey import EmbeddedValkey

_LONGEST_LOG_BYTES = 20_000_000


class Wishes(Protocol):
    """What the caller set; None is unset. The service's settings have this shape."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def admin_port(self) -> int: ...
    @property
    def production(self) -> bool: ...
    @property
    def database_url(self) -> str | None: ...
    @property
    def redis_url(self) -> str | None: ...
    @property
    def elasticsearch_url(self) -> str | None: ...
    @property
    def yookassa_api_url(self) -> str | None: ...
    @property
    def yookassa_shop_id(self) -> str | None: ...
    @property
    def yookassa_secret_key(self) -> str | None: ...
    @property
    def auth_public_key(self) -> str | None: ...
    @property
    def auth_jwks_url(self) -> str | None: ...
    @property
    def auth_issuer(self) -> str | None: ...
    @property
    def auth_audience(self) -> str | None: ...
    @property
    def auth_api_url(self) -> str | None: ...
    @property
    def auth_api_token(self) -> str | None: ...
    @property
    def smtp_url(self) -> str | None: ...
    @property
    def card_keys(self) -> str | None: ...
    @property
    def clock(self) -> str: ...
    @property
    def admin_api_url(self) -> str | None: ...
    @property
    def admin_api_token(self) -> str | None: ...
    @property
    def admin_secret_key(self) -> str | None: ...
    @property
    def admin_password(self) -> str | None: ...


class Parts:
    """The parts of one stack. `environment` grows as their addresses become known: the complete BILLING_* settings.

    Raises PortTakenError, HomeError. An attribute is None where the part is given from outside.
    """

    def __init__(self, wishes: Wishes, home: Home, *, checkout: Path = CHECKOUT, say: Callable[[str], None]) -> None:
        self._wishes = wishes
        self._home = home.folder
        self._checkout = checkout
        self._ports = StablePorts(self._home / "ports.json")
        self._secrets = home.secrets()
        self._panel_secrets = home.panel_secrets()
        self._say = say
        self._servers = reachable_folder(self._home, server_account()) / "servers"
        self._servers.mkdir(exist_ok=True)
        self._servers.chmod(0o711)  # a server that must not run as root walks through it to its own folder
        self._local_host = "127.0.0.1" if wishes.host in {"0.0.0.0", "::", ""} else wishes.host  # noqa: S104 - compared
        require_free(wishes.host, wishes.port, "BILLING_PORT")
        self.api_url = _url(self._local_host, wishes.port)
        self.has_admin = (checkout / "admin" / "__main__.py").exists()
        if self.has_admin:
            require_free(wishes.host, wishes.admin_port, "BILLING_ADMIN_PORT")
        self.environment = {
            "BILLING_HOME_DIR": str(self._home),
            "BILLING_HOST": wishes.host,
            "BILLING_PORT": str(wishes.port),
            "BILLING_ADMIN_PORT": str(wishes.admin_port),
            "BILLING_CLOCK": str(wishes.clock),
            "BILLING_CARD_KEYS": wishes.card_keys or self._secrets["card_keys"],
            "BILLING_YOOKASSA_SHOP_ID": wishes.yookassa_shop_id or self._secrets["yookassa_shop_id"],
            "BILLING_YOOKASSA_SECRET_KEY": wishes.yookassa_secret_key or self._secrets["yookassa_secret_key"],
            "BILLING_ADMIN_API_URL": wishes.admin_api_url or self.api_url,
            "BILLING_ADMIN_SECRET_KEY": wishes.admin_secret_key or self._panel_secrets["secret_key"],
        }
        if not wishes.production:  # which has no built-in administrator
            self.environment["BILLING_ADMIN_PASSWORD"] = wishes.admin_password or self._panel_secrets["password"]
        if wishes.admin_api_token is not None:
            self.environment["BILLING_ADMIN_API_TOKEN"] = wishes.admin_api_token
        self.postgres = self._postgres()
        self.valkey = self._valkey()
        self.elasticsearch = self._elasticsearch()
        self.auth = self._auth()
        self.mailbox = self._mailbox()
        self.yookassa = self._yookassa()

    @property
    def database_url(self) -> str:
        return self.environment["BILLING_DATABASE_URL"]

    def without_elasticsearch(self) -> None:
        """Elasticsearch cannot be had here: history is read from Postgres."""
        self.elasticsearch = None
        self.environment["BILLING_ELASTICSEARCH_URL"] = "none"

    def migration(self) -> Program:
        """The program that brings the schema up to date and ends."""
        return self.program("migrate", migrate_command())

    def ours(self) -> list[Program]:
        """The service's own processes; made when every address is known."""
        return [
            self.program("api", [sys.executable, "-m", "main"], url=self.api_url, health="/readyz"),
            self.program("worker", [sys.executable, "-m", "jobs.worker"]),
            self.program("projector", [sys.executable, "-m", "jobs.projector"]),
        ]

    def panel(self) -> tuple[Program, Program] | None:
        """What makes the admin panel's own tables and first administrator, and ends; and the panel itself."""
        if not self.has_admin:
            return None
        url = _url(self._local_host, self._wishes.admin_port)
        return self.program("prepare-admin", [*PANEL, "migrate"]), self.program(
            "admin", PANEL, url=url, health="/healthz"
        )

    def program(
        self,
        name: str,
        command: list[str],
        *,
        url: str = "",
        health: str | None = None,
        end_order: int = 0,
    ) -> Program:
        return Program(
            name,
            command,
            log=self._log(name),
            env={**os.environ, **self.environment},
            cwd=self._checkout,
            ready_file=self._home / "run" / f"{name}.ready",
            url=url,
            health=url + health if health else None,
            end_order=end_order,
        )

    def _postgres(self) -> EmbeddedPostgres | None:
        if self._wishes.database_url is not None:
            self.environment["BILLING_DATABASE_URL"] = self._wishes.database_url
            return None
        bin_dir = os.environ.get("BILLING_POSTGRES_BIN")
        server = EmbeddedPostgres(
            self._servers / "postgres",
            self._log("postgres"),
            port=self._ports.port("postgres"),
            bin_dir=Path(bin_dir) if bin_dir else None,
        )
        self.environment["BILLING_DATABASE_URL"] = server.url
        return server

    def _valkey(self) -> EmbeddedValkey | None:
        if self._wishes.redis_url is not None:
            self.environment["BILLING_REDIS_URL"] = self._wishes.redis_url
            return None
        server = EmbeddedValkey(self._home / "valkey", self._log("valkey"), port=self._ports.port("valkey"))
        self.environment["BILLING_REDIS_URL"] = server.url
        return server

    def _elasticsearch(self) -> EmbeddedElasticsearch | None:
        if self._wishes.elasticsearch_url is not None:
            self.environment["BILLING_ELASTICSEARCH_URL"] = self._wishes.elasticsearch_url
            return None
        folder = self._servers / "elasticsearch"
        make_private(folder, server_account())
        server = EmbeddedElasticsearch(
            folder,
            self._log("elasticsearch"),
            cache=CACHE,
            port=self._ports.port("elasticsearch"),
            say=self._say,
        )
        self.environment["BILLING_ELASTICSEARCH_URL"] = server.url
        return server

    def _auth(self) -> Program | None:
        if self._wishes.auth_public_key is not None or self._wishes.auth_jwks_url is not None:
            return None  # and nobody is asked about persons unless AUTH_API_URL names somebody
        folder = self._home / "auth"
        self.environment["BILLING_AUTH_PUBLIC_KEY"] = str(folder / "public.pem")
        ours = folder / "billing.token"
        panels = folder / "admin.token"
        arguments = ["--data-dir", str(folder), "--service-token", str(ours), "--admin-token", str(panels)]
        for option, claim in (("--issuer", self._wishes.auth_issuer), ("--audience", self._wishes.auth_audience)):
            arguments += [option, claim] if claim is not None else []
        part = self._simulator("auth", arguments)
        self.environment.setdefault("BILLING_ADMIN_API_TOKEN", str(panels))
        if self._wishes.auth_api_url is None:
            self.environment["BILLING_AUTH_API_URL"] = part.url
        if self._wishes.auth_api_token is None:
            self.environment["BILLING_AUTH_API_TOKEN"] = str(ours)
        return part

    def _mailbox(self) -> Program | None:
        if self._wishes.smtp_url is not None:
            return None
        smtp_port = self._ports.port("mailbox-smtp")
        self.environment["BILLING_SMTP_URL"] = f"smtp://127.0.0.1:{smtp_port}"
        arguments = ["--smtp-port", str(smtp_port), "--data-dir", str(self._home / "mailbox")]
        return self._simulator("mailbox", arguments, port_option="--http-port")

    def _yookassa(self) -> Program | None:
        if self._wishes.yookassa_api_url is not None:
            return None
        arguments = ["--data-dir", str(self._home / "yookassa"), "--clock", str(self._wishes.clock)]
        arguments += ["--shop-id", self.environment["BILLING_YOOKASSA_SHOP_ID"]]
        arguments += ["--secret-key", self.environment["BILLING_YOOKASSA_SECRET_KEY"]]
        arguments += ["--notify-url", f"{self.api_url}/webhooks/yookassa", "--database-url", self.database_url]
        part = self._simulator("yookassa", arguments)
        self.environment["BILLING_YOOKASSA_API_URL"] = f"{part.url}/v3"
        return part

    def _simulator(self, name: str, arguments: list[str], port_option: str = "--port") -> Program:
        port = self._ports.port(name)
        command = [sys.executable, "-m", f"infrastructure.simulators.{name}", "--host", "127.0.0.1"]
        command += [port_option, str(port), *arguments]
        return self.program(name, command, url=_url("127.0.0.1", port), health="/healthz", end_order=1)

    def _log(self, name: str) -> Path:
        """The part's log; one that grew long makes room for a new one."""
        log = self._home / "logs" / f"{name}.log"
        if log.exists() and log.stat().st_size > _LONGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return log


PANEL = [sys.executable, "-m", "admin"]
"""The admin panel; run in the checkout, with its settings in the environment."""


def migrate_command() -> list[str]:
    """Bring the schema up to date; run in the checkout, with BILLING_DATABASE_URL set."""
    return [sys.executable, "-m", "alembic", "upgrade", "head"]


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
