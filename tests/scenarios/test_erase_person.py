"""Who a person was can be forgotten; what was paid stays in the books, under an id that leads to nobody."""

from __future__ import annotations

from uuid import uuid4

import httpx
from sqlalchemy import select

from infrastructure.postgres.tables import events, mails, payment_methods, payments, refunds, subscriptions, users
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person


async def _erased(cinema: Cinema, person: Person) -> httpx.Response:
    return await cinema.as_service("DELETE", f"/internal/v1/users/{person.id}/personal-data")


async def test_the_person_is_forgotten_and_the_payments_stay(cinema: Cinema) -> None:
    anna = await cinema.person(name="Anna", locale="en")
    its_id = (await anna.subscribes("premium", "499.00")).json()["subscription"]["id"]
    await anna.posts("/v1/cards", {"number": GOOD_CARD, "exp_month": 12, "exp_year": 2030})
    mails = await anna.mails()

    reply = await _erased(cinema, anna)

    assert (reply.status_code, reply.json()["ended"]) == (202, [its_id])
    async with cinema.service.engine.connect() as connection:
        row = (await connection.execute(select(users).where(users.c.id == anna.id))).one()
    assert (row.email, row.name, row.locale) == (None, None, None)
    assert await anna.payments() == [("first", "succeeded", "499.00")]
    assert (await anna.subscription())["status"] == "canceled"
    assert (await anna.reads("/v1/payment-methods"))["items"] == (await anna.reads("/v1/cards"))["items"] == []
    await cinema.time_passes(days=40)
    assert (await anna.charged(), await anna.mails()) == (["499.00"], mails)


async def test_what_the_person_wrote_is_forgotten_with_them(cinema: Cinema) -> None:
    """Why they canceled stood in events and mails, which are for ever; why they wanted money back, by the refund."""
    yana, words = await cinema.person(zoneinfo="Asia/Omsk"), "я переехала на улицу Ленина, 5"
    its_id = (await yana.subscribes("premium", "499.00")).json()["subscription"]["id"]
    await yana.posts(f"/v1/subscriptions/{its_id}/cancel", {"reason": words})
    await yana.posts(f"/v1/subscriptions/{its_id}/refunds", {"reason": words})
    await cinema.works()
    assert words in await _everything_of(cinema, yana)

    await _erased(cinema, yana)

    kept = await _everything_of(cinema, yana)
    assert words not in kept
    assert "Omsk" not in kept.partition(";")[0]


async def _everything_of(cinema: Cinema, person: Person) -> str:
    """All rows that are the person's, their own first."""
    parts = []
    async with cinema.service.engine.connect() as connection:
        for table in (users, subscriptions, payments, refunds, events, mails):
            owner = table.c.id if table is users else table.c.user_id
            rows = (await connection.execute(select(table).where(owner == person.id))).mappings()
            parts.append(str([dict(row) for row in rows]))
    return ";".join(parts)


async def test_a_token_that_still_lives_brings_nothing_back(cinema: Cinema) -> None:
    boris = await cinema.person(name="Boris")
    await boris.subscribes("premium", "499.00")
    await _erased(cinema, boris)

    card = {"number": GOOD_CARD, "exp_month": 12, "exp_year": 2030}
    link = {"user_id": str(boris.id), "plan_code": "premium", "return_url": "https://cinema.example/back"}
    for refused in (
        await boris.subscribes("premium", "499.00"),
        await boris.subscribes("premium", "499.00", card=None),
        await boris.posts("/v1/cards", card),
        await cinema.as_service("POST", "/internal/v1/payments", link),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "person_erased"), refused.text

    await cinema.time_passes(days=40)
    assert await boris.charged() == ["499.00"]
    async with cinema.service.engine.connect() as connection:
        assert (await connection.execute(select(users.c.email).where(users.c.id == boris.id))).scalar_one() is None


async def test_what_was_theirs_stays_to_be_read_and_cannot_be_gone_on_with(cinema: Cinema) -> None:
    await cinema.sells("family", "999.00")
    egor = await cinema.person()
    its_id = (await egor.subscribes("premium", "499.00")).json()["subscription"]["id"]
    await _erased(cinema, egor)

    change = {"plan_code": "family", "price": {"value": "999.00", "currency": "RUB"}}
    pay = {"payment": {"type": "token", "payment_token": await cinema.yookassa.token(GOOD_CARD)}}
    path = f"/v1/subscriptions/{its_id}"
    refused = [
        await egor.posts(f"{path}/payments", pay),
        await egor.posts(f"{path}/change-plan", change),
        await egor.posts(f"{path}/resume"),
        await egor.posts(f"{path}/cancel", {"when": "now"}),
    ]

    assert [reply.json()["code"] for reply in refused] == [
        "nothing_to_pay",
        "not_changeable",
        "not_resumable",
        "not_cancelable",
    ]
    assert len((await egor.reads("/v1/payments"))["items"]) == 1


async def test_money_on_its_way_when_the_person_is_erased_goes_back(cinema: Cinema) -> None:
    vera = await cinema.person()
    payment = (await vera.subscribes("premium", "499.00", card=None)).json()["payment"]
    await _erased(cinema, vera)

    await cinema.yookassa.pay(payment["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    shown = await vera.reads(f"/v1/payments/{payment['id']}")
    assert (shown["status"], shown["refunded"]["value"]) == ("succeeded", "499.00")


async def test_twice_is_once_and_nobody_is_not_found(cinema: Cinema) -> None:
    gleb = await cinema.person()
    await gleb.subscribes("premium", "499.00")
    first, second = await _erased(cinema, gleb), await _erased(cinema, gleb)
    assert (second.status_code, second.json()["erased_at"]) == (202, first.json()["erased_at"])
    assert second.json()["ended"] == []
    nobody = await cinema.as_service("DELETE", f"/internal/v1/users/{uuid4()}/personal-data")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
    as_person = {"Authorization": f"Bearer {gleb.token}", "Idempotency-Key": "erase"}
    refused = await cinema.api.delete(f"/internal/v1/users/{gleb.id}/personal-data", headers=as_person)
    assert refused.status_code == 403


async def test_a_card_that_arrives_after_the_erasure_is_not_kept(cinema: Cinema) -> None:
    await cinema.sells("tried", "499.00", trial_days=14)
    dina = await cinema.person()
    paid = (await dina.subscribes("premium", "499.00", card=None)).json()["payment"]
    bound = (await dina.subscribes("tried", "499.00", card=None)).json()["payment"]
    await _erased(cinema, dina)

    for page in (paid, bound):
        await cinema.yookassa.pay(page["provider_payment_id"], GOOD_CARD)
    await cinema.time_passes(hours=2)

    async with cinema.service.engine.connect() as connection:
        theirs = select(payment_methods).where(payment_methods.c.user_id == dina.id)
        assert (await connection.execute(theirs)).all() == []
    for page in (paid, bound):
        shown = await dina.reads(f"/v1/payments/{page['id']}")
        assert (shown["status"], shown["payment_method"]) == ("succeeded", None)
    assert (await dina.reads(f"/v1/payments/{paid['id']}"))["refunded"]["value"] == "499.00"
