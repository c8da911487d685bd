"""What a newcomer types first: `make run`, and `make demo` beside it."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from demo import EMPTY_CARD, GOOD_CARD
from tests.reliability.real_stack import real_stack
from tests.reliability.secrets import found_in

_A_YEAR_OF_A_CINEMA_S = 90.0


@pytest.mark.stack
async def test_the_demo_plays_its_year_twice_on_one_stack() -> None:
    async with real_stack(elasticsearch=True, clock="held") as stack:
        await stack.start()
        for _ in range(2):  # whatever the first has left behind, its held time a year ahead among it
            status, printed = await stack.billing("demo", within_s=_A_YEAR_OF_A_CINEMA_S)

            assert status == 0, printed
            assert "Twelve renewals, each period paid once, each told in one mail." in printed, printed

        token = stack.token(str(uuid4()), email="looked-for@example.org")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
            assert (await http.get(f"{stack.addresses['api']}/v1/payments")).status_code == 200
        assert found_in(stack, GOOD_CARD, EMPTY_CARD, token) == [], "nothing that was entered or shown is written down"
        assert found_in(stack, "Bank card *4444") != [], "what is written down is found"
