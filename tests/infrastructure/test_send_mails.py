"""A mail that is owed is sent once, in the reader's language, and is tried until the server takes it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.person import Person, Unavailable
from domain.ports import Directory
from infrastructure.local.throwaway import throwaway_postgres
from infrastructure.mail.smtp import SmtpSender
from infrastructure.postgres.tables import (
    cases,
    mails,
    metadata,
    payment_methods,
    payments,
    plans,
    subscriptions,
    users,
)
from jobs.send_mails import MailRoom, pause_s
from settings import SettingsError, load
from tests.infrastructure.mail.conftest import Mailbox, running

NOW = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
ACCOUNT_URL = "https://cinema.example.org/account/?tab=billing#mine"
RENEWED = "payment.succeeded subscription.renewed"


class StandingClock:
    def now(self) -> datetime:
        return NOW


class StoppedClock:
    def now(self) -> datetime:
        raise OSError("no time to be had")


@dataclass(frozen=True, slots=True)
class Surroundings:
    engine: AsyncEngine
    mailbox: Mailbox

    def room(
        self,
        deadline_s: float = 5,
        directory: Directory | None = None,
        account_url: str | None = ACCOUNT_URL,
        support: str | None = None,
    ) -> MailRoom:
        sender = SmtpSender(self.mailbox.smtp_url, "Кинотеатр <billing@example.org>", deadline_s=deadline_s)
        return MailRoom(self.engine, sender, account_url, StandingClock(), directory, support=support)

    async def person(self, **changes: Any) -> UUID:
        row = {"id": uuid4(), "email": f"{uuid4().hex}@example.org", "name": "Анна", "locale": "ru", "zone": None}
        await self.write(insert(users).values({**row, **changes}))
        person_id = {**row, **changes}["id"]
        assert isinstance(person_id, UUID)
        return person_id

    async def owe(self, user_id: UUID, events: str = RENEWED, **changes: Any) -> UUID:
        payment_id = uuid4()
        facts = {
            "plan_name": "Кино", "amount": "499.00", "currency": "RUB", "kind": "renewal",
            "payment_id": str(payment_id),
            "period_start": "2027-01-31T09:00:00Z", "period_end": "2027-02-28T09:00:00Z",
        }  # fmt: skip
        row = {"id": uuid4(), "user_id": user_id, "events": events, "object_id": payment_id, "facts": facts}
        row |= {"request_id": "request-1", "created_at": NOW}
        await self.write(insert(mails).values({**row, **changes}))
        mail_id = {**row, **changes}["id"]
        assert isinstance(mail_id, UUID)
        return mail_id

    async def write(self, statement: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(statement)

    async def mail(self, mail_id: UUID) -> Row[Any]:
        pause = func.extract("epoch", mails.c.retry_by - func.clock_timestamp()).label("pause_s")
        async with self.engine.connect() as connection:
            return (await connection.execute(select(mails, pause).where(mails.c.id == mail_id))).one()

    async def cases_of(self, mail_id: UUID) -> list[Row[Any]]:
        async with self.engine.connect() as connection:
            return list(await connection.execute(select(cases).where(cases.c.subject == str(mail_id))))

    async def taken(self, mail_id: UUID) -> None:
        async with asyncio.timeout(10):
            while (await self.mail(mail_id)).attempts == 0:  # noqa: ASYNC110 - another connection's doing, told by nobody
                await asyncio.sleep(0.01)

    async def make_due(self) -> None:
        await self.write(update(mails).where(mails.c.status == "owed").values(retry_by=func.clock_timestamp()))


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surroundings]:
    with throwaway_postgres() as postgres:
        engine = create_async_engine(
            postgres.create_database("mails").replace("postgresql://", "postgresql+asyncpg://")
        )
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        async with running(tmp_path_factory.mktemp("mailbox")) as mailbox:
            yield Surroundings(engine, mailbox)
        await engine.dispose()


@pytest.fixture
async def around(shared: Surroundings) -> AsyncIterator[Surroundings]:
    yield shared
    await shared.mailbox.faults()
    await shared.mailbox.call("DELETE", "/messages")
    await shared.write(delete(mails))
    await shared.write(delete(cases))


async def test_a_mail_is_sent_once_however_often_mails_are_sent(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    assert await around.room().send_owed() == 1
    assert await around.room().send_owed() == 0
    [arrived] = await around.mailbox.messages()
    row = await around.mail(mail_id)
    assert arrived["message_id"] == f"<{mail_id}@example.org>"
    assert arrived["headers"] == {"X-Billing-Event": RENEWED, "X-Billing-Object": str(row.object_id)}
    assert (row.status, row.sent_at, row.retry_by, row.attempts, row.last_error) == ("sent", NOW, None, 1, None)


async def test_two_rooms_at_work_at_once_share_the_mails(around: Surroundings) -> None:
    person = await around.person()
    owed = {f"<{await around.owe(person)}@example.org>" for _ in range(20)}
    sent = await asyncio.gather(around.room().send_owed(), around.room().send_owed())
    arrived = [letter["message_id"] for letter in await around.mailbox.messages()]
    assert sum(sent) == len(arrived) == 20
    assert set(arrived) == owed


async def test_of_mails_due_at_one_instant_the_oldest_goes_first_wherever_its_row_lies(around: Surroundings) -> None:
    person, due = await around.person(), datetime(2026, 1, 1, tzinfo=UTC)
    for number in (3, 1, 2):
        await around.owe(person, id=UUID(int=number), retry_by=due)
    for number in (1, 2, 3):
        assert await around.room().send_owed(1) == 1
        assert (await around.mail(UUID(int=number))).status == "sent"


async def test_no_more_are_sent_than_asked_for(around: Surroundings) -> None:
    person = await around.person()
    for _ in range(6):
        await around.owe(person)
    assert [await around.room().send_owed(5), await around.room().send_owed(5)] == [5, 1]
    assert await around.room().send_owed(0) == 0


async def test_a_mail_refused_for_now_is_sent_later(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    await around.mailbox.faults(temporary=1)
    assert await around.room().send_owed() == 0
    row = await around.mail(mail_id)
    assert (row.status, row.attempts) == ("owed", 1)
    assert "451" in row.last_error
    assert 0 < row.pause_s <= 2
    await around.make_due()
    assert await around.room().send_owed() == 1
    row = await around.mail(mail_id)
    assert (row.status, row.attempts, row.last_error) == ("sent", 2, None)


async def test_a_mail_refused_for_good_is_not_tried_again(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    await around.mailbox.faults(refuse=True)
    assert await around.room().send_owed() == 0
    row = await around.mail(mail_id)
    assert (row.status, row.retry_by) == ("undeliverable", None)
    assert "550" in row.last_error


async def test_a_mail_that_the_server_refuses_for_reasons_of_its_own_is_sent_once_it_takes_mails_again(
    around: Surroundings,
) -> None:
    mail_id = await around.owe(await around.person(), attempts=11)
    await around.mailbox.faults(policy=True)
    assert await around.room().send_owed() == 0
    row = await around.mail(mail_id)
    assert (row.status, "554" in row.last_error) == ("owed", True)
    assert 3000 < row.pause_s <= 3600, "who is refused again and again asks less often"
    await around.mailbox.faults()
    await around.make_due()
    assert await around.room().send_owed() == 1
    row = await around.mail(mail_id)
    assert (row.status, row.last_error, row.refused_since) == ("sent", None, None)
    assert await around.cases_of(mail_id) == []


async def test_a_mail_that_was_refused_for_three_days_is_given_up_and_shown_to_somebody(around: Surroundings) -> None:
    person = await around.person()
    mail_id = await around.owe(person)
    await around.mailbox.faults(policy=True)
    statuses = []
    for passed in (timedelta(), timedelta(hours=71), timedelta(hours=2)):
        earlier = {"retry_by": func.clock_timestamp(), "refused_since": mails.c.refused_since - passed}
        await around.write(update(mails).where(mails.c.id == mail_id).values(earlier))
        assert await around.room().send_owed() == 0
        statuses.append((await around.mail(mail_id)).status)
    row = await around.mail(mail_id)
    assert statuses == ["owed", "owed", "undeliverable"]
    assert (row.retry_by, row.attempts) == (None, 3)
    [case] = await around.cases_of(mail_id)
    assert (case.kind, case.user_id, case.resolved_at) == ("mail_undeliverable", person, None)
    assert str(case.payment_id) == str(row.facts["payment_id"])
    assert "554 5.7.1" in case.detail.replace(": ", " ")
    assert "example.org" not in case.detail


async def test_an_outage_between_refusals_is_not_counted_among_their_three_days(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person(), refused_since=func.clock_timestamp() - timedelta(days=4))
    await around.mailbox.faults(temporary=1)
    assert await around.room().send_owed() == 0
    await around.make_due()
    await around.mailbox.faults(policy=True)
    assert await around.room().send_owed() == 0
    assert (await around.mail(mail_id)).status == "owed"


async def test_a_mail_that_cannot_be_made_is_shown_to_somebody_and_a_wrong_address_is_not(
    around: Surroundings,
) -> None:
    unmade = await around.owe(await around.person(), "line\nbreak:;")
    unreachable = [await around.owe(await around.person(email=email)) for email in (None, "nobody")]
    await around.room().send_owed()
    await around.mailbox.faults(refuse=True)
    unreachable.append(await around.owe(await around.person()))
    await around.room().send_owed()
    assert {(await around.mail(one)).status for one in (unmade, *unreachable)} == {"undeliverable"}
    assert [case.kind for case in await around.cases_of(unmade)] == ["mail_undeliverable"]
    assert [case for one in unreachable for case in await around.cases_of(one)] == []


@pytest.mark.parametrize("who", [{"email": None}, {"email": " "}, {"erased_at": NOW}, {"email": "nobody"}])
async def test_nobody_to_write_to_makes_a_mail_undeliverable(around: Surroundings, who: dict[str, Any]) -> None:
    mail_id = await around.owe(await around.person(**who))
    good = await around.owe(await around.person())
    assert await around.room().send_owed() == 1
    row = await around.mail(mail_id)
    assert (row.status, row.retry_by, row.sent_at) == ("undeliverable", None, None)
    assert row.last_error
    assert (await around.mail(good)).status == "sent"


class Register:
    """An auth service's register of one person."""

    def __init__(self, told: Person | Unavailable | None) -> None:
        self.told, self.asked = told, 0

    async def person(self, user_id: UUID) -> Person | Unavailable | None:
        self.asked += 1
        return self.told


