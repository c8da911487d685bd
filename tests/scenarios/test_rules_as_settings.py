"""The numbers of the rules are settings; whoever writes one wrong is told so at the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

import settings
from domain.rules import Rules
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for, start_of_story


@pytest.fixture(scope="module")
async def strict(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    """A cinema that gives little time."""
    private, public = key_pair()
    clock = Hands(start_of_story())
    with running(clock=clock) as yookassa:
        given = settings_for(database_url, valkey.url, yookassa, public)
        rules = {"grace": timedelta(hours=2), "retries": (timedelta(hours=1),), "full_refund": timedelta(hours=1)}
        cinema = await open_cinema(given.model_copy(update=rules), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)


async def test_what_is_set_holds(strict: Cinema) -> None:
    anna = await strict.person()
    sale = (await anna.subscribes("premium", "499.00")).json()
    await strict.time_passes(hours=2)
    preview = await anna.reads(f"/v1/subscriptions/{sale['subscription']['id']}/refund-preview")
    assert not preview["full"]

    await strict.yookassa.fault("create_payment", "decline", reason="insufficient_funds", times=None)
    await strict.time_passes(days=28)
    ends = (await strict.as_service("GET", f"/internal/v1/users/{anna.id}/active-subscriptions")).json()

    assert ends["subscriptions"] == []
    assert (await anna.subscription())["status"] == "expired"


def test_unset_they_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().rules == Rules()


def test_they_are_written_as_people_write_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_GRACE", "36h")
    monkeypatch.setenv("BILLING_RETRIES", "12h,1d12h,5d")
    monkeypatch.setenv("BILLING_LEAST_LEFT_AFTER_REFUND", "2.50")
    rules = settings.load().rules
    assert (rules.grace, rules.least_left_after_refund) == (timedelta(hours=36), 250)
    assert rules.retries == (timedelta(hours=12), timedelta(hours=36), timedelta(days=5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRACE", "three days"),
        ("REMINDER", "-1d"),
        ("FULL_REFUND", "7"),
        ("RETRIES", "3d,1d"),
        ("RETRIES", "1d,1d"),
        ("RETRIES", "1d,,2d"),
        ("FEW_RETRIES", "-1"),
        ("LEAST_LEFT_AFTER_REFUND", "1"),
    ],
)
def test_a_wrong_one_stops_the_start_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BILLING_{name}", value)
    with pytest.raises(settings.SettingsError, match=f"BILLING_{name}"):
        settings.load()
