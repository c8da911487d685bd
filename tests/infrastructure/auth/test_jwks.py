"""Keys published by auth: fetched when needed, kept through its outages, and never by the caller's wish."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from infrastructure.auth.errors import InvalidToken, KeysUnavailable
from infrastructure.auth.jwks import JwksKeys, Patience, read_jwks
from infrastructure.auth.tokens import TokenVerifier
from tests.infrastructure.auth import forge


class Publisher:
    """An auth service's JWKS address that does as the test says."""

    def __init__(self) -> None:
        self.body: bytes = b""
        self.status = 200
        self.fetches = 0
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def publish(self, *entries: Any) -> None:
        self.body = json.dumps({"keys": list(entries)}).encode()

    async def answer(self, _: web.Request) -> web.Response:
        self.fetches += 1
        self.asked.set()
        await self.go_on.wait()
        return web.Response(body=self.body, status=self.status, content_type="application/json")


@pytest.fixture
async def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
async def url(publisher: Publisher) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/jwks.json", publisher.answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/jwks.json"))
    publisher.go_on.set()
    await server.close()


EAGER = Patience(interval=0, retry=0)


async def believes(verifier: TokenVerifier, token: str) -> bool:
    try:
        await verifier.verify(f"Bearer {token}")
    except InvalidToken:
        return False
    return True


async def test_a_token_is_checked_with_the_key_of_its_kid(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.OTHER_KEY, "old"), forge.jwk(forge.KEY, "new"))
    verifier = TokenVerifier(JwksKeys(url))
    assert await believes(verifier, forge.token(header={"kid": "new"}))
    assert not await believes(verifier, forge.token(header={"kid": "old"}))
    assert await believes(verifier, forge.token())
    assert publisher.fetches == 1


async def test_a_new_key_is_learned_from_the_first_token_that_it_signed(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.OTHER_KEY, "old"))
    verifier = TokenVerifier(JwksKeys(url, EAGER))
    assert await believes(verifier, forge.token(key=forge.OTHER_KEY, header={"kid": "old"}))
    publisher.publish(forge.jwk(forge.KEY, "new"))
    assert await believes(verifier, forge.token(header={"kid": "new"}))
    assert not await believes(verifier, forge.token(key=forge.OTHER_KEY, header={"kid": "old"}))


async def test_a_key_without_a_name_that_was_replaced_is_learned_too(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.OTHER_KEY))
    verifier = TokenVerifier(JwksKeys(url, EAGER))
    assert await believes(verifier, forge.token(key=forge.OTHER_KEY))
    publisher.publish(forge.jwk(forge.KEY))
    assert await believes(verifier, forge.token())


async def test_tokens_under_made_up_kids_do_not_make_us_ask_each_time(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.KEY, "new"))
    verifier = TokenVerifier(JwksKeys(url, Patience(interval=60, at_once=3)))
    for number in range(50):
        assert not await believes(verifier, forge.token(header={"kid": f"made-up-{number}"}))
    assert publisher.fetches == 1 + 3


async def test_a_key_published_a_moment_after_the_keys_were_fetched_is_learned_at_once(
    publisher: Publisher, url: str
) -> None:
    """A token under it was answered 401 for ten seconds: nobody asks twice within an interval."""
    publisher.publish(forge.jwk(forge.OTHER_KEY, "old"))
    verifier = TokenVerifier(JwksKeys(url))
    assert await believes(verifier, forge.token(key=forge.OTHER_KEY, header={"kid": "old"}))
    publisher.publish(forge.jwk(forge.OTHER_KEY, "old"), forge.jwk(forge.KEY, "new"))
    assert await believes(verifier, forge.token(header={"kid": "new"}))
    publisher.publish(forge.jwk(forge.KEY, "newer"))
    assert await believes(verifier, forge.token(header={"kid": "newer"}))


async def test_wrong_signatures_under_a_known_kid_never_make_us_ask(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.KEY, "new"))
    verifier = TokenVerifier(JwksKeys(url, EAGER))
    for _ in range(5):
        assert not await believes(verifier, forge.token(key=forge.OTHER_KEY, header={"kid": "new"}))
    assert publisher.fetches == 1


async def test_a_crowd_at_the_start_shares_one_fetch(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.KEY, "new"))
    publisher.go_on.clear()
    verifier = TokenVerifier(JwksKeys(url))
    token = forge.token(header={"kid": "new"})
    crowd = [asyncio.create_task(believes(verifier, token)) for _ in range(100)]
    await publisher.asked.wait()
    crowd[0].cancel()  # the one who started the fetch hangs up
    publisher.go_on.set()
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True] * 99
    assert publisher.fetches == 1