async def test_who_has_no_address_here_is_asked_for_at_auth_once(around: Surroundings) -> None:
    person = await around.person(email=None, name=None, locale=None)
    first, second = await around.owe(person), await around.owe(person)
    register = Register(Person(person, email="vera@example.org", name="Вера", locale="en"))

    assert await around.room(directory=register).send_owed(1) == 1
    assert await around.room(directory=register).send_owed(1) == 1

    assert [(await around.mail(one)).status for one in (first, second)] == ["sent", "sent"]
    assert register.asked == 1
    assert [message["to"] for message in await around.mailbox.messages()] == [["vera@example.org"]] * 2


async def test_an_address_is_asked_for_again_after_a_day(around: Surroundings) -> None:
    """Who changed their address had all mails at the old one until they bought something again."""
    person = await around.person(email="old@example.org", refreshed_at=NOW - timedelta(hours=23))
    register = Register(Person(person, email="new@example.org"))
    await around.owe(person)
    assert await around.room(directory=register).send_owed() == 1
    assert register.asked == 0

    await around.write(update(users).where(users.c.id == person).values(refreshed_at=NOW - timedelta(hours=24)))
    for _ in range(2):
        await around.owe(person)
        assert await around.room(directory=register).send_owed() == 1

    assert register.asked == 1
    sent_to = [message["to"] for message in await around.mailbox.messages()]
    assert sorted(map(str, sent_to)) == ["['new@example.org']", "['new@example.org']", "['old@example.org']"]


