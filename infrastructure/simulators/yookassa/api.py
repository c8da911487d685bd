"""YooKassa's HTTP API under /v3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from secrets import compare_digest
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infrastructure.simulators.yookassa import answers, requests
from infrastructure.simulators.yookassa.faults import Fault
from infrastructure.simulators.yookassa.instants import DAY
from infrastructure.simulators.yookassa.lists import page
from infrastructure.simulators.yookassa.objects import render
from infrastructure.simulators.yookassa.problems import Problem, invalid, not_found, unauthorized
from infrastructure.simulators.yookassa.records import Method, Payment, Record, Refund
from infrastructure.simulators.yookassa.shop import Shop
from infrastructure.simulators.yookassa.waiting import slow_down

_KEY_LIFETIME_MS = DAY
_LONGEST_KEY = 64
_LONGEST_BODY = 1_000_000

Read = Callable[[Request, int], dict[str, Any]]
Work = Callable[[dict[str, Any], str, int, Fault | None], Record]


class Api:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._store = shop.store

    def routes(self) -> list[Route]:
        def post(path: str, operation: str, work: Callable[[Request], Work]) -> Route:
            return Route(path, self._changing(operation, work), methods=["POST"])

        def get(path: str, operation: str, read: Read, find: Callable[[Request], Record | None] | None = None) -> Route:
            return Route(path, self._reading(operation, read, find), methods=["GET"])

        return [
            post("/v3/payments", "create_payment", lambda _: self._create_payment),
            get("/v3/payments", "list_payments", lambda request, _: self._list(request, Payment)),
            get("/v3/payments/{id}", "get_payment", self._get_payment, self._payment_asked),
            post("/v3/payments/{id}/capture", "capture_payment", self._capture),
            post("/v3/payments/{id}/cancel", "cancel_payment", self._cancel),
            post("/v3/refunds", "create_refund", lambda _: self._create_refund),
            get("/v3/refunds", "list_refunds", lambda request, _: self._list(request, Refund)),
            get("/v3/refunds/{id}", "get_refund", self._get_refund, self._refund_asked),
            post("/v3/payment_methods", "create_method", lambda _: self._create_method),
            get("/v3/payment_methods/{id}", "get_method", self._get_method, self._method_asked),
            get("/v3/me", "get_me", lambda _, __: self._me()),
        ]

    # --- one request ---------------------------------------------------------------------------
    def _changing(self, operation: str, work: Callable[[Request], Work]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            shop = self._shop
            if shop.faults.outage is not None:
                return answers.outage(shop.faults.outage)
            try:
                self._authorize(request)
                key = _key(request)
                body = await _body(request)
                our_ids = self._our_ids(request, body)
                effects = shop.faults.meet(operation, *our_ids)
            except Problem as refusal:
                return answers.problem(refusal)
            await slow_down(effects)
            fault = effects.transport
            if fault is not None and (fault.when == "before" or fault.kind == "too_many_requests"):
                return answers.spoiled(fault, None)
            record: Record | None = None
            now_ms = await shop.now_ms()
            try:
                shop.settle_due(now_ms)

                def do() -> Record:
                    return work(request)(body, key, now_ms, shop.faults.decide(operation, *our_ids))

                record = self._once(operation, key, _fingerprint(request, body), now_ms, do)
                whole = answers.answer(render(record, shop.shop_id, base_url(request)))
            except Problem as refusal:
                self._store.count_call(operation, "refused")
                whole = answers.problem(refusal)
            if effects.notify_first is not None and record is not None:
                await shop.notifier.deliver(record.id)
            if fault is None:
                return whole
            shop.notifier.wake()  # a hanging answer must not hold the notification up
            return answers.spoiled(fault, whole)

        return handle

    def _reading(
        self, operation: str, read: Read, find: Callable[[Request], Record | None] | None
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            shop = self._shop
            if shop.faults.outage is not None:
                return answers.outage(shop.faults.outage)
            try:
                self._authorize(request)
                found = find(request) if find else None
                effects = shop.faults.meet(operation, *self._ids_of(found))
                await slow_down(effects)
                if effects.transport is not None and effects.transport.when == "before":
                    return answers.spoiled(effects.transport, None)
                now_ms = await shop.now_ms()
                shop.settle_due(now_ms)
                whole = answers.answer(read(request, now_ms))
            except Problem as refusal:
                return answers.problem(refusal)
            return answers.spoiled(effects.transport, whole) if effects.transport is not None else whole

        return handle

    def _authorize(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not compare_digest(given, self._shop.authorization):
            raise unauthorized()

    def _once(self, operation: str, key: str, fingerprint: str, now_ms: int, do: Callable[[], Record]) -> Record:
        """Run the work unless this key has done it within the last 24 hours."""
        with self._store.change():
            known = self._store.key(key, now_ms - _KEY_LIFETIME_MS)
            if known is not None:
                if known[0] != fingerprint:
                    raise invalid("Idempotence-Key", "Idempotence key was used with another request already")
                record = self._store.find(known[1])
                if record is None:
                    raise not_found("id", "The object of this idempotence key doesn't exist")
                self._store.count_call(operation, "replayed")
                return record
            record = do()
            self._store.put_key(key, fingerprint, now_ms, record.id)
            self._store.count_call(operation, "executed")
            return record

    def _our_ids(self, request: Request, body: dict[str, Any]) -> tuple[str | None, ...]:
        metadata = body.get("metadata")
        named = metadata.get("payment_id") if isinstance(metadata, dict) else None
        about = request.path_params.get("id") or body.get("payment_id")
        payment = self._store.payments.get(about) if isinstance(about, str) else None
        return named if isinstance(named, str) else None, payment.our_id if payment else None

    def _ids_of(self, record: Record | None) -> tuple[str | None, ...]:
        if isinstance(record, Refund):
            payment = self._store.payments.get(record.payment_id)
            return record.metadata.get("payment_id"), payment.our_id if payment else None
        return (record.our_id if record else None,)

    # --- changes -------------------------------------------------------------------------------
    def _create_payment(self, body: dict[str, Any], key: str, now_ms: int, fault: Fault | None) -> Record:
        asked = requests.read_create_payment(body, pci=self._shop.pci)
        return self._shop.books.create_payment(asked, key, now_ms, fault)

    def _create_refund(self, body: dict[str, Any], key: str, now_ms: int, fault: Fault | None) -> Record:
        return self._shop.refunds.create(requests.read_create_refund(body), key, now_ms, fault)

    def _create_method(self, body: dict[str, Any], key: str, now_ms: int, fault: Fault | None) -> Record:
        asked = requests.read_create_method(body, pci=self._shop.pci)
        return self._shop.books.create_method(asked, key, now_ms, fault)

    def _capture(self, request: Request) -> Work:
        return lambda body, _, now_ms, __: self._shop.books.capture(self._payment(request), body, now_ms)

    def _cancel(self, request: Request) -> Work:
        return lambda _, __, now_ms, ___: self._shop.books.cancel(self._payment(request), now_ms)

    # --- reads ---------------------------------------------------------------------------------
    def _list(self, request: Request, kind: type[Payment] | type[Refund]) -> dict[str, Any]:
        shelf = self._store.payments if kind is Payment else self._store.refunds
        found, cursor = page(shelf, kind, request.query_params)
        items = [render(record, self._shop.shop_id, base_url(request)) for record in found]
        body: dict[str, Any] = {"type": "list", "items": items}
        if cursor is not None:
            body["next_cursor"] = cursor
        return body

    def _get_payment(self, request: Request, _: int) -> dict[str, Any]:
        return render(self._payment(request), self._shop.shop_id, base_url(request))

    def _get_refund(self, request: Request, _: int) -> dict[str, Any]:
        refund = self._refund_asked(request)
        if refund is None:
            raise not_found("refund_id", "Incorrect refund_id. Refund doesn't exist or is not available to the shop")
        return render(refund, self._shop.shop_id, base_url(request))

    def _get_method(self, request: Request, _: int) -> dict[str, Any]:
        method = self._method_asked(request)
        if method is None:
            raise not_found("payment_method_id", "Incorrect payment_method_id. Payment method doesn't exist")
        return render(method, self._shop.shop_id, base_url(request))

    def _me(self) -> dict[str, Any]:
        shop_id = self._shop.shop_id
        return {"account_id": shop_id, "status": "enabled", "test": True, "payment_methods": ["bank_card"]}

    def _payment(self, request: Request) -> Payment:
        payment = self._payment_asked(request)
        if payment is None:
            raise not_found("payment_id", "Incorrect payment_id. Payment doesn't exist or is not available to the shop")
        return payment

    def _payment_asked(self, request: Request) -> Payment | None:
        return self._store.payments.get(request.path_params["id"])

    def _refund_asked(self, request: Request) -> Refund | None:
        return self._store.refunds.get(request.path_params["id"])

    def _method_asked(self, request: Request) -> Method | None:
        return self._store.methods.get(request.path_params["id"])


def base_url(request: Request) -> str:
    """Where the caller reaches us: the payment page is on the same address."""
    return f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"


def _key(request: Request) -> str:
    key = request.headers.get("idempotence-key")
    if not key:
        raise invalid("Idempotence-Key", "Idempotence key is missing")
    if len(key) > _LONGEST_KEY:
        raise invalid("Idempotence-Key", "Idempotence key must not be longer than 64 characters")
    return key


async def _body(request: Request) -> dict[str, Any]:
    content = await request.body()
    if len(content) > _LONGEST_BODY:
        raise invalid(None, "Request is too large")
    if not content or content == b"null":
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise invalid(None, "Body is not JSON") from None
    if not isinstance(body, dict):
        raise invalid(None, "Body must be a JSON object")
    return body


def _fingerprint(request: Request, body: dict[str, Any]) -> str:
    """What makes two requests under one key the same; a card's number and code leave no trace in it."""
    data = body.get("payment_method_data")
    card = data.get("card") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(card, dict):
        number = str(card.get("number", ""))
        kept = {name: value for name, value in card.items() if name != "csc"}
        body = {**body, "payment_method_data": {**data, "card": {**kept, "number": number[:6] + number[-4:]}}}
    content = json.dumps([request.url.path, body], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
