"""An adapter is known by one row: its name, what it can do, and what it needs to be built."""

from __future__ import annotations

import pytest

from infrastructure.clock import SystemClock
from infrastructure.payment_systems.registry import ADAPTERS


@pytest.mark.parametrize("name", sorted(ADAPTERS))
async def test_each_row_builds_what_it_says(name: str) -> None:
    adapter = ADAPTERS[name]
    settings = dict.fromkeys(adapter.settings, "x") | ({"api_url": "http://127.0.0.1:1/v3"} if adapter.settings else {})
    system = adapter.build(SystemClock(), settings, {})
    assert system.capabilities == adapter.capabilities
    await system.close()


def test_production_gets_the_real_one_only() -> None:
    assert [name for name, adapter in ADAPTERS.items() if adapter.fit_for_production] == ["yookassa"]


def test_only_a_payment_system_that_may_takes_card_data() -> None:
    assert [name for name, adapter in ADAPTERS.items() if adapter.capabilities.card] == ["imitation"]
