"""Both sides in one process, for local and small installs; `--side` runs one of them."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from starlette.responses import JSONResponse, PlainTextResponse, Response

import settings as settings_module
from bootstrap import Service, build, token_verifier
from commands.app import add_commands
from infrastructure.clock import ClockLostError
from infrastructure.http.surroundings import surround
from infrastructure.observability.logs import configure_logs
from infrastructure.observability.metrics import CONTENT_TYPE
from infrastructure.postgres.backlog import read_backlog
from infrastructure.postgres.outage import is_outage
from queries.app import add_queries
from settings import Settings

_CHECK_PATIENCE_S = 2.0


async def make_app(settings: Settings, side: str) -> tuple[FastAPI, Service]:
    """The application with its routes; the service is closed by the caller."""
    verifier = token_verifier(settings)
    service = await build(settings)
    app = FastAPI(title="Billing", version="1", lifespan=_nothing, description=_DESCRIPTION)
    app.state.token_verifier = verifier
    if side != "queries":
        add_commands(app, service.command_side())
    if side != "commands":
        add_queries(app, service.query_side(), verifier)
    _add_health(app, service)
    surround(app, service.metrics.request)
    return app, service


_DESCRIPTION = "Subscriptions and card payments: money moves exactly as often as it should, and everybody can see it."


def _add_health(app: FastAPI, service: Service) -> None:
    metrics = service.metrics

    @app.get("/healthz", tags=["Health"])
    async def healthz() -> Response:
        """The process lives; `now` is the service's time, null while a held clock is away with its Postgres."""
        try:
            now = service.clock.now().isoformat().replace("+00:00", "Z")
        except ClockLostError:
            now = None
        return JSONResponse({"status": "ok", "now": now})

    @app.get("/readyz", tags=["Health"])
    async def readyz() -> Response:
        """What the service needs, each by name. Postgres alone decides: all else may be away for a while."""
        found = await _look(service)
        ready = found["postgres"] == "ok"
        return JSONResponse({"status": "ready" if ready else "not ready", **found}, 200 if ready else 503)

    @app.get("/metrics", tags=["Health"], response_class=PlainTextResponse)
    async def show_metrics() -> Response:
        """For Prometheus; what waits in Postgres is left out while that is away."""
        try:
            metrics.backlog(await read_backlog(service.engine, service.clock.now()))
        except Exception as error:
            if not is_outage(error):
                raise
            metrics.backlog(None)
        return Response(metrics.render(), media_type=CONTENT_TYPE)


async def _look(service: Service) -> dict[str, str]:
    async def postgres() -> None:
        async with service.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def redis() -> None:
        await service.redis.ask(lambda client: client.ping())

    async def state(check: Callable[[], Awaitable[object]]) -> str:
        try:
            await asyncio.wait_for(check(), _CHECK_PATIENCE_S)
        except Exception as error:  # noqa: BLE001 -- whatever it is, this is where it is told
            return f"unavailable: {type(error).__name__}"
        return "ok"

    checks: dict[str, Callable[[], Awaitable[object]]] = {"postgres": postgres, "redis": redis}
    if (history := service.elasticsearch) is not None:
        checks["elasticsearch"] = lambda: history.ask("GET", "")
    found = await asyncio.gather(*(state(check) for check in checks.values()))
    return dict(zip(checks, found, strict=True))


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


async def serve(settings: Settings, side: str) -> None:
    app, service = await make_app(settings, side)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who knocks is judged where it matters, by trusted proxies of our own
        timeout_graceful_shutdown=15,
    )
    # When it has answered what was under way uvicorn raises the signal again, which by itself would end the process
    # there and then, with everything open.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        await uvicorn.Server(config).serve()
    finally:
        try:
            await app.state.token_verifier.close()
        finally:
            await service.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="main", description="Serve the billing API.")
    parser.add_argument("--side", choices=["both", "commands", "queries"], default="both")
    side = parser.parse_args().side
    settings = settings_module.load_or_exit()
    configure_logs(json=settings.production, level=settings.log_level, process="api", known_secrets=settings.secrets)
    with settings_module.or_exit():
        asyncio.run(serve(settings, side))


if __name__ == "__main__":
    main()
