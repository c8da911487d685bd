from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that a server can walk through which must not run as root; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="cinema-billing-") as name:
        Path(name).chmod(0o711)
        yield Path(name).resolve()