async def test_keys_that_never_could_be_fetched_are_no_fault_of_the_caller(publisher: Publisher, url: str) -> None:
    publisher.status = 500
    verifier = TokenVerifier(JwksKeys(url, Patience(retry=60)))
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await verifier.verify(f"Bearer {forge.token()}")
    assert publisher.fetches == 1


async def test_an_address_where_nobody_listens_is_no_fault_of_the_caller() -> None:
    with pytest.raises(KeysUnavailable):
        await TokenVerifier(JwksKeys("http://127.0.0.1:1/jwks")).verify(f"Bearer {forge.token()}")


async def test_an_auth_service_that_hangs_is_waited_for_no_longer_than_the_deadline(
    publisher: Publisher, url: str
) -> None:
    publisher.go_on.clear()
    async with asyncio.timeout(2):
        with pytest.raises(KeysUnavailable):
            await TokenVerifier(JwksKeys(url, Patience(deadline=0.1))).verify(f"Bearer {forge.token()}")


async def test_known_keys_outlive_an_outage_for_a_while(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.KEY, "new"))
    keys = JwksKeys(url, Patience(interval=0, fresh=0))
    verifier = TokenVerifier(keys)
    token = forge.token(header={"kid": "new"})
    assert await believes(verifier, token)
    for status, body in ((503, b""), (200, b"<html>"), (200, b'{"keys": []}'), (302, b"")):
        publisher.status, publisher.body = status, body
        assert await believes(verifier, token)
        assert await believes(verifier, forge.token(header={"kid": "new"}, jti=status))
    with pytest.raises(KeysUnavailable):  # signed by a key of which we can't know
        await verifier.verify(f"Bearer {forge.token(header={'kid': 'newer'})}")
    await verifier.close()


async def test_known_keys_are_given_up_when_the_outage_lasts_too_long(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.KEY, "new"))
    verifier = TokenVerifier(JwksKeys(url, Patience(interval=0, retry=0, stale=0)))
    token = forge.token(header={"kid": "new"})
    assert await believes(verifier, token)
    publisher.status = 503
    with pytest.raises(KeysUnavailable):
        await verifier.verify(f"Bearer {token}")


async def test_a_withdrawn_key_is_not_believed_though_its_token_was(publisher: Publisher, url: str) -> None:
    publisher.publish(forge.jwk(forge.KEY, "leaked"))
    verifier = TokenVerifier(JwksKeys(url, Patience(interval=0, fresh=0)))
    token = forge.token(header={"kid": "leaked"})
    assert await believes(verifier, token)
    publisher.publish(forge.jwk(forge.OTHER_KEY, "good"))
    # Long unasked, so the refresh is waited for rather than done behind the caller's back.
    assert not await believes(verifier, token)


async def test_five_megabytes_are_not_read(publisher: Publisher, url: str) -> None:
    publisher.body = json.dumps({"keys": [forge.jwk(forge.KEY, "new")], "x": "x" * 5_000_000}).encode()
    with pytest.raises(KeysUnavailable):
        await TokenVerifier(JwksKeys(url)).verify(f"Bearer {forge.token()}")


GARBAGE = {
    "nothing": b"",
    "a page": b"<html></html>",
    "a list": b"[]",
    "no keys": b"{}",
    "keys no list": b'{"keys": {"kid": "a"}}',
    "keys of odd kinds": b'{"keys": [1, null, "a", [], {}]}',
    "twice the name": b'{"keys": [], "keys": []}',
    "a thousand keys": json.dumps({"keys": [forge.jwk(forge.KEY, str(n)) for n in range(1000)]}).encode(),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_set_of_keys(body: bytes) -> None:
    with pytest.raises(ValueError, match="."):  # noqa: RUF043 - any message
        read_jwks(body)


OTHERS: dict[str, dict[str, Any]] = {
    "for encryption": {"use": "enc"},
    "for another algorithm": {"alg": "RS512"},
    "for HMAC": {"kty": "oct", "k": "AAAA"},
    "elliptic": {"kty": "EC"},
    "for signing only": {"key_ops": ["sign"]},
    "with a kid that is no string": {"kid": 7},
    "private": {"d": "AAAA"},
    "too small": {"n": "AQAB"},
    "with an exponent of one": {"e": "AQ"},
    "with an even exponent": {"e": "Ag"},
    "with an exponent without end": {"e": "A" * 400 + "B"},
    "with a modulus without end": {"n": "_" * 4000},
    "with a number for a modulus": {"n": 5},
    "with padding": {"e": "AQAB=="},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_keys_that_are_not_for_checking_rs256_are_passed_over(changes: dict[str, Any]) -> None:
    entry = {**forge.jwk(forge.OTHER_KEY, "odd"), **changes}
    good = forge.jwk(forge.KEY, "good")
    assert [key.kid for key in read_jwks(json.dumps({"keys": [entry, good]}).encode())] == ["good"]
