"""A setting that can't be used stops the start with its name, before anything is begun."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from settings import SettingsError, load


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("redis_url", "redis://localhost:abc"),
        ("redis_url", "redis://localhost:6379/abc"),
        ("redis_url", "redis://"),
        ("elasticsearch_url", "http://localhost:abc"),
        ("elasticsearch_url", "http://"),
        ("smtp_url", "smtp://localhost:abc"),
        ("smtp_url", "smtp://"),
        ("mail_from", "nobody"),
        ("mail_from", "Cinema <billing at example.org>"),
        ("yookassa_api_url", "http://"),
        ("auth_jwks_url", "https://[::1"),
        ("public_url", "http://"),
        ("database_url", "postgresql://billing@localhost:abc/billing"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(name: str, given: str) -> None:
    """It was found out by a part that died later, in words that named no setting."""
    with pytest.raises(SettingsError, match=f"BILLING_{name.upper()}: ") as refused:
        load(**{name: given})
    assert "xpected" in str(refused.value) or "Invalid" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("redis_url", "redis://:pass%40word@[::1]:6379/0"),
        ("redis_url", "rediss://redis.example"),
        ("database_url", "postgresql:///billing?host=/run/postgresql"),
        ("database_url", "postgresql://a.example:5432,b.example:5433/billing?target_session_attrs=primary"),
        ("smtp_url", "smtp://user:word@mail.example:465"),
        ("mail_from", "Кино <billing@example.org>"),
        ("elasticsearch_url", "none"),
    ],
)
def test_an_address_of_an_unusual_form_is_taken(name: str, given: str) -> None:
    assert getattr(load(**{name: given}), name) == given


def test_links_lead_to_a_host_of_the_sixth_version_too() -> None:
    assert load(host="::1", port=8000).base_url == "http://[::1]:8000"
    assert load(host="::1", admin_port=8001).panel_url == "http://[::1]:8001"


def test_nobody_is_let_wait_for_a_payment_system_longer_than_those_who_ask_for_them_do() -> None:
    with pytest.raises(SettingsError, match="BILLING_PAYMENT_DEADLINE_S"):
        load(payment_deadline_s=16)


def test_all_that_production_lacks_is_named_at_once() -> None:
    """One setting was named at a start, and the next one at the next."""
    with pytest.raises(SettingsError) as refused:
        load(environment="production", clock="held", database_url="postgresql://db.example/billing")
    named = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert "BILLING_DATABASE_URL" not in named
    assert named == [
        "BILLING_REDIS_URL",
        "BILLING_ELASTICSEARCH_URL",
        "BILLING_YOOKASSA_API_URL",
        "BILLING_YOOKASSA_SHOP_ID",
        "BILLING_YOOKASSA_SECRET_KEY",
        "BILLING_SMTP_URL",
        "BILLING_CARD_KEYS",
        "BILLING_PUBLIC_URL",
        "BILLING_CLOCK",
        "BILLING_AUTH_PUBLIC_KEY or BILLING_AUTH_JWKS_URL",
        "BILLING_YOOKASSA_CHECK_SENDER",
    ]


def test_a_card_key_whose_id_is_too_long_is_named() -> None:
    """The API died of it with a page of its own insides."""
    with pytest.raises(SettingsError, match=r"BILLING_CARD_KEYS: .*32 bytes at most"):
        load(card_keys=f"{'k' * 33}:{b64encode(bytes(32)).decode()}")


def test_a_public_key_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of the stack work in the checkout, wherever they were started from."""
    monkeypatch.chdir(tmp_path)
    assert load(auth_public_key="keys/public.pem").auth_public_key == str(tmp_path / "keys" / "public.pem")
    pem = "-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----"
    assert load(auth_public_key=pem).auth_public_key == pem
