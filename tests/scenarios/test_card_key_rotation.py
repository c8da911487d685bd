"""Another key for cards: what was stored goes on paying, is re-wrapped, and then does without the old key (PAY-13)."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from infrastructure.cards.vault import CannotOpen, CardVault, key_id_of
from infrastructure.postgres.tables import cards, payment_systems, payments
from infrastructure.simulators.yookassa.serve import Running
from jobs.rotate_card_keys import rotate_card_keys
from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema, Person, close_cinema, open_cinema
from tests.scenarios.imitated import Imitated, imitated, imitated_in

__all__ = ["imitated"]

OLD = ("test", bytes(32))  # the key that the scenarios' settings begin with
NEW = ("k2", os.urandom(32))
NUMBERS = (GOOD_CARD, POOR_CARD, "4111111111111111", "2202474301322987", "370000000000002")


@asynccontextmanager
async def restarted(cinema: Cinema, *keys: tuple[str, bytes]) -> AsyncIterator[Cinema]:
    """The service once more, on the same database, with these keys."""
    pairs = ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in keys)
    settings = cinema.service.settings.model_copy(update={"card_keys": pairs})
    yookassa = cast("Running", SimpleNamespace(control=cinema.yookassa))
    again = await open_cinema(settings, cinema.clock, yookassa, cinema.private_key)
    yield again
    await close_cinema(again)


async def _sealed(cinema: Cinema) -> dict[str, bytes]:
    async with cinema.service.engine.connect() as connection:
        rows = (await connection.execute(select(cards).where(cards.c.removed_at.is_(None)))).all()
    assert all(key_id_of(row.sealed) == row.key_id for row in rows)
    return {row.last4: row.sealed for row in rows}


async def test_a_rotation_that_is_stopped_goes_on_and_numbers_stay_sealed_all_the_while(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await cinema.person()
    ids = [await imitated.stores(anna, number) for number in NUMBERS]
    before, told = await _sealed(cinema), list[tuple[int, int]]()

    def is_stopped_once(done: int, of: int) -> None:
        told.append((done, of))
        if len(told) == 1:
            raise KeyboardInterrupt

    async with restarted(cinema, NEW, OLD) as both:
        engine, vault = both.service.engine, both.service.world.vault
        with pytest.raises(KeyboardInterrupt):
            await rotate_card_keys(engine, vault, is_stopped_once, batch=2)
        assert sorted(key_id_of(blob) for blob in (await _sealed(cinema)).values()) == ["k2"] * 2 + ["test"] * 3
        half_way = Person(both, anna.id, anna.token)
        assert (await (await imitated_in(both)).subscribes(half_way, ids[0])).status_code == 201
        done = await rotate_card_keys(engine, vault, is_stopped_once, batch=2)

    assert (done.cards, done.unopened, done.fingerprints, done.is_complete) == (3, (), 5, True)
    assert told == [(2, 5), (2, 3), (3, 3)]
    for last4, blob in (await _sealed(cinema)).items():
        assert blob != before[last4]
        assert blob[-40:] == before[last4][-40:], "the secret itself was not sealed anew"
        with pytest.raises(CannotOpen):
            CardVault([OLD]).rewrap(blob, anna.id, uuid4())


async def test_after_a_rotation_cards_pay_without_the_old_key(cinema: Cinema, imitated: Imitated) -> None:
    anna = await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)
    async with restarted(cinema, NEW, OLD) as both:
        await rotate_card_keys(both.service.engine, both.service.world.vault)

    async with restarted(cinema, NEW) as alone:
        sale = await (await imitated_in(alone)).subscribes(Person(alone, anna.id, anna.token), card)

    assert (sale.status_code, sale.json()["payment"]["status"]) == (201, "succeeded"), sale.text


async def test_with_both_keys_the_same_card_and_the_same_request_are_known_again(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna, key = await cinema.person(), uuid4().hex
    body = {"number": GOOD_CARD, "exp_month": 12, "exp_year": 2030}
    first = await anna.posts("/v1/cards", body, key)

    async with restarted(cinema, NEW, OLD) as both:
        again = Person(both, anna.id, anna.token)
        replayed, stored = await again.posts("/v1/cards", body, key), await again.posts("/v1/cards", body)
    async with restarted(cinema, NEW) as alone:
        known = await Person(alone, anna.id, anna.token).posts("/v1/cards", body)

    assert (replayed.status_code, replayed.content) == (201, first.content)
    assert (stored.status_code, stored.json()["id"]) == (200, first.json()["id"])
    assert (known.status_code, known.json()["id"]) == (200, first.json()["id"]), "entered again, its fingerprint is new"


async def test_what_cannot_be_opened_is_named_and_left_as_it_was(cinema: Cinema, imitated: Imitated) -> None:
    anna, lost = await cinema.person(), CardVault([("lost", os.urandom(32))])
    card = await imitated.stores(anna, GOOD_CARD)
    async with cinema.service.engine.begin() as connection:
        its = update(cards).where(cards.c.id == card)
        sealed = lost.seal(b"{}", anna.id, uuid4())
        await connection.execute(its.values(sealed=sealed, key_id="lost"))

    done = await rotate_card_keys(cinema.service.engine, CardVault([NEW, OLD]))

    assert [card in line and "not configured" in line for line in done.unopened] == [True]
    assert not done.is_complete
    async with cinema.service.engine.connect() as connection:
        assert (await connection.execute(select(cards.c.sealed).where(cards.c.id == card))).scalar_one() == sealed


async def test_settings_of_payment_systems_come_along_and_tokens_under_way_are_counted(
    cinema: Cinema, imitated: Imitated
) -> None:
    code = f"shop-{uuid4().hex[:8]}"
    body = {"code": code, "name": "Shop", "adapter": "yookassa", "settings": {"secret_key": "test_a_secret_of_it"}}
    assert (await cinema.as_admin("POST", "/internal/v1/payment-systems", body)).status_code == 201
    anna = await cinema.person()
    await cinema.yookassa.fault("create_payment", "no_answer", when="before", times=1)
    assert (await anna.subscribes("premium", "499.00")).status_code == 202

    done = await rotate_card_keys(cinema.service.engine, CardVault([NEW, OLD]))

    assert (done.systems, done.tokens) == (1, 1)
    async with cinema.service.engine.connect() as connection:
        row = (await connection.execute(select(payment_systems).where(payment_systems.c.code == code))).one()
        open_now = select(payments.c.id).where(payments.c.sealed_token.is_not(None))
        assert len((await connection.execute(open_now)).all()) == 1
    secret = base64.b64decode(row.settings["secret_key"])
    assert CardVault([NEW]).open(secret, row.id, row.id) == b"test_a_secret_of_it"


async def test_the_command_says_what_it_did_and_what_is_left(
    cinema: Cinema, imitated: Imitated, tmp_path: Path
) -> None:
    await imitated.stores(await cinema.person(), GOOD_CARD)
    given = cinema.service.settings
    environment = {
        "PATH": os.environ["PATH"],
        "BILLING_HOME_DIR": str(tmp_path),
        "BILLING_DATABASE_URL": str(given.database_url),
        "BILLING_REDIS_URL": str(given.redis_url),
        "BILLING_CARD_KEYS": f"k3:{base64.b64encode(bytes(range(32))).decode()},{given.card_keys}",
    }

    command = [sys.executable, "-c", "from cli import app; app()", "rotate-card-keys"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    out, complaints = (text.decode() for text in await process.communicate())

    assert "re-wrapped under k3: " in out, complaints
    assert "cards known again only while" in out
    assert GOOD_CARD not in out + complaints
    assert "not configured" in complaints, "what earlier tests left under other keys is named"
    assert process.returncode == 1
