"""The image and the compose file, as far as they can be judged without an engine."""

from __future__ import annotations

import base64
import ipaddress
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from domain.rules import Rules
from tests.architecture.checkout import CHECKOUT

OURS = ("migrate", "api", "worker", "projector", "admin")
COMPOSE_TEXT = (CHECKOUT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text("utf-8")
EXAMPLE = (CHECKOUT / "docs" / "production.env.example").read_text("utf-8")
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
KNOWN = {f"BILLING_{name.upper()}" for name in settings.Settings.model_fields} | {"BILLING_READY_FILE"}
FILLED_IN = {
    "BILLING_PUBLIC_URL": "https://billing.example.org",
    "BILLING_YOOKASSA_API_URL": "https://api.example.org/v3",
    "BILLING_AUTH_JWKS_URL": "https://auth.example.org/jwks",
    "BILLING_TRUSTED_PROXIES": "172.16.0.0/12, 10.0.0.1",
    "BILLING_SMTP_URL": "smtp://mail.example.org:587",
    "BILLING_MAIL_FROM": "Cinema <billing@example.org>",
    "BILLING_CARD_KEYS": "k1:" + base64.b64encode(bytes(32)).decode(),
}
OF_THE_IMAGE = {"BILLING_HOST", "BILLING_PORT", "BILLING_HOME_DIR"}
FOR_A_DEVELOPER = {"BILLING_CLOCK", "BILLING_ADMIN_PASSWORD"}  # production refuses both
OF_THE_WORKER = {"BILLING_READY_FILE", "BILLING_METRICS_PORT"}  # the former of the projector as well
OF_THE_PANEL = {name for name in KNOWN if name.startswith("BILLING_ADMIN_")}


def filled_in(value: str, given: dict[str, str]) -> str:
    """As compose does it: what is not given has its default, or else, being needed, is made up."""

    def one(match: re.Match[str]) -> str:
        made_up = match["rest"] if match["kind"] == "-" else "x" * 12
        return given.get(match["name"], made_up)

    return VARIABLE.sub(one, value)


@pytest.mark.parametrize("service", OURS)
def test_every_variable_that_is_set_is_a_setting(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= KNOWN


@pytest.mark.parametrize("service", ["migrate", "api", "worker", "projector"])
def test_every_setting_reaches_the_service(service: str) -> None:
    """Compose hands on what it names and nothing else: a setting that it leaves out would change nothing."""
    wanted = KNOWN - OF_THE_IMAGE - FOR_A_DEVELOPER - OF_THE_PANEL - OF_THE_WORKER
    assert wanted - set(SERVICES[service]["environment"]) == set()


def test_every_setting_of_the_panel_reaches_it() -> None:
    wanted = {f"BILLING_{name.upper()}" for name in settings.PanelSettings.model_fields}
    assert wanted - OF_THE_IMAGE - FOR_A_DEVELOPER - set(SERVICES["admin"]["environment"]) == set()


def test_what_compose_does_not_set_the_image_does() -> None:
    assert {name for name in OF_THE_IMAGE if f" {name}=" in DOCKERFILE} == OF_THE_IMAGE


def test_what_may_be_left_out_stands_in_the_example_all_the_same() -> None:
    optional = {match["name"] for match in VARIABLE.finditer(COMPOSE_TEXT) if match["kind"] == "-"}
    absent = {name for name in optional if not re.search(rf"^#? ?{name}=", EXAMPLE, re.MULTILINE)}
    assert absent == set()


def test_the_image_and_the_operators_page_name_no_setting_that_is_none() -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text("utf-8")
    named = set(re.findall(r"\bBILLING_[A-Z_]*[A-Z]\b", DOCKERFILE + page + EXAMPLE))
    assert named - KNOWN <= {"BILLING_VERSION", "BILLING_POSTGRES_BIN", "BILLING_FILES_DIR"}


@pytest.mark.parametrize("service", OURS)
def test_what_is_given_as_a_file_is_seen_by_the_service(service: str) -> None:
    """The example offered paths for tokens, and no container had the folder."""
    assert SERVICES[service]["volumes"] == ["${BILLING_FILES_DIR:-/etc/billing}:/run/billing:ro"]
    assert set(re.findall(r"/run/[a-z]+", EXAMPLE)) == {"/run/billing"}


def test_the_operators_page_describes_every_setting() -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text("utf-8")
    assert [name for name in sorted(KNOWN) if f"`{name.removeprefix('BILLING_')}`" not in page] == []


def test_nothing_secret_has_a_default() -> None:
    secret = re.compile("PASSWORD|SECRET|KEYS|SMTP")
    for match in VARIABLE.finditer(COMPOSE_TEXT):
        if secret.search(match["name"]):
            assert match["kind"] == "?", match[0]
        assert match["kind"], f"{match[0]}: unset, it would be empty"
    assert "://elastic:elastic" not in COMPOSE_TEXT


def test_the_example_asks_for_all_that_is_needed_and_gives_nothing_away() -> None:
    lines = dict(line.split("=", 1) for line in EXAMPLE.splitlines() if line and not line.startswith("#"))
    needed = {match["name"] for match in VARIABLE.finditer(COMPOSE_TEXT) if match["kind"] == "?"}
    assert needed <= set(lines)
    assert set(lines.values()) == {""}


def test_filled_in_it_starts_as_production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, filled_in(value, FILLED_IN))
    loaded = settings.load()
    assert loaded.production
    assert loaded.database_url == "postgresql://billing:xxxxxxxxxxxx@postgres:5432/billing"
    assert loaded.yookassa_check_sender
    assert loaded.rules == Rules()


@pytest.mark.parametrize("given", [{}, {"BILLING_AUTH_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----"}])
def test_of_the_two_ways_to_the_auth_services_keys_one_is_enough(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name, value in SERVICES["api"]["environment"].items():
        monkeypatch.setenv(name, filled_in(value, {**FILLED_IN, "BILLING_AUTH_JWKS_URL": "", **given}))
    if given:
        assert settings.load().auth_public_key == given["BILLING_AUTH_PUBLIC_KEY"]
    else:
        with pytest.raises(settings.SettingsError, match="BILLING_AUTH_PUBLIC_KEY or BILLING_AUTH_JWKS_URL"):
            settings.load()


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_service_is_watched_restarted_and_bounded(service: str) -> None:
    described = SERVICES[service]
    limits = described["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} <= set(limits)
    assert described["restart"].startswith("on-failure" if service == "migrate" else "unless-stopped")
    assert "healthcheck" in described or service == "api"  # whose check is the image's own
    assert described["logging"]["options"]["max-size"]
    assert ":" in described["image"]


def test_nothing_starts_before_what_it_cannot_do_without() -> None:
    for service in ("api", "worker", "projector", "admin"):
        after = SERVICES[service]["depends_on"]
        assert after["migrate"] == {"condition": "service_completed_successfully"}
        for name, how in after.items():
            if name != "migrate":
                assert how == {"condition": "service_healthy"}
                assert "healthcheck" in SERVICES[name]


def test_only_what_people_open_is_reachable_and_from_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"], "admin": ["127.0.0.1:8001:8001"]}


def test_the_panel_starts_as_production_and_holds_no_key_of_money_or_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "BILLING_PUBLIC_URL": "https://billing.example.org",
        "BILLING_ADMIN_URL": "https://admin.example.org/",
        "BILLING_ADMIN_SECRET_KEY": "k" * 64,
    }
    environment = SERVICES["admin"]["environment"]
    for name, value in environment.items():
        monkeypatch.setenv(name, filled_in(value, given))
    loaded = settings.load_panel(serving=True)
    assert loaded.production
    assert loaded.admin_url == "https://admin.example.org"
    assert not [name for name in environment if re.search("CARD|YOOKASSA|SMTP|REDIS", name)]


@pytest.mark.parametrize("missing", ["ADMIN_URL", "ADMIN_API_URL", "ADMIN_API_TOKEN", "ADMIN_SECRET_KEY"])
def test_in_production_the_panel_has_nothing_built_in(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    given = {
        "ENVIRONMENT": "production",
        "DATABASE_URL": "postgresql://postgres/billing",
        "ADMIN_URL": "https://admin.example.org",
        "ADMIN_API_URL": "http://api:8000",
        "ADMIN_API_TOKEN": "token",
        "ADMIN_SECRET_KEY": "k" * 64,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"BILLING_{name}", "" if name == missing else value)
    with pytest.raises(settings.SettingsError, match=f"BILLING_{missing}"):
        settings.load_panel(serving=True)


def test_in_production_there_is_no_administrator_of_our_making(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"DATABASE_URL": "postgresql://postgres/billing", "ADMIN_SECRET_KEY": "k" * 64, "ADMIN_PASSWORD": "secret"}
    for name, value in {**given, "ENVIRONMENT": "production"}.items():
        monkeypatch.setenv(f"BILLING_{name}", value)
    with pytest.raises(settings.SettingsError, match="BILLING_ADMIN_PASSWORD"):
        settings.load_panel()


@pytest.mark.parametrize("service", OURS)
def test_our_processes_may_do_little(service: str) -> None:
    described = SERVICES[service]
    assert described["read_only"]
    assert described["cap_drop"] == ["ALL"]
    assert described["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", sorted(set(SERVICES) - set(OURS)))
def test_our_neighbours_gain_no_rights_and_step_down_from_root(service: str) -> None:
    described = SERVICES[service]
    assert described["security_opt"] == ["no-new-privileges:true"]
    # What the image would do first is left out where a command begins with another program.
    command = " ".join(described.get("command", []))
    assert not command.startswith("sh ") or " docker-entrypoint.sh " in command


def test_the_example_tells_from_where_a_proxy_on_this_host_is_seen() -> None:
    [network] = COMPOSE["networks"]["default"]["ipam"]["config"]
    gateway, subnet = ipaddress.ip_address(network["gateway"]), ipaddress.ip_network(network["subnet"])
    assert gateway in subnet
    pages = (EXAMPLE, (CHECKOUT / "docs" / "operations.md").read_text("utf-8"))
    assert [f"{gateway}" in page for page in pages] == [True, True]


def test_volumes_that_are_mounted_are_declared() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert mounted - {"${BILLING_FILES_DIR"} == set(COMPOSE["volumes"])


def test_the_image_holds_locked_packages_and_runs_as_nobody_special() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.search(r":\d", stage) for stage in stages)
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert "--require-hashes --no-deps --only-binary=:all: --no-binary=yookassa -r requirements.prod.lock" in DOCKERFILE
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert last.index("\nUSER ") > last.rindex("\nCOPY ")
    assert "\nHEALTHCHECK " in last
    assert not re.search(r"(?i)(password|secret|key)\S*=", DOCKERFILE)


def _let_into_the_image() -> set[str]:
    return set(re.findall(r"^!(\S+?)/?$", (CHECKOUT / ".dockerignore").read_text("utf-8"), re.MULTILINE))


def test_the_image_gets_all_the_code_and_nothing_else() -> None:
    packages = {"admin", "alembic", "commands", "domain", "infrastructure", "jobs", "queries"}
    modules = {"bootstrap.py", "cli.py", "main.py", "settings.py"}
    others = {"alembic.ini", "pyproject.toml", "requirements.prod.lock"}
    assert _let_into_the_image() == packages | modules | others


@pytest.mark.parametrize("command", ["simulate", "bench"])
def test_what_belongs_to_a_checkout_says_so_in_the_image(command: str, tmp_path: Path) -> None:
    for name in _let_into_the_image():
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    billing = [sys.executable, "-m", "cli"]
    ended = subprocess.run([*billing, command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 -- our own command
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "tests is missing: this needs a checkout and its packages, which `make lint` sets up\n"
