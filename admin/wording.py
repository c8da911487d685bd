"""What the panel says, in the reader's language.

English stands in the code, Russian beside it in russian.py; a plain dictionary needs no compiled catalogue. The
service's codes have both in codes.py. What is missing is said as it stands; a test finds it before a reader does.
"""

from __future__ import annotations

from typing import cast

from django.utils.functional import lazystr
from django.utils.translation import get_language

from admin.advice import ADVICE
from admin.codes import CODES, FACTS, counted_in_russian
from admin.russian import RUSSIAN


class _Said:
    """A phrase that chooses its language when it is shown, not when the module is loaded."""

    def __init__(self, english: str) -> None:
        self._english = english

    def __str__(self) -> str:
        return said(self._english)


def in_russian() -> bool:
    """Whether this reader reads Russian."""
    return (get_language() or "ru").startswith("ru")


def said(english: str) -> str:
    """In the language of this request; also a code of the service."""
    if english in CODES:
        return CODES[english][in_russian()]
    return RUSSIAN.get(english, english) if in_russian() else english


def fact(name: str) -> str:
    """What a fact that was written down beside a case or an event is called."""
    return FACTS[name][in_russian()] if name in FACTS else said(name.replace("_", " "))


def advice(kind: str) -> str:
    """What a case of this kind means and what to do about it; empty for one that nobody has written about."""
    return ADVICE[kind][in_russian()] if kind in ADVICE else ""


def counted(number: int, unit: str) -> str:
    """`3 months`, `3 месяца`: so many days, weeks, months or years."""
    if in_russian():
        return counted_in_russian(number, unit)
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def say(english: str) -> str:
    """For names that are given once and shown later, such as those of models and fields."""
    return cast("str", lazystr(_Said(english)))
