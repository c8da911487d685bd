"""How many subscriptions fit into a token is measured, and the page that says so says what was measured."""

from __future__ import annotations

import re

from infrastructure.auth.capacity import FORMS, LIMITS, Row, empty_token, measure
from tests.architecture.checkout import CHECKOUT

_PAGE = CHECKOUT / "docs" / "jwt-capacity.md"


def _written() -> list[tuple[str, int, int, tuple[int, ...]]]:
    rows = re.findall(r"^│ (.+?) +│ (\d+) +│ (\d+) characters +│ (.+?) +│$", _PAGE.read_text("utf-8"), re.MULTILINE)
    return [(what, int(size), int(length), tuple(map(int, fits.split("│")))) for what, size, length, fits in rows]


def test_the_page_says_what_is_measured() -> None:
    measured = measure()
    assert _written() == [(row.limit.what, row.limit.size, row.code_length, row.fits) for row in measured]
    assert f"{empty_token()} characters, RS256 with 2048 bits" in _PAGE.read_text("utf-8")
    cookie, header = _of(measured, LIMITS[0].what), _of(measured, LIMITS[1].what)
    assert f"about {cookie} in a cookie, {header} in a header" in _PAGE.read_text("utf-8")


def test_the_claim_of_pairs_holds_the_most() -> None:
    names = [name for name, _ in FORMS]
    for row in measure(code_lengths=(16,)):
        assert names[row.fits.index(max(row.fits))] == "pairs (ours)"
        assert row.fits[0] > 2 * row.fits[1] > 2 * row.fits[2] > 0


def _of(rows: list[Row], what: str) -> int:
    [count] = [row.fits[0] for row in rows if row.limit.what == what and row.code_length == 16]
    return count
