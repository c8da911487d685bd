"""Users are found, and everything that one of them bought, paid and got back stands on one page (ADM-3, ADM-4)."""

from __future__ import annotations

from uuid import uuid4

import psycopg

from tests.admin.panel import Administrator, Panel
from tests.scenarios.cinema import Cinema, Person

_LIST = "/billing/person/"


async def _customer(cinema: Cinema, name: str) -> tuple[Person, dict[str, str]]:
    """Somebody who has subscribed: the person, and the ids of subscription and payment."""
    person = await cinema.person(name=name)
    sale = (await person.subscribes("premium", "499.00")).json()
    return person, {"subscription": sale["subscription"]["id"], "payment": sale["payment"]["id"]}


async def test_a_user_is_found_by_address_name_and_any_id_of_theirs(cinema: Cinema, boss: Administrator) -> None:
    name = f"Анна {uuid4().hex[:6].upper()}"
    anna, ids = await _customer(cinema, name)
    others, _ = await _customer(cinema, "Кто-то другой")

    for term in (
        f"{anna.id.hex}@example.org".upper(),
        f"{anna.id.hex}@",
        name,
        name.lower(),
        str(anna.id),
        *ids.values(),
    ):
        page = await boss.opens(_LIST, q=term)
        assert len(page.links(str(anna.id))) == 1, term
        assert page.links(str(others.id)) == [], term


async def test_who_is_not_found_is_told_how_to_search(boss: Administrator) -> None:
    for term in ("nobody@nowhere.example", str(uuid4()), "\0", "%", "' OR 1=1 --"):
        page = await boss.opens(_LIST, q=term)
        assert page.status == 200
    assert "Search by the beginning of an e-mail" in (await boss.opens(_LIST, q="nobody@nowhere.example")).text


async def test_the_page_of_a_user_tells_their_whole_history(cinema: Cinema, boss: Administrator) -> None:
    boris, ids = await _customer(cinema, "Борис")
    await boris.posts(f"/v1/subscriptions/{ids['subscription']}/cancel", {"reason": "дорого"})
    await boris.posts(f"/v1/subscriptions/{ids['subscription']}/resume")
    await cinema.time_passes(days=32)
    await boris.posts(f"/v1/subscriptions/{ids['subscription']}/refunds", {"reason": "передумал"})
    await cinema.works()

    page = await boss.opens(f"{_LIST}{boris.id}/change/")

    history = page.text.partition("History")[2]
    told = [
        "Canceled",
        "Money returned",
        "Refund asked for",
        "Renewed",
        "Paid",
        "Cancellation taken back",
        "Canceled for the period's end",
        "Subscription active",
    ]
    places = [history.index(event) for event in told[1:]]
    assert history.index("Canceled") < places[0], "newest first"
    assert places == sorted(places)
    assert "передумал" in page.text
    assert page.text.count("499.00") >= 4
    assert page.links(ids["subscription"])
    assert page.links(ids["payment"])


async def test_who_acted_is_told_apart(cinema: Cinema, boss: Administrator) -> None:
    vera, ids = await _customer(cinema, "Вера")
    await boss.sends(f"/billing/subscription/{ids['subscription']}/cancel/", when="period_end", reason="по звонку")

    history = (await boss.opens(f"{_LIST}{vera.id}/change/")).text.partition("History")[2]

    line = history.partition("Canceled for the period's end")[2][:80]
    assert "по звонку" in (await boss.opens(f"/billing/subscription/{ids['subscription']}/change/")).text
    assert "administrator admin-panel" in line


async def test_a_user_without_anything_is_told_what_to_do(cinema: Cinema, boss: Administrator) -> None:
    dina = await cinema.person(name="Дина")
    body = {"user_id": str(dina.id), "plan_code": "premium", "return_url": "https://cinema.example/"}
    await cinema.as_admin("POST", "/internal/v1/payments", body)
    page = await boss.opens(f"{_LIST}{dina.id}/change/")
    assert "Nothing was returned." in page.text
    assert "No payment method is saved." in page.text


async def test_a_payment_link_for_a_user_is_shown_and_can_be_paid(cinema: Cinema, boss: Administrator) -> None:
    await cinema.sells("series", "299.00")
    egor, _ = await _customer(cinema, "Егор")

    path = f"{_LIST}{egor.id}/payment-link/"
    page = await boss.sends(
        path, plan_code="series", payment_system="yookassa", return_url="https://cinema.example/back"
    )

    [link] = set(page.links("/checkout/"))
    assert link in page.text
    assert len((await egor.reads("/v1/subscriptions"))["items"]) == 2


async def test_nothing_in_the_log_of_administrators_names_a_person_who_was_erased(
    cinema: Cinema, panel: Panel, boss: Administrator
) -> None:
    await cinema.sells("cartoons", "199.00")
    zhanna, _ = await _customer(cinema, "Жанна Незабытая")
    given = {"plan_code": "cartoons", "payment_system": "yookassa", "return_url": "https://cinema.example/back"}
    await boss.sends(f"{_LIST}{zhanna.id}/payment-link/", **given)
    with psycopg.connect(str(cinema.service.settings.database_url)) as database:
        # as an earlier version wrote it
        database.execute(
            "INSERT INTO django.django_admin_log (action_time, user_id, content_type_id, object_id, object_repr, "
            "action_flag, change_message) SELECT action_time, user_id, content_type_id, object_id, %s, action_flag, "
            "'earlier' FROM django.django_admin_log WHERE object_id = %s",
            [f"{zhanna.id.hex}@example.org", str(zhanna.id)],
        )

    await panel.is_prepared_again()
    await cinema.as_service("DELETE", f"/internal/v1/users/{zhanna.id}/personal-data")

    with psycopg.connect(str(cinema.service.settings.database_url)) as database:
        of_her = "SELECT object_repr FROM django.django_admin_log WHERE object_id = %s"
        assert [row[0] for row in database.execute(of_her, [str(zhanna.id)])] == [str(zhanna.id)] * 2
        theirs = "SELECT count(*) FROM django.django_admin_log WHERE object_repr ~ '@|Жанна'"
        assert database.execute(theirs).fetchall() == [(0,)]


async def test_somebody_who_is_not_there_leads_back_to_the_list(boss: Administrator) -> None:
    for key in (str(uuid4()), "no-uuid"):
        page = await boss.opens(f"{_LIST}{key}/change/")
        assert (page.status, page.at) == (200, _LIST)
        assert "It is not there" in page.text
