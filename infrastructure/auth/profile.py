"""What auth says about a person, made fit for letters, rows and calendars.

None of these words decides who may do what, so an unusable one is left out rather than refused:
a person with an odd name in the profile can still cancel a subscription.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from zoneinfo import available_timezones

LOCALES = ("ru", "en")
DEFAULT_LOCALE = "ru"

_MAX_EMAIL = 254  # RFC 5321, 4.5.3.1
_MAX_NAME = 200
_EMAIL = re.compile(r'[^\s@<>()\[\]\\,;:"]{1,64}@[^\s@<>()\[\]\\,;:"]{1,253}')
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def read_email(value: object) -> str | None:
    """An address that can stand in a header as it is, or None."""
    if not isinstance(value, str) or len(value) > _MAX_EMAIL or not _EMAIL.fullmatch(value) or "=?" in value:
        return None  # `=?…?=` is a word in code, which mail programs, and Python's own headers, read as other text
    return value if _is_clean(value) else None


def read_name(value: object) -> str | None:
    """A name of one line, at most 200 characters, or None."""
    if not isinstance(value, str):
        return None
    name = value.strip()
    return name if 0 < len(name) <= _MAX_NAME and _is_clean(name) else None


def read_locale(value: object) -> str | None:
    """`ru` or `en` from any language tag (`en-US`, `ru_RU`), `ru` for another language; None where none is named."""
    if not isinstance(value, str) or not value.strip():
        return None
    language = re.split(r"[-_.]", value.strip().lower(), maxsplit=1)[0]
    return language if language in LOCALES else DEFAULT_LOCALE


def read_zone(value: object) -> str | None:
    """The name of a zone in the IANA database, exactly as it is spelled there, or None."""
    return value if isinstance(value, str) and value in _zones() else None


@cache
def _zones() -> frozenset[str]:
    # Membership, and not ZoneInfo(value): that would open files named by a token.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _is_clean(text: str) -> bool:
    return not any(unicodedata.category(char) in _UNPRINTABLE or char in _BIDI_CONTROLS for char in text)
