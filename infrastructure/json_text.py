"""JSON as it leaves the service: compact, UTF-8, Cyrillic as itself."""

from __future__ import annotations

import json
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dump(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()
