"""The read side as one ASGI application, and its routes for a process that serves both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI

from infrastructure.auth.tokens import TokenVerifier
from infrastructure.http.shortcuts import Shortcuts, route_of
from infrastructure.http.surroundings import surround
from queries.api import cards, internal, payment_methods, payments, plans, refunds, subscriptions
from queries.sources import Sources

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

ROUTERS: Final[tuple[APIRouter, ...]] = (
    payments.router,
    payments.anybody,
    subscriptions.router,
    plans.router,
    refunds.router,
    payment_methods.router,
    cards.router,
    internal.router,
)
SHORTCUTS: Final = (
    (route_of(payments.router.routes, payments.list_payments), payments.newest_page),
    (route_of(internal.router.routes, internal.get_active_subscriptions), internal.quick_active_subscriptions),
    (route_of(internal.router.routes, internal.get_token_claims), internal.quick_token_claims),
)


def add_queries(app: FastAPI, sources: Sources, token_verifier: TokenVerifier) -> None:
    """Add the read side to an application; whoever made it calls `surround` on it once, after this."""
    app.state.queries = sources
    app.state.token_verifier = token_verifier
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Shortcuts, shortcuts=SHORTCUTS)


def create_app(sources: Sources, token_verifier: TokenVerifier, lifespan: Lifespan | None = None) -> FastAPI:
    """The read side by itself. `lifespan`: opens and closes what `sources` reads from."""
    app = FastAPI(title="Billing: queries", version="1", lifespan=lifespan or _nothing)
    add_queries(app, sources, token_verifier)
    surround(app)
    return app


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield
