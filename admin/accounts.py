"""Accounts of administrators: Django's own pages, but for one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest

if TYPE_CHECKING:
    _Accounts = UserAdmin[User]
else:
    _Accounts = UserAdmin  # which takes no parameters when it runs

admin.site.unregister(User)


@admin.register(User)
class Accounts(_Accounts):
    """Nobody's account is deleted, for the log of what they did would go with it: it is made inactive."""

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False
