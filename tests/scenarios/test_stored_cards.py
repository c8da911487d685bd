"""Stored cards: sealed, shown by their ends, and paid with by their CVC, which stands nowhere (PAY-10, PAY-13)."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from domain.payment_system import Silence
from infrastructure.postgres.tables import cards, idempotency_keys, payments, subscriptions
from tests.scenarios.cinema import GOOD_CARD, POOR_CARD, Cinema, Person
from tests.scenarios.imitated import CVC, Imitated, imitated

__all__ = ["imitated"]

ASKS_FIRST = "5555555555554477"  # the bank wants 3-D Secure


async def test_a_card_is_shown_by_its_ends_and_listed_by_its_owner_only(cinema: Cinema, imitated: Imitated) -> None:
    anna, boris = await cinema.person(), await cinema.person()

    reply = await anna.posts("/v1/cards", {"number": GOOD_CARD, "exp_month": 12, "exp_year": 2030, "holder": "ANNA K"})

    card = {"id": reply.json()["id"], "first6": "555555", "last4": "4444", "exp_month": 12, "exp_year": 2030}
    assert (reply.status_code, reply.json()) == (201, card)
    assert await anna.reads("/v1/cards") == {"items": [card], "next_cursor": None}
    assert await boris.reads("/v1/cards") == {"items": [], "next_cursor": None}


async def test_cards_are_listed_a_page_at_a_time_newest_first(cinema: Cinema, imitated: Imitated) -> None:
    anna = await cinema.person()
    for number in (GOOD_CARD, POOR_CARD, ASKS_FIRST):
        await imitated.stores(anna, number)
        cinema.clock.move(timedelta(seconds=1))

    first = await anna.reads("/v1/cards?limit=2")
    rest = await anna.reads(f"/v1/cards?limit=2&cursor={first['next_cursor']}")

    assert [card["last4"] for card in first["items"] + rest["items"]] == ["4477", "4600", "4444"]
    assert rest["next_cursor"] is None


async def test_the_same_card_again_is_the_one_that_is_there_with_its_new_date(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    mine = await imitated.stores(anna, GOOD_CARD)

    again = await anna.posts("/v1/cards", {"number": "5555 5555-5555 4444", "exp_month": 3, "exp_year": 2031})
    theirs = await imitated.stores(boris, GOOD_CARD)

    assert (again.status_code, again.json()["id"], again.json()["exp_year"]) == (200, mine, 2031)
    assert len((await anna.reads("/v1/cards"))["items"]) == 1
    assert theirs != mine


async def test_the_same_key_gets_the_same_reply_byte_for_byte(cinema: Cinema, imitated: Imitated) -> None:
    anna, key = await cinema.person(), uuid4().hex
    body = {"number": GOOD_CARD, "exp_month": 12, "exp_year": 2030}

    replies = await asyncio.gather(*(anna.posts("/v1/cards", body, key) for _ in range(10)))
    spelt = await anna.posts("/v1/cards", {**body, "number": "5555 5555 5555 4444"}, key)
    other = await anna.posts("/v1/cards", {**body, "number": POOR_CARD}, key)

    assert {(reply.status_code, reply.content) for reply in (*replies, spelt)} == {(201, replies[0].content)}
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"number": "5555555555554445"}, "number"),
        ({"number": "55555555554"}, "number"),
        ({"number": "5555x5555x5555x4444"}, "number"),
        ({"number": GOOD_CARD * 10}, "number"),
        ({"exp_month": 13}, "exp_month"),
        ({"exp_year": 30}, "exp_year"),
        ({"exp_month": 12, "exp_year": 2026}, "exp_year"),
    ],
)
async def test_a_card_that_nobody_would_take_is_not_stored(
    cinema: Cinema, imitated: Imitated, wrong: dict[str, Any], field: str
) -> None:
    anna = await cinema.person()

    reply = await anna.posts("/v1/cards", {"number": GOOD_CARD, "exp_month": 12, "exp_year": 2030, **wrong})

    assert (reply.status_code, reply.json()["code"]) == (422, "card_invalid")
    assert [error["field"] for error in reply.json()["errors"]] == [field]
    assert str(wrong.get("number", "nothing")) not in reply.text
    assert (await anna.reads("/v1/cards"))["items"] == []


async def test_a_removed_card_has_lost_its_number_and_pays_no_more(cinema: Cinema, imitated: Imitated) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)

    assert (await _removes(boris, card)).status_code == 404
    assert (await _removes(anna, card)).status_code == 204
    assert (await _removes(anna, card)).status_code == 404

    async with cinema.service.engine.connect() as connection:
        row = (await connection.execute(select(cards).where(cards.c.id == card))).mappings().one()
    assert (row["sealed"], row["fingerprint"], row["key_id"]) == (None, None, None)
    assert (await imitated.subscribes(anna, card)).status_code == 404
    assert await imitated.charged(anna) == []
    assert await imitated.stores(anna, GOOD_CARD) != card, "stored anew it is another one"


async def test_a_stored_card_pays_a_subscription_and_its_renewals_go_by_the_method_it_saved(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)

    reply = await imitated.subscribes(anna, card)
    await _removes(anna, card)
    await cinema.time_passes(days=32)

    assert reply.status_code == 201, reply.text
    assert reply.json()["payment"]["payment_method"]["title"] == "Bank card *4444"
    assert await anna.payments() == [("renewal", "succeeded", "499.00"), ("first", "succeeded", "499.00")]
    assert await imitated.charged(anna) == ["499.00"] * 2
    assert (await anna.mails())[0] == "payment.succeeded subscription.activated"


async def test_a_past_due_subscription_is_paid_with_a_stored_card(cinema: Cinema, imitated: Imitated) -> None:
    anna = await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)
    sale = (await imitated.subscribes(anna, card)).json()
    imitated.system.replace_card(sale["payment"]["provider_payment_id"], POOR_CARD)
    await cinema.time_passes(days=32)
    assert (await anna.subscription())["status"] == "past_due"

    body = {"payment": {"type": "card", "card_id": card, "cvc": CVC}}
    reply = await anna.posts(f"/v1/subscriptions/{sale['subscription']['id']}/payments", body)

    assert (reply.status_code, reply.json()["payment"]["status"]) == (201, "succeeded"), reply.text
    assert (await anna.subscription())["status"] == "active"
    assert await imitated.charged(anna) == ["499.00"] * 2


async def test_a_change_of_plan_is_paid_with_a_stored_card(cinema: Cinema, imitated: Imitated) -> None:
    await cinema.sells("family", "899.00")
    anna = await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)
    sale = (await imitated.subscribes(anna, card)).json()

    price = {"value": "899.00", "currency": "RUB"}
    body = {"plan_code": "family", "price": price, "payment": {"type": "card", "card_id": card, "cvc": CVC}}
    reply = await anna.posts(f"/v1/subscriptions/{sale['subscription']['id']}/change-plan", body)

    assert (reply.status_code, reply.json()["payment"]["status"]) == (201, "succeeded"), reply.text
    assert (await anna.subscription())["plan"]["code"] == "family"
    assert await imitated.charged(anna) == ["499.00", "400.00"]


async def test_a_person_who_is_erased_leaves_no_number_behind(cinema: Cinema, imitated: Imitated) -> None:
    anna = await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)

    reply = await cinema.as_service("DELETE", f"/internal/v1/users/{anna.id}/personal-data")

    assert reply.status_code == 202, reply.text
    async with cinema.service.engine.connect() as connection:
        row = (await connection.execute(select(cards).where(cards.c.id == card))).mappings().one()
    assert (row["sealed"], row["fingerprint"], row["key_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(POOR_CARD, "insufficient_funds"), ("5555555555554543", "card_expired"), ("5555555555554626", "invalid_csc")],
)
async def test_a_declined_card_gives_its_reason(cinema: Cinema, imitated: Imitated, number: str, reason: str) -> None:
    anna = await cinema.person()

    sale = (await imitated.subscribes(anna, await imitated.stores(anna, number))).json()

    assert sale["payment"]["cancellation"] == {"reason": reason, "party": "payment_network"}
    assert sale["subscription"]["status"] == "expired"
    assert await anna.mails() == ["payment.failed subscription.expired"]


async def test_the_bank_asks_the_person_first_where_there_is_a_way_back(cinema: Cinema, imitated: Imitated) -> None:
    anna = await cinema.person()
    card = await imitated.stores(anna, ASKS_FIRST)

    sale = (await imitated.subscribes(anna, card, return_url="https://cinema.example/back")).json()
    assert sale["payment"]["status"] == "pending"
    assert sale["payment"]["confirmation_url"].startswith("https://")
    imitated.system.pay(sale["payment"]["provider_payment_id"], ASKS_FIRST)
    await cinema.time_passes(minutes=2)

    assert (await anna.subscription())["status"] == "active"
    assert await imitated.charged(anna) == ["499.00"]


async def test_somebody_elses_card_does_not_exist_and_one_that_has_expired_pays_nothing(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna, boris = await cinema.person(), await cinema.person()
    now = cinema.clock.now()
    card = await imitated.stores(anna, GOOD_CARD, now.month, now.year)

    theirs = await imitated.subscribes(boris, card)
    cinema.clock.move(timedelta(days=40))
    late = await imitated.subscribes(anna, card)

    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert (late.status_code, late.json()["code"]) == (422, "card_invalid")
    assert await imitated.charged(anna) + await imitated.charged(boris) == []
    assert (await anna.reads("/v1/subscriptions"))["items"] == []


async def test_where_no_card_data_is_taken_a_card_changes_nothing(cinema: Cinema, imitated: Imitated) -> None:
    anna, key = await cinema.person(), uuid4().hex
    card = await imitated.stores(anna, GOOD_CARD)

    reply = await imitated.subscribes(anna, card, key, system="yookassa")

    assert (reply.status_code, reply.json()["code"]) == (422, "card_not_supported")
    assert await anna.charged() == []
    async with cinema.service.engine.connect() as connection:
        for table, mine in ((subscriptions, subscriptions.c.user_id == anna.id), (idempotency_keys, _is(key))):
            assert (await connection.execute(select(table).where(mine))).all() == []
    assert (await imitated.subscribes(anna, card, key)).status_code == 201, "nothing was kept of the key either"


@pytest.mark.parametrize("cvc", ["12", "12345", "12a", 123, None])
async def test_what_is_no_cvc_is_refused_unrepeated(cinema: Cinema, imitated: Imitated, cvc: object) -> None:
    anna = await cinema.person()
    card = await imitated.stores(anna, GOOD_CARD)

    reply = await imitated.subscribes(anna, card, cvc=cvc)

    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert f"{cvc}" not in reply.json()["detail"] + str(reply.json()["errors"])


async def test_neither_number_nor_cvc_is_written_down_anywhere(
    cinema: Cinema, imitated: Imitated, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A CVC has three digits, which turn up anywhere: this one has four, and is looked for as a whole word.

    A process's number that began with the same four was taken for it once.
    """
    caplog.set_level(logging.DEBUG)
    number, cvc, back = ASKS_FIRST, "7391", "https://cinema.example/back"
    anna, boris, vera = [await cinema.person(locale="en") for _ in range(3)]
    card, *others = [await imitated.stores(person, number) for person in (anna, boris, vera)]

    imitated.system.on("create_payment").refuse("invalid_request", f"card {number} with {cvc}")
    replies = [await imitated.subscribes(anna, card, cvc=cvc)]
    imitated.system.on("create_payment").lie(lambda _: Silence(f"card {number} with {cvc}"))
    replies.append(await imitated.subscribes(boris, others[0], cvc=cvc))
    replies.append(await imitated.subscribes(vera, others[1], cvc=cvc, return_url=back))
    imitated.system.pay(replies[-1].json()["payment"]["provider_payment_id"], number)
    await cinema.time_passes(days=32)
    body = {"payment": {"type": "card", "card_id": card, "cvc": cvc, "return_url": back}}
    replies.append(await anna.posts(f"/v1/subscriptions/{uuid4()}/payments", body))

    assert [reply.status_code for reply in replies] == [201, 202, 201, 404]
    printed = "".join(capsys.readouterr())  # before anything is redacted: that is the last line of defence only
    logged = [caplog.text, printed, *(_said(record) for record in caplog.records)]
    kept = "\n".join([await _dump(cinema), await _cached(cinema), *logged, *(reply.text for reply in replies)])
    assert card in kept
    assert number not in kept
    assert _as_a_word(cvc, f"csc={cvc}, '{cvc}', with {cvc}.") == 3 * [cvc], "what it would look like is found"
    assert _as_a_word(cvc, kept) == []


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"sealed": GOOD_CARD.encode()}, "ck_cards_sealed"),
        ({"sealed": b"CV\x01\x04test" + bytes(120)}, None),
        ({"sealed": b"CV\x01\x04best" + bytes(120)}, "ck_cards_sealed"),
        ({"fingerprint": GOOD_CARD}, "ck_cards_fingerprint"),
        ({"exp_month": 13}, "ck_cards_exp_month"),
        ({"first6": GOOD_CARD}, "ck_cards_shown_digits"),
        ({"removed_at": datetime(2027, 1, 1, tzinfo=UTC)}, "ck_cards_removed_keeps_no_secret"),
        ({"sealed": None}, "ck_cards_removed_keeps_no_secret"),
    ],
)
async def test_the_database_itself_keeps_cards_sealed(
    cinema: Cinema, imitated: Imitated, change: dict[str, Any], constraint: str | None
) -> None:
    card = await imitated.stores(await cinema.person(), GOOD_CARD)

    async with cinema.service.engine.connect() as connection:
        changing = connection.execute(update(cards).where(cards.c.id == card).values(**change))
        if constraint is None:
            await changing
        else:
            with pytest.raises(IntegrityError, match=constraint):
                await changing


