"""What the tests of architecture look at: the checkout, its tracked files, its own description."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


@cache
def tracked_files() -> tuple[str, ...]:
    """Paths of the files in git that are there, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - git is found as the person's own
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return tuple(name for name in listed.split("\0") if name and (CHECKOUT / name).is_file())


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
