"""A notification is a hint from a documented address; anything else is nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.payment_system import NotANotificationError, Notification, NotificationKind
from infrastructure.payment_systems.notification import read_notification
from infrastructure.payment_systems.yookassa.senders import is_sender


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("payment.succeeded", NotificationKind.PAYMENT),
        ("payment.canceled", NotificationKind.PAYMENT),
        ("payment.waiting_for_capture", NotificationKind.PAYMENT),
        ("refund.succeeded", NotificationKind.REFUND),
        ("payment_method.active", NotificationKind.METHOD),
    ],
)
def test_a_notification_points_at_an_object(event: str, kind: NotificationKind) -> None:
    body = json.dumps({"type": "notification", "event": event, "object": {"id": "22d6d597", "status": "x"}})
    assert read_notification(body.encode()) == Notification(kind, event, "22d6d597")


@pytest.mark.parametrize(
    "content",
    [
        [],
        None,
        {"type": "notification"},
        {"type": "list", "event": "payment.succeeded", "object": {"id": "1"}},
        {"type": "notification", "event": "deal.closed", "object": {"id": "1"}},
        {"type": "notification", "event": "payment.succeeded\n", "object": {"id": "1"}},
        {"type": "notification", "event": ["payment.succeeded"], "object": {"id": "1"}},
        {"type": "notification", "event": "payment.succeeded", "object": "1"},
        {"type": "notification", "event": "payment.succeeded", "object": {"id": 1}},
        {"type": "notification", "event": "payment.succeeded", "object": {"id": "../refunds/1"}},
        {"type": "notification", "event": "payment.succeeded", "object": {"id": ""}},
        {"type": "notification", "event": "payment.succeeded", "object": {"id": "1" * 65}},
    ],
)
def test_anything_else_is_no_notification(content: object) -> None:
    with pytest.raises(NotANotificationError):
        read_notification(json.dumps(content).encode())


@given(st.binary(max_size=100) | st.just(b"[" * 100_000) | st.just(b'"\\ud800"'))
@settings(deadline=None)
def test_no_body_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(NotANotificationError):
        read_notification(body)


@pytest.mark.parametrize(
    "address",
    [
        "185.71.76.0",
        "185.71.76.31",
        "185.71.77.5",
        "77.75.153.127",
        "77.75.154.128",
        "77.75.156.11",
        "77.75.156.35",
        "2a02:5180::1",
        "2a02:5180:0:1509::7",
        "2A02:5180:ffff::",
        "::ffff:185.71.76.1",
        "::ffff:b947:4c01",
    ],
)
def test_documented_addresses_may_notify(address: str) -> None:
    assert is_sender(address)


@pytest.mark.parametrize(
    "address",
    [
        "185.71.76.32",
        "185.71.77.32",
        "77.75.153.128",
        "77.75.154.127",
        "77.75.156.12",
        "127.0.0.1",
        "2a02:5181::1",
        "::ffff:127.0.0.1",
        "::185.71.76.1",
        "2a02:5180::1%eth0",
        "185.71.76.1, 10.0.0.1",
        " 185.71.76.1",
        "185.71.76.1:443",
        "185.71.76",
        "3108457473",
        "unknown",
        "",
        "\x00",
    ],
)
def test_no_other_address_may(address: str) -> None:
    assert not is_sender(address)
