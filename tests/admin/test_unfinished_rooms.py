"""What a list or a filter of the panel has to say is missed when the panel starts, not when somebody opens it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.architecture.checkout import CHECKOUT

_SET_UP = "import django; django.setup(); from django.contrib import admin; from admin.models import Payment\n"
_ROOM = """
from admin.room import Room
class Bare(Room): pass
admin.AdminSite().register(Payment, Bare)
"""
_SPAN = """
from admin.filters import _Span
class Bare(_Span): title = names = column = ""
Bare(None, {}, Payment, None)
"""


@pytest.mark.parametrize(("written", "missing"), [(_ROOM, "facts"), (_SPAN, "read")], ids=["room", "filter"])
def test_a_room_or_a_filter_that_leaves_out_what_it_has_to_say_cannot_be_made(written: str, missing: str) -> None:
    """It was an error on the page of whoever opened it."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.admin.typed"}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _SET_UP + written],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "TypeError: Can't instantiate abstract class Bare" in done.stderr
    assert f"abstract method {missing}" in done.stderr
