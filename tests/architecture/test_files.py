"""What the files of the project are called, and what stands in none of them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.checkout import CHECKOUT, tracked_files

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?:^|[^.\w/])/(?:" + "work|farm|Users|root|home" + r")/\w", re.MULTILINE)
REGISTRY = re.compile(
    "|".join(
        ["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.", "repo1?" + r"\.maven", "index" + r"-url[ =]+\S*://"]
    )
)
TEXT = {".py", ".md", ".toml", ".lock", ".txt", ".yml", ".yaml", ".json", ".html", ".ini", ".sh", ".java", ".xml", ""}
TEXT |= {".j2", ".js", ".css", ".svg", ".patch", ".example", ".mako"}
AS_PUBLISHED = "tests/infrastructure/simulators/yookassa/openapi.yaml"
"""YooKassa's own description of its API; nothing in it is of our writing."""


def texts() -> list[tuple[str, str]]:
    return [
        (name, (CHECKOUT / name).read_text("utf-8"))
        for name in tracked_files()
        if Path(name).suffix in TEXT and name != AS_PUBLISHED
    ]


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawer = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common|base_service)(\.|_|$)")
    named = [name for name in tracked_files() if any(drawer.search(part) for part in Path(name).parts)]
    assert named == []


def test_no_tracked_file_knows_one_machine() -> None:
    found = [f"{name}: {match[0].strip()}" for name, text in texts() if (match := MACHINE_PATH.search(text))]
    assert found == []


def test_no_tracked_file_names_a_package_registry() -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() if (match := REGISTRY.search(text))]
    assert found == []


def test_alembic_is_no_package_of_ours() -> None:
    """An __init__.py there would shadow the library."""
    assert not (CHECKOUT / "alembic" / "__init__.py").exists()


def test_nothing_private_is_tracked() -> None:
    private = re.compile(r"(^|/)(\.env(\..*)?|.*\.(pem|key|p12|pfx)|id_rsa.*)$")
    assert [name for name in tracked_files() if private.search(name) and not name.endswith(".example")] == []