@pytest.mark.parametrize("told", [Unavailable("resting"), None])
async def test_an_old_address_serves_while_auth_says_nothing_better(
    around: Surroundings, told: Unavailable | None
) -> None:
    person = await around.person(email="old@example.org", refreshed_at=NOW - timedelta(days=30))
    await around.owe(person)
    assert await around.room(directory=Register(told)).send_owed() == 1
    assert [message["to"] for message in await around.mailbox.messages()] == [["old@example.org"]]


async def test_of_whom_auth_knows_nothing_it_is_asked_once_a_day(around: Surroundings) -> None:
    person, register = await around.person(refreshed_at=None), Register(None)
    for _ in range(2):
        await around.owe(person)
        assert await around.room(directory=register).send_owed() == 1
    assert register.asked == 1


async def test_who_is_erased_while_auth_is_asked_is_sent_nothing(around: Surroundings) -> None:
    person = await around.person(refreshed_at=None)
    await around.owe(person)

    class Slow(Register):
        async def person(self, user_id: UUID) -> Person | Unavailable | None:
            await around.write(update(users).where(users.c.id == person).values(erased_at=NOW, email=None))
            return await super().person(user_id)

    assert await around.room(directory=Slow(Person(person, email="new@example.org"))).send_owed() == 0
    assert await around.mailbox.messages() == []