async def test_the_database_itself_keeps_one_of_each_card_and_knows_what_a_payment_was_made_with(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await cinema.person()
    ids = [await imitated.stores(anna, number) for number in (GOOD_CARD, POOR_CARD)]
    await imitated.subscribes(anna, ids[0])
    one = select(cards.c.fingerprint).where(cards.c.id == ids[0]).scalar_subquery()
    changes = (
        (update(cards).where(cards.c.id == ids[1]).values(fingerprint=one), "uq_cards_kept"),
        (update(payments).where(payments.c.user_id == anna.id).values(card_id=None), "ck_payments_card"),
        (update(payments).where(payments.c.user_id == anna.id).values(pays_with="token"), "ck_payments_card"),
    )

    for change, constraint in changes:
        async with cinema.service.engine.connect() as connection:
            with pytest.raises(IntegrityError, match=constraint):
                await connection.execute(change)


def _is(key: str) -> Any:
    return idempotency_keys.c.key == key


async def _removes(person: Person, card: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": uuid4().hex}
    return await person.cinema.api.delete(f"/v1/cards/{card}", headers=headers)


def _as_a_word(digits: str, text: str) -> list[str]:
    """Not as a part of a longer number, of a fraction or of an identifier's groups."""
    return re.findall(rf"(?<![\w.-]){digits}(?![\w-])", text)


def _said(record: logging.LogRecord) -> str:
    """All that a record carries but the machine's own numbers."""
    counted = ("process", "thread", "created", "msecs", "relativeCreated", "lineno")
    return str({name: value for name, value in record.__dict__.items() if name not in counted})


async def _dump(cinema: Cinema) -> str:
    """Every table as text, bytes as hexadecimal and as what they spell."""
    lines = []
    async with cinema.service.engine.connect() as connection:
        names = (
            await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        ).scalars()
        for name in names.all():
            for row in (await connection.execute(text(f'SELECT * FROM "{name}"'))).all():  # noqa: S608 - of the catalogue
                lines.append(str(row))
                lines += [value.decode("latin-1") for value in row if isinstance(value, bytes)]
    assert any("Bank card *" in line for line in lines)
    return "\n".join(lines)


async def _cached(cinema: Cinema) -> str:
    """All that Redis holds."""
    client: Any = cinema.service.redis.client  # its own types leave open whether an answer is awaited
    reading = {b"string": client.get, b"hash": client.hgetall, b"zset": lambda key: client.zrange(key, 0, -1)}
    return "\n".join([f"{key} {await reading[await client.type(key)](key)}" async for key in client.scan_iter()])
