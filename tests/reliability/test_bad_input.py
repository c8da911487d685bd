"""A short form of `python -m tests.reliability.bad_input`."""

from __future__ import annotations

import pytest

from tests.reliability.bad_input import campaign
from tests.reliability.real_stack import real_stack


@pytest.mark.stack
async def test_no_request_that_can_be_made_up_is_answered_with_a_failure_of_ours() -> None:
    async with real_stack() as stack:
        outcome = await campaign(stack, requests=1000, seed=1, examples=3)

    assert outcome.failures == [], outcome.failures[0]
    assert outcome.requests >= 1000
