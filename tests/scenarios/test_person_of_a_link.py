"""A service asks for a payment link for somebody whose token nobody here has seen: auth tells who that is (AUTH-5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres.tables import users
from infrastructure.simulators.auth.app import make_app
from infrastructure.simulators.auth.people import People
from infrastructure.simulators.auth.signing import write_service_token
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for, start_of_story


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The auth service's folder."""
    return tmp_path_factory.mktemp("auth")


@pytest.fixture(scope="module")
async def auth(home: Path) -> AsyncIterator[TestServer]:
    write_service_token(home, home / "billing.token")
    server = TestServer(make_app(home))
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey, auth: TestServer, home: Path) -> AsyncIterator[Cinema]:
    private, public = key_pair()
    clock = Hands(start_of_story())
    with running(clock=clock) as yookassa:
        given = settings_for(database_url, valkey.url, yookassa, public)
        there = {"auth_api_url": str(auth.make_url("")), "auth_api_token": str(home / "billing.token")}
        cinema = await open_cinema(given.model_copy(update=there), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)


async def _known(cinema: Cinema, user_id: UUID) -> tuple[str | None, str | None, str | None]:
    async with cinema.service.engine.connect() as connection:
        query = select(users.c.email, users.c.zone, users.c.locale).where(users.c.id == user_id)
        return tuple((await connection.execute(query)).one())


async def _link_for(cinema: Cinema, user_id: UUID) -> str:
    body = {"user_id": str(user_id), "plan_code": "premium", "return_url": "https://cinema.example/back"}
    reply = await cinema.as_service("POST", "/internal/v1/payments", body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["payment"]["confirmation_url"])


async def test_the_person_is_written_to_and_lives_in_their_own_zone(cinema: Cinema, home: Path) -> None:
    vera = uuid4()
    People(home).change(vera, {"email": "vera@example.org", "locale": "en", "zoneinfo": "Asia/Omsk"})

    assert await _link_for(cinema, vera)

    assert await _known(cinema, vera) == ("vera@example.org", "Asia/Omsk", "en")


async def test_a_token_that_names_no_language_leaves_the_one_that_is_known(cinema: Cinema) -> None:
    """It once made everybody Russian whose token said nothing."""
    olga = await cinema.person(locale="en", zoneinfo="Asia/Omsk")
    sale = (await olga.subscribes("premium", "499.00")).json()
    await olga.posts(f"/v1/subscriptions/{sale['subscription']['id']}/cancel", {"when": "now"})

    tight_lipped = replace(olga, token=cinema.token(str(olga.id), email="olga@example.org"))
    assert (await tight_lipped.subscribes("premium", "499.00")).status_code == 201

    assert await _known(cinema, olga.id) == ("olga@example.org", "Asia/Omsk", "en")


async def test_while_auth_is_away_the_link_is_given_all_the_same(cinema: Cinema, auth: TestServer) -> None:
    await auth.close()
    gleb = uuid4()

    assert await _link_for(cinema, gleb)

    assert await _known(cinema, gleb) == (None, None, None)


async def test_what_a_later_token_says_of_the_person_is_kept(cinema: Cinema) -> None:
    """Only a new subscription or a stored card did that: reminders went to the old address for ever."""
    vera = await cinema.person()
    columns = users.c.email, users.c.zone, users.c.refreshed_at
    its_id = (await vera.subscribes("premium", "499.00")).json()["subscription"]["id"]
    vera.token = cinema.token(str(vera.id), email="new@example.org", zoneinfo="Asia/Omsk")

    await vera.posts(f"/v1/subscriptions/{its_id}/cancel", {})

    async with cinema.service.engine.connect() as connection:
        row = (await connection.execute(select(*columns).where(users.c.id == vera.id))).one()
    assert tuple(row) == ("new@example.org", "Asia/Omsk", None), "auth has the last word, before the next mail"
