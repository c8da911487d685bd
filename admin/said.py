"""What templates need of the panel: its wording, and the way it shows things."""

from __future__ import annotations

from django import template

from admin.wording import said

register = template.Library()

register.filter("said", said)
