"""Auth is asked about a person, and its troubles stay its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from domain.person import Person, Unavailable
from infrastructure.auth.directory import UserDirectory
from infrastructure.auth.service_token import token_in
from infrastructure.simulators.auth.app import make_app
from infrastructure.simulators.auth.people import People
from infrastructure.simulators.auth.signing import issue_token, signing_key

USER = UUID("0190a8e2-7c11-7d55-8f00-2b1de4ad8a11")


class Answerer:
    """An auth service that answers as the test says."""

    def __init__(self) -> None:
        self.answer: Callable[[], web.StreamResponse] = web.Response
        self.asked = 0
        self.hangs = False
        self.released = asyncio.Event()

    async def handle(self, _: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.hangs:
            await self.released.wait()
        return self.answer()


@pytest.fixture
async def answerer() -> Answerer:
    return Answerer()


@pytest.fixture
async def directory(answerer: Answerer) -> AsyncIterator[UserDirectory]:
    app = web.Application()
    app.router.add_get("/users/{id}", answerer.handle)
    server = TestServer(app)
    await server.start_server()
    directory = UserDirectory(str(server.make_url("/")), lambda: "token", deadline_s=0.2, rest_s=0)
    yield directory
    await directory.close()
    answerer.released.set()
    await server.close()


def body(text: str) -> Callable[[], web.StreamResponse]:
    return lambda: web.Response(text=text, content_type="application/json")


async def test_the_local_auth_service_tells_about_the_person_of_its_last_token(tmp_path: Path) -> None:
    server = TestServer(make_app(tmp_path))
    await server.start_server()
    People(tmp_path).change(USER, {"email": "vera@example.org", "locale": "en", "zoneinfo": "Asia/Tomsk"})
    key = signing_key(tmp_path)
    directory = UserDirectory(
        str(server.make_url("")), lambda: issue_token(key, sub="billing", scope="billing:internal", ttl_s=60)
    )
    person = await directory.person(USER)
    assert isinstance(person, Person)
    assert (person.email, person.locale, person.zone) == ("vera@example.org", "en", "Asia/Tomsk")
    assert "vera" not in repr(person)
    assert isinstance(await directory.person(uuid4()), Person)
    await directory.close()
    await server.close()


async def test_nobody_of_that_id_is_an_answer(directory: UserDirectory, answerer: Answerer) -> None:
    answerer.answer = lambda: web.Response(status=404)
    assert await directory.person(USER) is None


async def test_unusable_words_about_the_person_are_left_out(directory: UserDirectory, answerer: Answerer) -> None:
    answerer.answer = body(json.dumps({"id": str(USER).upper(), "email": "a@b\r\nBcc: c@d", "zoneinfo": 5}))
    assert await directory.person(USER) == Person(id=USER)


LIES: dict[str, Callable[[], web.StreamResponse]] = {
    "an error": lambda: web.Response(status=500),
    "our token refused": lambda: web.Response(status=401),
    "a redirect": lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "a page": body("<html>"),
    "a list": body("[]"),
    "nothing": body(""),
    "somebody else": body(json.dumps({"id": str(uuid4()), "email": "a@b"})),
    "no id": body("{}"),
    "too much": body(json.dumps({"id": str(USER), "x": "x" * 70_000})),
    "not UTF-8": lambda: web.Response(body=b'{"id": "\xff"}'),
    "broken compression": lambda: web.Response(body=b"x", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_an_odd_answer_is_no_answer(
    directory: UserDirectory, answerer: Answerer, lie: Callable[[], web.StreamResponse]
) -> None:
    answerer.answer = lie
    assert isinstance(await directory.person(USER), Unavailable)


async def test_a_service_that_hangs_is_waited_for_no_longer_than_the_deadline(
    directory: UserDirectory, answerer: Answerer
) -> None:
    answerer.hangs = True
    async with asyncio.timeout(1):
        assert isinstance(await directory.person(USER), Unavailable)


async def test_while_auth_is_out_nobody_waits_for_it(answerer: Answerer, directory: UserDirectory) -> None:
    answerer.answer = lambda: web.Response(status=503)
    directory._rest_s = 60
    for _ in range(20):
        assert isinstance(await directory.person(USER), Unavailable)
    assert answerer.asked == 1


async def test_nobody_listening_or_no_token_of_ours_is_an_outage_too() -> None:
    def no_token() -> str:
        raise FileNotFoundError

    for directory in (UserDirectory("http://127.0.0.1:1", lambda: "t"), UserDirectory("http://127.0.0.1:1", no_token)):
        assert isinstance(await directory.person(USER), Unavailable)
        await directory.close()


async def test_a_token_of_ours_with_line_breaks_smuggles_no_header(answerer: Answerer) -> None:
    directory = UserDirectory("http://127.0.0.1:1", lambda: "t\r\nX-Evil: 1")
    assert isinstance(await directory.person(USER), Unavailable)
    await directory.close()


async def test_a_token_is_read_anew_from_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "our.token"
    file.write_text("first\n", "ascii")
    token = token_in(str(file))
    assert token() == "first"
    file.write_text("second", "ascii")
    assert (token(), token_in("the.token.itself")(), token_in(None)()) == ("second", "the.token.itself", None)
