"""A renewal that never gets through: nobody was refused anything, so it is made anew, and a person looks."""

from __future__ import annotations

from datetime import timedelta

from jobs.stranded import find_stranded
from tests.scenarios.cinema import Cinema


async def test_a_renewal_that_never_gets_through_is_shown_to_a_person_until_one_does(cinema: Cinema) -> None:
    anna = await cinema.person()
    assert (await anna.subscribes("premium", "499.00")).status_code == 201
    await cinema.time_passes(days=27)
    await cinema.yookassa.fault("create_payment", "reset", when="before", times=None)
    cinema.clock.move(timedelta(days=2))
    await cinema.works()
    assert await find_stranded(cinema.service) == 0

    for _ in range(2):  # each lives as long as its key, and is then looked for twice
        await _a_day_and_a_bit(cinema)
    assert await find_stranded(cinema.service) == 1
    assert await cinema.open_cases() == ["renewal_overdue"]
    assert await anna.charged() == ["499.00"]

    await cinema.yookassa.lift()
    await _a_day_and_a_bit(cinema)
    assert await anna.charged() == ["499.00", "499.00"]
    assert await find_stranded(cinema.service) == 0
    assert await cinema.open_cases() == []


async def _a_day_and_a_bit(cinema: Cinema) -> None:
    for by in (timedelta(hours=26), timedelta(minutes=2), timedelta(minutes=2)):
        cinema.clock.move(by)
        await cinema.works()
