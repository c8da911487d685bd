"""What people and the auth service are shown, compared with what the auditor knows they have paid for."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from tests.simulation.asgi import ask
from tests.simulation.auditor import Auditor
from tests.simulation.service import Stage, outside


async def compare_what_is_shown(stage: Stage, auditor: Auditor, desk: str, tokens: dict[UUID, str]) -> None:
    """Redis' active subscriptions of everyone whom something happened to since the last time; some's history."""
    users, auditor.touched_users = list(auditor.touched_users), {}
    now = stage.clock.now()
    for user_id in users:
        async with outside():
            path = f"/internal/v1/users/{user_id}/active-subscriptions"
            access = await ask(stage.app, "GET", path, {"Authorization": f"Bearer {desk}"})
        if access.status != 200:
            auditor.findings.wrong.append(f"the query of active subscriptions answered {access.status}")
            continue
        shown = {UUID(one["id"]): datetime.fromisoformat(one["ends_at"]) for one in access.json()["subscriptions"]}
        auditor.compare_access(user_id, shown, now.astimezone(UTC))
        if stage.turns.chance.draw(f"{user_id} reads their history at {now}") < 0.3:
            await _compare_history(stage, auditor, user_id, tokens[user_id])


async def _compare_history(stage: Stage, auditor: Auditor, user_id: UUID, token: str) -> None:
    async with outside():
        history = await ask(stage.app, "GET", "/v1/payments?limit=100", {"Authorization": f"Bearer {token}"})
    if history.status != 200:
        auditor.findings.wrong.append(f"the query of payments answered {history.status}")
        return
    paid = {
        UUID(one["id"]): (one["status"], one["amount"]["value"], one["refunded"]["value"])
        for one in history.json()["items"]
    }
    auditor.compare_history(user_id, paid, complete=history.json()["next_cursor"] is None)
