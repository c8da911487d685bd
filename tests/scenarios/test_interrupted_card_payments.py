"""A payment with a stored card is cut short: without its CVC nobody sends it again, and it ends honestly (PAY-13)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import select, update

from infrastructure.postgres.tables import idempotency_keys, payments
from tests.scenarios.cinema import GOOD_CARD, Cinema, Person
from tests.scenarios.imitated import CVC, Imitated, imitated

__all__ = ["imitated"]


class Buyer:
    """A person with a stored card who subscribes under one key, however often."""

    def __init__(self, imitated: Imitated, person: Person, card: str) -> None:
        self.imitated, self.person, self.card, self.key = imitated, person, card, uuid4().hex

    async def subscribes(self, cvc: str = CVC) -> httpx.Response:
        return await self.imitated.subscribes(self.person, self.card, self.key, cvc=cvc)

    async def dies_before_the_call(self) -> None:
        """The process ends after the intent was committed, with nothing sent."""
        never = asyncio.Event()
        self.imitated.system.on("create_payment").hold(never)
        sent = self.imitated.sent
        request = asyncio.create_task(self.subscribes())
        await self.imitated.hears("create_payment", sent + 1)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await self._its_lease_lapses()

    async def dies_after_the_charge(self) -> None:
        """The process ends before it has written down what it was answered."""
        request = asyncio.create_task(self.subscribes())

        def dies(answer: Any) -> Any:
            request.cancel()
            return answer

        self.imitated.system.on("create_payment").lie(dies)
        await asyncio.gather(request, return_exceptions=True)
        assert request.cancelled()
        await self._its_lease_lapses()

    async def _its_lease_lapses(self) -> None:
        async with self.person.cinema.service.engine.begin() as connection:
            lapsed = update(idempotency_keys).where(idempotency_keys.c.key == self.key)
            changed = await connection.execute(
                lapsed.values(leased_until=idempotency_keys.c.leased_until - timedelta(hours=1))
            )
            mine = payments.c.user_id == self.person.id
            await connection.execute(update(payments).where(mine).values(claimed_until=None))
        assert changed.rowcount == 1

    async def payment(self) -> tuple[str, str | None]:
        """How the first one stands, and why it was canceled."""
        async with self.person.cinema.service.engine.connect() as connection:
            mine = select(payments.c.status, payments.c.cancel_reason).where(payments.c.user_id == self.person.id)
            row = (await connection.execute(mine.order_by(payments.c.id).limit(1))).one()
        return row.status, row.cancel_reason


async def _buyer(cinema: Cinema, imitated: Imitated) -> Buyer:
    person = await cinema.person()
    return Buyer(imitated, person, await imitated.stores(person, GOOD_CARD))


async def test_a_payment_that_was_never_sent_ends_as_that_and_a_new_one_may_be_made(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await _buyer(cinema, imitated)
    await anna.dies_before_the_call()
    sent = imitated.sent

    await cinema.time_passes(hours=24)
    assert await anna.payment() == ("unknown", None), "it might be on its way there still"
    await cinema.time_passes(hours=4)

    assert await anna.payment() == ("canceled", "never_arrived")
    assert imitated.sent == sent, "nobody has sent it without its CVC"
    assert (await anna.person.subscription())["status"] == "expired"
    assert await anna.person.mails() == ["payment.failed subscription.expired"]
    assert (await imitated.subscribes(anna.person, anna.card)).status_code == 201
    assert await imitated.charged(anna.person) == ["499.00"]


async def test_the_next_try_of_the_same_key_brings_the_cvc_again_and_is_charged_once(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await _buyer(cinema, imitated)
    await anna.dies_before_the_call()

    replies = [await anna.subscribes(), await anna.subscribes("999")]

    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json()["payment"]["status"] == "succeeded"
    assert replies[0].content == replies[1].content, "the CVC is no part of what makes a request the same"
    assert await imitated.charged(anna.person) == ["499.00"]


async def test_a_charge_whose_answer_nobody_wrote_down_is_found_and_not_made_again(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await _buyer(cinema, imitated)
    await anna.dies_after_the_charge()
    sent = imitated.sent

    await cinema.time_passes(minutes=2)

    assert await anna.payment() == ("succeeded", None)
    assert imitated.sent == sent
    assert (await anna.subscribes()).json()["subscription"]["status"] == "active"
    assert await imitated.charged(anna.person) == ["499.00"]
    assert await anna.person.mails() == ["payment.succeeded subscription.activated"]


async def test_the_next_try_after_the_charge_is_the_same_charge_with_whatever_cvc(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna, boris = await _buyer(cinema, imitated), await _buyer(cinema, imitated)
    for buyer, cvc in ((anna, CVC), (boris, "321")):
        await buyer.dies_after_the_charge()

        reply = await buyer.subscribes(cvc)

        assert (reply.status_code, reply.json()["payment"]["status"]) == (201, "succeeded")
        assert await imitated.charged(buyer.person) == ["499.00"]


async def test_a_try_that_meets_the_janitor_keeps_its_cvc_and_comes_again(cinema: Cinema, imitated: Imitated) -> None:
    anna, go_on = await _buyer(cinema, imitated), asyncio.Event()
    await anna.dies_before_the_call()
    imitated.system.on("find_payment").hold(go_on)
    cinema.clock.move(timedelta(minutes=1))
    looks, asked = asyncio.create_task(cinema.sweeps.unresolved()), imitated.system.calls.count("find_payment")
    await imitated.hears("find_payment", asked + 1)

    meanwhile = await anna.subscribes()
    go_on.set()
    await looks
    afterwards = await anna.subscribes()

    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_key_in_use")
    assert int(meanwhile.headers["Retry-After"]) > 0
    assert (afterwards.status_code, afterwards.json()["payment"]["status"]) == (201, "succeeded")
    assert await imitated.charged(anna.person) == ["499.00"]


async def test_no_answer_is_asked_about_and_never_sent_again(cinema: Cinema, imitated: Imitated) -> None:
    lost, charged = await _buyer(cinema, imitated), await _buyer(cinema, imitated)
    imitated.system.on("create_payment").say_nothing_before()
    replies = [await lost.subscribes()]
    imitated.system.on("create_payment").charge_and_say_nothing()
    replies.append(await charged.subscribes())
    sent = imitated.sent
    assert [(reply.status_code, reply.json()["payment"]["status"]) for reply in replies] == [(202, "unknown")] * 2

    await cinema.time_passes(hours=28)

    assert [await lost.payment(), await charged.payment()] == [("canceled", "never_arrived"), ("succeeded", None)]
    assert imitated.sent == sent
    assert [await imitated.charged(buyer.person) for buyer in (lost, charged)] == [[], ["499.00"]]


async def test_who_will_not_wait_cancels_and_begins_anew_and_money_that_turns_up_goes_back(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await _buyer(cinema, imitated)
    imitated.system.on("create_payment").charge_and_say_nothing()
    sale = (await anna.subscribes()).json()

    path = f"/v1/subscriptions/{sale['subscription']['id']}/cancel"
    assert (await anna.person.posts(path, {"when": "now"})).status_code == 200
    assert (await imitated.subscribes(anna.person, anna.card)).status_code == 201
    await cinema.time_passes(hours=2)

    assert await imitated.charged(anna.person) == ["499.00"] * 2
    theirs = [one.id for one in imitated.system.payments() if str(one.our_id) == sale["payment"]["id"]]
    assert [one.amount.value for one in imitated.system.refunds() if one.payment_id in theirs] == ["499.00"]


async def test_a_card_that_was_removed_meanwhile_is_not_charged_by_the_next_try(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await _buyer(cinema, imitated)
    await anna.dies_before_the_call()
    headers = {"Authorization": f"Bearer {anna.person.token}", "Idempotency-Key": uuid4().hex}
    assert (await cinema.api.delete(f"/v1/cards/{anna.card}", headers=headers)).status_code == 204
    sent = imitated.sent

    reply = await anna.subscribes()
    await cinema.time_passes(hours=28)

    assert (reply.status_code, reply.json()["payment"]["status"]) == (202, "unknown")
    assert await anna.payment() == ("canceled", "never_arrived")
    assert imitated.sent == sent


async def test_what_an_outage_kept_from_being_sent_is_over_at_once(cinema: Cinema, imitated: Imitated) -> None:
    anna = await _buyer(cinema, imitated)
    await _an_outage_begins(cinema, imitated)

    reply = await anna.subscribes()
    cinema.clock.move(timedelta(minutes=10))
    again = await imitated.subscribes(anna.person, anna.card)

    assert reply.json()["payment"]["cancellation"] == {"reason": "never_arrived", "party": "merchant"}
    assert (again.status_code, again.json()["payment"]["status"]) == (201, "succeeded")
    assert await imitated.charged(anna.person) == ["499.00"]


async def test_the_next_try_that_meets_an_outage_keeps_its_cvc_and_comes_again(
    cinema: Cinema, imitated: Imitated
) -> None:
    anna = await _buyer(cinema, imitated)
    await anna.dies_before_the_call()
    await _an_outage_begins(cinema, imitated)

    meanwhile = await anna.subscribes()
    cinema.clock.move(timedelta(minutes=10))
    afterwards = await anna.subscribes()

    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_key_in_use")
    assert (afterwards.status_code, afterwards.json()["payment"]["status"]) == (201, "succeeded")
    assert await imitated.charged(anna.person) == ["499.00"]


async def _an_outage_begins(cinema: Cinema, imitated: Imitated) -> None:
    """Ten payments meet silence, and the next ones are not sent while the story's clock stands."""
    imitated.guarded._circuit._monotonic = lambda: cinema.clock.now().timestamp()
    for _ in range(10):
        imitated.system.on("create_payment").say_nothing_before()
        assert (await (await _buyer(cinema, imitated)).subscribes()).status_code == 202


async def test_a_request_that_outlives_its_lease_answers_what_its_repetition_was_told(
    cinema: Cinema, imitated: Imitated
) -> None:
    """It once took back the reply that was kept, so that the same key had two answers."""
    anna, gate = await _buyer(cinema, imitated), asyncio.Event()
    imitated.system.on("create_payment").hold(gate)
    sent = imitated.sent
    slow = asyncio.create_task(anna.subscribes())
    await imitated.hears("create_payment", sent + 1)
    await anna._its_lease_lapses()
    taken_over = await anna.subscribes()
    path = f"/v1/subscriptions/{taken_over.json()['subscription']['id']}/cancel"
    assert (await anna.person.posts(path, {"when": "period_end"})).status_code == 200

    gate.set()
    outlived, replayed = await slow, await anna.subscribes()

    assert taken_over.json()["subscription"]["cancel_at_period_end"] is False
    for reply in (outlived, replayed):
        assert (reply.status_code, reply.content) == (taken_over.status_code, taken_over.content)
        assert reply.headers["Consistency-Token"] == taken_over.headers["Consistency-Token"]
    assert await imitated.charged(anna.person) == ["499.00"]
