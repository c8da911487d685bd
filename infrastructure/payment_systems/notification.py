"""Reads the `{type, event, object}` body in which YooKassa, and what imitates it, sends notifications."""

from __future__ import annotations

import json
import re

from domain.payment_system import NotANotificationError, Notification, NotificationKind

_EVENT = re.compile(r"(payment|refund|payment_method)\.[a-z_]{1,40}")
OBJECT_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""What an id of theirs may look like. It becomes part of a path, so nothing else gets through."""


def read_notification(body: bytes) -> Notification:
    """Body of a webhook → what it points at; raises NotANotificationError for anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise NotANotificationError("not JSON") from None
    if not isinstance(content, dict) or content.get("type") != "notification":
        raise NotANotificationError("not a notification")
    event = content.get("event")
    match = _EVENT.fullmatch(event) if isinstance(event, str) else None
    if match is None:
        raise NotANotificationError("an event that nothing here waits for")
    thing = content.get("object")
    object_id = thing.get("id") if isinstance(thing, dict) else None
    if not isinstance(object_id, str) or not OBJECT_ID.fullmatch(object_id):
        raise NotANotificationError("an object without a usable id")
    return Notification(NotificationKind(match[1]), match[0], object_id)
