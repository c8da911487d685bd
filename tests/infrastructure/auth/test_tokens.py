"""A token is believed only if auth signed it, with RS256, for now; everything else is refused with a reason."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from uuid import UUID

import pytest

from infrastructure.auth.errors import InvalidToken
from infrastructure.auth.keys import StaticKeys
from infrastructure.auth.tokens import TokenVerifier
from tests.infrastructure.auth import forge


def verifier(**options: Any) -> TokenVerifier:
    return TokenVerifier(StaticKeys.from_pem(forge.PUBLIC_PEM), **options)


async def refusal(token: str, **options: Any) -> str:
    with pytest.raises(InvalidToken) as caught:
        await verifier(**options).verify(f"Bearer {token}")
    return caught.value.reason


async def test_an_honest_users_token_tells_who_calls() -> None:
    token = forge.token(name="Вера", locale="en-US", zoneinfo="Asia/Tomsk", scope="openid profile")
    caller = await verifier().verify(f"Bearer {token}")
    assert caller.user_id == UUID(forge.USER)
    assert caller.subject == forge.USER
    assert (caller.email, caller.name) == ("vera@example.org", "Вера")
    assert (caller.locale, caller.zoneinfo) == ("en", "Asia/Tomsk")
    assert caller.scopes == {"openid", "profile"}
    assert not caller.internal
    assert "vera@example.org" not in repr(caller)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_written_in_any_case(scheme: str) -> None:
    assert (await verifier().verify(f"{scheme} {forge.token()}")).user_id


async def test_a_service_calls_under_any_name() -> None:
    caller = await verifier().verify(f"Bearer {forge.token(sub='cinema-gateway', scope='billing:internal')}")
    assert caller.subject == "cinema-gateway"
    assert caller.user_id is None
    assert caller.internal
    assert not caller.admin


async def test_an_administrators_scope_includes_the_services() -> None:
    caller = await verifier().verify(f"Bearer {forge.token(scope='billing:admin')}")
    assert caller.admin
    assert caller.internal


@pytest.mark.parametrize(
    "scope", ["billing:internalx", "Billing:Internal", "billing:internal,billing:admin", "billing", "internal"]
)
async def test_a_scope_that_only_looks_alike_gives_nothing(scope: str) -> None:
    assert not (await verifier().verify(f"Bearer {forge.token(scope=scope)}")).internal


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


async def test_a_token_whose_last_character_was_changed_is_another_token() -> None:
    """Four bits of it say nothing: sixteen spellings of one signature were believed."""
    token = forge.token()
    checked = verifier()
    for last in _ALPHABET:
        if last != token[-1]:
            with pytest.raises(InvalidToken):
                await checked.verify(f"Bearer {token[:-1]}{last}")
    assert (await checked.verify(f"Bearer {token}")).user_id is not None


NOW = int(time.time())
HONEST = forge.claims(exp=NOW + 3600)
OUR_HEADER = {"alg": "RS256", "typ": "JWT"}


def _with_header(**changes: Any) -> str:
    return forge.token(header=changes)


def _unsigned(header: dict[str, Any], signature: str = "") -> str:
    parts = [forge.b64(json.dumps(part).encode()) for part in (header, HONEST)]
    return ".".join([*parts, signature])


def _swapped_claims() -> str:
    head, _, signature = forge.token().split(".")
    return f"{head}.{forge.b64(json.dumps(forge.claims(scope='billing:admin')).encode())}.{signature}"


def _dumps(text: str) -> bytes:
    return text.replace("EXP", str(NOW + 3600)).replace("SUB", forge.USER).encode()


SIGNATURE_ATTACKS = {
    "no algorithm, no signature": _unsigned({"alg": "none"}),
    "no algorithm, some signature": _unsigned({"alg": "none"}, "AAAA"),
    "no algorithm in capitals": _unsigned({"alg": "NONE"}, "AAAA"),
    "no alg at all": forge.raw({"typ": "JWT"}, HONEST),
    "alg null": forge.raw({"alg": None}, HONEST),
    "alg in small letters": forge.raw({"alg": "rs256"}, HONEST),
    "alg a list": forge.raw({"alg": ["RS256"]}, HONEST),
    "alg an object": forge.raw({"alg": {"RS256": 1}}, HONEST),
    "RS384 by the right key": forge.raw({"alg": "RS384"}, HONEST, kind="RS384"),
    "the PEM as HMAC secret": forge.hmac_token(forge.PUBLIC_PEM.encode()),
    "the stripped PEM as HMAC secret": forge.hmac_token(forge.PUBLIC_PEM.strip().encode()),
    "the DER as HMAC secret": forge.hmac_token(forge.PUBLIC_DER),
    "HMAC that calls itself RS256": forge.hmac_token(forge.PUBLIC_PEM.encode(), "RS256"),
    "an empty HMAC secret": forge.hmac_token(b""),
    "a stranger's key": forge.token(key=forge.OTHER_KEY),
    "a stranger's key brought along as jwk": forge.token(
        key=forge.OTHER_KEY, header={"jwk": forge.jwk(forge.OTHER_KEY)}
    ),
    "a stranger's key at a jku": forge.token(key=forge.OTHER_KEY, header={"jku": "http://127.0.0.1:9/jwks"}),
    "a stranger's key at an x5u": forge.token(key=forge.OTHER_KEY, header={"x5u": "http://127.0.0.1:9/cert"}),
    "a stranger's key as x5c": forge.token(key=forge.OTHER_KEY, header={"x5c": [base64.b64encode(b"x").decode()]}),
    "claims swapped under a good signature": _swapped_claims(),
    "an empty signature": forge.token().rpartition(".")[0] + ".",
    "a cut signature": forge.token()[:-8],
    "a signature of zeros": forge.token().rpartition(".")[0] + "." + "A" * 342,
    "an unknown critical extension": _with_header(crit=["exp2"], exp2=1),
    "an empty list of critical extensions": _with_header(crit=[]),
    "an unencoded payload": _with_header(crit=["b64"], b64=False),
    "another kind of token": _with_header(typ="logout+jwt"),
    "a kind that is no string": _with_header(typ=7),
    "kid a number": _with_header(kid=1),
    "kid a path": _with_header(kid="../" * 200),
}

FORM_ATTACKS = {
    "no token": "",
    "one part": "abc",
    "two parts": "abc.def",
    "four parts": forge.token() + ".abc",
    "five parts, as if encrypted": "a.b.c.d.e",
    "padding": forge.token() + "=",
    "standard base64": "a+b/." + forge.token().split(".", 1)[1],
    "spaces inside": forge.token().replace(".", " .", 1),
    "a line break at the end": forge.token() + "\n",
    "two tokens": forge.token() + ", Bearer " + forge.token(),
    "letters beyond ASCII": forge.token() + "é",
    "impossible length of base64": "A." + forge.token().split(".", 1)[1],
    "header not JSON": forge.raw(b"{", HONEST),
    "header a list": forge.raw(b'["RS256"]', HONEST),
    "header in UTF-16": forge.raw(json.dumps(OUR_HEADER).encode("utf-16"), HONEST),
    "alg given twice": forge.raw(b'{"alg":"none","alg":"RS256"}', HONEST),
    "claims a list": forge.raw(OUR_HEADER, b"[]"),
    "claims a string": forge.raw(OUR_HEADER, b'"sub"'),
    "claims not UTF-8": forge.raw(OUR_HEADER, b'{"sub":"\xff"}'),
    "claims with a mark in front": forge.raw(OUR_HEADER, b"\xef\xbb\xbf" + json.dumps(HONEST).encode()),
    "sub given twice": forge.raw(OUR_HEADER, _dumps('{"sub":"SUB","sub":"SUB","exp":EXP}')),
    "exp given twice": forge.raw(OUR_HEADER, _dumps('{"sub":"SUB","exp":1,"exp":EXP}')),
    "nested a thousand deep": forge.raw(OUR_HEADER, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "a number of five thousand digits": forge.raw(OUR_HEADER, b'{"exp":' + b"9" * 5000 + b"}"),
    "larger than any header": forge.token(padding="x" * 16_384),
}

TIME_ATTACKS = {
    "no exp": {"exp": ...},
    "exp null": {"exp": None},
    "exp a string": {"exp": str(NOW + 3600)},
    "exp true": {"exp": True},
    "exp a list": {"exp": [NOW + 3600]},
    "exp negative": {"exp": -1},
    "exp zero": {"exp": 0},
    "exp beyond the year 9999": {"exp": 253_402_300_800},
    "exp in milliseconds": {"exp": (NOW + 3600) * 1000},
    "exp 10^300": {"exp": 1e300},
    "exp past": {"exp": NOW - 31},
    "nbf null": {"nbf": None},
    "nbf a string": {"nbf": str(NOW)},
    "nbf false": {"nbf": False},
    "nbf negative": {"nbf": -5},
    "nbf in the far future": {"nbf": 253_402_300_800},
    "nbf in an hour": {"nbf": NOW + 3600},
}

CLAIM_ATTACKS = {
    "no sub": {"sub": ...},
    "sub null": {"sub": None},
    "sub empty": {"sub": ""},
    "sub a number": {"sub": 1},
    "sub a list": {"sub": [forge.USER]},
    "a user under a name": {"sub": "vera"},
    "a UUID in braces": {"sub": "{" + forge.USER + "}"},
    "a UUID as URN": {"sub": "urn:uuid:" + forge.USER},
    "a UUID with a line break": {"sub": forge.USER + "\n"},
    "a UUID in other digits": {"sub": "٠" + forge.USER[1:]},
    "a service with a line break": {"sub": "cinema\r\nX: 1", "scope": "billing:internal"},
    "a service with NUL": {"sub": "cinema\x00", "scope": "billing:internal"},
    "a service with half a character": {"sub": "cinema\ud800", "scope": "billing:internal"},
    "a service with a name without end": {"sub": "c" * 256, "scope": "billing:internal"},
    "scope a list": {"scope": ["billing:admin"]},
    "scope an object": {"scope": {"billing:admin": True}},
    "scope with line breaks": {"scope": "openid\nbilling:admin"},
    "scope with other spaces": {"scope": "openid\u00a0billing:admin"},
    "iss a list": {"iss": ["auth"]},
    "aud a number": {"aud": 5},
    "aud a list of numbers": {"aud": [5]},
}


@pytest.mark.parametrize("token", SIGNATURE_ATTACKS.values(), ids=SIGNATURE_ATTACKS)
async def test_a_token_that_auth_did_not_sign_is_refused(token: str) -> None:
    reason = await refusal(token)
    assert token not in reason


@pytest.mark.parametrize("token", FORM_ATTACKS.values(), ids=FORM_ATTACKS)
async def test_a_token_of_an_odd_form_is_refused(token: str) -> None:
    await refusal(token)


@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
async def test_a_header_nested_however_deep_is_refused(opens: bytes, closes: bytes) -> None:
    """What one reader of the header can still read, the next one, which stands deeper on the stack, may not."""
    ours, claims = verifier(), forge.b64(json.dumps(HONEST).encode())
    for depth in range(1, 1100):
        header = b'{"alg":"RS256","a":' + opens * depth + b"1" + closes * depth + b"}"
        with pytest.raises(InvalidToken):
            await ours.verify(f"Bearer {forge.b64(header)}.{claims}.AAAA")


async def test_a_header_that_shows_the_certificates_of_its_key_is_no_obstacle() -> None:
    header = {"x5c": ["MIIB", "MIIC"], "jwk": forge.jwk(forge.OTHER_KEY, x5c=["MIIB"])}
    assert (await verifier().verify(f"Bearer {forge.token(header=header)}")).user_id


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", '"NaN"', "{}", "1e"])
@pytest.mark.parametrize("claim", ["exp", "nbf"])
async def test_a_time_that_is_no_number_is_refused(claim: str, literal: str) -> None:
    other = {"exp": '"nbf":0', "nbf": '"exp":EXP'}[claim]
    await refusal(forge.raw(OUR_HEADER, _dumps(f'{{"sub":"SUB",{other},"{claim}":{literal}}}')))


@pytest.mark.parametrize("changes", TIME_ATTACKS.values(), ids=TIME_ATTACKS)
async def test_a_token_outside_its_time_is_refused_though_signed(changes: dict[str, Any]) -> None:
    await refusal(forge.token(**{"exp": NOW + 3600, **changes}))


@pytest.mark.parametrize("changes", CLAIM_ATTACKS.values(), ids=CLAIM_ATTACKS)
async def test_a_token_with_odd_claims_is_refused_though_signed(changes: dict[str, Any]) -> None:
    await refusal(forge.token(**changes))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpw", "Token abc", forge.token()])
async def test_a_header_without_a_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(header)


async def test_thirty_seconds_of_disagreement_between_clocks_are_forgiven() -> None:
    now = int(time.time())
    assert (await verifier().verify(f"Bearer {forge.token(exp=now - 20)}")).user_id
    assert (await verifier().verify(f"Bearer {forge.token(nbf=now + 20)}")).user_id
    assert await refusal(forge.token(exp=now - 31)) == "the token has expired"
    assert await refusal(forge.token(nbf=now + 40)) == "the token is not valid yet"


async def test_times_may_have_fractions() -> None:
    assert (await verifier().verify(f"Bearer {forge.token(exp=time.time() + 10.5, nbf=time.time() - 0.5)}")).user_id


async def test_only_the_issuer_that_was_configured_is_believed() -> None:
    good = forge.token(iss="https://auth.example.org")
    assert (await verifier(issuer="https://auth.example.org").verify(f"Bearer {good}")).user_id
    for other in (forge.token(), forge.token(iss="https://auth.example.org/"), forge.token(iss="")):
        assert await refusal(other, issuer="https://auth.example.org") == "the token is from another issuer"


async def test_only_tokens_for_the_audience_that_was_configured_are_believed() -> None:
    for audience in ("billing", ["cinema", "billing"]):
        assert (await verifier(audience="billing").verify(f"Bearer {forge.token(aud=audience)}")).user_id
    for other in (forge.token(), forge.token(aud="billing2"), forge.token(aud=["cinema"]), forge.token(aud=[])):
        assert await refusal(other, audience="billing") == "the token is for another audience"


async def test_a_remembered_token_still_expires_with_the_systems_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = verifier()
    token = forge.token(exp=int(time.time()) + 60, nbf=int(time.time()) - 60)
    assert (await ours.verify(f"Bearer {token}")).user_id
    present = time.time()
    monkeypatch.setattr(time, "time", lambda: present + 91)
    with pytest.raises(InvalidToken, match="expired"):
        await ours.verify(f"Bearer {token}")
    monkeypatch.setattr(time, "time", lambda: present - 120)
    with pytest.raises(InvalidToken, match="not valid yet"):
        await ours.verify(f"Bearer {token}")
    monkeypatch.undo()
    assert (await ours.verify(f"Bearer {token}")).user_id


async def test_memory_of_tokens_is_bounded_and_forgeries_do_not_enter_it() -> None:
    ours = verifier(remembered=3)
    for number in range(10):
        await ours.verify(f"Bearer {forge.token(jti=number)}")
        with pytest.raises(InvalidToken):
            await ours.verify(f"Bearer {forge.token(key=forge.OTHER_KEY)}")
    assert len(ours._believed) == 3


async def test_odd_words_about_the_person_are_left_out_and_lock_nobody_out() -> None:
    odd: dict[str, Any] = {"email": "a@b\r\nBcc: c@d", "name": "x\x00", "locale": 5, "zoneinfo": "../../etc/passwd"}
    caller = await verifier().verify(f"Bearer {forge.token(**odd)}")
    assert (caller.email, caller.name, caller.locale, caller.zoneinfo) == (None, None, None, None)
