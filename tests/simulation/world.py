"""One simulated world: its people, its payment system, its time; played from a seed to its end."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import sys
import traceback
from collections import Counter
from collections.abc import Coroutine, MutableMapping
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from jobs.reconcile import reconcile
from jobs.sweeps import Sweeps
from tests.simulation.asgi import Answer, ask
from tests.simulation.auditor import Auditor, Findings
from tests.simulation.chance import Chance
from tests.simulation.heard import HeardEvent, SubscriptionRow
from tests.simulation.people import ZONES, Deed, Person, Request, Wishes
from tests.simulation.rulebook import PlanTerms
from tests.simulation.servers import Servers
from tests.simulation.service import Stage, open_stage, outside
from tests.simulation.shown import compare_what_is_shown
from tests.simulation.turns import Crash, Process, process

PLANS = (
    PlanTerms("month", "month", 1),
    PlanTerms("quarter", "month", 3),
    PlanTerms("year", "year", 1),
    PlanTerms("week", "week", 1),
)
_SHARES = (("month", 0.5), ("quarter", 0.1), ("year", 0.35), ("week", 0.05))
_STEPS_S = (40, 900, 3 * 3600, 8 * 3600, 16 * 3600, 22 * 3600, 24 * 3600, 30 * 3600)
_QUIET_STEPS_S = (61, 61, 301, 301, 1200, 3700)
_AT_ONCE = 5
_TIDY_EVERY_DAYS = 30
_MONTH_DAYS = 365.2425 / 12


@dataclass(frozen=True, slots=True)
class WorldSize:
    """`plan_changes`: how likely it is that a person who visits takes another plan."""

    people: int = 500
    days: int = 400
    quiet_every_days: int = 75
    plan_changes: float = 0.06


@dataclass(slots=True)
class Outcome:
    """What became of a world. `history`: the mishaps and deeds that came true, in their order; `life`: their digest."""

    seed: str
    months: float = 0.0
    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    crash_places: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    history: list[str] = field(default_factory=list)
    life: str = ""
    seen_at: str = ""

    def told(self) -> dict[str, Any]:
        """As JSON; `Outcome.of` reads it. A history that nobody has to read is left out: its digest stands for it."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        told["history"] = self.history if self.findings else []
        return {name: dict(sorted(what.items())) if isinstance(what, Counter) else what for name, what in told.items()}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Outcome:
        what: dict[str, Any] = {
            key: Counter(value) if isinstance(value, dict) else value for key, value in told.items()
        }
        return cls(**what)


async def play(
    servers: Servers, seed: str, size: WorldSize, suppressed: frozenset[str] = frozenset(), only: int | None = None
) -> Outcome:
    """Play a world until its end or its first finding. `only`: just the person of that number."""
    chance = Chance(seed, suppressed)
    start = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=int(chance.draw("start") * 1461), hours=9)
    async with open_stage(servers.database_url, servers.redis_url, servers.public_key, chance, start) as stage:
        world = World(stage, chance, seed, size, servers, only)
        return await world.play(start)


