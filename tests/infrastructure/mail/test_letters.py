"""Every letter says what happened, how much, what comes next and what to do; and none ever fails."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.cancellation_reasons import ADVICE, FORBIDDEN, NEVER_ARRIVED
from domain.events import Event, EventType
from domain.letters import owed_letters
from infrastructure.mail import letters
from infrastructure.mail.letters import Letter, kind_of, render
from infrastructure.mail.reasons import explain
from infrastructure.mail.wording import moment, money

FACTS: dict[str, Any] = {
    "plan_name": "Премиум",
    "amount": "499.00",
    "price": "549.00",
    "currency": "RUB",
    "period_start": "2027-01-31T09:00:00Z",
    "period_end": "2027-02-28T09:00:00+00:00",
    "next_charge_at": "2027-02-28T09:00:00Z",
    "next_try_at": "2027-03-01T09:00:00Z",
    "access_until": "2027-03-03T09:00:00Z",
    "pay_until": "2027-03-07T09:00:00Z",
    "reason": "insufficient_funds",
    "status_url": "https://cinema.example/account?payment=0190a8e2",
    "manage_url": "https://cinema.example/account?subscription=0190a8e2",
    "payment_id": "0190a8e2-7c11-7d55-8f00-2b1de4ad8a11",
    "subscription_id": "0190a8e2-7c11-7d55-8f00-2b1de4ad8a12",
    "method_title": "Bank card *4477",
    "person_name": "Вера",
}
TOLD = [
    "payment.succeeded subscription.activated",
    "payment.succeeded subscription.renewed",
    "payment.succeeded subscription.plan_changed",
    "payment.succeeded subscription.trial_started",
    "payment.failed",
    "payment.failed subscription.expired",
    "payment.failed subscription.past_due",
    "refund.succeeded",
    "refund.succeeded subscription.canceled",
    "refund.failed",
    "subscription.renewed",
    "subscription.plan_changed",
    "subscription.plan_change_planned",
    "subscription.charge_planned",
    "subscription.cancellation_planned",
    "subscription.canceled",
    "subscription.expired",
    "subscription.past_due",
]
UNTOLD = ["", "something.new", "payment.succeeded", "refund.requested", "subscription.resumed"]
LATE = {"origin": "late_money"}


def letter(events: str, locale: str = "ru", zone: str = "Europe/Moscow", **facts: Any) -> Letter:
    return Letter(tuple(events.split()), locale, zone, facts)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


@pytest.mark.parametrize(("events", "locale"), list(itertools.product(TOLD + UNTOLD, ["ru", "en"])))
def test_a_letter_is_whole_with_all_facts_and_with_none(events: str, locale: str) -> None:
    late = {**FACTS, "origin": "late_money", "kind": "plan_change", "subscription_ended": False}
    for facts in (
        FACTS,
        {},
        {**FACTS, "kind": "first"},
        late,
        {"origin": "late_money", "kind": "plan_change"},
        {**FACTS, "will_remind": True},
        {**FACTS, "paid_from_balance": True},
        dict.fromkeys(FACTS),
    ):
        rendered = render(letter(events, locale, **facts))
        assert rendered.subject
        assert "\n" not in rendered.subject
        for part in (rendered.subject, rendered.text, words(rendered.html)):
            assert "None" not in part
            assert not re.search(r"[{}%]|  \S|\s[,.;]\s|«»|“”|\(\)", part.replace("\n", "")), part
        if facts is FACTS:
            assert FACTS["payment_id"] in rendered.text
            assert FACTS["payment_id"] in rendered.html
            assert "Премиум" in rendered.text
            assert FACTS["status_url"] in rendered.text
            assert FACTS["status_url"] in rendered.html


@pytest.mark.parametrize("events", TOLD)
def test_each_event_that_is_told_has_a_letter_of_its_own_in_any_order(events: str) -> None:
    kind = kind_of(tuple(events.split()))
    assert kind != "general"
    assert kind_of(tuple(reversed(events.split()))) == kind


def test_no_template_is_there_that_nothing_asks_for() -> None:
    told = [kind_of(tuple(events.split())) for events in TOLD]
    returned: list[dict[str, Any]] = [LATE, {**LATE, "kind": "plan_change"}, {**LATE, "paid_otherwise": True}]
    told += [kind_of(("refund.succeeded",), facts) for facts in returned]
    for locale in ("ru", "en"):
        there = {path.stem for path in (Path(letters.__file__).parent / "templates" / locale).glob("*.j2")}
        assert there == {*told, "general", "next_charge"}


@pytest.mark.parametrize("events", TOLD)
def test_what_the_templates_tell_is_what_mails_are_owed_for(events: str) -> None:
    now, person, subscription = datetime(2027, 1, 31, tzinfo=UTC), uuid4(), uuid4()
    happened = [Event(EventType(one), now, person, subscription) for one in events.split()]
    assert [letter.events for letter in owed_letters(happened)] == [tuple(events.split())]


def test_nobody_is_owed_a_mail_for_a_refund_that_was_only_asked_for() -> None:
    now = datetime(2027, 1, 31, tzinfo=UTC)
    assert owed_letters([Event(EventType.REFUND_REQUESTED, now, uuid4(), uuid4())]) == []


@pytest.mark.parametrize("events", UNTOLD)
def test_what_no_template_knows_is_told_in_general_words(events: str) -> None:
    assert kind_of(tuple(events.split())) == "general"


def test_a_renewal_that_failed_tells_the_reason_what_to_do_and_the_next_try() -> None:
    text = render(letter("payment.failed subscription.past_due", **FACTS)).text
    assert "На карте не хватило денег." in text
    assert "Что делать: пополните карту или оплатите другой." in text
    assert "ещё раз 1 марта 2027 г., 12:00 (МСК)" in text
    assert "до 3 марта 2027 г., 12:00 (МСК)" in text
    assert "499,00 ₽" in text
    assert "Банковская карта *4477" in text
    assert FACTS["manage_url"] in text


def test_a_renewal_that_will_not_be_tried_again_says_so_and_until_when_it_can_be_paid() -> None:
    facts = {**FACTS, "next_try_at": None}
    for events in ("payment.failed subscription.past_due", "payment.failed"):
        text = render(letter(events, **facts)).text
        assert "больше пробовать не будем" in text
        assert "до 7 марта 2027 г., 12:00 (МСК)." in text
        assert re.search(r"(by|until) 7 March 2027, 12:00 \(MSK\)", render(letter(events, "en", **facts)).text)
    unknown = render(letter("payment.failed subscription.past_due", **{**facts, "pay_until": None})).text
    assert "Сами мы больше пробовать не будем: нужно ваше действие." in unknown


def test_who_has_no_method_to_charge_is_not_told_that_a_bank_declined() -> None:
    facts = {**FACTS, "reason": None, "next_try_at": None}
    text = render(letter("subscription.past_due", **facts)).text
    assert "а за новый списать не с чего: у подписки нет сохранённого способа оплаты." in text
    assert "оплатите подписку любой картой до 7 марта 2027 г., 12:00 (МСК), и она продолжится." in text
    assert "Доступ сохраняется до 3 марта 2027 г., 12:00 (МСК)." in text
    assert not re.search("Банк или|больше пробовать", text)
    english = render(letter("subscription.past_due", "en", **facts)).text
    assert "The period is over, and there is no saved payment method to charge for the next one." in english
    assert "pay with any card by 7 March 2027, 12:00 (MSK), and the subscription goes on." in english
    assert not re.search("declined|try again", english)


def test_a_reminder_tells_the_day_the_price_and_how_to_stop_it() -> None:
    rendered = render(letter("subscription.charge_planned", "en", "Asia/Tomsk", **FACTS))
    assert "549.00 RUB" in rendered.subject
    assert "28 February 2027, 16:00 (UTC+7)" in rendered.text
    assert "Cancel the renewal" in rendered.text


@pytest.mark.parametrize(
    "events",
    [
        "payment.succeeded subscription.activated",
        "payment.succeeded subscription.renewed",
        "payment.succeeded subscription.plan_changed",
        "payment.succeeded subscription.trial_started",
        "subscription.plan_change_planned",
    ],
)
def test_a_reminder_is_promised_only_where_one_comes(events: str) -> None:
    for locale, promise in (("ru", "заранее"), ("en", "beforehand")):
        assert promise in render(letter(events, locale, **FACTS, will_remind=True)).text
        for told in ({}, {"will_remind": False}, {"will_remind": "yes"}):
            assert promise not in render(letter(events, locale, **FACTS, **told)).text


@pytest.mark.parametrize("events", ["subscription.renewed", "subscription.plan_changed"])
def test_what_the_balance_pays_is_not_called_a_charge(events: str) -> None:
    for locale, charge, covered in (("ru", "Следующее списание", "из остатка"), ("en", "next charge", "your balance")):
        text = render(letter(events, locale, **{**FACTS, "balance": None}, paid_from_balance=True)).text
        assert covered in text
        assert charge not in text


def test_a_refund_of_money_that_came_too_late_says_why_it_came_back() -> None:
    text = render(letter("refund.succeeded", **FACTS, origin="late_money")).text
    assert "уже отменена или закончилась. Мы вернули его полностью." in text


def test_a_refund_of_money_for_a_period_paid_otherwise_does_not_say_that_the_subscription_has_ended() -> None:
    for locale, sentence in (("ru", "На подписку это не влияет."), ("en", "Your subscription is not affected.")):
        rendered = render(letter("refund.succeeded", locale, **FACTS, origin="late_money", paid_otherwise=True))
        assert sentence in rendered.text
        assert "499" in rendered.subject


def test_money_for_a_change_of_plan_that_could_not_be_made_tells_what_became_of_the_subscription() -> None:
    """It was said to have been canceled or ended, and to stay so, while it went on."""
    late: dict[str, Any] = {**FACTS, "origin": "late_money", "kind": "plan_change"}
    stays = {"ru": "Подписка остаётся такой, как была.", "en": "Your subscription is as it was."}
    for locale, sentence in stays.items():
        for paid_otherwise in (True, False):
            told = {**late, "paid_otherwise": paid_otherwise}
            running = render(letter("refund.succeeded", locale, **told, subscription_ended=False))
            assert sentence in running.text
            assert not re.search("ended|canceled|законч|отменен", running.text + running.subject)
            assert "499" in running.subject
        assert sentence not in render(letter("refund.succeeded", locale, **late, subscription_ended=True)).text


def test_money_that_came_too_late_for_what_goes_on_does_not_say_that_it_has_ended() -> None:
    late: dict[str, Any] = {**FACTS, "origin": "late_money", "kind": "renewal", "paid_otherwise": False}
    for locale, sentence in (("ru", "остаётся такой, как была"), ("en", "is as it was")):
        running = render(letter("refund.succeeded", locale, **late, subscription_ended=False))
        assert sentence in running.text
        assert not re.search("ended|canceled|законч|отменен|окончан", running.text + running.subject)


def test_a_refund_that_failed_does_not_say_that_what_has_ended_goes_on() -> None:
    for locale, sentence in (("ru", "действует как прежде"), ("en", "goes on as before")):
        assert sentence in render(letter("refund.failed", locale, **FACTS)).text
        assert sentence not in render(letter("refund.failed", locale, **FACTS, subscription_ended=True)).text


def test_a_card_that_could_not_be_bound_is_not_called_a_payment_of_nothing() -> None:
    facts = {**FACTS, "amount": "0.00", "kind": "binding"}
    rendered = render(letter("payment.failed subscription.expired", **facts))
    assert rendered.subject == "Карта не привязана, подписка «Премиум» не оформлена"
    assert "Привязать карту не получилось, поэтому подписка не оформлена. Деньги не списаны." in rendered.text
    assert not re.search("0,00|попыток списания|денег|[Оо]плат(а|ите|у) ", rendered.text)
    english = render(letter("payment.failed subscription.expired", "en", **facts))
    assert english.subject == "The card was not saved: your subscription “Премиум” was not set up"
    assert not re.search(r"0\.00|try again|[Pp]ayment (failed|did)", english.text)


def test_a_planned_cancellation_does_not_call_a_trial_paid() -> None:
    for locale, sentence in (("ru", "Смотреть можно до 28"), ("en", "You can watch until 28")):
        text = render(letter("subscription.cancellation_planned", locale, **FACTS)).text
        assert sentence in text
        assert not re.search("оплачен|paid", text)


@pytest.mark.parametrize("events", ["payment.succeeded subscription.plan_changed", "subscription.plan_changed"])
def test_only_credit_that_there_is_is_said_to_be_credited(events: str) -> None:
    """A change from a trial, or past due, leaves none."""
    ru, en = (render(letter(events, locale, **FACTS, credit="249.50")).text for locale in ("ru", "en"))
    assert "Новый тариф уже действует. Из оплаченного раньше зачтено 249,50 ₽." in ru
    assert "Your new plan is active. 249.50 RUB of what you had paid before has been credited." in en
    for credit in ("0.00", None):
        ru, en = (render(letter(events, locale, **FACTS, credit=credit)).text for locale in ("ru", "en"))
        assert "Новый тариф уже действует." in ru
        assert "Your new plan is active." in en
        assert not re.search("зачтен|credited", ru + en)


def test_a_page_that_is_dead_is_not_to_be_opened_again() -> None:
    assert explain("expired_on_confirmation", "ru").to_do == "Начните оплату заново и доведите её до конца."
    assert explain("expired_on_confirmation", "en").to_do == "Start the payment anew and complete it."


def test_a_period_goes_on_until_its_end_which_is_the_next_ones() -> None:
    text = render(letter("payment.succeeded subscription.renewed", **FACTS)).text
    assert "с 31 января 2027 г., 12:00 (МСК) до 28 февраля 2027 г., 12:00 (МСК)" in text


def test_what_people_read_is_spelled_as_the_events_are() -> None:
    root = Path(__file__).parents[3]
    rooms = ("domain", "infrastructure/mail", "admin")
    read = [
        path for room in rooms for path in (root / room).rglob("*.*") if path.suffix in (".py", ".j2", ".html", ".txt")
    ]
    assert [path.name for path in read if "cancelled" in path.read_text().lower()] == []


def test_a_person_is_greeted_by_name() -> None:
    for locale, greeting in (("ru", "Здравствуйте, Вера!"), ("en", "Hello, Вера!")):
        rendered = render(letter("subscription.canceled", locale, **FACTS))
        assert rendered.text.startswith(greeting)
        assert greeting in rendered.html


def test_both_parts_say_the_same() -> None:
    rendered = render(letter("payment.succeeded subscription.renewed", **FACTS))
    for sentence in ("Оплата 499,00 ₽ за новый период прошла.", "Подписка «Премиум» продлена"):
        assert sentence in rendered.text
        assert sentence in words(rendered.html)


def test_facts_are_text_and_never_markup_nor_headers() -> None:
    evil = "<script>alert(1)</script>\r\nBcc: a@b"
    facts = {**FACTS, "plan_name": evil, "person_name": evil, "method_title": evil, "payment_id": evil}
    for events in TOLD:
        rendered = render(letter(events, **facts))
        assert "<script" not in rendered.html
        assert "&amp;lt;" not in rendered.html
        assert "\r" not in rendered.subject
        assert "<script>" in rendered.text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "x"])
def test_a_button_leads_to_an_address_and_runs_nothing(url: str) -> None:
    rendered = render(letter("refund.failed", status_url=url, manage_url=url))
    assert "href" not in rendered.html


def test_unreadable_facts_are_left_out() -> None:
    broken = dict.fromkeys(FACTS, "\U0001f4a9") | {"amount": 4.99, "period_end": "tomorrow", "next_charge_at": 5}
    rendered = render(letter("payment.succeeded subscription.renewed", "xx", "Nowhere/Land", **broken))
    assert "4.99" not in rendered.text
    assert "tomorrow" not in rendered.text


@pytest.mark.parametrize("locale", ["ru", "en"])
@pytest.mark.parametrize("reason", [*ADVICE, FORBIDDEN, NEVER_ARRIVED])
def test_every_reason_is_explained(reason: str, locale: str) -> None:
    explained = explain(reason, locale)
    assert explained != explain(None, locale)
    assert explained.what.endswith(".")
    assert explained.to_do.endswith(".")


@pytest.mark.parametrize("reason", [None, "", "brand_new_reason", 5, ["card_expired"]])
def test_a_reason_that_nobody_knows_is_told_in_general_words(reason: object) -> None:
    assert explain(reason, "ru").to_do == "Попробуйте ещё раз или оплатите другой картой."


@pytest.mark.parametrize(
    ("value", "currency", "ru", "en"),
    [
        ("499.00", "RUB", "499,00 ₽", "499.00 RUB"),
        ("0.05", None, "0,05 ₽", "0.05 RUB"),
        ("1299.90", "RUB", "1299,90 ₽", "1299.90 RUB"),
        ("350000.00", "RUB", "350\u00a0000,00 ₽", "350,000.00 RUB"),
        ("5.00", "USD", "5,00 USD", "5.00 USD"),
        ({"value": "499.00", "currency": "RUB"}, None, "499,00 ₽", "499.00 RUB"),
        ("-1.00", "RUB", None, None),
        ("1e5", "RUB", None, None),
        (499, "RUB", None, None),
        ("499", "RUB", None, None),
    ],
)
def test_money_is_written_as_people_write_it(value: object, currency: object, ru: str | None, en: str | None) -> None:
    assert (money(value, currency, "ru"), money(value, currency, "en")) == (ru, en)


@pytest.mark.parametrize(
    ("value", "zone", "ru", "en"),
    [
        ("2027-01-31T09:00:00Z", "Europe/Moscow", "31 января 2027 г., 12:00 (МСК)", "31 January 2027, 12:00 (MSK)"),
        ("2027-12-31T21:30:00Z", "Asia/Tomsk", "1 января 2028 г., 04:30 (UTC+7)", "1 January 2028, 04:30 (UTC+7)"),
        ("2027-05-09T00:00:00Z", "UTC", "9 мая 2027 г., 00:00 (UTC)", "9 May 2027, 00:00 (UTC)"),
        ("2027-05-09T00:00:00Z", "Asia/Kolkata", "9 мая 2027 г., 05:30 (UTC+5:30)", "9 May 2027, 05:30 (UTC+5:30)"),
        ("2027-05-09T00:00:00Z", "Europe", "9 мая 2027 г., 03:00 (МСК)", "9 May 2027, 03:00 (MSK)"),
        ("2027-05-09T00:00:00", "UTC", None, None),
        ("0001-01-01T00:00:00Z", "America/New_York", None, None),
        ("soon", "UTC", None, None),
        (None, "UTC", None, None),
    ],
)
def test_times_are_written_in_the_persons_zone(value: object, zone: str, ru: str | None, en: str | None) -> None:
    assert (moment(value, zone, "ru"), moment(value, zone, "en")) == (ru, en)
