"""The write side as one ASGI application, and its routes for a process that serves both sides."""

from __future__ import annotations

from fastapi import FastAPI

from commands.api import cards, internal, user, webhooks
from commands.api.side import CommandSide


def add_commands(app: FastAPI, side: CommandSide) -> None:
    """Add the write side to an application."""
    app.state.commands = side
    # Webhooks first: a storm of them is then matched at once and not held against every other route.
    for router in (webhooks.router, user.router, cards.router, internal.router, internal.admin):
        app.include_router(router)
