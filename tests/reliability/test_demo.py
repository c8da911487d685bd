"""What a newcomer types first: `make run`, and `make demo` beside it."""

from __future__ import annotations

import pytest

from tests.reliability.real_stack import real_stack

_A_YEAR_OF_A_CINEMA_S = 90.0


@pytest.mark.stack
async def test_the_demo_plays_its_year_twice_on_one_stack() -> None:
    async with real_stack(elasticsearch=True, clock="held") as stack:
        await stack.start()
        for _ in range(2):  # whatever the first has left behind, its held time a year ahead among it
            status, printed = await stack.billing("demo", within_s=_A_YEAR_OF_A_CINEMA_S)

            assert status == 0, printed
            assert "Twelve renewals, each period paid once, each told in one mail." in printed, printed
