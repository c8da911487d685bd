"""JSON of foreign origin, read so that two readers can't understand it differently."""

from __future__ import annotations

import json
from typing import Any


def read_object(data: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8; raises ValueError for anything else.

    Refused beside broken JSON: a name given twice, NaN and Infinity, numbers of thousands of digits,
    nesting deeper than the parser's stack.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