async def test_an_address_that_is_none_is_asked_for_anew_before_the_mail_is_given_up(around: Surroundings) -> None:
    person = await around.person(email="nobody at all", refreshed_at=NOW)
    mail_id = await around.owe(person)
    register = Register(Person(person, email="new@example.org"))

    assert await around.room(directory=register).send_owed() == 1

    assert ((await around.mail(mail_id)).status, register.asked) == ("sent", 1)


async def test_while_auth_is_away_a_mail_without_an_address_waits(around: Surroundings) -> None:
    person = await around.person(email=None)
    mail_id = await around.owe(person)

    assert await around.room(directory=Register(Unavailable("resting"))).send_owed() == 0
    assert (await around.mail(mail_id)).status == "owed"
    await around.write(update(mails).where(mails.c.id == mail_id).values(retry_by=func.clock_timestamp()))
    assert await around.room(directory=Register(None)).send_owed() == 0

    assert (await around.mail(mail_id)).status == "undeliverable"


async def test_auth_is_not_asked_for_who_was_erased(around: Surroundings) -> None:
    register = Register(Person(uuid4(), email="vera@example.org"))
    await around.owe(await around.person(email=None, erased_at=NOW))
    assert await around.room(directory=register).send_owed() == 0
    assert register.asked == 0


async def test_a_person_nobody_knows_is_written_no_mail(around: Surroundings) -> None:
    assert (await around.mail(await around.owe(uuid4()))).status == "owed"
    assert await around.room().send_owed() == 0
    assert not await around.mailbox.messages()


@pytest.mark.parametrize(
    ("locale", "zone", "words"),
    [
        (None, None, ("499,00 ₽", "28 февраля 2027", "12:00 (МСК)")),
        ("ru-RU", "Asia/Yekaterinburg", ("499,00 ₽", "28 февраля 2027")),
        ("en_GB", "Europe/Moscow", ("499.00 RUB", "28 February 2027")),
        ("tlh", "Mars/Olympus", ("499,00 ₽", "28 февраля 2027")),
    ],
)
async def test_a_mail_speaks_its_readers_language(
    around: Surroundings, locale: str | None, zone: str | None, words: tuple[str, ...]
) -> None:
    await around.owe(await around.person(locale=locale, zone=zone))
    assert await around.room().send_owed() == 1
    [arrived] = await around.mailbox.messages()
    told = arrived["subject"] + arrived["text"].replace("\u00a0", " ")
    assert [word for word in words if word not in told] == []


async def test_a_mail_leads_to_the_cinemas_page_of_what_it_tells_of(around: Surroundings) -> None:
    """It led to the API, which answers nobody without a token, and to a page for programmers."""
    person = await around.person()
    payment_id, refund_id, subscription_id = uuid4(), uuid4(), uuid4()
    about = {"subscription_id": str(subscription_id), "payment_id": str(payment_id)}
    await around.owe(person, "refund.succeeded", object_id=refund_id, facts={**about, "refund_id": str(refund_id)})
    await around.owe(person, RENEWED, object_id=payment_id, facts=about)
    await around.owe(person, "subscription.canceled", object_id=subscription_id, facts={})

    assert await around.room().send_owed() == 3

    page = "https://cinema.example.org/account/?tab=billing"
    [of_refund] = await around.mailbox.messages(object=str(refund_id))
    [of_payment] = await around.mailbox.messages(object=str(payment_id))
    [of_nothing_named] = await around.mailbox.messages(object=str(subscription_id))
    assert f"Посмотреть возврат: {page}&refund={refund_id}#mine" in of_refund["text"].splitlines()
    assert f'href="{page}&amp;refund={refund_id}#mine"' in of_refund["html"]
    assert f"Моя подписка: {page}&subscription={subscription_id}#mine" in of_payment["text"].splitlines()
    assert f"Состояние операции: {page}&payment={payment_id}#mine" in of_payment["text"].splitlines()
    assert f"Оформить снова: {ACCOUNT_URL}" in of_nothing_named["text"].splitlines()


