"""The simulator's own page: its books, what is broken on purpose, what was told to the shop."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from infrastructure.simulators.yookassa.cards import Decline, party_of
from infrastructure.simulators.yookassa.faults import (
    BUSINESS,
    NOTIFY,
    OPERATIONS,
    TIMING,
    TRANSPORT,
    BadFaultError,
    Fault,
)
from infrastructure.simulators.yookassa.instants import written
from infrastructure.simulators.yookassa.shop import Shop
from infrastructure.simulators.yookassa.texts import DECLINES, amount_text, language_of

_ROWS = 50

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "title": "YooKassa simulator",
        "now": "Time here",
        "tick": "Do what is due",
        "outage": "Take the whole system down",
        "up": "Bring the system back up",
        "down": "The system is down",
        "payments": "Payments",
        "refunds": "Refunds",
        "methods": "Saved methods",
        "notifications": "Notifications",
        "faults": "Faults",
        "no_faults": "Nothing is broken on purpose.",
        "nothing": "Nothing yet.",
        "operation": "Operation",
        "kind": "Fault",
        "when": "Work done",
        "before": "not done",
        "after": "done",
        "times": "Times",
        "always": "until lifted",
        "probability": "Probability",
        "seed": "Seed",
        "seconds": "Seconds",
        "reason": "Reason",
        "only": "Only our payment",
        "met": "Met",
        "add": "Set the fault",
        "lift": "Lift",
        "lift_all": "Lift all",
        "status": "Status",
        "amount": "Amount",
        "refunded": "Refunded",
        "created": "Created",
        "ours": "Our id",
        "page": "payment page",
        "card": "Card",
        "behaviour": "Its charges",
        "as_card": "as the card does",
        "set": "Set",
        "event": "Event",
        "tries": "Tries",
        "answer": "Last answer",
        "forged": "forged",
        "calls": "Calls",
        "newest": "the newest {rows}",
        "optional": "optional",
    },
    "ru": {
        "title": "Имитация ЮKassa",
        "now": "Время здесь",
        "tick": "Сделать всё, что пора",
        "outage": "Уронить всю систему",
        "up": "Поднять систему",
        "down": "Система лежит",
        "payments": "Платежи",
        "refunds": "Возвраты",
        "methods": "Сохранённые способы оплаты",
        "notifications": "Уведомления",
        "faults": "Сбои",
        "no_faults": "Нарочно ничего не сломано.",
        "nothing": "Пока пусто.",
        "operation": "Операция",
        "kind": "Сбой",
        "when": "Работа",
        "before": "не сделана",
        "after": "сделана",
        "times": "Сколько раз",
        "always": "пока не снят",
        "probability": "Вероятность",
        "seed": "Зерно",
        "seconds": "Секунды",
        "reason": "Причина",
        "only": "Только наш платёж",
        "met": "Сработал",
        "add": "Поставить сбой",
        "lift": "Снять",
        "lift_all": "Снять все",
        "status": "Статус",
        "amount": "Сумма",
        "refunded": "Возвращено",
        "created": "Создан",
        "ours": "Наш id",
        "page": "страница оплаты",
        "card": "Карта",
        "behaviour": "Списания с неё",
        "as_card": "как велит карта",
        "set": "Задать",
        "event": "Событие",
        "tries": "Попытки",
        "answer": "Последний ответ",
        "forged": "подделка",
        "calls": "Вызовы",
        "newest": "последние {rows}",
        "optional": "необязательно",
    },
}

Act = Callable[[Request, FormData], Awaitable[None]]


class Dashboard:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        loader = FileSystemLoader(Path(__file__).parent / "templates")
        self._templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/", self._show, methods=["GET"]),
            Route("/_simulator/page/faults", self._act(self._add_fault), methods=["POST"]),
            Route("/_simulator/page/lift", self._act(self._lift), methods=["POST"]),
            Route("/_simulator/page/outage", self._act(self._outage), methods=["POST"]),
            Route("/_simulator/page/tick", self._act(self._tick), methods=["POST"]),
            Route("/_simulator/page/methods/{id}", self._act(self._behave), methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        shop, store = self._shop, self._shop.store
        language = language_of(None, request.headers.get("accept-language", "en"))
        newest = f"1 = 1 ORDER BY seq DESC LIMIT {_ROWS}"
        nonce = secrets.token_urlsafe(12)
        content = self._templates.get_template("dashboard.html").render(
            w=WORDS[language],
            language=language,
            nonce=nonce,
            rows=_ROWS,
            now=written(await shop.now_ms()),
            error=request.query_params.get("error"),
            outage=shop.faults.outage,
            faults=shop.faults.all(),
            payments=list(store.payments.where(newest)),
            refunds=list(store.refunds.where(newest)),
            methods=list(store.methods.where(newest)),
            notifications=store.notifications(newest),
            calls=store.calls(),
            operations=sorted(OPERATIONS),
            groups=[sorted(kinds) for kinds in (TRANSPORT, TIMING, BUSINESS, NOTIFY)],
            reasons=sorted(DECLINES),
            money=lambda minor: amount_text(minor, language),
            written=written,
        )
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
        return HTMLResponse(content, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})

    def _act(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                await act(request, await request.form())
            except (BadFaultError, ValueError) as error:
                return RedirectResponse("/_simulator/?" + urlencode({"error": str(error)}), 303)
            return RedirectResponse("/_simulator/", 303)

        return handle

    async def _add_fault(self, _: Request, form: FormData) -> None:
        given = {name: str(value).strip() for name, value in form.items() if str(value).strip()}
        doc: dict[str, Any] = {"operation": given.get("operation", "*"), "kind": given.get("kind", "")}
        if doc["kind"] in NOTIFY:
            doc["operation"] = "notify"
        doc |= {name: given[name] for name in ("when", "payment_id", "reason") if name in given}
        doc |= {name: float(given[name]) for name in ("probability", "seconds") if name in given}
        doc["times"] = int(given["times"]) if "times" in given else None
        doc["seed"] = int(given.get("seed", "0"))
        self._shop.faults.add(Fault.read(doc))

    async def _lift(self, _: Request, form: FormData) -> None:
        given = str(form.get("id", ""))
        self._shop.faults.lift(int(given) if given else None)

    async def _outage(self, _: Request, form: FormData) -> None:
        self._shop.faults.add(Fault.read({"kind": "outage", "mode": str(form.get("mode", "hang"))}))

    async def _tick(self, _: Request, __: FormData) -> None:
        await self._shop.tick()

    async def _behave(self, request: Request, form: FormData) -> None:
        method = self._shop.store.methods.get(request.path_params["id"])
        reason = str(form.get("behaviour", ""))
        if method is not None:
            method.behaviour = Decline(party=party_of(reason), reason=reason) if reason else None
            method.behaviour_times = None
            self._shop.store.methods.put(method)
