"""Notifications of payment systems: stored, answered, looked into later (PAY-7, invariant 5)."""

from __future__ import annotations

import re
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from commands.api.routes import side_of
from commands.api.sender import sender_of
from commands.receive_notification import ReceiveNotification, receive_notification
from domain.errors import PaymentSystemUnavailable
from domain.payment_system import NotANotificationError
from domain.ports import IntakeFull
from infrastructure.http.authentication import PublicRoute
from infrastructure.http.problems import Problem, unavailable


class WebhookRoute(PublicRoute):
    """Whoever calls was told an address, and may have put anything behind it."""

    strict_query = False
    problems: ClassVar[tuple[int, ...]] = (403, 404, 413, 422, 503)


_CODE = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

router = APIRouter(tags=["Payment systems"], route_class=WebhookRoute)


@router.post("/webhooks/{payment_system}", response_class=Response)
async def post_notification(request: Request, payment_system: str) -> Response:
    """Answers 200 once it is stored, whatever it says: it is a hint, the object is asked for before it is believed."""
    if not _CODE.fullmatch(payment_system):  # no payment system can be called so, and Postgres does not take all of it
        raise Problem("not_found", "There is no such payment system.")
    side = side_of(request)
    try:
        system = await side.world.payment_systems.by_code(payment_system)
    except PaymentSystemUnavailable as unknown:
        raise Problem("not_found", "There is no such payment system.") from unknown
    direct, forwarded_for = request.client.host if request.client else "", request.headers.getlist("x-forwarded-for")
    if side.check_sender and not system.is_sender(sender_of(direct, forwarded_for, side.trusted_proxies)):
        raise Problem("forbidden", "Notifications of this payment system come from other addresses.", status=403)
    body = await request.body()
    try:
        said = system.parse_notification(body)
    except NotANotificationError:
        return Response(status_code=200)  # nothing that the payment system sends: nothing to look into
    command = ReceiveNotification(payment_system, said.kind.value, said.event, said.provider_object_id, body)
    try:
        await receive_notification(command, side.intake)
    except IntakeFull as full:
        raise unavailable() from full
    return Response(status_code=200)
