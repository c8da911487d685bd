"""The panel's wording in Russian, by its English."""

RUSSIAN: dict[str, str] = {}
