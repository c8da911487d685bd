"""`billing demo`: a year of an online cinema, played through HTTP against the running stack, with its real replies."""

from __future__ import annotations

import asyncio
import calendar
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bootstrap import Service, build
from infrastructure.simulators.auth.people import People
from infrastructure.simulators.auth.signing import issue_token
from jobs.sweeps import Sweeps
from jobs.time_machine import AlreadyAdvancingError, advance
from settings import ClockKind, Settings

_T = TypeVar("_T")
_MOSCOW = ZoneInfo("Europe/Moscow")
GOOD_CARD = "5555555555554444"
EMPTY_CARD = "5555555555554600"
_PATIENCE_S = 15.0
_PLANS = (
    ("premium", "Премиум", "Все фильмы и сериалы в 4K", "499.00"),
    ("kids", "Детям", "Мультфильмы и сказки без рекламы", "199.00"),
)


class DemoFailed(Exception):  # noqa: N818 -- named for what happened
    """The first thing that was not as it should be, in one sentence."""


@dataclass(frozen=True)
class _Person:
    name: str
    token: str = field(repr=False)
    id: str = ""
    email: str = ""


def play(stack: Mapping[str, Any], settings: Settings, screen: Console) -> None:
    """Play everything, telling it on `screen`; raises DemoFailed at the first thing that isn't as it should be."""
    with httpx.Client(timeout=20, trust_env=False) as http:
        demo = _Demo(stack, settings, screen, http)
        try:
            demo.play()
        except httpx.HTTPError as error:
            raise DemoFailed(f"{type(error).__name__} while calling {_address_of(error)}: {error}") from None


