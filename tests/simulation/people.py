"""The people of a simulated world: what each does when they look at their subscription, and how impatiently."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.simulation.chance import Chance
from tests.simulation.rulebook import Expected

_CARDS = Path(__file__).parents[2] / "infrastructure/payment_systems/test_cards.json"

GOOD_CARDS = ("5555555555554444", "4111111111111111", "2202474301322987")
ASKING_CARD = "5555555555554477"  # its bank asks the person first (3-D Secure)
BAD_CARDS: dict[str, str] = {
    decline["reason"]: decline["mastercard"] for decline in json.loads(_CARDS.read_text("utf-8"))["declines"]
}
BAD_REASONS = ("insufficient_funds", "card_expired", "general_decline", "fraud_suspected", "issuer_unavailable")
ZONES = ("Europe/Moscow", "Asia/Vladivostok", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")
BACK = "https://cinema.example/back"


@dataclass(slots=True)
class Request:
    """One wish, sent under one key until it is answered for good, as a good client does."""

    name: str
    person: Person
    method: str
    path: str
    body: dict[str, Any] | None
    key: str
    not_before: datetime
    internal: bool = False
    tries: int = 0


@dataclass(slots=True)
class Deed:
    """Something that happens outside the service: a page is paid, a card breaks."""

    at: datetime
    name: str
    kind: str
    person: Person
    about: str
    card: str = ""


@dataclass(slots=True)
class Person:
    number: int
    id: UUID
    zone: str
    plan: str
    token: str
    next_visit: datetime
    visits: int = 0
    subscription_id: UUID | None = None
    replies: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"person {self.number}"


class Wishes:
    """Turns a visit into requests and deeds. `prices`: of plans by code, minor units, as they hold now.

    `plan_changes`: how likely it is that a person who visits takes another plan.
    """

    def __init__(self, chance: Chance, prices: dict[str, int], plan_changes: float) -> None:
        self._chance = chance
        self._prices = prices
        self._plan_changes = plan_changes

    def visit(
        self, person: Person, it: Expected | None, now: datetime, tokenise: Any
    ) -> tuple[list[Request], list[Deed]]:
        """What the person does now, knowing how their subscription stands."""
        person.visits += 1
        name = f"{person.name}, visit {person.visits}"
        person.next_visit = now + timedelta(days=self._chance.between(f"{name}: next", 3, 60))
        if it is None or it.ended:
            if person.visits == 1 or self._happens(f"{name}: buys again", 0.5):
                return self._twice(name, self._subscribe(person, name, now, tokenise)), []
        elif it.status == "pending":
            if self._happens(f"{name}: changes their mind", 0.15):
                return self._twice(name, self._ask(person, name, f"{it.id}/cancel", {"when": "now"}, now)), []
        elif it.status == "past_due":
            return self._owing(person, it, name, now, tokenise), []
        else:
            return self._subscribed(person, it, name, now)
        return [], []

    def _subscribe(self, person: Person, name: str, now: datetime, tokenise: Any) -> Request:
        body = {
            "plan_code": person.plan,
            "price": _money(self._prices[person.plan]),
            "payment": self._instrument(name, tokenise),
        }
        return Request(f"{name}: subscribes", person, "POST", "/v1/subscriptions", body, f"{name}: subscribes", now)

    def _instrument(self, name: str, tokenise: Any) -> dict[str, str]:
        kind = self._chance.draw(f"{name}: pays how")
        if kind < 0.3:
            return {"type": "redirect", "return_url": BACK}
        if kind < 0.4:
            card = BAD_CARDS[self._chance.pick(f"{name}: bad card", BAD_REASONS)]
        elif kind < 0.5:
            card = ASKING_CARD
        else:
            card = self._chance.pick(f"{name}: card", GOOD_CARDS)
        return {"type": "token", "payment_token": tokenise(card), "return_url": BACK}

    def _owing(self, person: Person, it: Expected, name: str, now: datetime, tokenise: Any) -> list[Request]:
        if self._happens(f"{name}: pays what is owed", 0.6):
            body = {"payment": self._instrument(name, tokenise)}
            return self._twice(name, self._ask(person, name, f"{it.id}/payments", body, now))
        if self._happens(f"{name}: goes on with another plan", self._plan_changes):
            return self._another_plan(person, it, name, now)
        if self._happens(f"{name}: has had enough", 0.2):
            return self._twice(name, self._ask(person, name, f"{it.id}/cancel", {"when": "now"}, now))
        return []

    def _subscribed(self, person: Person, it: Expected, name: str, now: datetime) -> tuple[list[Request], list[Deed]]:
        if it.ending:
            if self._happens(f"{name}: stays after all", 0.4):
                return self._twice(name, self._ask(person, name, f"{it.id}/resume", {}, now)), []
            return [], []
        return self._decides(person, it, name, now), self._suffers(person, it, name, now)

    def _suffers(self, person: Person, it: Expected, name: str, now: datetime) -> list[Deed]:
        """What befalls the person's card, and what they do outside."""
        deeds: list[Deed] = []
        if self._happens(f"{name}: card breaks", 0.12) and it.method is not None:
            bad = BAD_CARDS[self._chance.pick(f"{name}: how", BAD_REASONS)]
            deeds.append(Deed(now, f"{name}: card breaks", "replace card", person, it.method, bad))
            if self._chance.draw(f"{name}: mends") < 0.6:
                mends = now + timedelta(days=self._chance.between(f"{name}: mends when", 1, 40))
                deeds.append(Deed(mends, f"{name}: card mends", "replace card", person, it.method, GOOD_CARDS[0]))
        if self._happens(f"{name}: complains", 0.03) and it.payers:
            deeds.append(Deed(now, f"{name}: complains", "internal refund", person, str(it.payers[-1])))
        elif self._happens(f"{name}: calls the bank", 0.02) and len(it.payers) > 1:
            deeds.append(Deed(now, f"{name}: calls the bank", "cabinet refund", person, str(it.payers[-2])))
        elif self._happens(f"{name}: removes the card", 0.03):
            deeds.append(Deed(now, f"{name}: removes the card", "remove method", person, str(it.id)))
        return deeds

    def _decides(self, person: Person, it: Expected, name: str, now: datetime) -> list[Request]:
        requests: list[Request] = []
        if self._happens(f"{name}: plans to leave", 0.07):
            requests = self._twice(name, self._ask(person, name, f"{it.id}/cancel", {"when": "period_end"}, now))
        elif self._happens(f"{name}: leaves at once", 0.03):
            requests = self._twice(name, self._ask(person, name, f"{it.id}/cancel", {"when": "now"}, now))
        elif self._happens(f"{name}: wants money back", 0.05):
            requests = self._twice(name, self._ask(person, name, f"{it.id}/refunds", {"reason": "bored"}, now))
        elif self._happens(f"{name}: takes another plan", self._plan_changes):
            requests = self._another_plan(person, it, name, now)
        elif self._happens(f"{name}: support renews", 0.05):
            requests = self.internally(
                person, f"{name}: support renews", "/renewals", {"subscription_id": str(it.id)}, now
            )
        return requests

    def _another_plan(self, person: Person, it: Expected, name: str, now: datetime) -> list[Request]:
        """Now or at the period's end, by the saved method or on a page; some plan to, and keep what they have."""
        plans = [code for code in self._prices if code != it.terms.code]
        code = it.terms.code if it.next_terms is not None else self._chance.pick(f"{name}: which plan", plans)
        later = it.next_terms is not None or self._chance.draw(f"{name}: changes when") < 0.3
        body: dict[str, Any] = {
            "plan_code": code,
            "price": _money(self._prices[code]),
            "when": "period_end" if later else "now",
        }
        if not later and (not it.has_method or self._chance.draw(f"{name}: pays the change how") < 0.3):
            body["payment"] = {"type": "redirect", "return_url": BACK}
        return self._twice(name, self._ask(person, name, f"{it.id}/change-plan", body, now))

    def internally(self, person: Person, name: str, path: str, body: dict[str, Any], now: datetime) -> list[Request]:
        return self._twice(name, Request(name, person, "POST", f"/internal/v1{path}", body, name, now, internal=True))

    def _ask(self, person: Person, name: str, path: str, body: dict[str, Any], now: datetime) -> Request:
        what = path.rpartition("/")[2]
        return Request(f"{name}: {what}", person, "POST", f"/v1/subscriptions/{path}", body, f"{name}: {what}", now)

    def _twice(self, name: str, request: Request) -> list[Request]:
        """Some click twice, some have two tabs open."""
        requests = [request]
        if self._happens(f"{name}: clicks twice", 0.2):
            requests.append(_copy(request, request.key))
        if self._happens(f"{name}: two tabs", 0.15):
            requests.append(_copy(request, f"{request.key}, second tab"))
        return requests

    def _happens(self, name: str, probability: float) -> bool:
        return self._chance.happens(name, probability)


def _copy(request: Request, key: str) -> Request:
    body = json.loads(json.dumps(request.body))
    return Request(
        f"{request.name} again",
        request.person,
        request.method,
        request.path,
        body,
        key,
        request.not_before,
        request.internal,
    )


def _money(minor: int) -> dict[str, str]:
    return {"value": f"{minor // 100}.{minor % 100:02d}", "currency": "RUB"}
