"""The local auth service, as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from infrastructure.auth.jwks import JwksKeys
from infrastructure.auth.keys import StaticKeys
from infrastructure.auth.tokens import TokenVerifier
from infrastructure.local.ports import free_port
from infrastructure.simulators.auth.signing import issue_token, signing_key


async def answers(url: str) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/healthz") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(data_dir: Path, *more: str) -> AsyncIterator[str]:
    port = free_port()
    arguments = ("-m", "infrastructure.simulators.auth", "--port", str(port), "--data-dir", str(data_dir), *more)
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        await answers(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == 0


async def test_it_issues_tokens_that_the_service_believes_and_remembers_persons_over_a_restart(tmp_path: Path) -> None:
    user = str(uuid4())
    async with running(tmp_path) as url, aiohttp.ClientSession() as session:
        async with session.post(
            f"{url}/token", json={"user_id": user, "email": "vera@example.org", "zoneinfo": "Asia/Tomsk"}
        ) as response:
            token = (await response.json())["access_token"]
        for keys in (JwksKeys(f"{url}/.well-known/jwks.json"), StaticKeys.from_pem(str(tmp_path / "public.pem"))):
            caller = await TokenVerifier(keys).verify(f"Bearer {token}")
            assert (caller.subject, caller.email, caller.zoneinfo) == (user, "vera@example.org", "Asia/Tomsk")
        async with session.get(f"{url}/users/{user}") as response:
            assert response.status == 401
        async with session.put(f"{url}/users/{user}", json={"name": "Вера"}) as response:
            assert response.status == 200
        key = (tmp_path / "private.pem").read_text()
    async with running(tmp_path) as url, aiohttp.ClientSession() as session:
        assert (tmp_path / "private.pem").read_text() == key
        bearer = {"Authorization": f"Bearer {issue_token(key, sub='billing', scope='billing:internal')}"}
        async with session.get(f"{url}/users/{user}", headers=bearer) as response:
            person = await response.json()
        assert (person["email"], person["name"]) == ("vera@example.org", "Вера")
        async with session.get(f"{url}/users/{uuid4()}", headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 403


async def test_its_tokens_name_the_issuer_and_the_audience_that_the_service_insists_on(tmp_path: Path) -> None:
    """Its own token of the panel was answered 401 where AUTH_ISSUER or AUTH_AUDIENCE was set."""
    panels = tmp_path / "admin.token"
    more = ("--issuer", "https://auth.example", "--audience", "billing", "--admin-token", str(panels))
    async with running(tmp_path, *more) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/token", json={}) as response:
            persons = (await response.json())["access_token"]
        keys = StaticKeys.from_pem(str(tmp_path / "public.pem"))
        strict = TokenVerifier(keys, issuer="https://auth.example", audience="billing")
        assert (await strict.verify(f"Bearer {persons}")).user_id is not None
        assert (await strict.verify(f"Bearer {panels.read_text()}")).admin


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"user_id": "vera"}', b'{"admin": true}', b'{"ttl_s": true}', b'{"email": 5}']
)
async def test_it_says_what_is_wrong_with_a_request(tmp_path: Path, body: bytes) -> None:
    async with (
        running(tmp_path) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/token", data=body) as response,
    ):
        assert response.status == 422
        assert json.loads(await response.text())["error"]


def test_its_private_key_is_for_its_owner_only(tmp_path: Path) -> None:
    signing_key(tmp_path / "auth")
    assert stat.S_IMODE((tmp_path / "auth" / "private.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "auth").iterdir()) == ["private.pem", "public.pem"]


async def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    keys = await asyncio.gather(*(asyncio.to_thread(signing_key, tmp_path) for _ in range(4)))
    assert len(set(keys)) == 1
    token = issue_token(keys[0], sub=str(uuid4()))
    assert (await TokenVerifier(StaticKeys.from_pem(str(tmp_path / "public.pem"))).verify(f"Bearer {token}")).user_id
