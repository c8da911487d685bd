"""The token that we show to others: a service's, given by whoever runs this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def token_in(given: str | None) -> Callable[[], str | None]:
    """The token itself or, where it has a slash, the file that holds it: read each time, for it is renewed there."""
    return (lambda: Path(given).read_text("ascii").strip()) if given and "/" in given else (lambda: given)
