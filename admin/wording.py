"""What the panel says, in the reader's language.

English stands in the code, Russian beside it in russian.py; a plain dictionary needs no compiled catalogue. What is
missing there is said in English; a test finds it before a reader does.
"""

from __future__ import annotations

from django.utils.functional import lazystr
from django.utils.translation import get_language

from admin.russian import RUSSIAN


class _Said:
    """A phrase that chooses its language when it is shown, not when the module is loaded."""

    def __init__(self, english: str) -> None:
        self._english = english

    def __str__(self) -> str:
        return said(self._english)


def said(english: str) -> str:
    """In the language of this request."""
    return RUSSIAN.get(english, english) if (get_language() or "ru").startswith("ru") else english


def say(english: str) -> str:
    """For names that are given once and shown later, such as those of models and fields."""
    return lazystr(_Said(english))
