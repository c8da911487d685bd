"""The persons that the local auth service knows: one file each, so that the command line can add some beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

FIELDS = ("email", "name", "locale", "zoneinfo")


class People:
    """Reads and writes `DIR/people/<last two digits>/<id>.json`; a write is whole or not there."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "people"

    def get(self, user_id: UUID) -> dict[str, Any]:
        """`{id, email, name, locale, zoneinfo}` of anybody: somebody never seen is made up and kept."""
        try:
            known: dict[str, Any] = json.loads(self._path(user_id).read_text("utf-8"))
        except FileNotFoundError:
            return self.change(user_id, {})
        return known

    def change(self, user_id: UUID, changes: dict[str, Any]) -> dict[str, Any]:
        """Set the fields that are named, and answer with the person as known then."""
        path = self._path(user_id)
        try:
            known = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            known = _made_up(user_id)
        person: dict[str, Any] = {**known, **changes}
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{uuid4().hex}")
        draft.write_text(json.dumps(person, ensure_ascii=False), "utf-8")
        draft.replace(path)
        return person

    def _path(self, user_id: UUID) -> Path:
        return self._folder / str(user_id)[-2:] / f"{user_id}.json"


def _made_up(user_id: UUID) -> dict[str, Any]:
    return {
        "id": str(user_id),
        "email": f"viewer-{user_id.hex[-12:]}@example.org",
        "name": f"Зритель {user_id.hex[-4:]}",
        "locale": "ru",
        "zoneinfo": "Europe/Moscow",
    }