class _Demo:
    def __init__(self, stack: Mapping[str, Any], settings: Settings, screen: Console, http: httpx.Client) -> None:
        self._api, self._yookassa, self._mailbox = stack["api"], stack["yookassa"], stack["mailbox"]
        self._stack, self._settings, self._screen, self._http = stack, settings, screen, http
        if stack.get("auth") is None or self._mailbox is None:
            raise DemoFailed("it needs the local auth service and mailbox; run the stack without addresses of others")
        self._admin = self._token("demo", scope="billing:admin")
        self._internal = self._token("demo", scope="billing:internal")

    def play(self) -> None:
        self._plans()
        anna = self._person("Анна")
        method = self._pays_on_the_page(anna)
        self._pays_with_saved(anna, method)
        self._pays_with_token_and_gets_it_back(self._person("Борис"))
        self._card_is_declined(self._person("Вера"))
        self._leaves_the_page(self._person("Глеб"))
        if self._settings.clock is ClockKind.HELD:
            self._year_from_the_31st(self._person("Дарья"))
        else:
            self._tell("Time goes by itself here; started with BILLING_CLOCK=held, a year would follow now.")
        self._where_to_look()

    # --- what happens --------------------------------------------------------------------------
    def _plans(self) -> None:
        self._chapter("The cinema has plans")
        for code, name, description, price in _PLANS:
            body = {
                "code": code, "name": name, "description": description, "trial_days": 0,
                "price": {"value": price, "currency": "RUB"}, "period": {"unit": "month", "count": 1},
            }  # fmt: skip
            made = self._call("POST", "/internal/v1/plans", self._admin, body, expect=(201, 409))
            if made.status_code == 409 and made.json().get("code") != "already_exists":
                raise DemoFailed(f"the plan {code} could not be made: {made.text}")
        plans = {plan["code"]: plan for plan in self._call("GET", "/v1/plans").json()["items"]}
        for code, *_ in _PLANS:
            if code not in plans:
                raise DemoFailed(f"the plan {code} is not among those on sale: {', '.join(plans) or 'none'}")
            self._show(plans[code], "code", "name", "price", "period")
        self._prices = {code: plan["price"] for code, plan in plans.items()}

    def _pays_on_the_page(self, person: _Person) -> str:
        self._chapter(f"{person.name} subscribes and pays on the payment page")
        payment = {"type": "redirect", "return_url": "https://cinema.example/thanks"}
        key = str(uuid.uuid4())
        reply = self._subscribe(person, "premium", payment, key=key)
        again = self._subscribe(person, "premium", payment, key=key)
        if again.content != reply.content or again.headers.get("Idempotency-Replayed") != "true":
            raise DemoFailed(f"the same request again was answered otherwise: {again.text}")
        self._tell("Sent twice with one Idempotency-Key: one subscription, the same reply byte for byte.")
        made = reply.json()["payment"]
        url = self._page_of(made)
        self._tell(f"The payment page: {url}")
        self._enter_card(url, GOOD_CARD)
        started = time.monotonic()
        paid = self._payment(person, made["id"], "succeeded")
        self._show(paid, "status", "amount", "period", "payment_method")
        self._tell(f"{time.monotonic() - started:.2f} s after the card was entered the notification had settled it.")
        self._has_access(person, {"premium"})
        self._mail(person, "subscription.activated")
        return str(paid["payment_method"]["id"])

    def _pays_with_saved(self, person: _Person, method_id: str) -> None:
        self._chapter(f"{person.name} takes a second plan with the saved card")
        methods = self._call("GET", "/v1/payment-methods", person.token).json()["items"]
        if method_id not in {method["id"] for method in methods}:
            raise DemoFailed("the card that was just paid with is not among the saved payment methods")
        made = self._subscribe(person, "kids", {"type": "saved", "payment_method_id": method_id}).json()["payment"]
        self._show(self._payment(person, made["id"], "succeeded"), "status", "amount", "payment_method")
        self._has_access(person, {"premium", "kids"})

    def _pays_with_token_and_gets_it_back(self, person: _Person) -> None:
        self._chapter(f"{person.name} pays with the card form of the cinema's own page, and asks the money back")
        reply = self._subscribe(person, "premium", {"type": "token", "payment_token": self._card_token(GOOD_CARD)})
        made = reply.json()
        paid = self._payment(person, made["payment"]["id"], "succeeded")
        self._show(paid, "status", "amount", "payment_method")
        self._has_access(person, {"premium"})
        path = f"/v1/subscriptions/{made['subscription']['id']}"
        self._show(self._call("GET", f"{path}/refund-preview", person.token).json())
        refund = self._call("POST", f"{path}/refunds", person.token, {"reason": "demo"}, expect=(202,)).json()["refund"]
        done = self._wait(
            "the refund succeeds",
            lambda: self._call("GET", f"/v1/refunds/{refund['id']}", person.token).json(),
            lambda found: found["status"] == "succeeded",
        )
        self._show(done, "status", "amount")
        self._mail(person, "refund.succeeded")
        self._has_access(person, set())

    def _card_is_declined(self, person: _Person) -> None:
        self._chapter(f"{person.name}'s card has no money")
        reply = self._subscribe(person, "premium", {"type": "token", "payment_token": self._card_token(EMPTY_CARD)})
        refused = self._payment(person, reply.json()["payment"]["id"], "canceled")
        self._show(refused, "status", "cancellation")
        self._mail(person, "payment.failed")
        self._has_access(person, set())

    def _leaves_the_page(self, person: _Person) -> None:
        self._chapter(f"{person.name} turns back on the payment page")
        reply = self._subscribe(person, "premium", {"type": "redirect", "return_url": "https://cinema.example/"})
        made = reply.json()["payment"]
        left = self._http.post(f"{self._page_of(made)}/leave")
        self._must(left.status_code == 303, f"the payment page answered {left.status_code}")
        self._show(self._payment(person, made["id"], "canceled"), "status", "cancellation")
        self._has_access(person, set())

    def _year_from_the_31st(self, person: _Person) -> None:
        with asyncio.Runner() as runner:
            service = runner.run(build(self._settings))
            try:
                self._year(person, service, runner)
            finally:
                runner.run(service.close())

    def _year(self, person: _Person, service: Service, runner: asyncio.Runner) -> None:
        def go_to(at: datetime) -> None:
            self._tell(f"Time goes on to {at.astimezone(_MOSCOW):%d.%m.%Y %H:%M} Moscow …")
            by = at - service.clock.now()
            try:
                runner.run(advance(service, Sweeps(service), by, leap=False, say=self._warn))
            except AlreadyAdvancingError as error:
                raise DemoFailed(str(error)) from None

        begin = _next_31_january(service.clock.now())
        self._chapter(f"A year of {person.name}, who begins on the 31st of January")
        go_to(begin)
        payment = {"type": "token", "payment_token": self._card_token(GOOD_CARD)}
        made = self._subscribe(person, "premium", payment).json()["payment"]
        self._payment(person, made["id"], "succeeded")
        go_to(_month_later(begin, 1))
        self._periods(person, begin, renewals=1)
        self._has_access(person, {"premium"})
        self._mail(person, "subscription.renewed")
        go_to(_month_later(begin, 12))
        history = self._periods(person, begin, renewals=12)
        self._table(history)
        self._has_access(person, {"premium"})
        self._mail(person, "subscription.renewed", count=12)
        self._tell("Twelve renewals, each period paid once, each told in one mail.")

    def _periods(self, person: _Person, begin: datetime, renewals: int) -> list[dict[str, Any]]:
        """The payments of the person, oldest first, checked against the calendar."""
        items = self._wait(
            f"the history shows {renewals} renewals",
            lambda: self._call("GET", "/v1/payments?limit=100", person.token).json()["items"],
            lambda found: sum(item["kind"] == "renewal" for item in found) >= renewals,
        )
        ends = [begin, *(_month_later(begin, months) for months in range(1, renewals + 2))]
        history = sorted(items, key=lambda item: str(item["created_at"]))
        self._must(len(history) == renewals + 1, f"{len(history)} payments where {renewals + 1} were due")
        for item, (start, end) in zip(history, pairwise(ends), strict=True):
            shown = item["period"] or {"start": "", "end": ""}
            good = item["status"] == "succeeded" and _instant(shown["start"]) == start and _instant(shown["end"]) == end
            self._must(good, f"a payment should be for {start} – {end} and succeeded, but is {json.dumps(item)}")
        return history

    # --- steps ---------------------------------------------------------------------------------
    def _subscribe(self, person: _Person, plan: str, payment: dict[str, Any], key: str | None = None) -> httpx.Response:
        body = {"plan_code": plan, "price": self._prices[plan], "payment": payment}
        return self._call("POST", "/v1/subscriptions", person.token, body, expect=(201, 202), key=key)

    def _payment(self, person: _Person, payment_id: str, status: str) -> dict[str, Any]:
        return self._wait(
            f"the payment becomes {status}",
            lambda: self._call("GET", f"/v1/payments/{payment_id}", person.token).json(),
            lambda found: found["status"] == status,
        )

    def _page_of(self, payment: dict[str, Any]) -> str:
        self._must(bool(payment.get("confirmation_url")), f"there is no payment page in the reply: {payment}")
        return str(payment["confirmation_url"])

    def _enter_card(self, page: str, number: str) -> None:
        self._must(self._http.get(page).status_code == 200, f"the payment page does not open: {page}")
        form = {"number": number, "expiry": f"12/{self._expiry_year() % 100:02d}", "csc": "123"}
        answer = self._http.post(page, data=form)
        self._must(answer.status_code == 303, f"the payment page refused the card: {answer.status_code}")

    def _card_token(self, number: str) -> str:
        card = {"number": number, "exp_month": "12", "exp_year": str(self._expiry_year()), "csc": "123"}
        answer = self._http.post(f"{self._yookassa}/_simulator/tokens", json=card)
        self._must(answer.status_code == 200, f"the simulator of YooKassa made no token: {answer.text[:200]}")
        return str(answer.json()["payment_token"])

    def _expiry_year(self) -> int:
        now = self._call("GET", "/healthz").json()["now"]
        return _instant(now).year + 4

    def _has_access(self, person: _Person, plans: set[str]) -> None:
        path = f"/internal/v1/users/{person.id}"
        access = self._wait(
            f"active-subscriptions shows {', '.join(sorted(plans)) or 'nothing'}",
            lambda: self._call("GET", f"{path}/active-subscriptions", self._internal).json(),
            lambda found: {one["plan_code"] for one in found["subscriptions"]} == plans,
        )
        claims = self._wait(
            f"token-claims shows {', '.join(sorted(plans)) or 'nothing'}",
            lambda: self._call("GET", f"{path}/token-claims", self._internal).json(),
            lambda found: {code for code, _ in found["subs"]} == plans,
        )
        shown = ", ".join(f"{one['plan_code']} until {one['ends_at']}" for one in access["subscriptions"])
        self._tell(f"Access: {shown or 'none'}. Claims for the JWT: {json.dumps(claims)}")

    def _mail(self, person: _Person, event: str, count: int = 1) -> None:
        mails = self._wait(
            f"{count} mail(s) {event} to {person.email}",
            lambda: self._http.get(f"{self._mailbox}/messages", params={"to": person.email, "event": event}).json(),
            lambda found: len(found) >= count,
        )
        self._must(len(mails) == count, f"{len(mails)} mails {event} where {count} should be")
        self._tell(f"Mail: «{mails[0]['subject']}»" + (f", the newest of {count}" if count > 1 else ""))

    def _person(self, name: str) -> _Person:
        person_id = uuid.uuid4()
        email = f"{person_id.hex[:8]}@cinema.example"
        about = {"email": email, "name": name, "locale": "ru", "zoneinfo": "Europe/Moscow"}
        People(self._settings.home_dir.absolute() / "auth").change(person_id, about)
        return _Person(name, self._token(str(person_id), **about), str(person_id), email)

    def _token(self, sub: str, **claims: Any) -> str:
        private_pem = (self._settings.home_dir.absolute() / "auth" / "private.pem").read_text("ascii")
        issuer, audience = self._settings.auth_issuer, self._settings.auth_audience
        return issue_token(private_pem, sub=sub, iss=issuer, aud=audience, **claims)

    def _call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: dict[str, Any] | None = None,
        expect: tuple[int, ...] = (200,),
        key: str | None = None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if method != "GET":
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        reply = self._http.request(method, self._api + path, json=body, headers=headers)
        if reply.status_code not in expect:
            raise DemoFailed(f"{method} {path} answered {reply.status_code}: {reply.text[:500]}")
        return reply

    def _wait(self, what: str, ask: Callable[[], _T], good: Callable[[_T], bool]) -> _T:
        give_up_at = time.monotonic() + _PATIENCE_S
        while not good(found := ask()):
            if time.monotonic() > give_up_at:
                raise DemoFailed(f"waited {_PATIENCE_S:.0f} s in vain until {what}; last seen: {str(found)[:500]}")
            time.sleep(0.05)
        return found

    @staticmethod
    def _must(good: bool, otherwise: str) -> None:
        if not good:
            raise DemoFailed(otherwise)

    # --- telling -------------------------------------------------------------------------------
    def _chapter(self, title: str) -> None:
        self._screen.print(f"\n[bold]{escape(title)}[/bold]")

    def _tell(self, line: str) -> None:
        self._screen.print(f"  {escape(line)}")

    def _warn(self, line: str) -> None:
        self._screen.print(f"  [yellow]{escape(line)}[/yellow]")

    def _show(self, reply: dict[str, Any], *fields: str) -> None:
        shown = {name: reply[name] for name in fields} if fields else reply
        self._screen.print(f"  [dim]{escape(json.dumps(shown, ensure_ascii=False))}[/dim]")

    def _table(self, history: list[dict[str, Any]]) -> None:
        table = Table("renewal", "period from (Moscow)", "to", "paid at", "amount", box=SIMPLE)
        for number, item in enumerate(history):
            times = (item["period"]["start"], item["period"]["end"], item["settled_at"])
            told = [f"{_instant(at).astimezone(_MOSCOW):%d.%m.%Y %H:%M}" for at in times]
            table.add_row(str(number or "first"), *told, item["amount"]["value"])
        self._screen.print(table)

    def _where_to_look(self) -> None:
        self._chapter("All of it was as it should be. Where to look:")
        self._tell(f"mails           {self._mailbox}")
        self._tell(f"payment system  {self._yookassa}")
        self._tell(f"API             {self._api}/docs")
        if self._stack.get("admin"):
            self._tell(f"administration  {self._stack['admin']}")


def _next_31_january(now: datetime) -> datetime:
    """12:00 in Moscow, later than `now`."""
    local = now.astimezone(_MOSCOW)
    this_year = datetime(local.year, 1, 31, 12, tzinfo=_MOSCOW)
    return (this_year if this_year > local else this_year.replace(year=local.year + 1)).astimezone(UTC)


def _month_later(begin: datetime, months: int) -> datetime:
    """`months` after `begin` by the calendar of Moscow, on the last day where the month has no such day."""
    local = begin.astimezone(_MOSCOW)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day).astimezone(UTC)


def _instant(written: str) -> datetime:
    return datetime.fromisoformat(written) if written else datetime.min.replace(tzinfo=UTC)


def _address_of(error: httpx.HTTPError) -> str:
    try:
        return str(error.request.url.copy_with(query=None))
    except RuntimeError:
        return "the stack"
