"""Django behind its static files and a health check that asks nobody."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp


async def _healthz(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


_static = StaticFiles(directory=Path(__file__).parent / "static", packages=[("django.contrib.admin", "static")])
application = Starlette(
    routes=[Route("/healthz", _healthz), Mount("/static", _static), Mount("/", cast("ASGIApp", get_asgi_application()))]
)
