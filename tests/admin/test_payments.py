"""Payments are seen, found, returned, charged again; subscriptions are canceled; cases are resolved (ADM-5)."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from infrastructure.postgres.tables import cases, refunds, subscriptions
from tests.admin.panel import Administrator, Panel
from tests.scenarios.cinema import POOR_CARD, Cinema

_LIST = "/billing/payment/"


async def _refunds(cinema: Cinema, payment_id: str) -> list[int]:
    async with cinema.service.engine.connect() as connection:
        query = select(refunds.c.amount).where(refunds.c.payment_id == payment_id).order_by(refunds.c.created_at)
        return list((await connection.execute(query)).scalars())


@pytest.mark.parametrize(
    ("language", "done", "denied"),
    [
        ("en", "The refund is on its way: 10.00 ₽", "It is not known whether what you sent was done"),
        ("ru", "Возврат отправлен: 10,00 ₽", "Неизвестно, исполнено ли отправленное"),
    ],
)
async def test_a_refund_that_was_made_is_told_although_the_database_went_away_meanwhile(
    cinema: Cinema, panel: Panel, language: str, done: str, denied: str
) -> None:
    _, sale = await cinema.subscriber()
    clerk = await panel.somebody("Administrators", language)
    path = f"{_LIST}{sale['payment']['id']}/refund/"
    form = await clerk.opens(path)

    with panel.cut_off_while_it_asks():
        told = await clerk.sends_again(form, path, amount="10.00", reason="раз")
        again = await clerk.sends_again(form, path, amount="10.00", reason="раз")

    assert await _refunds(cinema, sale["payment"]["id"]) == [1000]
    assert (told.status, told.at) == (503, _LIST), "led on to the list, which cannot be shown now"
    assert done in told.text
    assert (again.status, denied in again.text) == (503, True), "nothing is claimed of what nobody knows"
    assert "Nothing was changed" not in again.text


async def test_a_payment_is_found_by_any_of_its_names(cinema: Cinema, boss: Administrator) -> None:
    anna, sale = await cinema.subscriber()
    _, other = await cinema.subscriber()
    payment = sale["payment"]
    names = [payment["id"], payment["provider_payment_id"], str(anna.id), sale["subscription"]["id"]]

    for term in (*names, f"{anna.id.hex}@example.org"):
        page = await boss.opens(_LIST, q=term)
        assert len(page.links(payment["id"])) == 1, term
        assert page.links(other["payment"]["id"]) == [], term
    assert "No payment found" in (await boss.opens(_LIST, q=str(uuid4()))).text


@pytest.mark.parametrize(
    ("narrowed", "is_shown"),
    [
        ({"status__exact": "succeeded"}, True),
        ({"status__exact": "unknown"}, False),
        ({"kind__exact": "first"}, True),
        ({"kind__exact": "renewal"}, False),
        ({"amount_from": "333,00", "amount_to": "333.5"}, True),
        ({"amount_from": "333.01"}, False),
        ({"amount_from": "nonsense"}, True),
        ({"created_from": "2027-01-01"}, True),
        ({"created_to": "2027-01-01"}, False),
        ({"created_from": "0000-99-99", "payment_system": "yookassa"}, True),
        ({"payment_system": "imitation"}, False),
    ],
)
async def test_payments_are_narrowed(
    cinema: Cinema, boss: Administrator, narrowed: dict[str, str], is_shown: bool
) -> None:
    await cinema.sells("odd", "333.00")
    vera = await cinema.person()
    sale = (await vera.subscribes("odd", "333.00")).json()
    page = await boss.opens(_LIST, q=str(vera.id), **narrowed)
    assert bool(page.links(sale["payment"]["id"])) is is_shown


async def test_a_part_is_returned_and_then_the_rest(cinema: Cinema, boss: Administrator) -> None:
    boris, sale = await cinema.subscriber()
    path = f"{_LIST}{sale['payment']['id']}"

    assert "Can still be refunded 499.00 ₽" in (await boss.opens(f"{path}/refund/")).text
    part = await boss.sends(f"{path}/refund/", amount="100.00", reason="подарок")
    await cinema.works()
    assert "Can still be refunded 399.00 ₽" in (await boss.opens(f"{path}/refund/")).text
    too_much = await boss.sends(f"{path}/refund/", amount="400.00", reason="ещё")
    rest = await boss.sends(f"{path}/refund/", amount="", reason="передумал")
    await cinema.works()

    assert "The refund is on its way: 100.00 ₽" in part.text
    assert "That is more than is left of this payment." in too_much.text
    assert "The refund is on its way: 399.00 ₽" in rest.text
    assert (await boris.subscription())["status"] == "canceled"
    assert await _refunds(cinema, sale["payment"]["id"]) == [10000, 39900]
    assert (await boss.opens(f"{path}/change/")).links(f"{path}/refund/") == [], "nothing is left to return"


async def test_a_double_click_returns_once(cinema: Cinema, boss: Administrator) -> None:
    _, sale = await cinema.subscriber()
    path = f"{_LIST}{sale['payment']['id']}/refund/"
    form = await boss.opens(path)

    pages = await asyncio.gather(*(boss.sends_again(form, path, amount="50.00", reason="раз") for _ in range(3)))
    await cinema.works()

    assert all(page.at.endswith("/change/") for page in pages)
    assert await _refunds(cinema, sale["payment"]["id"]) == [5000]


async def test_while_the_api_is_away_nothing_is_lost_and_nothing_is_done_twice(
    cinema: Cinema, panel: Panel, boss: Administrator
) -> None:
    _, sale = await cinema.subscriber()
    path = f"{_LIST}{sale['payment']['id']}/refund/"
    async with panel.api.is_away():
        silent = await boss.sends(path, amount="70.00", reason="раз")

    assert (silent.status, silent.at) == (200, path)
    assert "No answer came" in silent.text
    for _ in range(2):
        again = await boss.sends_again(silent, path, amount="70.00", reason="раз")
        assert "The refund is on its way" in again.text
    assert await _refunds(cinema, sale["payment"]["id"]) == [7000]


async def test_a_form_that_was_done_and_is_sent_with_other_content_changes_nothing(
    cinema: Cinema, boss: Administrator
) -> None:
    _, sale = await cinema.subscriber()
    path = f"{_LIST}{sale['payment']['id']}/refund/"
    form = await boss.opens(path)
    await boss.sends_again(form, path, amount="10.00", reason="раз")

    changed = await boss.sends_again(form, path, amount="20.00", reason="раз")

    assert "sent before with other content" in changed.text
    assert await _refunds(cinema, sale["payment"]["id"]) == [1000]


async def test_a_refused_charge_is_tried_again(cinema: Cinema, boss: Administrator) -> None:
    gleb, sale = await cinema.subscriber()
    path = f"/billing/subscription/{sale['subscription']['id']}"
    assert (await boss.opens(f"{path}/change/")).links("/retry/") == [], "nothing is due"
    early = await boss.sends(f"{path}/retry/")
    assert "Nothing of this subscription is due" in early.text

    ledger = await cinema.yookassa.ledger()
    [mine] = [one for one in ledger.payments if one["id"] == sale["payment"]["provider_payment_id"]]
    await cinema.yookassa.behave(str(mine["method_id"]), "insufficient_funds", times=1)
    end = datetime.fromisoformat((await gleb.subscription())["current_period"]["end"])
    await cinema.time_passes(seconds=(end - cinema.clock.now()).total_seconds())
    assert (await gleb.subscription())["status"] == "past_due"
    page = await boss.opens(f"{path}/change/")
    assert page.links("/retry/")
    assert page.links(f"{path}/payment-link/")
    assert "Sum of the next charge 499.00 ₽" in (await boss.opens(f"{path}/retry/")).text

    retried = await boss.sends(f"{path}/retry/")

    assert "It was charged." in retried.text
    assert (await gleb.subscription())["status"] == "active"
    assert await gleb.charged() == ["499.00"] * 2


async def test_a_subscription_is_canceled_at_its_end_or_now(cinema: Cinema, boss: Administrator) -> None:
    dina, sale = await cinema.subscriber()
    path = f"/billing/subscription/{sale['subscription']['id']}"

    later = await boss.sends(f"{path}/cancel/", when="period_end", reason="по звонку")
    assert "The subscription will end with its period" in later.text
    assert (await dina.subscription())["cancel_at_period_end"]

    now = await boss.sends(f"{path}/cancel/", when="now", reason="")
    assert "The subscription was canceled" in now.text
    assert (await dina.subscription())["status"] == "canceled"

    too_late = await boss.sends(f"{path}/cancel/", when="now", reason="")
    assert "It cannot be canceled that way" in too_late.text
    assert now.links("/cancel/") == []


async def test_money_from_outside_is_written_down_once_and_so_is_its_return(
    cinema: Cinema, boss: Administrator
) -> None:
    egor = await cinema.person()
    sale = (await egor.subscribes("premium", "499.00", card=None)).json()
    path, reference = f"/billing/subscription/{sale['subscription']['id']}", f"ref-{uuid4().hex[:8]}"
    at = (cinema.clock.now() - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M")
    told = {"amount": "450.00", "source": "appstore", "reference": reference, "moved_at": at}

    paid, again = [await boss.sends(f"{path}/external-payment/", **told) for _ in range(2)]
    other = await boss.sends(f"{path}/external-payment/", **(told | {"amount": "400.00"}))
    returned = await boss.sends(
        f"{path}/external-refund/", **(told | {"reference": f"{reference}-back", "payment_reference": reference})
    )

    assert "It was written down" in paid.text
    assert "It was written down before" in again.text
    assert "recorded already, with other content" in other.text
    assert "It was written down" in returned.text
    assert (await egor.subscription())["status"] == "canceled"


async def test_an_instant_that_does_not_exist_in_utc_is_refused(cinema: Cinema, boss: Administrator) -> None:
    _, sale = await cinema.subscriber()
    path = f"/billing/subscription/{sale['subscription']['id']}/external-payment/"
    told = {"amount": "450.00", "source": "bank", "reference": f"ref-{uuid4().hex[:8]}"}

    page = await boss.sends(path, **told, moved_at="0001-01-01 00:00")

    assert (page.status, page.at) == (200, path)
    assert "There is no such instant." in page.text
    assert 'aria-describedby="id_moved_at_error"' in page.source
    assert 'id="id_moved_at_error"' in page.source, "what the field names is there to be read out"


async def test_a_subscription_with_credit_and_another_plan_ahead_shows_what_will_be_charged(
    cinema: Cinema, boss: Administrator
) -> None:
    await cinema.sells("grand", "900.00")
    vera, sale = await cinema.subscriber()
    path = f"/v1/subscriptions/{sale['subscription']['id']}"
    reply = await vera.posts(
        f"{path}/change-plan",
        {"plan_code": "grand", "when": "period_end", "price": {"value": "900.00", "currency": "RUB"}},
    )
    assert reply.status_code == 200, reply.text
    async with cinema.service.engine.begin() as connection:
        await connection.execute(
            update(subscriptions).where(subscriptions.c.id == sale["subscription"]["id"]).values(balance=10050)
        )

    page = await boss.opens(f"/billing/subscription/{sale['subscription']['id']}/change/")

    assert "Sum of the next charge 799.50 ₽" in page.text


async def test_a_payment_link_leads_back_to_a_page_that_is_there(cinema: Cinema, boss: Administrator) -> None:
    vera = await cinema.person()
    await vera.subscribes("premium", "499.00")
    form = await boss.opens(f"/billing/person/{vera.id}/payment-link/")
    [(address, path)] = re.findall(r'name="return_url" value="(https?://[^/"]+)([^"]*)"', form.source)
    assert address
    assert (await cinema.api.get(path)).status_code == 200


async def test_a_refused_payment_says_why(cinema: Cinema, boss: Administrator) -> None:
    person = await cinema.person()
    sale = (await person.subscribes("premium", "499.00", card=POOR_CARD)).json()
    path = f"{_LIST}{sale['payment']['id']}"
    page = await boss.opens(f"{path}/change/")
    assert "insufficient_funds" in page.text
    assert page.links(f"{path}/refund/") == []


@pytest.mark.parametrize(
    ("language", "advised"), [("en", "cancel it if it cannot be mended"), ("ru", "отмените подписку")]
)
async def test_a_case_leads_to_what_it_is_about_and_says_what_to_do(
    cinema: Cinema, panel: Panel, language: str, advised: str
) -> None:
    _, sale = await cinema.subscriber()
    clerk, key = await panel.somebody("Administrators", language), uuid4()
    row = {"id": key, "kind": "subscription_stranded", "subject": sale["subscription"]["id"], "detail": "It waits."}
    async with cinema.service.engine.begin() as connection:
        await connection.execute(cases.insert().values(**row, facts={"failures": 3}, opened_at=cinema.clock.now()))

    page, queue = await clerk.opens(f"/billing/case/{key}/change/"), await clerk.opens("/billing/case/")

    subscription = f"/billing/subscription/{sale['subscription']['id']}/change/"
    assert page.links(subscription)
    assert queue.links(subscription)
    assert advised in page.text
    await clerk.sends(f"/billing/case/{key}/resolve/", resolution="В порядке.")


async def test_the_queue_shows_what_is_open_and_a_case_is_resolved_once(cinema: Cinema, boss: Administrator) -> None:
    subject = uuid4().hex
    key = uuid4()
    async with cinema.service.engine.begin() as connection:
        row = {"id": key, "kind": "payment_unresolved", "subject": subject, "detail": "Nobody answers.", "facts": {}}
        await connection.execute(cases.insert().values(**row, opened_at=cinema.clock.now()))
    path = f"/billing/case/{key}"

    queue = await boss.opens("/billing/case/")
    resolved = await boss.sends(f"{path}/resolve/", resolution="Деньги нашлись в кабинете.")
    twice = await boss.sends(f"{path}/resolve/", resolution="Ещё раз.")

    assert subject in queue.text
    assert "The case was resolved" in resolved.text
    assert "Деньги нашлись в кабинете." in resolved.text
    assert "closed before" in twice.text
    assert "Nothing found: remove a filter" in (await boss.opens("/billing/case/", q=uuid4().hex)).text
    assert subject not in (await boss.opens("/billing/case/")).text
    assert subject in (await boss.opens("/billing/case/", state="all")).text
    async with cinema.service.engine.connect() as connection:
        mine = select(func.count()).select_from(cases).where(cases.c.id == key, cases.c.resolution.like("Деньги%"))
        assert (await connection.execute(mine)).scalar_one() == 1
