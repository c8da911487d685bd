"""The few calls that nearly all visits consist of are answered before the router, which would cost as much as they do.

A shortcut takes only plain GETs without a query string, checks the token as the route itself would, and may leave
any call to the route by answering None. So the route stays the one description of what the call means.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from infrastructure.auth.caller import Caller
from infrastructure.http.authentication import PublicRoute, told
from infrastructure.http.input import read_consistency_token

Shortcut = Callable[[Request, Caller], Awaitable[Response | None]]
_Answer = Callable[[Request], Awaitable[Response | None]]


class Shortcuts:
    """ASGI middleware. `shortcuts`: routes, whose class says who may call, with what answers their plain calls."""

    def __init__(self, app: ASGIApp, shortcuts: Iterable[tuple[APIRoute, Shortcut]]) -> None:
        self._app = app
        self._exact: dict[str, tuple[APIRoute, _Answer]] = {}
        self._patterns = []
        for route, shortcut in shortcuts:
            assert isinstance(route, PublicRoute), "its class checks the token"
            answer = _checked(route, shortcut)
            if "{" in route.path:
                self._patterns.append((route, answer))
            else:
                self._exact[route.path] = route, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            response = await self._answered(scope, receive)
            if response is not None:
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive) -> Response | None:
        path = scope["path"]
        exact = self._exact.get(path)
        if exact is not None:
            scope["route"], answer = exact
            return await answer(Request(scope, receive))
        for route, answer in self._patterns:
            match = route.path_regex.match(path)
            if match:
                scope["route"] = route
                # A scope of its own: what is left to the router finds its own untouched.
                return await answer(Request({**scope, "path_params": match.groupdict()}, receive))
        return None


def _checked(route: PublicRoute, shortcut: Shortcut) -> _Answer:
    async def answer(request: Request) -> Response | None:
        await route.admit(request)
        request.state.written = read_consistency_token(request)
        return await shortcut(request, request.state.caller)

    return told(answer)


def route_of(routes: Iterable[object], endpoint: Callable[..., object]) -> APIRoute:
    """The route that calls `endpoint`."""
    return next(route for route in routes if isinstance(route, APIRoute) and route.endpoint is endpoint)
