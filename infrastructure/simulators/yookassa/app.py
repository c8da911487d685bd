"""The simulator as one ASGI application: API, payment page, control, background work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.ports import Clock
from infrastructure.simulators.yookassa.api import Api
from infrastructure.simulators.yookassa.checkout import Checkout
from infrastructure.simulators.yookassa.control import Control
from infrastructure.simulators.yookassa.dashboard import Dashboard
from infrastructure.simulators.yookassa.shop import Shop
from infrastructure.simulators.yookassa.store import Store


class _WakeAfter:
    """Notifications set off once the answer is out, so that they usually come second, as in life."""

    def __init__(self, app: ASGIApp, shop: Shop) -> None:
        self._app = app
        self._shop = shop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope.get("method") == "POST":
                self._shop.notifier.wake()


def create_app(
    store: Store,
    clock: Clock,
    *,
    shop_id: str = "100500",
    secret_key: str,
    notify_url: str | None = None,
    pci: bool = False,
    shop_name: str = "Cinema",
) -> ASGIApp:
    """`pci`: the shop may send raw card data. `notify_url` None: it gets no notifications."""
    shop = Shop(store, clock, shop_id, secret_key, notify_url, pci=pci)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(shop.notifier.run(shop.beat))
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            await shop.notifier.close()
            store.close()

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    routes = [
        *Api(shop).routes(),
        *Checkout(shop, shop_name).routes(),
        *Control(shop).routes(),
        *Dashboard(shop).routes(),
        Route("/healthz", healthz),
    ]
    return _WakeAfter(Starlette(routes=routes, lifespan=lifespan), shop)
