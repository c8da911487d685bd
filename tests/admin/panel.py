"""An administrator at the panel: the real panel in a process of its own, spoken to over HTTP as a browser would."""

from __future__ import annotations

import asyncio
import html
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import uvicorn
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from starlette.types import Message, Receive, Scope, Send

from infrastructure.local.ports import free_port
from tests.architecture.checkout import CHECKOUT
from tests.scenarios.cinema import Cinema

PASSWORD = "correct-horse-battery"
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL)


class _Quiet(uvicorn.Server):
    """In the loop of the tests, whose signals are not its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Api:
    """The commands' API on a port, which can be away for a while."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._app, self._port = app, port
        self.before_answering: Callable[[], None] | None = None
        """What happens when a request was done and its answer is on its way."""
        self._server: _Quiet | None = None
        self._task: asyncio.Task[None] | None = None

    async def starts(self) -> None:
        config = uvicorn.Config(
            self._serve, port=self._port, interface="asgi3", log_level="warning", access_log=False, lifespan="off"
        )
        self._server = _Quiet(config)
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110 - a server of others, which tells it by no event
            await asyncio.sleep(0.01)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if self.before_answering is not None and message["type"] == "http.response.start":
                await asyncio.to_thread(self.before_answering)
            await send(message)

        await self._app(scope, receive, answer)

    async def ends(self) -> None:
        assert self._server is not None
        assert self._task is not None
        self._server.should_exit = True
        await self._task

    @asynccontextmanager
    async def is_away(self) -> AsyncIterator[None]:
        await self.ends()
        try:
            yield
        finally:
            await self.starts()


@dataclass(frozen=True, slots=True)
class Page:
    """What came back: `text` is what a person reads, `at` the address that it stands at in the end."""

    status: int
    source: str
    at: str

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", html.unescape(_TAGS.sub(" ", self.source))).strip()

    @property
    def hidden(self) -> dict[str, str]:
        """The hidden fields of the page's main form: its key, and the token that says it is ours."""
        hidden = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')
        form = self.source.partition('class="act-form"')[2]
        found = hidden.findall(form) or hidden.findall(self.source)
        return {name: html.unescape(value) for name, value in found}

    def links(self, part: str) -> list[str]:
        """Addresses on the page whose path has this in it."""
        found = [html.unescape(one).partition("?")[0] for one in re.findall(r'href="([^"]+)"', self.source)]
        return [one for one in found if part in one]


class Administrator:
    """Somebody with a browser."""

    def __init__(self, url: str, language: str = "en") -> None:
        headers = {"Accept-Language": language}
        self.browser = httpx.AsyncClient(base_url=url, headers=headers, follow_redirects=True, timeout=60)

    async def logs_in(self, name: str, password: str = PASSWORD) -> Page:
        return await self.sends("/login/", username=name, password=password)

    async def opens(self, path: str, **query: Any) -> Page:
        return _page(await self.browser.get(path, params=query or None))

    async def sends(self, path: str, **fields: Any) -> Page:
        """Fill in the form that stands there, and send it."""
        return await self.sends_again(await self.opens(path), path, **fields)

    async def sends_again(self, form: Page, path: str, **fields: Any) -> Page:
        """Send the form as it stands on this page: under its key."""
        told = {name: value for name, value in fields.items() if value is not None}
        return _page(await self.browser.post(path, data={**form.hidden, **told}))


def _page(answer: httpx.Response) -> Page:
    return Page(answer.status_code, answer.text, answer.url.path)


@dataclass
class Panel:
    """The panel in front of a cinema."""

    cinema: Cinema
    api: Api
    url: str
    boss: Administrator
    environment: Mapping[str, str] = field(repr=False)
    others: list[Administrator] = field(default_factory=list)

    @contextmanager
    def cut_off_while_it_asks(self) -> Iterator[None]:
        """The panel's database goes away for it between an act and the act's answer, until the end."""
        address = str(self.cinema.service.settings.database_url)
        name = str(conninfo_to_dict(address)["dbname"])

        def admit(admitted: bool) -> None:
            with psycopg.connect(make_conninfo(address, dbname="postgres"), autocommit=True) as others:
                others.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {admitted}".encode())
                if not admitted:
                    others.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = %s AND application_name = 'admin'",
                        [name],
                    )

        self.api.before_answering = partial(admit, admitted=False)
        try:
            yield
        finally:
            self.api.before_answering = None
            admit(admitted=True)

    async def is_prepared_again(self) -> None:
        """As before each start."""
        await _prepare(self.environment)

    async def somebody(self, role: str | None, language: str = "en") -> Administrator:
        """A new account in this role, logged in."""
        name = f"somebody-{uuid4().hex[:8]}"
        given = {"username": name, "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
        made = await self.boss.sends("/auth/user/add/", **given)
        assert name in made.text
        with psycopg.connect(str(self.cinema.service.settings.database_url)) as database:
            database.execute("UPDATE django.auth_user SET is_staff = true WHERE username = %s", [name])
            database.execute(
                "INSERT INTO django.auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM django.auth_user u, "
                "django.auth_group g WHERE u.username = %s AND g.name = %s",
                [name, role],
            )
        administrator = Administrator(self.url, language)
        self.others.append(administrator)
        await administrator.logs_in(name)
        return administrator


@asynccontextmanager
async def panel_of(cinema: Cinema) -> AsyncIterator[Panel]:
    """Start the panel as production does: prepared, then served; end it afterwards."""
    transport = cinema.api._transport
    assert isinstance(transport, httpx.ASGITransport)
    app = transport.app
    assert isinstance(app, FastAPI)
    api, port = Api(app, free_port()), free_port()
    await api.starts()
    environment = {
        **os.environ,
        "BILLING_DATABASE_URL": str(cinema.service.settings.database_url),
        "BILLING_ADMIN_PORT": str(port),
        "BILLING_ADMIN_API_URL": api.url,
        "BILLING_ADMIN_API_TOKEN": cinema.token("admin-panel", scope="billing:admin"),
        "BILLING_ADMIN_SECRET_KEY": "the panel of a test signs with this one",
        "BILLING_ADMIN_PASSWORD": PASSWORD,
        "BILLING_LOG_LEVEL": "WARNING",
    }
    await _prepare(environment)
    process = _run(environment)
    boss = Administrator(f"http://127.0.0.1:{port}")
    try:
        await _until_ready(boss, process)
        await boss.logs_in("admin")
        panel = Panel(cinema, api, f"http://127.0.0.1:{port}", boss, environment)
        yield panel
        for other in panel.others:
            await other.browser.aclose()
    finally:
        await boss.browser.aclose()
        process.terminate()
        process.wait(20)
        await api.ends()


async def _prepare(environment: Mapping[str, str]) -> None:
    prepared = _run(environment, "migrate")
    assert await asyncio.to_thread(prepared.wait) == 0


def _run(environment: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error::DeprecationWarning:admin", "-m", "admin", *words]
    return subprocess.Popen(command, cwd=CHECKOUT, env=environment)  # noqa: S603 - our own module


async def _until_ready(boss: Administrator, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the panel ended while it started"
        try:
            if (await boss.browser.get("/healthz")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise AssertionError("the panel was not ready after a minute")
