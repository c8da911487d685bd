"""What stands around every request: its id, the limit on its body, and a last word on what nobody foresaw."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infrastructure.http.authentication import BEARER, problem_of
from infrastructure.http.problems import Problem, ProblemDocument
from infrastructure.observability.request_id import HEADER, accept_request_id, following

log = structlog.get_logger(__name__)

MAX_BODY_BYTES: Final = 1024 * 1024


Timed = Callable[[str, str, int, float], None]
"""Told of each request when its answer begins: method, route's template, status, seconds since it came."""


def _untimed(method: str, route: str, status: int, seconds: float) -> None:
    """Nobody counts."""


def surround(app: FastAPI, timed: Timed = _untimed) -> None:
    """Give an application its handlers and middleware; call it once, on the outermost one."""
    # The router's redirect to the address without a slash would lead to whatever Host the caller named, over http.
    app.router.redirect_slashes = False
    app.add_exception_handler(HTTPException, _told_by_starlette)
    app.add_middleware(RequestSurroundings, timed=timed)
    _describe(app)


class RequestSurroundings:
    """Outermost of ours: nothing leaves without `X-Request-ID`, and nothing ends as a bare 500."""

    def __init__(self, app: ASGIApp, max_body_bytes: int = MAX_BODY_BYTES, timed: Timed = _untimed) -> None:
        self._app = app
        self._max = max_body_bytes
        self._timed = timed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, came_at = Headers(scope=scope), time.perf_counter()
        with following(accept_request_id(headers.get(HEADER))) as request_id:
            started = False

            async def send_with_id(message: Message) -> None:
                nonlocal started
                if message["type"] == "http.response.start":
                    started = True
                    MutableHeaders(scope=message)[HEADER] = request_id
                    self._timed(scope["method"], _route(scope), message["status"], time.perf_counter() - came_at)
                await send(message)

            try:
                declared = headers.get("content-length", "0")
                if not declared.isdigit() or int(declared) > self._max:
                    raise _too_large()
                counted = receive if scope["method"] in ("GET", "HEAD") else _Counted(receive, self._max)
                await self._app(scope, counted, send_with_id)
            except ClientDisconnect:
                log.info("request_broken_off", path=scope["path"])  # nobody is there to be answered
            except Exception as error:
                if started:
                    raise
                problem = problem_of(error)
                if problem is None:
                    log.exception("request_failed", path=scope["path"])
                    problem = Problem("internal_error", "Something went wrong here; it has been recorded.")
                response = problem.response()
                await response(scope, receive, send_with_id)


def _route(scope: Scope) -> str:
    """Its template, never what the caller wrote: that would be a new figure for each address."""
    route = scope.get("route")
    return str(getattr(route, "path_format", "unknown"))


class _Counted:
    """A body that lied about its length, or told none, is cut off at the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise _too_large()
        return message


def _too_large() -> Problem:
    return Problem("body_too_large", "The body is larger than 1 MB.", headers={"Connection": "close"})


async def _told_by_starlette(_: Request, error: Exception) -> Response:
    """No such path, no such method: what the router itself refuses."""
    assert isinstance(error, HTTPException)
    code, detail = {
        404: ("not_found", "There is nothing at this address."),
        405: ("method_not_allowed", "This address does not take this method."),
        413: ("body_too_large", "The body is larger than 1 MB."),
    }.get(error.status_code, ("validation_failed", "The request can't be read."))
    status = error.status_code if error.status_code in (404, 405, 413) else 422
    return Problem(code, detail, status=status, headers=error.headers).response()


def _describe(app: FastAPI) -> None:
    """What all routes of /openapi.json point to: `ProblemDocument`, which `problems.responses` names, and the token."""
    made = app.openapi

    def openapi() -> dict[str, object]:
        document = made()
        schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.update(schema.pop("$defs", {}))
        schemas["ProblemDocument"] = schema
        components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it