class World:
    def __init__(
        self, stage: Stage, chance: Chance, seed: str, size: WorldSize, servers: Servers, only: int | None
    ) -> None:
        self.stage, self.chance, self.size = stage, chance, size
        self.auditor = Auditor({plan.code: plan for plan in PLANS})
        self.wishes = Wishes(chance, self.auditor.prices, size.plan_changes)
        self.outcome = Outcome(seed)
        self.requests: list[Request] = []
        self.deeds: list[Deed] = []
        self.people: list[Person] = []
        self._servers = servers
        self._only = only
        self._desk = servers.token(sub="desk", scope="billing:admin")
        self._last_event = UUID(int=0)
        self._ticks = 0
        self._errors: list[str] = []

    async def play(self, start: datetime) -> Outcome:
        structlog.configure(processors=[self._listen], cache_logger_on_first_use=False)
        asyncio.get_running_loop().set_exception_handler(self._hear)
        await self._open(start)
        end, quiet_at = start + timedelta(days=self.size.days), start + timedelta(days=self.size.quiet_every_days)
        tidy_at = start
        while self.stage.clock.now() < end and not self._found():
            await self._tick()
            if self.stage.clock.now() >= tidy_at:
                await self._tidy()
                tidy_at = self.stage.clock.now() + timedelta(days=_TIDY_EVERY_DAYS)
            if self.stage.clock.now() >= quiet_at and not self._found():
                await self._rest()
                quiet_at = self.stage.clock.now() + timedelta(days=self.size.quiet_every_days)
        if not self._found():
            await self._rest()
        return self._result()

    # --- the beginning -----------------------------------------------------------------------------
    async def _open(self, start: datetime) -> None:
        for plan in PLANS:
            price = 19900 + int(self.chance.draw(f"price of {plan.code}") * 100000)
            body = {
                "code": plan.code,
                "name": plan.code.title(),
                "price": {"value": f"{price // 100}.{price % 100:02d}", "currency": "RUB"},
                "period": {"unit": plan.unit, "count": plan.count},
            }
            reply = await self._send("POST", "/internal/v1/plans", body, f"plan {plan.code}", self._desk)
            assert reply.status == 201, (reply.content, self._errors)
            self.auditor.prices[plan.code] = price
        for number in range(self.size.people):
            name = f"person {number}"
            if self._only not in (None, number):
                continue
            if self._only is None and not self.chance.happens(f"{name} comes", 1.0):
                continue
            user_id = UUID(int=(0x1000_4000 << 96) | (number + 1))
            zone = self.chance.pick(f"{name}: zone", ZONES)
            person = Person(
                number=number,
                id=user_id,
                zone=zone,
                plan=self._plan_of(name),
                token=self._servers.token(sub=str(user_id), email=f"p{number}@example.org", zoneinfo=zone),
                next_visit=start + timedelta(days=self.chance.draw(f"{name}: comes when") * self.size.days * 0.5),
            )
            self.people.append(person)
            self.auditor.zones[user_id] = zone

    def _plan_of(self, name: str) -> str:
        draw = self.chance.draw(f"{name}: plan")
        for code, share in _SHARES:
            if draw < share:
                return code
            draw -= share
        return PLANS[0].code

    # --- time ------------------------------------------------------------------------------------------
    async def _tick(self) -> None:
        """Time goes on a little, or by days while nobody works; people and workers act; the auditor looks."""
        self._ticks += 1
        name, clock = f"tick {self._ticks}", self.stage.clock
        step = timedelta(seconds=self.chance.pick(f"{name}: step", _STEPS_S))
        if self.chance.happens(f"{name}: nobody works for days", 0.006):
            step = timedelta(days=self.chance.between(f"{name}: how long", 1, 9))
        await self._pass_time(clock.now() + step)
        if self.chance.happens(f"{name}: the payment system is silent", 0.01):
            hours = self.chance.between(f"{name}: silent for", 1, 80)
            self.stage.shop.outage_until = clock.now() + timedelta(hours=hours)
            self.outcome.counts["outages of the payment system"] += 1
        if self.chance.happens(f"{name}: Redis loses all", 0.01):
            async with outside():
                await self.stage.service.redis.client.flushdb()
        await self._change_price(name)
        self._people_act()
        await self._pass_time(clock.now())
        await self._serve(workers=2 if self.chance.draw(f"{name}: workers") < 0.3 else 1)
        if self.chance.draw(f"{name}: another round") < 0.3:
            await self._live(api=[], workers=1)
        if self.chance.draw(f"{name}: reconciles") < 0.03:
            await self._alone("reconciler", self._reconcile())
        await self._carry()
        await self._audit()

    async def _rest(self) -> None:
        """No mishaps any more, and time enough: then everything must have ended well."""
        self._mishaps(False)
        self.stage.shop.outage_until = None
        for number in range(90):
            step = _QUIET_STEPS_S[min(number, len(_QUIET_STEPS_S) - 1)]
            await self._pass_time(self.stage.clock.now() + timedelta(seconds=step))
            await self._serve(workers=1)
            await self._live(api=[], workers=1)
            await self._carry()
            await self._audit()
            if self._found() or (number > 4 and await self._is_at_rest()):
                break
        await self._alone("reconciler", self._reconcile())
        await self._alone("tidier", self._tidy_inbox())
        await self._live(api=[], workers=1)  # tells by mail what was found
        await self._carry()
        await self._audit()
        if not self._found():
            await self._final_audit()
        self._mishaps(True)

    def _mishaps(self, happen: bool) -> None:
        self.stage.turns.mishaps = self.stage.shop.mishaps = self.stage.service.mailbox.mishaps = happen

    async def _tidy(self) -> None:
        """What rows were before they changed is in nobody's way any more; at times of the world's, not of its own."""
        async with outside():
            await self.stage.books.execute("VACUUM (TRUNCATE FALSE)")

    # --- people ----------------------------------------------------------------------------------------
    async def _change_price(self, name: str) -> None:
        if not self.chance.happens(f"{name}: a price changes", 0.004):
            return
        code = self.chance.pick(f"{name}: price of", PLANS).code
        price = 19900 + int(self.chance.draw(f"{name}: new price") * 100000)
        body = {"price": {"value": f"{price // 100}.{price % 100:02d}", "currency": "RUB"}}
        reply = await self._send("PATCH", f"/internal/v1/plans/{code}", body, f"{name} price", self._desk)
        assert reply.status == 200, reply.content
        self.auditor.prices[code] = price

    def _people_act(self) -> None:
        now, tokenise = self.stage.clock.now(), self.stage.shop.imitation.tokenise
        for person in self.people:
            if person.next_visit > now or any(one.person is person for one in self.requests):
                continue
            it = self.auditor.subscriptions.get(person.subscription_id) if person.subscription_id else None
            requests, deeds = self.wishes.visit(person, it, now, tokenise)
            self.requests += requests
            self.deeds += deeds

    async def _pass_time(self, until: datetime) -> None:
        """Time goes on, and what people do meanwhile happens at its own instant."""
        while due := [deed for deed in self.deeds if deed.at <= until]:
            deed = min(due, key=lambda one: one.at)
            self.deeds.remove(deed)
            await self.stage.move_to(max(deed.at, self.stage.clock.now()))
            await self._do(deed)
        await self.stage.move_to(until)
        self.stage.shop.tick()

    async def _do(self, deed: Deed) -> None:
        shop, now = self.stage.shop, self.stage.clock.now()
        match deed.kind:
            case "replace card":
                shop.imitation.replace_card(deed.about, deed.card)
            case "pay page":
                if shop.is_open(deed.about):
                    shop.pay(deed.about, deed.card)
            case "cancel":
                path = f"/v1/subscriptions/{deed.about}/cancel"
                request = Request(deed.name, deed.person, "POST", path, {"when": "now"}, deed.name, now)
                await self._live(api=[self._ask(request)], workers=0)
            case "remove method":
                async with outside():
                    method_id = await self.stage.books.fetchval(
                        "SELECT payment_method_id FROM subscriptions WHERE id = $1", UUID(deed.about)
                    )
                if method_id is not None:
                    path = f"/v1/payment-methods/{method_id}"
                    self.requests.append(Request(deed.name, deed.person, "DELETE", path, None, deed.name, now))
            case "internal refund" | "cabinet refund":
                self._refund(deed, now)

    def _refund(self, deed: Deed, now: datetime) -> None:
        payment = self.auditor.payments[UUID(deed.about)]
        left = payment.left
        low, high = self.chance.pick(f"{deed.name}: how much", ((0.1, 0.5), (0.1, 0.5), (0.5, 1.3)))
        share = self.chance.between(f"{deed.name}: share", low, high)
        amount = min(int(left * share), left)
        if payment.status != "succeeded" or amount < 100 or 0 < left - amount < 100 or payment.reserved:
            return
        if deed.kind == "cabinet refund":
            provider_id = self.auditor.provider_id_of(payment.id)
            if (
                self.auditor.ledger[provider_id].refunded == payment.refunded
            ):  # else word of an earlier one is on its way
                self.stage.shop.refund_in_cabinet(provider_id, amount)
            return
        body = {
            "payment_id": deed.about,
            "amount": {"value": f"{amount // 100}.{amount % 100:02d}", "currency": "RUB"},
            "reason": "a complaint",
        }
        self.requests += self.wishes.internally(deed.person, deed.name, "/refunds", body, now)

    def _due_requests(self) -> list[Coroutine[Any, Any, None]]:
        now = self.stage.clock.now()
        due = [one for one in self.requests if one.not_before <= now]
        self.requests = [one for one in self.requests if one.not_before > now]
        told = self.stage.shop.due_deliveries()
        return [self._ask(one) for one in due] + [self._notify(body) for body in told]

    async def _ask(self, request: Request) -> None:
        """Send it; without a final answer it is sent again later, under the same key."""
        request.tries += 1
        token = self._desk if request.internal else request.person.token
        again = self.stage.clock.now() + timedelta(
            seconds=self.chance.between(f"{request.name}: again after try {request.tries}", 5, 3600)
        )
        removes = request.method == "DELETE"
        removing = self.stage.shop.owner_removes(UUID(request.path.rpartition("/")[2])) if removes else nullcontext()
        try:
            with removing:
                reply = await self._send(request.method, request.path, request.body, request.key, token)
        except (Crash, asyncio.CancelledError):
            request.not_before = again
            self.requests.append(request)
            raise
        code = reply.json().get("code") if reply.status >= 400 else None
        if reply.status >= 500 or code == "idempotency_key_in_use":
            if reply.status == 500:
                self.auditor.findings.wrong.append(f"{request.name} was answered with {reply.content!r}")
            request.not_before = again
            self.requests.append(request)
            return
        self._answered(request, reply)

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, key: str, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        return await ask(self.stage.app, method, path, headers, b"" if body is None else json.dumps(body).encode())

    def _answered(self, request: Request, reply: Answer) -> None:
        """Keep what was promised; the same key must always get the same reply."""
        person, counts = request.person, self.outcome.counts
        counts["requests answered"] += 1
        counts["sent more than once"] += request.tries > 1
        counts["replayed"] += "idempotency-replayed" in reply.headers
        if reply.status >= 400:
            return
        before = person.replies.setdefault(f"{request.path} {request.key}", reply.content)
        if before != reply.content:
            self.auditor.findings.wrong.append(f"{request.name} got two different replies under one key")
        said = reply.json()
        if "subscription" in said:
            person.subscription_id = UUID(said["subscription"]["id"])
        payment = said.get("payment")
        if payment and payment["confirmation_url"] and payment["status"] == "pending":
            self._page(person, request.name, payment["provider_payment_id"], payment["subscription_id"])

    def _page(self, person: Person, name: str, provider_id: str, subscription_id: str) -> None:
        """On the payment page: most pay, some cancel in another tab before they do, some never come back."""
        if any(deed.about == provider_id for deed in self.deeds):
            return
        now, draw = self.stage.clock.now(), self.chance.draw(f"{name}: on the page")
        minutes = self.chance.between(f"{name}: pays after", 0, 58)
        if self.chance.happens(f"{name}: cancels while the page is open", 0.1):
            deed = f"{name}: cancels while the page is open"
            self.deeds.append(Deed(now + timedelta(minutes=minutes / 2), deed, "cancel", person, subscription_id))
        if draw < 0.8:
            card = "5555555555554444" if draw > 0.1 else "5555555555554600"
            self.deeds.append(
                Deed(now + timedelta(minutes=minutes), f"{name}: pays", "pay page", person, provider_id, card)
            )

    async def _notify(self, body: bytes) -> None:
        """The payment system delivers until it is answered with 200."""
        try:
            reply = await ask(self.stage.app, "POST", "/webhooks/yookassa", {}, body)
        except (Crash, asyncio.CancelledError):
            self.stage.shop.deliver_again(body)
            raise
        if reply.status != 200:
            self.stage.shop.deliver_again(body)

    # --- processes ---------------------------------------------------------------------------------------
    async def _serve(self, workers: int) -> None:
        """What is asked now, a few requests to each API process, so that the death of one cuts off a few only."""
        due = self._due_requests()
        await self._live(api=due[:_AT_ONCE], workers=workers)
        for first in range(_AT_ONCE, len(due), _AT_ONCE):
            await self._live(api=due[first : first + _AT_ONCE], workers=0)

    async def _live(self, api: list[Coroutine[Any, Any, None]], workers: int) -> None:
        """One life of the API and of each worker, side by side; who dies is replaced at the next call."""
        lives: dict[asyncio.Task[None], Process] = {}
        self.stage.new_api()
        for process_name, work in (("api", api), *((f"worker {number}", [self._work()]) for number in range(workers))):
            life = Process(process_name)
            for each in work:
                context = contextvars.copy_context()
                context.run(process.set, life)
                lives[asyncio.get_running_loop().create_task(each, context=context)] = life
        waiting = set(lives)
        while waiting:
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task, life in lives.items():
                if task in waiting and not life.alive:
                    task.cancel()  # its process is dead, and it with it
                elif task in ended:
                    self._note_end(task, life)
        while strays := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(strays)
            for stray in strays:
                stray.cancelled() or stray.exception()

    def _note_end(self, task: asyncio.Task[None], life: Process) -> None:
        """Nothing may end a task but its own end, or the death of its process."""
        error = None if task.cancelled() else task.exception()
        if (error is not None or task.cancelled()) and life.alive:
            lines = traceback.format_exception(error)[-3:] if error else ["cancelled"]
            self._errors.append("".join(lines))

    async def _work(self) -> None:
        """A worker as it is after a start, and one round of its duties; in a quiet time until nothing is left."""
        sweeps = Sweeps(self.stage.service)
        for _ in range(1 if self.stage.turns.mishaps else 6):
            if not await sweeps.everything():
                return

    async def _reconcile(self) -> None:
        await reconcile(self.stage.service, pauses_s=())

    async def _tidy_inbox(self) -> None:
        await Sweeps(self.stage.service).old_notifications()

    async def _carry(self) -> None:
        """The projector's duty for Redis, one batch at a time."""
        await self._alone("projector", self._carry_all())

    async def _alone(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A process that does one thing while no other does, and waits for more than the database."""
        context, life = contextvars.copy_context(), Process(name)
        context.run(process.set, life)
        task = asyncio.get_running_loop().create_task(work, context=context)
        async with outside():
            await asyncio.wait([task])
        self._note_end(task, life)

    async def _carry_all(self) -> None:
        while await self.stage.access.carry():
            pass

    # --- the audit -----------------------------------------------------------------------------------------
    async def _audit(self) -> None:
        auditor, shop = self.auditor, self.stage.shop
        auditor.hear_ledger(*shop.take_changes())
        async with outside():
            rows = await self.stage.books.fetch(
                "SELECT id, at, type, user_id, subscription_id, payment_id, refund_id, actor_kind AS actor, data "
                "FROM events WHERE id > $1 ORDER BY id",
                self._last_event,
            )
        if rows:
            self._last_event = rows[-1]["id"]
            events = [HeardEvent(**{**row, "data": json.loads(row["data"])}) for row in rows]
            auditor.hear_events(events)
            self._worry(events)
            async with outside():
                subscriptions = await self.stage.books.fetch(
                    "SELECT id, status, period_number, period_start, period_end, cancel_at_period_end, next_charge_at, "
                    "end_at, open_payment_id, refunding, payment_method_id IS NOT NULL AS has_method, balance, "
                    "period_credit, (SELECT code FROM plans WHERE plans.id = plan_id) AS plan_code, "
                    "(SELECT code FROM plans WHERE plans.id = next_plan_id) AS next_plan_code "
                    "FROM subscriptions WHERE id = ANY($1)",
                    list(auditor.touched),
                )
            auditor.compare_rows(SubscriptionRow(**row) for row in subscriptions)
            auditor.touched.clear()
        auditor.findings.wrong += [*self.stage.turns.broken, *shop.broken, *self._errors]
        self.stage.turns.broken.clear()
        shop.broken.clear()
        self._errors.clear()

    def _worry(self, events: list[HeardEvent]) -> None:
        """The bank tells of a charge that nobody here knows the end of: some take their card away at that."""
        people = {person.id: person for person in self.people}
        for event in events:
            name = f"payment {event.payment_id} worries its owner"
            if self.stage.turns.mishaps and event.type == "payment.unknown" and self.chance.happens(name, 0.2):
                at = self.stage.clock.now() + timedelta(minutes=5)
                self.deeds.append(Deed(at, name, "remove method", people[event.user_id], str(event.subscription_id)))

    async def _is_at_rest(self) -> bool:
        if self.requests or self.stage.shop.deliveries or self.stage.shop.to_finish:
            return False
        async with outside():
            busy = await self.stage.books.fetchval(
                "SELECT (SELECT count(*) FROM payments WHERE status IN ('pending', 'unknown')) "
                "+ (SELECT count(*) FROM refunds WHERE status IN ('pending', 'unknown')) "
                "+ (SELECT count(*) FROM inbox WHERE status = 'new') "
                "+ (SELECT count(*) FROM mails WHERE status = 'owed') "
                "+ (SELECT count(*) FROM outbox WHERE projection = 'access')"
            )
        return not busy

    async def _final_audit(self) -> None:
        """Ledger, books, mails, Redis, what people are shown: all must agree now."""
        auditor, mailbox = self.auditor, self.stage.service.mailbox
        async with outside():
            waiting = await self.stage.books.fetch(
                "SELECT 'inbox ' || status AS what, count(*) FROM inbox WHERE status <> 'done' GROUP BY 1 "
                "UNION ALL SELECT 'mail ' || status, count(*) FROM mails WHERE status <> 'sent' GROUP BY 1 "
                "UNION ALL SELECT 'case ' || kind || ' ' || subject, count(*) FROM cases WHERE resolved_at IS NULL "
                "AND kind NOT IN ('refund_canceled', 'payment_reason_unknown') GROUP BY 1 "
                "UNION ALL SELECT 'request without a reply', count(*) FROM idempotency_keys "
                "WHERE reply_status IS NULL HAVING count(*) > 0"
            )
            flagged = await self.stage.books.fetch(
                "SELECT payment_id FROM cases WHERE resolved_at IS NULL AND kind = 'payment_reason_unknown'"
            )
        auditor.findings.stuck += [f"{row['what']}: {row['count']}" for row in waiting]
        auditor.compare_flagged(row["payment_id"] for row in flagged)
        auditor.findings.stuck += [f"no final answer: {request.name}" for request in self.requests]
        by_address = {f"p{person.number}@example.org": person.id for person in self.people}
        told = Counter((by_address[to], events, UUID(about)) for to, events, about in mailbox.letters.values())
        auditor.at_rest(self.stage.clock.now(), told)
        if not self._found():
            await compare_what_is_shown(self.stage, auditor, self._desk, {one.id: one.token for one in self.people})

    def _found(self) -> bool:
        return bool(self.auditor.findings)

    def _listen(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        """What the service logs as an error is a finding: nothing may fail but by a crash."""
        if method in ("error", "exception", "critical"):
            cause = event.pop("exc_info", None) and sys.exception()
            where = "".join(traceback.format_exception(cause)[-3:]) if cause else ""
            self._errors.append(f"logged as an error: {event} {where}")
        raise structlog.DropEvent

    def _hear(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error that nobody waited for: the death of a process is none."""
        if not isinstance(context.get("exception"), Crash):
            self._errors.append(f"nobody waited for: {context}")

    def _result(self) -> Outcome:
        outcome, auditor = self.outcome, self.auditor
        findings: Findings = auditor.findings
        outcome.findings = findings.lines()
        outcome.months = auditor.paid_days / _MONTH_DAYS
        outcome.counts["people"] = len(self.people)
        outcome.counts["payments that succeeded"] = sum(p.status == "succeeded" for p in auditor.payments.values())
        outcome.counts["payments that were canceled"] = sum(p.status == "canceled" for p in auditor.payments.values())
        outcome.counts["refunds"] = len(auditor.refunds)
        outcome.counts["plans that were changed"] = auditor.plan_changes
        outcome.counts["unknown outcomes"] = auditor.unknown_outcomes
        outcome.counts["mails"] = len(self.stage.service.mailbox.letters)
        outcome.crash_places, outcome.faults = self.stage.turns.crashes, self.stage.shop.faults
        outcome.history = self.chance.happened
        outcome.life = hashlib.sha256("\n".join(outcome.history).encode()).hexdigest()
        outcome.seen_at = f"{self.stage.clock.now():%Y-%m-%d %H:%M:%S}"
        return outcome