async def test_where_the_cinema_has_no_such_page_a_mail_has_no_button(around: Surroundings) -> None:
    person = await around.person()
    for events in (RENEWED, "refund.failed", "subscription.canceled", "something.unheard_of"):
        await around.owe(person, events)

    assert await around.room(account_url=None).send_owed() == 4

    for letter in await around.mailbox.messages():
        assert not re.search("https?:|href|ссылк", letter["text"] + letter["html"])
        assert not re.search(r"\n\n\n|[^\n]\n--", letter["text"].replace("\r", ""))


@pytest.mark.parametrize(
    ("support", "leads"),
    [("help@example.org", "mailto:help@example.org"), ("https://cinema.example/help", "https://cinema.example/help")],
)
async def test_a_mail_names_those_who_help(around: Surroundings, support: str, leads: str) -> None:
    person = await around.person()
    await around.owe(person, RENEWED)

    assert await around.room(support=support).send_owed() == 1

    [letter] = await around.mailbox.messages()
    assert f"напишите в поддержку ({support})" in letter["text"]
    assert f'href="{leads}"' in letter["html"]


@pytest.mark.parametrize("contact", ["help", "mailto:help@example.org", "javascript:alert(1)", "a@b c@d", "https://"])
def test_what_is_no_contact_stops_the_start(contact: str) -> None:
    with pytest.raises(SettingsError, match="BILLING_SUPPORT_CONTACT: expected"):
        load(support_contact=contact)


@pytest.mark.parametrize(
    "page", ["cinema.example", "ftp://cinema.example", "https://", "https:///account", "http://a b"]
)
def test_what_is_no_address_of_a_page_stops_the_start(page: str) -> None:
    with pytest.raises(SettingsError, match="BILLING_ACCOUNT_URL: expected"):
        load(account_url=page)


def test_the_cinemas_page_is_taken_as_it_was_given() -> None:
    assert load(account_url=ACCOUNT_URL).account_url == ACCOUNT_URL
    assert load().account_url is None


async def test_a_mail_names_the_card_that_was_charged_and_the_person(around: Surroundings) -> None:
    person, payment_id = await around.person(name="Пётр <b>"), uuid4()
    await around.write(delete(payments))
    await paid(around, person, payment_id)
    await around.owe(person, object_id=payment_id, facts={"payment_id": str(payment_id), "amount": "499.00"})
    await around.owe(await around.person(), facts={"payment_id": str(payment_id)})  # of another person's payment
    assert await around.room().send_owed() == 2
    letters = await around.mailbox.messages()
    assert [letter["headers"]["X-Billing-Object"] for letter in letters if "*4444" in letter["text"]] == [
        str(payment_id)
    ]
    assert not any("Пётр <b>" in letter["html"] for letter in letters)


async def test_a_reminder_names_the_card_that_will_be_charged_and_no_other_mail_does(around: Surroundings) -> None:
    person, payment_id = await around.person(), uuid4()
    await around.write(delete(payments))
    subscription = {"subscription_id": str(await paid(around, person, payment_id))}
    await around.owe(person, "subscription.charge_planned", facts={**subscription, "amount": "499.00"})
    await around.owe(person, "subscription.renewed", facts=subscription)  # by credit: no card was charged
    await around.owe(await around.person(), "subscription.charge_planned", facts=subscription)  # another person's

    assert await around.room().send_owed() == 3

    [names_it] = [one for one in await around.mailbox.messages() if "*4444" in one["text"]]
    assert names_it["headers"]["X-Billing-Event"] == "subscription.charge_planned"
    assert "мы спишем 499,00 ₽ (Банковская карта *4444) за следующий период." in names_it["text"]

    await around.write(update(payment_methods).values(removed_at=NOW))
    await around.owe(person, "subscription.charge_planned", facts=subscription)
    assert await around.room().send_owed() == 1
    assert [one["id"] for one in await around.mailbox.messages() if "*4444" in one["text"]] == [names_it["id"]]


