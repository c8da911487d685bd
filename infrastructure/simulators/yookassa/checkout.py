"""The payment page: where a person enters a card, passes the bank's step, or turns back."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from infrastructure.simulators.yookassa import answers
from infrastructure.simulators.yookassa.cards import BadCardError, read_card
from infrastructure.simulators.yookassa.instants import year_month
from infrastructure.simulators.yookassa.records import Method, Payment
from infrastructure.simulators.yookassa.shop import Shop
from infrastructure.simulators.yookassa.texts import TEXTS, amount_text, decline_text, language_of

_CODE = "1234"
_CODE_TRIES = 3
_EXAMPLES = (
    ("5555555555554444", "card_ok"),
    ("2200000000000004", "card_3ds"),
    ("5555555555554600", "card_funds"),
    ("4565231022577548", "card_limit"),
    ("2200000000000038", "card_expired"),
)

Page = Callable[[Request, Payment | Method, str, int], Awaitable[Response]]


class Checkout:
    def __init__(self, shop: Shop, shop_name: str) -> None:
        self._shop = shop
        self._shop_name = shop_name
        loader = FileSystemLoader(Path(__file__).parent / "templates")
        self._templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)

    def routes(self) -> list[Route]:
        return [
            Route("/checkout/{id}", self._page(self._show), methods=["GET"]),
            Route("/checkout/{id}", self._page(self._enter_card), methods=["POST"]),
            Route("/checkout/{id}/bank", self._page(self._show_bank), methods=["GET"]),
            Route("/checkout/{id}/bank", self._page(self._enter_code), methods=["POST"]),
            Route("/checkout/{id}/leave", self._page(self._leave), methods=["POST"]),
        ]

    def _page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            if self._shop.faults.outage is not None:
                if self._shop.faults.outage.mode != "unavailable":
                    return answers.outage(self._shop.faults.outage)
                return self._message(request, "away", 503)
            if request.method == "POST":
                await request.form()  # kept by the request: from here on nothing waits, so nobody comes between
            now_ms = await self._shop.now_ms()
            self._shop.settle_due(now_ms)
            store = self._shop.store
            record = store.payments.get(request.path_params["id"]) or store.methods.get(request.path_params["id"])
            if record is None or not _on_page(record):
                return self._message(request, "not_found", 404)
            language = language_of(record.locale, request.headers.get("accept-language", ""))
            return await page(request, record, language, now_ms)

        return handle

    # --- the card ------------------------------------------------------------------------------
    async def _show(self, request: Request, record: Payment | Method, language: str, now_ms: int) -> Response:
        if record.status != "pending" or not _waits(record):
            return self._result(record, language)
        if record.attempt is not None:
            return RedirectResponse(request.url.path + "/bank", 303)
        return self._form(record, language, now_ms, {})

    async def _enter_card(self, request: Request, record: Payment | Method, language: str, now_ms: int) -> Response:
        if record.status != "pending" or record.attempt is not None or not _waits(record):
            return RedirectResponse(request.url.path, 303)
        form = await request.form()
        number, expiry, csc = (str(form.get(name, "")).strip() for name in ("number", "expiry", "csc"))
        month, _, year = expiry.replace(" ", "").partition("/")
        try:
            card = read_card(number, month, year, csc, year_month(now_ms))
        except BadCardError as error:
            return self._form(record, language, now_ms, {error.field: TEXTS[language][f"error_{error.field}"]})
        with self._shop.store.change():
            self._shop.books.try_card(record, card, now_ms)
        return RedirectResponse(request.url.path, 303)

    def _form(self, record: Payment | Method, language: str, now_ms: int, errors: dict[str, str]) -> Response:
        minutes = max(1, ((record.due_ms or now_ms) - now_ms) // 60_000)
        year, month = year_month(now_ms)
        return self._render(
            "card.html",
            record,
            language,
            422 if errors else 200,
            errors=errors,
            decline=decline_text(record.last_decline, language) if record.last_decline else None,
            minutes=minutes,
            saves=isinstance(record, Payment) and record.save,
            examples=[(_grouped(number), TEXTS[language][name]) for number, name in _EXAMPLES],
            year=year,
            month=month,
        )

    # --- the bank's step -----------------------------------------------------------------------
    async def _show_bank(self, request: Request, record: Payment | Method, language: str, _: int) -> Response:
        if record.status != "pending" or record.attempt is None:
            return RedirectResponse(request.url.path.removesuffix("/bank"), 303)
        error = (
            TEXTS[language]["bank_wrong"].format(left=_CODE_TRIES - record.code_tries) if record.code_tries else None
        )
        return self._render("bank.html", record, language, 422 if error else 200, error=error, card=record.attempt)

    async def _enter_code(self, request: Request, record: Payment | Method, language: str, now_ms: int) -> Response:
        form = await request.form()
        code = "".join(str(form.get("code", "")).split())
        with self._shop.store.change():
            if record.attempt is None:
                pass  # sent twice: the first one has concluded it
            elif form.get("refuse") is not None:
                self._shop.books.confirm(record, now_ms, right=False)
            elif secrets.compare_digest(code.encode(), _CODE.encode()):
                self._shop.books.confirm(record, now_ms, right=True)
            else:
                self._shop.books.wrong_code(record, now_ms)
        if record.status == "pending" and record.attempt is not None:
            return await self._show_bank(request, record, language, now_ms)
        return RedirectResponse(request.url.path.removesuffix("/bank"), 303)

    # --- the end -------------------------------------------------------------------------------
    async def _leave(self, request: Request, record: Payment | Method, _: str, now_ms: int) -> Response:
        with self._shop.store.change():
            self._shop.books.leave(record, now_ms)
        return RedirectResponse(record.return_url or request.url.path.removesuffix("/leave"), 303)

    def _result(self, record: Payment | Method, language: str) -> Response:
        texts = TEXTS[language]
        names = {"succeeded": "paid", "waiting_for_capture": "held", "active": "bound", "inactive": "unbound"}
        good = record.status in {"succeeded", "waiting_for_capture", "active"}
        reason = None
        if isinstance(record, Payment) and record.cancellation is not None:
            reason = decline_text(record.cancellation["reason"], language)
        return self._render(
            "result.html", record, language, 200, good=good, heading=texts[names.get(record.status, record.status)],
            reason=reason,
        )  # fmt: skip

    def _message(self, request: Request, name: str, status: int) -> Response:
        language = language_of(None, request.headers.get("accept-language", ""))
        return self._render("message.html", None, language, status, name=name)

    def _render(
        self, template: str, record: Payment | Method | None, language: str, status: int, **values: Any
    ) -> Response:
        nonce = secrets.token_urlsafe(12)
        content = self._templates.get_template(template).render(
            t=TEXTS[language],
            language=language,
            nonce=nonce,
            shop_name=self._shop_name,
            record=record,
            binding=isinstance(record, Method),
            amount=amount_text(record.amount, language) if isinstance(record, Payment) else None,
            description=record.description if isinstance(record, Payment) else None,
            **values,
        )
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:"
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"{policy}; base-uri 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Language": language,
        }
        return HTMLResponse(content, status, headers)


def _on_page(record: Payment | Method) -> bool:
    """Whether a page was ever shown for it: a charge of a saved method has none."""
    return record.bound if isinstance(record, Method) else record.return_url is not None


def _waits(record: Payment | Method) -> bool:
    return record.has_page if isinstance(record, Payment) else True


def _grouped(number: str) -> str:
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4))
