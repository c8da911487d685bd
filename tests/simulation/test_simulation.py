"""A small simulation in every test run; the long ones and what they found are in docs/reliability.md."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tests.simulation.chance import Chance
from tests.simulation.rulebook import PlanTerms, period_end, refund_due
from tests.simulation.run import Totals, play_one, simulate
from tests.simulation.servers import servers
from tests.simulation.shorten import shorten
from tests.simulation.world import Outcome, WorldSize

_SMALL = WorldSize(people=20, days=45, quiet_every_days=45)


@pytest.fixture(scope="module")
def lived() -> Totals:
    return simulate(2000, 20261122, size=WorldSize(people=225, days=400, quiet_every_days=100))


def test_in_two_thousand_months_nothing_is_double_lost_stuck_or_wrong(lived: Totals) -> None:
    assert [line for outcome in lived.failed for line in outcome.findings] == []
    assert lived.months >= 2000


def test_the_months_were_hard_enough_to_mean_something(lived: Totals) -> None:
    met = lived.counts
    assert sum(lived.crash_places.values()) > 200
    assert len(lived.crash_places) > 50
    assert sum(lived.faults.values()) > 100
    assert met["unknown outcomes"] > 50
    assert met["payments that succeeded"] > 500
    assert met["refunds"] > 20
    assert met["replayed"] > 50


def test_the_same_seed_lives_the_same_life() -> None:
    with servers() as found:
        first, second = (play_one(found, "5/0", _SMALL) for _ in range(2))
    assert first.told() == second.told()
    assert first.months > 0


def test_what_is_suppressed_does_not_happen_and_changes_no_other_draw() -> None:
    free, bound = Chance("seed"), Chance("seed", frozenset({"b"}))
    names = ["a", "b", "c"]
    assert [free.happens(name, 1) for name in names] == [True, True, True]
    assert [bound.happens(name, 1) for name in names] == [True, False, True]
    assert [free.draw(name) for name in names] == [bound.draw(name) for name in names]
    assert bound.happened == ["a", "c"]


def test_a_failing_history_is_made_as_short_as_it_gets() -> None:
    causes = {"person 3 comes", "fault 7", "crash 11"}
    history = (
        [f"person {n} comes" for n in range(8)] + [f"fault {n}" for n in range(20)] + [f"crash {n}" for n in range(20)]
    )

    async def play(suppressed: frozenset[str]) -> Outcome:
        left = [name for name in history if name not in suppressed]
        findings = [f"double: payment {len(left)} was charged 2 times"] if causes <= set(left) else []
        return Outcome("1/0", findings=findings, history=left)

    async def make_short() -> Outcome:
        return await shorten(await play(frozenset()), play, lambda _: None)

    assert set(asyncio.run(make_short()).history) == causes


@pytest.mark.parametrize(
    ("anchor", "zone", "terms", "start", "end"),
    [
        ("2027-01-31T09:00", "Europe/Moscow", PlanTerms("m", "month", 1), "2027-01-31T09:00", "2027-02-28T09:00"),
        ("2027-01-31T09:00", "Europe/Moscow", PlanTerms("m", "month", 1), "2027-02-28T09:00", "2027-03-31T09:00"),
        ("2028-02-29T09:00", "Europe/Moscow", PlanTerms("y", "year", 1), "2028-02-29T09:00", "2029-02-28T09:00"),
        ("2027-02-28T01:30", "Europe/Berlin", PlanTerms("m", "month", 1), "2027-02-28T01:30", "2027-03-28T01:30"),
    ],
)
def test_the_auditors_own_calendar(anchor: str, zone: str, terms: PlanTerms, start: str, end: str) -> None:
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (anchor, start, end)]
    assert period_end(moments[0], zone, terms, moments[1]) == moments[2]


def test_the_auditors_own_refund_policy() -> None:
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC)
    assert refund_due(49900, 49900, 0, start, end, datetime(2027, 1, 7, 23, 59, 59, tzinfo=UTC)) == 49900
    assert refund_due(49900, 49900, 0, start, end, datetime(2027, 1, 16, tzinfo=UTC)) == 24950
    assert refund_due(49900, 10000, 0, start, end, datetime(2027, 1, 16, tzinfo=UTC)) == 10000
