"""What people and the auth service are shown, compared with what the auditor knows they have paid for."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from tests.simulation.asgi import ask
from tests.simulation.auditor import Auditor
from tests.simulation.service import Stage, outside


async def compare_what_is_shown(stage: Stage, auditor: Auditor, desk: str, tokens: dict[UUID, str]) -> None:
    """Redis' active subscriptions and the person's history, of everyone whom something happened to since the last."""
    users, auditor.touched_users = list(auditor.touched_users), {}
    for user_id in users:
        async with outside():
            path = f"/internal/v1/users/{user_id}/active-subscriptions"
            access = await ask(stage.app, "GET", path, {"Authorization": f"Bearer {desk}"})
            path = "/v1/payments?limit=100"
            history = await ask(stage.app, "GET", path, {"Authorization": f"Bearer {tokens[user_id]}"})
        if access.status != 200 or history.status != 200:
            auditor.findings.wrong.append(f"queries answered {access.status} and {history.status}")
            continue
        shown = {UUID(one["id"]): datetime.fromisoformat(one["ends_at"]) for one in access.json()["subscriptions"]}
        auditor.compare_access(user_id, shown, stage.clock.now().astimezone(UTC))
        paid = {
            UUID(one["id"]): (one["status"], one["amount"]["value"], one["refunded"]["value"])
            for one in history.json()["items"]
        }
        auditor.compare_history(user_id, paid, complete=history.json()["next_cursor"] is None)
