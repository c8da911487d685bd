"""The HTTP side of the mailbox: a page for people, JSON for tests."""

from __future__ import annotations

import json
import secrets
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from infrastructure.simulators.mailbox.letters import Letters, Summary
from infrastructure.simulators.mailbox.smtp import Faults
from infrastructure.simulators.mailbox.words import WORDS

_SHOWN = 300


def make_app(letters: Letters, faults: Faults) -> web.Application:
    mailbox = _Mailbox(letters, faults)
    app = web.Application()
    app.router.add_get("/healthz", mailbox.health)
    app.router.add_get("/", mailbox.page)
    app.router.add_get("/latest", mailbox.latest)
    app.router.add_get("/messages", mailbox.search)
    app.router.add_get("/messages/{id}", mailbox.read)
    app.router.add_delete("/messages", mailbox.clear)
    app.router.add_get("/faults", mailbox.read_faults)
    app.router.add_post("/faults", mailbox.set_faults)
    return app


class _Mailbox:
    def __init__(self, letters: Letters, faults: Faults) -> None:
        self._letters = letters
        self._faults = faults
        self._pages = Environment(
            loader=PackageLoader("infrastructure.simulators.mailbox"), autoescape=True, undefined=StrictUndefined
        )

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def latest(self, _: web.Request) -> web.Response:
        """The newest mail's id, or an empty one: for the page to see that there is news."""
        found = self._letters.find()
        return web.json_response({"id": found[0].id if found else ""})

    async def search(self, request: web.Request) -> web.Response:
        """`?to=&event=&object=` → whole mails, the newest first."""
        query = request.query
        found = self._letters.find(query.get("to", ""), query.get("event", ""), query.get("object", ""))
        return web.json_response([letter for one in found if (letter := self._letters.read(one.id)) is not None])

    async def read(self, request: web.Request) -> web.Response:
        letter = self._letters.read(request.match_info["id"])
        if letter is None:
            return web.json_response({"error": "no such mail"}, status=404)
        return web.json_response(letter)

    async def clear(self, _: web.Request) -> web.Response:
        return web.json_response({"deleted": self._letters.clear()})

    async def read_faults(self, _: web.Request) -> web.Response:
        return web.json_response(self._faults.as_json())

    async def set_faults(self, request: web.Request) -> web.Response:
        """`{refuse?, policy?, temporary?, hang?, lose_answer?}`; what is not named is off, so `{}` mends everything."""
        try:
            body = json.loads(await request.text())
            wanted = _read_faults(body)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=422)
        self._faults.set(**wanted)
        return web.json_response(self._faults.as_json())

    async def page(self, request: web.Request) -> web.Response:
        """The mails on the left, the chosen one on the right. `?q=` looks for words in addresses and subjects."""
        language = _language(request)
        query = request.query.get("q", "").strip()
        found = [one for one in self._letters.find() if _fits(one, query)]
        chosen = self._letters.read(request.query.get("id") or (found[0].id if found else ""))
        nonce = secrets.token_urlsafe(16)
        body = self._pages.get_template("mailbox.html").render(
            t=WORDS[language],
            language=language,
            nonce=nonce,
            letters=found[:_SHOWN],
            total=len(found),
            chosen=chosen,
            query=query,
            faults={name: value for name, value in self._faults.as_json().items() if value},
            when=_when,
        )
        # The mail stands in a sandboxed frame that inherits this policy: no scripts but ours, nothing from elsewhere.
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:; "
        policy += "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        return web.Response(text=body, content_type="text/html", headers={"Content-Security-Policy": policy})


def _read_faults(body: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"refuse": False, "policy": False, "temporary": 0, "hang": False, "lose_answer": 0}
    if not isinstance(body, dict) or not set(body) <= set(known):
        raise ValueError(f"expected an object with some of {', '.join(known)}")
    for name, value in body.items():
        if type(value) is not type(known[name]) or (isinstance(value, int) and value < 0):
            raise ValueError(f"{name} is a {'boolean' if known[name] is False else 'whole number, not negative'}")
    return {**known, **body}


def _fits(one: Summary, query: str) -> bool:
    words = query.lower().split()
    text = " ".join([*one.to, one.subject, *one.events, one.object]).lower()
    return all(word in text for word in words)


def _language(request: web.Request) -> str:
    wanted = request.query.get("lang") or request.headers.get("Accept-Language") or "ru"
    return "en" if wanted.lower().startswith("en") else "ru"


def _when(date: str) -> str:
    try:
        return parsedate_to_datetime(date).strftime("%d.%m.%Y %H:%M")
    except (ValueError, TypeError):
        return date
