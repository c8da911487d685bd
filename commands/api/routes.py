"""How a request becomes a command: who calls, under which key, and what is answered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, cast
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from commands.api.bodies import PayByCard, StoreCardBody
from commands.api.side import CommandSide
from domain.cards import Cvc
from domain.errors import PaymentInProgress
from domain.events import Actor, ActorKind
from domain.ports import Call, Present, UnitOfWork, Vault
from infrastructure.auth.caller import Caller
from infrastructure.http.authentication import AdminRoute, InternalRoute, PublicRoute, UserRoute, current_caller
from infrastructure.http.input import CONSISTENCY_HEADER
from infrastructure.http.problems import Problem, responses
from infrastructure.observability.request_id import current_request_id

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


async def require_key(request: Request) -> None:
    """The second check, after the token and before the body."""
    keys = request.headers.getlist("Idempotency-Key")
    if not keys:
        raise Problem("idempotency_key_required", "Send an Idempotency-Key, a new one for each new operation.")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]) or not keys[0].strip():
        raise Problem("idempotency_key_invalid", "An Idempotency-Key has 1 to 255 printable ASCII characters.")
    request.state.idempotency_key = keys[0]


_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new one for each new operation; the same one again with the same body: the same reply.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_REPLY_HEADERS = {
    CONSISTENCY_HEADER: {
        "description": "A query sent with it sees at least this change.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true` where this is the reply that was kept under the key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}


class _CommandRoute(PublicRoute):
    """Under an `Idempotency-Key`. Mixed into the classes that say who may call."""

    problems: ClassVar[tuple[int, ...]] = (400, 401, 403, 409, 422, 503)
    described: ClassVar[Mapping[str, Any]] = {**InternalRoute.described, "parameters": [_KEY_PARAMETER]}

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        super().__init__(path, endpoint, **given)
        if "{" in path:  # it names an object, which may not be there
            self.responses.update(responses(404))
        replies = {status for status in self.responses if int(status) < 300} | {self.status_code or 200}
        for status in replies:
            self.responses.setdefault(status, {})["headers"] = _REPLY_HEADERS

    async def check_key(self, request: Request) -> None:
        await require_key(request)


class UserCommandRoute(_CommandRoute, UserRoute):
    """A person's."""


class InternalCommandRoute(_CommandRoute, InternalRoute):
    """A service's."""


class AdminCommandRoute(_CommandRoute, AdminRoute):
    """An administrator's tool's."""


def actor_of(caller: Caller) -> Actor:
    if caller.admin:
        return Actor(ActorKind.ADMIN, caller.subject)
    if caller.user_id is None or caller.internal:
        return Actor(ActorKind.SERVICE, caller.subject)
    return Actor(ActorKind.USER, caller.subject)


def side_of(request: Request) -> CommandSide:
    return cast("CommandSide", request.app.state.commands)


async def execute(
    request: Request,
    body: BaseModel | None,
    handle: Callable[[UnitOfWork], Awaitable[object]],
    present: Present,
) -> Response:
    """Run the command under the request's key and send its reply, or the one that was kept."""
    caller, side = current_caller(request), side_of(request)
    fingerprint, *earlier = _fingerprints(body, caller, side.world.vault)
    call = Call(
        caller=caller.subject,
        route=f"{request.method} {_path_of(request)}",
        key=request.state.idempotency_key,
        fingerprint=fingerprint,
        earlier=tuple(earlier),
    )
    try:
        reply = await side.executor(actor_of(caller), current_request_id()).run(call, handle, present, _cvc(body))
    except PaymentInProgress as broken:
        status_url = f"{side.base_url}/v1/payments/{broken.payment_id}"
        raise Problem(broken.code, broken.detail, extra={"status_url": status_url}) from broken
    headers = dict(reply.headers)
    if reply.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(reply.body, reply.status, headers, media_type=None if reply.status == 204 else "application/json")


def _path_of(request: Request) -> str:
    """The same for the same object, however its id is spelled: UUIDs are read in capitals and without hyphens too."""
    path = request.url.path
    for name, spelled in request.path_params.items():
        if name.endswith("_id"):
            path = path.replace(f"/{spelled}", f"/{UUID(spelled)}", 1)
    return path


def _cvc(body: BaseModel | None) -> Cvc | None:
    payment = getattr(body, "payment", None)
    return Cvc(payment.cvc.get_secret_value()) if isinstance(payment, PayByCard) else None


def _fingerprints(body: BaseModel | None, caller: Caller, vault: Vault) -> list[bytes]:
    """Of what was understood, not of its spelling; a CVC takes no part in it, a card number as its HMAC (invariant 9).

    The one under the present key first; of a request that came before a rotation another one was kept.
    """
    said: dict[str, Any] = body.model_dump(mode="json") if body is not None else {}
    payment = said.get("payment")
    if isinstance(payment, dict):
        payment.pop("cvc", None)
    if not isinstance(body, StoreCardBody):
        return [_digest(said)]
    numbers = vault.fingerprints(body.card_number().digits, caller.user_id)
    return [_digest({**said, "number": number}) for number in numbers]


def _digest(said: dict[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()
