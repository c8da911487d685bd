"""How the settings of a payment system are kept."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from uuid import UUID

from commands.world import World


def sealed_settings(settings: Mapping[str, str], registration_id: UUID, world: World) -> dict[str, str]:
    """A dump of the database tells no secret key."""
    return {
        name: b64encode(world.vault.seal(value.encode(), registration_id, registration_id)).decode()
        for name, value in settings.items()
    }
