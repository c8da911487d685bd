"""A part killed at any moment loses nothing: a short form of `python -m tests.reliability.kills`."""

from __future__ import annotations

import pytest

from tests.reliability.kills import campaign, report
from tests.reliability.real_stack import real_stack


@pytest.mark.stack
async def test_killed_parts_lose_nothing_and_charge_nobody_twice() -> None:
    async with real_stack() as stack:
        parts = ("postgres", "api", "worker", "yookassa")
        outcome = await campaign(stack, parts, seed=1, calm_s=(0.5, 2.0), lanes=4, rest_s=40, hurry=True)

    assert outcome.findings.differences == [], report(outcome)
    assert outcome.kills.total() == 4
    assert outcome.books["payments that succeeded"] > 0, report(outcome)
