"""Whoever starts something with a wrong setting reads its name and what was expected, not a traceback."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import app
from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.postgres import EmbeddedPostgres

NOWHERE = "postgresql://billing@127.0.0.1:1/billing"
GIVEN = {
    "BILLING_DATABASE_URL": NOWHERE,
    "BILLING_REDIS_URL": "redis://127.0.0.1:1/0",
    "BILLING_ELASTICSEARCH_URL": "none",
    "BILLING_CARD_KEYS": "test:" + base64.b64encode(bytes(32)).decode(),
    "BILLING_AUTH_JWKS_URL": "http://127.0.0.1:1/jwks",
}


def _started(module: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    return subprocess.run(  # noqa: S603 -- our own programs
        [sys.executable, "-m", module],
        cwd=CHECKOUT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _billing(home: Path, *arguments: str, **environment: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith("BILLING_")}
    given = {**GIVEN, "BILLING_HOME_DIR": str(home), **environment}
    return CliRunner().invoke(app, arguments, env={**clean, **given})


@pytest.mark.parametrize(
    ("module", "changed", "said"),
    [
        ("main", {"BILLING_AUTH_PUBLIC_KEY": "/nowhere/key.pem"}, "BILLING_AUTH_PUBLIC_KEY: expected a PEM public key"),
        ("main", {"BILLING_AUTH_JWKS_URL": ""}, "BILLING_AUTH_PUBLIC_KEY or BILLING_AUTH_JWKS_URL: one of them"),
        ("main", {"BILLING_REDIS_URL": ""}, "BILLING_REDIS_URL: it is needed here"),
        ("main", {"BILLING_DATABASE_URL": f"{NOWHERE}?sslmode=yes"}, "BILLING_DATABASE_URL: sslmode: expected one of"),
        ("jobs.worker", {"BILLING_REDIS_URL": ""}, "BILLING_REDIS_URL: it is needed here"),
        ("jobs.worker", {"BILLING_CARD_KEYS": ""}, "BILLING_CARD_KEYS: it is needed here"),
        ("jobs.projector", {"BILLING_REDIS_URL": ""}, "BILLING_REDIS_URL: it is needed here"),
        ("jobs.projector", {"BILLING_DATABASE_URL": ""}, "BILLING_DATABASE_URL: it is needed here"),
    ],
)
def test_a_process_without_what_it_needs_names_the_setting_and_ends(
    module: str, changed: dict[str, str], said: str
) -> None:
    ended = _started(module, {**GIVEN, **changed})
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith(said)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["migrate", "rebuild-cache", "rebuild-history"])
@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_a_command_tells_in_one_sentence_that_postgres_is_away(tmp_path: Path, command: str, host: str) -> None:
    more = {"BILLING_ELASTICSEARCH_URL": "http://127.0.0.1:1", "BILLING_DATABASE_URL": f"postgresql://billing@{host}/b"}
    result = _billing(tmp_path, command, **more)
    assert result.exit_code == 1
    assert result.stderr.startswith("Postgres does not answer: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["rebuild-cache", "rebuild-history"])
def test_a_database_that_is_not_there_is_a_wrong_setting(
    tmp_path: Path, postgres: EmbeddedPostgres, command: str
) -> None:
    more = {"BILLING_ELASTICSEARCH_URL": "http://127.0.0.1:1", "BILLING_DATABASE_URL": postgres.url_of("nothing")}
    result = _billing(tmp_path, command, **more)
    assert result.exit_code == 2, result.stderr
    assert result.stderr == 'BILLING_DATABASE_URL: Postgres refuses it: database "nothing" does not exist\n'


class _Doorkeeper(BaseHTTPRequestHandler):
    """Elasticsearch's answer to a password that is none."""

    def _refuse(self) -> None:
        body = b'{"error":{"type":"security_exception"},"status":401}'
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _refuse  # noqa: N815 -- the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def doorkeeper() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Doorkeeper)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_wrong_password_of_elasticsearch_is_a_wrong_setting(
    tmp_path: Path, database_url: str, doorkeeper: str
) -> None:
    address = f"http://elastic:geheim@{doorkeeper}"
    result = _billing(tmp_path, "rebuild-history", BILLING_ELASTICSEARCH_URL=address, BILLING_DATABASE_URL=database_url)
    assert result.exit_code == 2, result.stderr
    assert result.stderr.startswith("BILLING_ELASTICSEARCH_URL: expected a user and a password that may write there")
    assert "geheim" not in result.output
