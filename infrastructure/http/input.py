"""What is refused before anybody reads it closer: unknown and repeated parameters, text that no database takes."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import Request

from infrastructure.auth.strict_json import read_object
from infrastructure.http.problems import MAX_FIELD, Problem, invalid
from infrastructure.postgres.consistency import decode

CONSISTENCY_HEADER: Final = "Consistency-Token"
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 200
"""In a whole body; the largest that means something has some forty."""
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_JSON = re.compile(r"application/(json|[a-z0-9.-]+\+json)", re.IGNORECASE)


def check_query(request: Request, known: frozenset[str]) -> None:
    """Raises Problem (422) for a parameter that is unknown, given twice, or unfit to be text."""
    for name, value in request.path_params.items():
        if isinstance(value, str) and _UNFIT.search(value):
            raise invalid(name, "holds a character that text may not hold")
    if not request.scope["query_string"]:
        return
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise invalid(name[:100] if not _UNFIT.search(name) else "?", "is not known here")
        if name in seen:
            raise invalid(name, "is given twice")
        if _UNFIT.search(value):
            raise invalid(name, "holds a character that text may not hold")
        seen.add(name)


def read_consistency_token(request: Request) -> tuple[int, int] | None:
    """The outbox rows that a command of the caller wrote; None without the header, 422 for one that is no token."""
    text = request.headers.get(CONSISTENCY_HEADER)
    if text is None:
        return None
    rows = decode(text)
    if rows is None:
        raise invalid(CONSISTENCY_HEADER, "is not a token that a command's reply carried")
    return rows


async def check_body(request: Request) -> None:
    """Raises Problem: 415 for another type than JSON, 422 for JSON that is not one plain object.

    Refused are names given twice, NaN, NUL, lone surrogates, nesting deeper than 32, and more than 200 values.
    """
    body = await request.body()
    if not body:
        return  # whether a body is needed is the route's own question
    if not _JSON.fullmatch(request.headers.get("content-type", "").partition(";")[0].strip()):
        raise Problem("unsupported_media_type", "Send JSON, as application/json.")
    try:
        value = read_object(body)
    except ValueError:
        raise Problem("validation_failed", "The body is not one JSON object.") from None
    _check_values(value)


def _check_values(body: dict[str, Any]) -> None:
    """Without recursion, and without looking at more than a command could mean: nobody else is served meanwhile."""
    left: list[tuple[str, Any, int]] = [("", body, 0)]
    count = 0
    while left:
        place, value, depth = left.pop()
        if depth > MAX_DEPTH:
            raise Problem("validation_failed", "The body is nested too deeply.")
        if isinstance(value, str) and _UNFIT.search(value):
            raise invalid(place, "holds a character that text may not hold")
        if not isinstance(value, dict | list):
            continue
        count += len(value)
        if count > MAX_VALUES:
            raise Problem("validation_failed", f"The body holds more than {MAX_VALUES} names and values.")
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(name, str) and _UNFIT.search(name):
                raise Problem("validation_failed", "A name holds a character that text may not hold.")
            left.append((f"{place[:MAX_FIELD]}.{name}".lstrip("."), inner, depth + 1))
