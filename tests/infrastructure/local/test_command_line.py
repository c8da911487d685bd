"""What a person meets at the command line."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from jose import jwt
from typer.testing import CliRunner, Result

from cli import app, stack_settings
from infrastructure.local.home import Home
from infrastructure.simulators.auth.signing import signing_key


def _billing(*arguments: str, **environment: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith("BILLING_")}
    return CliRunner().invoke(app, arguments, env={**clean, **environment})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    signing_key(tmp_path / "auth")
    return tmp_path


def _claims(result: Result, home: Path) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    public_pem = (home / "auth" / "public.pem").read_text()
    return jwt.decode(result.stdout.strip(), public_pem, algorithms=["RS256"], options={"verify_aud": False})


def test_a_token_for_somebody_new_is_a_persons(home: Path) -> None:
    claims = _claims(_billing("token", BILLING_HOME_DIR=str(home)), home)
    uuid.UUID(str(claims["sub"]))
    assert {"exp", "email", "locale", "zoneinfo"} <= set(claims)
    assert "scope" not in claims


def test_a_token_says_what_was_asked_for(home: Path) -> None:
    anna = str(uuid.uuid4())
    asked = ("--user", anna, "--email", "anna@example.org", "--zoneinfo", "Asia/Omsk", "--locale", "en")
    claims = _claims(_billing("token", *asked, BILLING_HOME_DIR=str(home), BILLING_AUTH_AUDIENCE="billing"), home)
    assert claims["sub"] == anna
    assert (claims["email"], claims["zoneinfo"], claims["locale"]) == ("anna@example.org", "Asia/Omsk", "en")
    assert claims["aud"] == "billing"

    again = _claims(_billing("token", "--user", anna, BILLING_HOME_DIR=str(home)), home)
    assert again["email"] == "anna@example.org", "the auth service remembers her"


def test_a_service_gets_its_scopes(home: Path) -> None:
    scopes = ("--scope", "billing:internal", "--scope", "billing:admin")
    claims = _claims(_billing("token", "--user", "auth", *scopes, BILLING_HOME_DIR=str(home)), home)
    assert (claims["sub"], claims["scope"]) == ("auth", "billing:internal billing:admin")


def test_without_a_local_auth_service_there_is_no_token(tmp_path: Path) -> None:
    result = _billing("token", BILLING_HOME_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert "make run" in result.stderr


def test_no_token_where_the_keys_are_somebody_elses(home: Path) -> None:
    result = _billing("token", BILLING_HOME_DIR=str(home), BILLING_AUTH_JWKS_URL="http://127.0.0.1:1/jwks")
    assert result.exit_code == 2
    assert "not those of the local auth service" in result.stderr


def test_each_wrong_setting_is_named_on_a_line_of_its_own() -> None:
    result = _billing("run", BILLING_PORT="nowhere", BILLING_REDIS_URL="localhost")
    assert result.exit_code == 2
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["BILLING_PORT", "BILLING_REDIS_URL"]


def test_other_commands_take_the_running_stacks_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    for name in os.environ:
        if name.startswith("BILLING_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BILLING_HOME_DIR", str(home))
    monkeypatch.setenv("BILLING_REDIS_URL", "redis://mine")
    holder = Home(home)
    lock = holder.lock(lambda _: None)
    announced = {"BILLING_DATABASE_URL": "postgresql://stack", "BILLING_REDIS_URL": "redis://stack"}
    holder.announce({}, announced | {"BILLING_CLOCK": "held"})
    try:
        settings = stack_settings()
    finally:
        holder.unlock(lock)
    assert settings.database_url == "postgresql://stack"
    assert settings.clock == "held"
    assert settings.redis_url == "redis://mine", "what is set here goes first"


def test_a_command_that_needs_a_database_says_so(home: Path) -> None:
    result = _billing("migrate", BILLING_HOME_DIR=str(home))
    assert result.exit_code == 2
    assert "BILLING_DATABASE_URL" in result.stderr
