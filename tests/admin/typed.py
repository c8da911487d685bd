"""Django's settings where nobody runs it: the type checker reads the models through them."""

from __future__ import annotations

import os

os.environ.setdefault("BILLING_DATABASE_URL", "postgresql://nobody@127.0.0.1/nothing")
os.environ.setdefault("BILLING_ADMIN_SECRET_KEY", "nothing is signed while types are checked")

from admin.django_settings import *  # noqa: F403 - what it needs had to be set first
