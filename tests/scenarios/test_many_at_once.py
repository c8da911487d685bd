"""More people at once than there are connections to Postgres: each is served in turn, none waits for himself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from domain.errors import PaymentSystemUnavailable
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for, start_of_story
from tests.scenarios.said import statements

_PEOPLE = 40  # twice the pool


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    """With the deadline of a real one: a person waits ten seconds."""
    private, public = key_pair()
    clock = Hands(start_of_story())
    with running(clock=clock) as yookassa:
        settings = settings_for(database_url, valkey.url, yookassa, public)
        settings = settings.model_copy(update={"payment_deadline_s": 10.0})
        cinema = await open_cinema(settings, clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)


@pytest.fixture
def stale(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is known of the registry has to be looked up anew."""
    monkeypatch.setattr(cinema.service.payment_systems, "_fresh_s", 0.0)
    for one in cinema.service.payment_systems._built.values():
        one.look_again_at = 0.0


async def _subscribe_at_once(cinema: Cinema, people: int) -> Counter[int]:
    buyers = [await cinema.person() for _ in range(people)]
    replies = await asyncio.gather(*(buyer.subscribes("premium", "499.00", card=None) for buyer in buyers))
    return Counter(reply.status_code for reply in replies)


async def test_a_service_that_has_just_started_sells_to_all_who_come_at_once(cinema: Cinema) -> None:
    assert not cinema.service.payment_systems.built
    assert await _subscribe_at_once(cinema, _PEOPLE) == {201: _PEOPLE}


@pytest.mark.usefixtures("stale")
async def test_commands_do_not_wait_for_each_others_connections_when_the_registry_is_read_anew(cinema: Cinema) -> None:
    assert await _subscribe_at_once(cinema, _PEOPLE) == {201: _PEOPLE}


@pytest.mark.usefixtures("stale")
async def test_one_request_that_is_sent_forty_times_at_once_is_answered_once_and_repeated(cinema: Cinema) -> None:
    anna = await cinema.person()
    replies = await asyncio.gather(
        *(anna.subscribes("premium", "499.00", card=None, key="one") for _ in range(_PEOPLE))
    )
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.content for reply in replies if reply.status_code == 201}) == 1


async def test_the_registry_is_read_once_for_all_who_ask_at_once(cinema: Cinema) -> None:
    registered = cinema.service.payment_systems
    registered._built.clear()
    with statements(registered._engine) as reads:
        systems = await asyncio.gather(*(registered.by_code("yookassa") for _ in range(_PEOPLE)))
        await registered.by_code("yookassa")
    assert (len(reads), len({id(system) for system in systems})) == (1, 1)


async def test_forty_codes_that_nobody_registered_do_not_read_it_forty_times(cinema: Cinema) -> None:
    """Anybody may send notifications to any code."""
    registered = cinema.service.payment_systems
    with statements(registered._engine) as reads:
        asked = (registered.by_code(f"nobody-{number}") for number in range(_PEOPLE))
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {PaymentSystemUnavailable}
    assert len(reads) <= 2


async def test_one_who_goes_away_does_not_take_the_look_at_the_registry_from_the_others(cinema: Cinema) -> None:
    registered = cinema.service.payment_systems
    registered._built.clear()
    impatient, patient = (asyncio.create_task(registered.by_code("yookassa")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).capabilities.redirect


async def test_more_buyers_at_once_than_the_payment_system_takes_are_all_led_to_their_pages(cinema: Cinema) -> None:
    """It takes 16 at a time, and a second for each: those after the second sixteen once were told that nobody knows."""
    slow = await cinema.yookassa.fault("create_payment", "slow", seconds=1.0, times=None)
    assert await _subscribe_at_once(cinema, 36) == {201: 36}
    await cinema.yookassa.lift(slow)
