"""The HTTP side of the local auth service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from infrastructure.auth.errors import InvalidToken
from infrastructure.auth.keys import StaticKeys
from infrastructure.auth.tokens import TokenVerifier
from infrastructure.simulators.auth.people import FIELDS, People
from infrastructure.simulators.auth.signing import issue_token, public_jwk, signing_key

_WEEK_S = 7 * 24 * 3600
_MAX_TTL_S = 10 * 366 * 24 * 3600


def make_app(data_dir: Path, claims: Mapping[str, str | None] = MappingProxyType({})) -> web.Application:
    """The application; everything it must remember lies in `data_dir`. `claims`: what all its tokens say, `iss` say."""
    service = _Service(data_dir, claims)
    app = web.Application()
    app.router.add_get("/healthz", service.health)
    app.router.add_get("/.well-known/jwks.json", service.jwks)
    app.router.add_post("/token", service.token)
    app.router.add_get("/users/{id}", service.read_user)
    app.router.add_put("/users/{id}", service.change_user)
    return app


class _Service:
    def __init__(self, data_dir: Path, claims: Mapping[str, str | None]) -> None:
        self._claims = claims
        self._private_pem = signing_key(data_dir)
        self._people = People(data_dir)
        self._verifier = TokenVerifier(StaticKeys.from_pem(str(data_dir / "public.pem")))

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [public_jwk(self._private_pem)]})

    async def token(self, request: web.Request) -> web.Response:
        """`{user_id?, email?, name?, locale?, zoneinfo?, scope?, sub?, ttl_s?}` → `{access_token, …}`.

        `sub` instead of `user_id` makes a service's token. A negative `ttl_s` makes one that has expired.
        """
        body = await _read_body(request, {"user_id", "sub", "scope", "ttl_s", *FIELDS})
        ttl_s = body.pop("ttl_s", _WEEK_S)
        if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not -_MAX_TTL_S <= ttl_s <= _MAX_TTL_S:
            raise _refused("ttl_s is a number of seconds")
        sub, scope = body.pop("sub", None), body.pop("scope", None)
        user_id = _uuid(body.pop("user_id", None) or str(uuid4()))
        if sub is None:
            person = self._people.change(user_id, {name: value for name, value in body.items() if value is not None})
            claims = {name: person.get(name) for name in FIELDS}
        else:
            claims = body
        said = {**self._claims, **claims}
        token = issue_token(self._private_pem, sub=sub or str(user_id), ttl_s=ttl_s, scope=scope, **said)
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": int(ttl_s), "sub": sub or str(user_id)}
        )

    async def read_user(self, request: web.Request) -> web.Response:
        try:
            caller = await self._verifier.verify(request.headers.get("Authorization"))
        except InvalidToken as error:
            return web.json_response({"error": error.reason}, status=401)
        user_id = _uuid(request.match_info["id"])
        if not caller.internal and caller.user_id != user_id:
            return web.json_response({"error": "not yours"}, status=403)
        return web.json_response(self._people.get(user_id))

    async def change_user(self, request: web.Request) -> web.Response:
        user_id = _uuid(request.match_info["id"])
        return web.json_response(self._people.change(user_id, await _read_body(request, set(FIELDS))))


async def _read_body(request: web.Request, known: set[str]) -> dict[str, Any]:
    text = await request.text()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        raise _refused("the body is not JSON") from None
    if not isinstance(body, dict) or not set(body) <= known:
        raise _refused(f"the body is an object with {', '.join(sorted(known))}")
    for name in set(body) - {"ttl_s"}:
        if not isinstance(body[name], str | None):
            raise _refused(f"{name} is a string")
    return body


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _refused("expected the id of a user, a UUID") from None


def _refused(why: str) -> web.HTTPUnprocessableEntity:
    return web.HTTPUnprocessableEntity(text=json.dumps({"error": why}), content_type="application/json")
