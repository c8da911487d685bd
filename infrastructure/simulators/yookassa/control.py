"""What the real system does not have: hands that make tokens, pay, break things and read the books.

Local only and unguarded, under /_simulator.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.money import Money
from infrastructure.simulators.yookassa.cards import BadCardError, Card, Decline, party_of, read_card, refund_party_of
from infrastructure.simulators.yookassa.faults import BadFaultError, Fault
from infrastructure.simulators.yookassa.instants import written, year_month
from infrastructure.simulators.yookassa.ledger import ledger
from infrastructure.simulators.yookassa.problems import Problem, invalid, not_found
from infrastructure.simulators.yookassa.records import Method, Notification, Payment
from infrastructure.simulators.yookassa.requests import CreateRefund
from infrastructure.simulators.yookassa.shop import Shop

Handler = Callable[[Request, dict[str, Any]], Awaitable[Any]]


class Control:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._store = shop.store

    def routes(self) -> list[Route]:
        def route(method: str, path: str, handler: Handler) -> Route:
            return Route(f"/_simulator{path}", _json(handler), methods=[method])

        return [
            route("POST", "/tokens", self._make_token),
            route("GET", "/ledger", self._ledger),
            route("POST", "/tick", self._tick),
            route("GET", "/faults", self._faults),
            route("POST", "/faults", self._add_fault),
            route("DELETE", "/faults", self._lift_faults),
            route("DELETE", "/faults/{id:int}", self._lift_faults),
            route("GET", "/notifications", self._notifications),
            route("POST", "/notifications", self._send_forged),
            route("POST", "/payments", self._invent_payment),
            route("POST", "/payments/{id}/pay", self._pay),
            route("POST", "/payments/{id}/leave", self._leave),
            route("POST", "/payments/{id}/settle", self._settle_payment),
            route("PATCH", "/payments/{id}", self._edit_payment),
            route("DELETE", "/payments/{id}", self._delete_payment),
            route("POST", "/methods/{id}", self._change_method),
            route("POST", "/refunds", self._cabinet_refund),
            route("POST", "/refunds/{id}", self._settle_refund),
        ]

    # --- the person ----------------------------------------------------------------------------
    async def _make_token(self, _: Request, body: dict[str, Any]) -> Any:
        card = _card(body, await self._shop.now_ms())
        token = f"eyJ0eXBlIjoi-{secrets.token_urlsafe(32)}"
        self._store.put_token(token, json.dumps(card))
        return {"payment_token": token}

    async def _pay(self, request: Request, body: dict[str, Any]) -> Any:
        """As the person on the page would; the bank's step is passed by itself unless `code_right` is false."""
        now_ms = await self._shop.now_ms()
        self._shop.settle_due(now_ms)
        with self._store.change():
            record = self._pending(request)
            if record.attempt is None:
                self._shop.books.try_card(record, _card(body, now_ms), now_ms)
            if record.attempt is not None:
                self._shop.books.confirm(record, now_ms, right=body.get("code_right", True) is True)
        decline = record.cancellation["reason"] if isinstance(record, Payment) and record.cancellation else None
        return {"id": record.id, "status": record.status, "decline": decline or record.last_decline}

    async def _leave(self, request: Request, _: dict[str, Any]) -> Any:
        now_ms = await self._shop.now_ms()
        with self._store.change():
            record = self._pending(request)
            self._shop.books.leave(record, now_ms)
        return {"id": record.id, "status": record.status}

    async def _change_method(self, request: Request, body: dict[str, Any]) -> Any:
        """`behaviour`: a cancellation reason, "success", or null for what the card itself does."""
        method = self._store.methods.get(request.path_params["id"])
        if method is None:
            raise not_found("id", "No such payment method")
        if "behaviour" in body:
            reason = body["behaviour"]
            party = body.get("party") or (party_of(reason) if reason else "")
            method.behaviour = Decline(party=party, reason=reason) if reason else None
            method.behaviour_times = body.get("times")
        if method.card is not None and "expiry_month" in body:
            method.card["expiry_month"] = f"{int(body['expiry_month']):02d}"
        if method.card is not None and "expiry_year" in body:
            method.card["expiry_year"] = str(body["expiry_year"])
        if "status" in body:
            method.status = body["status"]
        self._store.methods.put(method)
        return {"id": method.id, "status": method.status, "behaviour": method.behaviour}

    # --- time, faults, notifications -----------------------------------------------------------
    async def _tick(self, _: Request, __: dict[str, Any]) -> Any:
        due = await self._shop.tick()
        return {"next_due": due.isoformat() if due else None}

    async def _faults(self, _: Request, __: dict[str, Any]) -> Any:
        return {"faults": [asdict(fault) for fault in self._shop.faults.all()]}

    async def _add_fault(self, _: Request, body: dict[str, Any]) -> Any:
        try:
            return asdict(self._shop.faults.add(Fault.read(body)))
        except BadFaultError as error:
            raise invalid("fault", str(error)) from None

    async def _lift_faults(self, request: Request, _: dict[str, Any]) -> Any:
        self._shop.faults.lift(request.path_params.get("id"))
        self._shop.notifier.wake()
        return {}

    async def _notifications(self, request: Request, _: dict[str, Any]) -> Any:
        """The newest first; `object_id` narrows them to one object."""
        about = request.query_params.get("object_id")
        limit = min(int(request.query_params.get("limit", "1000")), 100_000)
        query = "(?1 IS NULL OR object_id = ?1) ORDER BY seq DESC LIMIT ?2"
        return {"notifications": [vars(note) for note in self._store.notifications(query, about, limit)]}

    async def _send_forged(self, _: Request, body: dict[str, Any]) -> Any:
        """Send any body as if it came from the payment system."""
        shown = body.get("object")
        object_id = str(shown.get("id", "")) if isinstance(shown, dict) else ""
        note = Notification(
            0, str(body.get("event", "")), object_id, None, await self._shop.now_ms(), body, forged=True
        )
        self._shop.notifier.write(note)
        return {"seq": note.seq}

    # --- the books, bent by hand ---------------------------------------------------------------
    async def _ledger(self, _: Request, __: dict[str, Any]) -> Any:
        return ledger(self._store)

    async def _invent_payment(self, _: Request, body: dict[str, Any]) -> Any:
        """A succeeded payment that nobody asked for: {amount, metadata?, description?, created_at?}."""
        now_ms = await self._shop.now_ms()
        amount = Money.parse(str(body["amount"])).minor
        with self._store.change():
            payment_id, seq = self._store.new_id(now_ms)
            payment = Payment(payment_id, seq, now_ms, amount, "RUB", status="succeeded", captured=amount)
            payment.captured_ms, payment.metadata = now_ms, dict(body.get("metadata") or {})
            payment.description = body.get("description")
            self._store.payments.put(payment)
        return {"id": payment_id, "created_at": written(now_ms)}

    async def _edit_payment(self, request: Request, body: dict[str, Any]) -> Any:
        """Change `amount` or `metadata` behind the shop's back; no notification tells of it."""
        payment = self._payment(request)
        if "amount" in body:
            payment.amount = Money.parse(str(body["amount"])).minor
            payment.captured = payment.amount if payment.status == "succeeded" else 0
        if "metadata" in body:
            payment.metadata = dict(body["metadata"])
        self._store.payments.put(payment)
        return {"id": payment.id}

    async def _delete_payment(self, request: Request, _: dict[str, Any]) -> Any:
        self._store.payments.delete(self._payment(request).id)
        return {}

    async def _settle_payment(self, request: Request, body: dict[str, Any]) -> Any:
        """Bring a pending payment to its end: `status` succeeded, or canceled for `reason`."""
        now_ms = await self._shop.now_ms()
        with self._store.change():
            payment = self._shop.books.settle(self._payment(request), _decline(body, party_of), now_ms)
        return {"id": payment.id, "status": payment.status}

    async def _cabinet_refund(self, _: Request, body: dict[str, Any]) -> Any:
        """A refund made in the shop's cabinet: it carries no metadata of ours."""
        now_ms = await self._shop.now_ms()
        asked = CreateRefund(str(body["payment_id"]), Money.parse(str(body["amount"])), None, {})
        with self._store.change():
            refund = self._shop.refunds.create(asked, None, now_ms)
        return {"id": refund.id, "status": refund.status}

    async def _settle_refund(self, request: Request, body: dict[str, Any]) -> Any:
        """Bring a pending refund to its end: `status` succeeded, or canceled for `reason`."""
        now_ms = await self._shop.now_ms()
        with self._store.change():
            refund = self._store.refunds.get(request.path_params["id"])
            if refund is None:
                raise not_found("id", "No such refund")
            self._shop.refunds.settle(refund, _decline(body, refund_party_of), now_ms)
        return {"id": refund.id, "status": refund.status}

    def _payment(self, request: Request) -> Payment:
        payment = self._store.payments.get(request.path_params["id"])
        if payment is None:
            raise not_found("id", "No such payment")
        return payment

    def _pending(self, request: Request) -> Payment | Method:
        """A payment or a binding: both are confirmed on the page."""
        asked = request.path_params["id"]
        record = self._store.payments.get(asked) or self._store.methods.get(asked)
        if record is None:
            raise not_found("id", "No such payment or payment method")
        return record


def _json(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            content = await request.body()
            body = json.loads(content) if content else {}
            if not isinstance(body, dict):
                raise invalid(None, "Body must be a JSON object")
            return JSONResponse(await handler(request, body))
        except Problem as refusal:
            return JSONResponse(refusal.body(), refusal.status)
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse(invalid(None, f"{type(error).__name__}: {error}").body(), 400)

    return handle


def _card(body: dict[str, Any], now_ms: int) -> Card:
    try:
        number, csc = str(body["number"]), body.get("csc")
        month, year = str(body["exp_month"]), str(body["exp_year"])
        return read_card(number, month, year, None if csc is None else str(csc), year_month(now_ms))
    except BadCardError as error:
        raise invalid(error.field, str(error)) from None


def _decline(body: dict[str, Any], party: Callable[[str], str]) -> Decline | None:
    if body.get("status", "succeeded") == "succeeded":
        return None
    reason = str(body.get("reason") or "general_decline")
    return Decline(party=str(body.get("party") or party(reason)), reason=reason)