async def paid(around: Surroundings, person: UUID, payment_id: UUID) -> UUID:
    """The person's payment by the card that ends in 4444, and their subscription, which it renews."""
    plan, method, subscription = uuid4(), uuid4(), uuid4()
    await around.write(insert(plans).values(id=plan, code=plan.hex, name="Кино", period_unit="month", period_count=1))
    owner = {"user_id": person, "created_at": NOW, "payment_system": "yookassa"}
    card = {"provider_method_id": "m", "kind": "bank_card", "title": "Bank card *4444", "id": method}
    await around.write(insert(payment_methods).values(**owner, **card))
    running = {"status": "active", "zone": "Europe/Moscow", "period_number": 1, "currency": "RUB", "balance": 0}
    running |= {"period_start": NOW, "period_end": NOW.replace(year=2028), "cancel_at_period_end": False}
    running |= {"refunding": False, "failed_tries": 0, "id": subscription, "plan_id": plan}
    running |= {"payment_method_id": method}
    await around.write(insert(subscriptions).values(**owner, **running))
    payment = {"id": payment_id, "subscription_id": subscription, "plan_id": plan, "kind": "renewal", "attempt": 1}
    payment |= {"status": "succeeded", "amount": 49900, "currency": "RUB", "refunded": 0, "refund_reserved": 0}
    payment |= {"period_number": 1, "description": "Кино", "pays_with": "saved", "by_person": False, "asks": 0}
    payment |= {"payment_method_id": method, "settled_at": NOW}
    await around.write(insert(payments).values(**owner, **payment))
    return subscription


async def test_what_is_wrong_with_one_mail_stops_no_other(around: Surroundings) -> None:
    person = await around.person()
    odd = await around.owe(person, "something.unheard_of", facts={"payment_id": ["no id"], "amount": {"odd": 1}})
    broken = await around.owe(person, facts=["no object"])
    unsendable = await around.owe(person, "line\nbreak:;")
    good = await around.owe(person)
    assert await around.room().send_owed() == 2
    statuses = {mail_id: (await around.mail(mail_id)).status for mail_id in (odd, broken, unsendable, good)}
    assert statuses == {odd: "sent", broken: "owed", unsendable: "undeliverable", good: "sent"}
    assert (await around.mail(broken)).last_error


async def test_no_time_to_be_had_leaves_mails_to_be_sent_later(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    sender = SmtpSender(around.mailbox.smtp_url, "billing@example.org")
    assert await MailRoom(around.engine, sender, ACCOUNT_URL, StoppedClock()).send_owed() == 0
    assert (await around.mail(mail_id)).status == "owed"
    assert not await around.mailbox.messages()


async def test_no_transaction_is_open_while_the_server_keeps_us_waiting(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    await around.mailbox.faults(hang=True)
    sending = asyncio.create_task(around.room(deadline_s=30).send_owed())
    await around.taken(mail_id)
    row = await around.mail(mail_id)
    assert 50 < row.pause_s <= 60
    assert await around.room().send_owed() == 0, "another room leaves it alone"
    assert around.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the queue pool, which it is
    await around.mailbox.faults()
    assert await sending == 1


async def test_a_connection_lost_while_a_mail_goes_out_does_not_send_it_twice(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    await around.mailbox.faults(hang=True)
    sending = asyncio.create_task(around.room(deadline_s=30).send_owed())
    await around.taken(mail_id)
    outsider = create_async_engine(around.engine.url)
    async with outsider.connect() as connection:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'mails' AND pid <> "
        assert (await connection.execute(text(ended + "pg_backend_pid()"))).scalar_one() > 0
    await outsider.dispose()
    await around.mailbox.faults()
    assert await sending == 1
    assert (await around.mail(mail_id)).status == "sent"
    assert await around.room().send_owed() == 0


async def test_a_worker_that_dies_gives_its_mail_back(around: Surroundings) -> None:
    mail_id = await around.owe(await around.person())
    await around.mailbox.faults(hang=True)
    sending = asyncio.create_task(around.room(deadline_s=30).send_owed())
    await around.taken(mail_id)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await around.mailbox.faults()
    assert await around.room().send_owed() == 0, "not before its lease has ended"
    await around.make_due()
    assert await around.room().send_owed() == 1


def test_pauses_grow_up_to_five_minutes() -> None:
    assert [pause_s(attempts) for attempts in (1, 2, 8, 9, 2_000_000)] == [2, 4, 256, 300, 300]
